// SPDX-License-Identifier: Apache-2.0
//
// The service's sentences, word by word.

#include "api/constraints.h"

#include <boost/json.hpp>
#include <fmt/format.h>
#include <gtest/gtest.h>

#include "api/decode.h"
#include "api/operations.h"

namespace dormouse::api {
namespace {

namespace json = boost::json;

constexpr std::string_view kImages = "/2025-09-09/microvm-images";
constexpr std::string_view kMicrovms = "/2025-09-09/microvms";

// What the constraint layer, or before it the decoder, says to a POST.
std::string said(std::string_view path, std::string_view body) {
  const auto found = route("POST", path);
  EXPECT_TRUE(found);
  const auto input = decode_input(*found, "", body);
  if (!input) {
    return input.error().type + ' ' + input.error().body;
  }
  return Constraints().check(*found->operation->input, *input).value_or("");
}

std::string image_with(std::string_view members) {
  return fmt::format(R"({{"baseImageArn":"arn:aws:lambda:us-east-1:aws:microvm-image:al2023-1",)"
                     R"("buildRoleArn":"arn:aws:iam::000000000000:role/build","codeArtifact":{{"uri":"s3://b/k.zip"}},)"
                     R"("name":"demo"{}{}}})",
                     members.empty() ? "" : ",",
                     members);
}

TEST(ConstraintsTest, NamesAllMissingMembersInTheOrderOfTheService) {
  EXPECT_EQ(
      said(kImages, R"({"name":"demo"})"),
      "3 validation errors detected: Value null at 'baseImageArn' failed to satisfy constraint: Member must not be "
      "null; Value null at 'codeArtifact' failed to satisfy constraint: Member must not be null; Value null at "
      "'buildRoleArn' failed to satisfy constraint: Member must not be null");
}

TEST(ConstraintsTest, QuotesTheValueAndThePattern) {
  EXPECT_EQ(
      said(kImages, image_with(R"("name":"bad name!")")),
      "1 validation error detected: Value 'bad name!' at 'name' failed to satisfy constraint: Member must satisfy "
      "regular expression pattern: [a-zA-Z0-9-_]+");
}

TEST(ConstraintsTest, HidesSensitiveValues) {
  EXPECT_EQ(
      said(kMicrovms, fmt::format(R"({{"imageIdentifier":"i","runHookPayload":"{}"}})", std::string(4097, 'x'))),
      "1 validation error detected: Value at 'runHookPayload' failed to satisfy constraint: Member must have length "
      "less than or equal to 4096");
}

TEST(ConstraintsTest, CountsThePayloadInBytesAndOtherTextInCharacters) {
  std::string text;
  for (int count = 0; count < 2048; ++count) {
    text += "\xC3\xA9";
  }
  EXPECT_EQ(said(kMicrovms, fmt::format(R"({{"imageIdentifier":"i","runHookPayload":"{}"}})", text)), "");
  EXPECT_NE(said(kMicrovms, fmt::format(R"({{"imageIdentifier":"i","runHookPayload":"{}x"}})", text)), "");
  EXPECT_EQ(said(kMicrovms, fmt::format(R"({{"imageIdentifier":"i","imageVersion":"{}"}})", text)), "");
  EXPECT_NE(said(kMicrovms, fmt::format(R"({{"imageIdentifier":"i","imageVersion":"{}x"}})", text)), "");
}

TEST(ConstraintsTest, ReportsEveryConstraintThatAValueBreaks) {
  EXPECT_EQ(
      said(kImages, image_with(R"("name":"")")),
      "2 validation errors detected: Value '' at 'name' failed to satisfy constraint: Member must have length greater "
      "than or equal to 1; Value '' at 'name' failed to satisfy constraint: Member must satisfy regular expression "
      "pattern: [a-zA-Z0-9-_]+");
}

TEST(ConstraintsTest, NamesNestedMembersByTheirPath) {
  EXPECT_EQ(
      said(kImages, image_with(R"("hooks":{"port":0,"microvmHooks":{"runTimeoutInSeconds":61}})")),
      "2 validation errors detected: Value '0' at 'hooks.port' failed to satisfy constraint: Member must have value "
      "greater than or equal to 1; Value '61' at 'hooks.microvmHooks.runTimeoutInSeconds' failed to satisfy "
      "constraint: Member must have value less than or equal to 60");
  EXPECT_EQ(said(kImages, image_with(R"("resources":[{}])")),
            "1 validation error detected: Value null at 'resources.1.member.minimumMemoryInMiB' failed to satisfy "
            "constraint: Member must not be null");
}

TEST(ConstraintsTest, ReportsElementsOfPlainListsAtTheList) {
  EXPECT_EQ(
      said(kImages, image_with(R"("additionalOsCapabilities":["ALL","SOME"])")),
      "1 validation error detected: Value '[ALL, SOME]' at 'additionalOsCapabilities' failed to satisfy constraint: "
      "Member must satisfy constraint: [Member must satisfy enum value set: [ALL]]");
  EXPECT_EQ(
      said(kMicrovms, R"({"imageIdentifier":"i","ingressNetworkConnectors":["",null]})"),
      "2 validation errors detected: Value null at 'ingressNetworkConnectors.2.member' failed to satisfy constraint: "
      "Member must not be null; Value '[, null]' at 'ingressNetworkConnectors' failed to satisfy constraint: Member "
      "must satisfy constraint: [Member must have length less than or equal to 2048, Member must have length greater "
      "than or equal to 1]");
}

TEST(ConstraintsTest, ReportsKeysAndValuesOfMapsAtTheMap) {
  EXPECT_EQ(
      said(kImages, image_with(R"("tags":{"a!":"b"})")),
      "1 validation error detected: Value '{a!=b}' at 'tags' failed to satisfy constraint: Map keys must satisfy "
      "constraint: [Member must have length less than or equal to 128, Member must have length greater than or equal "
      "to 1, Member must satisfy regular expression pattern: ([\\p{L}\\p{Z}\\p{N}_.:/=+\\-@]*)]");
  EXPECT_EQ(
      said(kImages, image_with(fmt::format(R"("environmentVariables":{{"KEY":"{}"}})", std::string(4097, 's')))),
      "1 validation error detected: Value at 'environmentVariables' failed to satisfy constraint: Map value must "
      "satisfy constraint: [Member must have length less than or equal to 4096, Member must have length greater than "
      "or equal to 0]");
}

TEST(ConstraintsTest, PrintsStructuresInListsLikeTheService) {
  EXPECT_EQ(
      said(kImages, image_with(R"("resources":[{"minimumMemoryInMiB":512},{"minimumMemoryInMiB":1024}])")),
      "1 validation error detected: Value '[Resources(minimumMemoryInMiB=512), Resources(minimumMemoryInMiB=1024)]' at "
      "'resources' failed to satisfy constraint: Member must have length less than or equal to 1");
}

TEST(ConstraintsTest, AUnionTakesExactlyOneMember) {
  EXPECT_EQ(
      said(kImages, image_with(R"("logging":{"disabled":{},"cloudWatch":{}})")),
      "1 validation error detected: Value 'Logging(disabled=LoggingDisabled(), cloudWatch=CloudWatchLogging())' at "
      "'logging' failed to satisfy constraint: Member must have exactly one of these members set: [disabled, "
      "cloudWatch]");
}

TEST(ConstraintsTest, NamesAHundredViolationsAtMost) {
  std::string list;
  for (int count = 0; count < 1000; ++count) {
    list += list.empty() ? "{}" : ",{}";
  }
  EXPECT_TRUE(
      said(kImages, image_with(fmt::format(R"("cpuConfigurations":[{}])", list)))
          .starts_with("100 validation errors detected: Value null at 'cpuConfigurations.1.member.architecture'"));
}

TEST(DecodeTest, AUnitTakesAnEmptyObject) {
  const std::string path = "/2025-09-09/microvms/microvm-1/auth-token";
  EXPECT_EQ(said(path, R"({"expirationInMinutes":5,"allowedPorts":[{"allPorts":{}}]})"), "");
  EXPECT_EQ(said(path, R"({"expirationInMinutes":5,"allowedPorts":[{"allPorts":true}]})"),
            R"(SerializationException {"Message":"Expected null"})");
}

TEST(DecodeTest, WrongTypesAreSaidInTheWordsOfTheService) {
  EXPECT_EQ(said(kImages, R"({"name":{}})"),
            R"(SerializationException {"Message":"Start of structure or map found where not expected."})");
  EXPECT_EQ(said(kImages, R"({"name":[]})"),
            R"(SerializationException {"Message":"Start of list found where not expected"})");
  EXPECT_EQ(said(kImages, R"({"name":true})"),
            R"(SerializationException {"Message":"TRUE_VALUE can not be converted to a String"})");
  EXPECT_EQ(said(kImages, R"({"hooks":{"port":1.5}})"),
            R"(SerializationException {"Message":"NUMBER_VALUE can not be converted to an Integer"})");
  EXPECT_EQ(said(kImages, R"({"hooks":{"port":4294967296}})"),
            R"(SerializationException {"Message":"NUMBER_VALUE can not be converted to an Integer"})");
  EXPECT_EQ(said(kImages, R"([])"), R"(SerializationException {"Message":"Start of list found where not expected"})");
}

TEST(DecodeTest, WhatIsNoJsonIsRefusedWithThePlace) {
  EXPECT_EQ(said(kImages, R"({"name":)"),
            R"(SerializationException {"Message":"The request body is not valid JSON at byte 8: incomplete JSON"})");
  EXPECT_EQ(
      said(kImages, R"({} {})"),
      R"(SerializationException {"Message":"The request body is not valid JSON at byte 3: text after the value"})");
  EXPECT_TRUE(said(kImages, std::string(33, '[')).starts_with("SerializationException"));
  EXPECT_TRUE(said(kImages, "{\"name\":\"\xFF\"}").starts_with("SerializationException"));
}

TEST(DecodeTest, AnEmptyBodyIsAnEmptyObject) {
  EXPECT_EQ(
      said(kMicrovms, ""),
      "1 validation error detected: Value null at 'imageIdentifier' failed to satisfy constraint: Member must not be "
      "null");
}

TEST(DecodeTest, WholeNumbersMayBeWrittenWithAFraction) {
  EXPECT_EQ(said(kMicrovms, R"({"imageIdentifier":"i","maximumDurationInSeconds":6.0e1})"), "");
}

TEST(DecodeTest, AnUnencodedEqualsSignInATokenHasANullMessage) {
  const auto found = route("GET", kMicrovms);
  ASSERT_TRUE(found);
  const auto input = decode_input(*found, "nextToken=abc=", "");
  ASSERT_FALSE(input);
  EXPECT_EQ(input.error().body, R"({"message":null})");
  EXPECT_TRUE(decode_input(*found, "nextToken=abc%3D", ""));
  const auto version = decode_input(*found, "imageVersion=a=b=", "");
  ASSERT_TRUE(version) << "the service is known to refuse it in tokens alone";
  EXPECT_EQ(version->at("imageVersion"), "a=b=");
}

}  // namespace
}  // namespace dormouse::api
