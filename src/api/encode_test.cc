// SPDX-License-Identifier: Apache-2.0

#include "api/encode.h"

#include <boost/json.hpp>
#include <gtest/gtest.h>

#include "api/operations.h"

namespace dormouse::api {
namespace {

namespace json = boost::json;

const Operation& operation(std::string_view name) {
  for (const Operation* candidate : all_operations()) {
    if (candidate->name == name) {
      return *candidate;
    }
  }
  throw std::invalid_argument(std::string(name));
}

TEST(EncodeTest, MicrovmAnswersHaveNullsForAbsentMembersInTheirOrder) {
  const json::object output = {
      {"imageArn", "arn"}, {"name", "demo"}, {"state", "CREATED"}, {"createdAt", 1790000000.25}};
  EXPECT_EQ(encode_output(operation("GetMicrovmImage"), output),
            R"({"id":null,"imageArn":"arn","name":"demo","state":"CREATED","latestActiveImageVersion":null,)"
            R"("latestFailedImageVersion":null,"createdAt":1.79000000025E9,"updatedAt":null,"tags":null})");
}

TEST(EncodeTest, ConnectorAnswersLeaveAbsentMembersOutAndWriteTimesAsText) {
  const json::object output = {{"Name", "n"}, {"Arn", "a"}, {"LastModified", 1790000000.25}};
  EXPECT_EQ(encode_output(operation("GetNetworkConnector"), output),
            R"({"Arn":"a","Name":"n","LastModified":"2026-09-21T14:13:20.250Z"})");
}

TEST(EncodeTest, NestedStructuresHaveNullsAndUnionsDoNot) {
  const json::object output = {{"codeArtifact", {{"uri", "s3://b/k"}}},
                               {"hooks", {{"port", 9000}}},
                               {"logging", {{"cloudWatch", {{"logGroup", "g"}}}}}};
  const std::string text = encode_output(operation("GetMicrovmImageVersion"), output);
  EXPECT_NE(text.find(R"("codeArtifact":{"uri":"s3://b/k"})"), std::string::npos);
  EXPECT_NE(text.find(R"("hooks":{"port":9000,"microvmHooks":null,"microvmImageHooks":null})"), std::string::npos);
  EXPECT_NE(text.find(R"("logging":{"cloudWatch":{"logGroup":"g","logStream":null}})"), std::string::npos);
}

TEST(EncodeTest, AnEmptyAnswerIsAnObjectUnlessThereIsNoShape) {
  EXPECT_EQ(encode_output(operation("SuspendMicrovm"), {}), "{}");
  EXPECT_EQ(encode_output(operation("TagResource"), {}), "");
}

TEST(EncodeTest, TextThatIsNoUtf8IsMadeSo) {
  EXPECT_NE(encode_output(operation("GetMicrovm"), {{"stateReason", "a\xFF"}}).find("a\xEF\xBF\xBD"),
            std::string::npos);
}

}  // namespace
}  // namespace dormouse::api
