// SPDX-License-Identifier: Apache-2.0

#include "api/unserved.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "api/query_protocol.h"

namespace dormouse::api {
namespace {

using testing::HasSubstr;

TEST(UnservedTest, NamesTheVariableOfTheService) {
  EXPECT_EQ(endpoint_variable("dynamodb"), "AWS_ENDPOINT_URL_DYNAMODB");
  EXPECT_EQ(endpoint_variable("logs"), "AWS_ENDPOINT_URL_CLOUDWATCH_LOGS");
  EXPECT_EQ(endpoint_variable("states"), "AWS_ENDPOINT_URL_SFN");
  EXPECT_EQ(endpoint_variable("some-thing"), "AWS_ENDPOINT_URL_SOME_THING");
}

TEST(UnservedTest, AnswersJsonClientsInJson) {
  const net::Response response =
      answer_unserved("dynamodb", "us-east-1", {{"Content-Type", "application/x-amz-json-1.0"}}, "id");
  EXPECT_EQ(response.status, 501);
  EXPECT_EQ(response.headers.find("Content-Type"), "application/x-amz-json-1.0");
  EXPECT_EQ(
      std::get<std::string>(response.body),
      R"({"__type":"ServiceNotServed","message":"Dormouse does not serve 'dynamodb'. Set AWS_ENDPOINT_URL_DYNAMODB to )"
      R"(an endpoint that does, such as https://dynamodb.us-east-1.amazonaws.com, or point only the services of )"
      R"(Dormouse here, as `dormouse env` prints them."})");
}

TEST(UnservedTest, AnswersQueryClientsInXml) {
  const net::Response response = answer_unserved(
      "sqs", "us-east-1", {{"content-type", "application/x-www-form-urlencoded; charset=utf-8"}}, "id-1");
  EXPECT_EQ(response.status, 501);
  const std::string body = std::get<std::string>(response.body);
  EXPECT_THAT(body, HasSubstr("<Code>ServiceNotServed</Code>"));
  EXPECT_THAT(body, HasSubstr("Set AWS_ENDPOINT_URL_SQS to an endpoint"));
  EXPECT_THAT(body, HasSubstr("<RequestId>id-1</RequestId>"));
}

TEST(StsTest, SaysWhoTheCallerIs) {
  const net::Response response =
      answer_sts({"", "Action=GetCallerIdentity&Version=2011-06-15", "123456789012", "id-1"});
  EXPECT_EQ(response.status, 200);
  EXPECT_EQ(std::get<std::string>(response.body),
            "<GetCallerIdentityResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\">\n"
            "  <GetCallerIdentityResult>\n"
            "    <Arn>arn:aws:iam::123456789012:root</Arn>\n"
            "    <UserId>123456789012</UserId>\n"
            "    <Account>123456789012</Account>\n"
            "  </GetCallerIdentityResult>\n"
            "  <ResponseMetadata>\n"
            "    <RequestId>id-1</RequestId>\n"
            "  </ResponseMetadata>\n"
            "</GetCallerIdentityResponse>\n");
}

TEST(StsTest, TakesTheActionFromTheQueryToo) {
  EXPECT_EQ(answer_sts({"Action=GetCallerIdentity", "", "1", "id"}).status, 200);
}

TEST(StsTest, RefusesOtherActions) {
  const net::Response later = answer_sts({"", "Action=AssumeRole", "1", "id"});
  EXPECT_EQ(later.status, 501);
  EXPECT_THAT(std::get<std::string>(later.body), HasSubstr("<Message>AssumeRole is not available yet</Message>"));
  const net::Response unknown = answer_sts({"", "Action=%3Cb%3E", "1", "id"});
  EXPECT_EQ(unknown.status, 400);
  EXPECT_THAT(std::get<std::string>(unknown.body), HasSubstr("'&lt;b&gt;'"));
}

}  // namespace
}  // namespace dormouse::api
