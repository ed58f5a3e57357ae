// SPDX-License-Identifier: Apache-2.0

#include "api/unserved.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

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

}  // namespace
}  // namespace dormouse::api
