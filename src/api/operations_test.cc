// SPDX-License-Identifier: Apache-2.0

#include "api/operations.h"

#include <algorithm>
#include <map>
#include <set>

#include <boost/json.hpp>
#include <gtest/gtest.h>

#include "api/handlers.h"
#include "api/uri.h"

namespace dormouse::api {
namespace {

TEST(OperationsTest, AllOfTheContractAreDeclared) {
  std::map<std::string_view, int> by_service;
  std::set<std::string_view> names;
  for (const Operation* operation : all_operations()) {
    ++by_service[operation->protocol->service];
    names.insert(operation->name);
  }
  EXPECT_EQ(by_service["lambda-microvms"], 21 + 3);
  EXPECT_EQ(by_service["lambda-core"], 5);
  EXPECT_EQ(names.size(), all_operations().size());
}

TEST(OperationsTest, EachHasAHandler) {
  for (const Operation* operation : all_operations()) {
    EXPECT_TRUE(find_handler(operation->name) != nullptr) << operation->name;
  }
}

TEST(OperationsTest, EachLabelOfAUriIsARequiredMember) {
  for (const Operation* operation : all_operations()) {
    std::set<std::string> in_uri;
    for (const std::string_view segment : split(operation->uri, '/')) {
      if (segment.starts_with('{')) {
        in_uri.emplace(segment.substr(1, segment.size() - 2));
      }
    }
    std::set<std::string> in_members;
    for (const Member& member : operation->input->members) {
      if (member.location == Location::kLabel) {
        in_members.emplace(member.name);
        EXPECT_EQ(member.presence, Presence::kRequired) << operation->name;
      }
    }
    EXPECT_EQ(in_uri, in_members) << operation->name;
  }
}

TEST(OperationsTest, NoTwoOperationsTakeTheSameRequest) {
  for (const Operation* operation : all_operations()) {
    const auto found = route(operation->method, operation->uri);
    ASSERT_TRUE(found) << operation->name;
    EXPECT_EQ(found->operation, operation);
  }
}

TEST(OperationsTest, ErrorsAreDeclaredOnceAndInOrder) {
  for (const Operation* operation : all_operations()) {
    EXPECT_TRUE(std::is_sorted(operation->errors.begin(), operation->errors.end())) << operation->name;
    const bool takes_something = !operation->input->members.empty();
    EXPECT_EQ(std::binary_search(operation->errors.begin(), operation->errors.end(), "ValidationException"),
              takes_something)
        << operation->name;
  }
}

TEST(RouteTest, ALabelIsAWholeArnRawOrEncoded) {
  const std::string arn = "arn:aws:lambda:us-east-1:000000000000:microvm-image:demo";
  for (const std::string& sent :
       {arn, std::string("arn%3Aaws%3Alambda%3Aus-east-1%3A000000000000%3Amicrovm-image%3Ademo")}) {
    const auto found = route("GET", "/2025-09-09/microvm-images/" + sent + "/versions/1.0");
    ASSERT_TRUE(found);
    EXPECT_EQ(found->operation->name, "GetMicrovmImageVersion");
    ASSERT_EQ(found->labels.size(), 2U);
    EXPECT_EQ(found->labels[0].second, arn);
    EXPECT_EQ(found->labels[1].second, "1.0");
  }
}

TEST(RouteTest, AnEncodedSlashStaysInItsLabel) {
  const auto found = route("GET", "/2025-09-09/microvm-images/arn:aws:lambda:r:a:microvm-image%2Fdemo");
  ASSERT_TRUE(found);
  EXPECT_EQ(found->labels[0].second, "arn:aws:lambda:r:a:microvm-image/demo");
}

TEST(RouteTest, ARawSlashIsAnotherPath) {
  const auto found = route("GET", "/2025-09-09/microvm-images/arn:aws:lambda:r:a:microvm-image/demo");
  ASSERT_FALSE(found);
  EXPECT_EQ(found.error().status, 404);
  EXPECT_EQ(found.error().type, "UnknownOperationException");
  EXPECT_EQ(
      found.error().body,
      R"({"message":"No operation has the path '/2025-09-09/microvm-images/arn:aws:lambda:r:a:microvm-image/demo'. )"
      R"(A slash inside an identifier must be sent as %2F."})");
}

TEST(RouteTest, AnUntakenMethodNamesTheTakenOnes) {
  const auto found = route("PATCH", "/2025-09-09/microvms");
  ASSERT_FALSE(found);
  EXPECT_EQ(found.error().status, 404);
  EXPECT_EQ(found.error().body, R"({"message":"The path '/2025-09-09/microvms' takes POST, GET, not PATCH"})");
}

TEST(RouteTest, ALabelThatIsNoTextIsRefused) {
  for (const std::string_view label : {"%", "%4", "%zz", "%FF", "%C3%28", "%ED%A0%80"}) {
    const auto found = route("GET", "/2025-09-09/microvms/" + std::string(label));
    ASSERT_FALSE(found) << label;
    EXPECT_EQ(found.error().type, "ValidationException");
  }
}

TEST(RouteTest, AnEmptyLabelMatchesNothing) {
  EXPECT_FALSE(route("GET", "/2025-09-09/microvms/"));
  EXPECT_FALSE(route("POST", "/2025-09-09/microvms//suspend"));
}

}  // namespace
}  // namespace dormouse::api
