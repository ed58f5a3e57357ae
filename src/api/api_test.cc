// SPDX-License-Identifier: Apache-2.0
//
// What stands before the operations: signatures, limits, the choice of the service.

#include "api/api.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "api/test_world.h"

namespace dormouse::api {
namespace {

using testing::HasSubstr;

std::string body_of(const net::Response& response) { return std::get<std::string>(response.body); }
std::string type_of(const net::Response& response) {
  return std::string(response.headers.find("x-amzn-errortype").value_or(""));
}

net::RequestHead unsigned_head(const std::string& target) { return TestClient::head_of({"GET", target}); }

TEST(ApiTest, AnUnsignedRequestIsRefusedWithARequestId) {
  TestWorld world;
  const net::Response response = world.client.send_as_is(unsigned_head("/2025-09-09/microvms"), "");
  EXPECT_EQ(response.status, 403);
  EXPECT_EQ(type_of(response), "MissingAuthenticationTokenException");
  EXPECT_EQ(response.headers.find("x-amzn-requestid").value_or("").size(), 36U);
}

TEST(ApiTest, AnUnknownKeyIsRefused) {
  TestWorld world;
  TestClient stranger(world.api, {"AKIDUNKNOWN", "secret", ""}, world.control.clock);
  const net::Response response = stranger.send({"GET", "/2025-09-09/microvms"});
  EXPECT_EQ(response.status, 403);
  EXPECT_EQ(type_of(response), "UnrecognizedClientException");
  EXPECT_EQ(body_of(response), R"({"message":"The security token included in the request is invalid."})");
}

TEST(ApiTest, AWrongSecretIsRefused) {
  TestWorld world;
  TestClient forger(world.api, {"AKIDEXAMPLE", "guess", ""}, world.control.clock);
  const net::Response response = forger.send({"POST", "/2025-09-09/microvms", "{}"});
  EXPECT_EQ(response.status, 403);
  EXPECT_EQ(type_of(response), "InvalidSignatureException");
}

TEST(ApiTest, AnotherBodyThanTheSignedOneIsRefusedBeforeItIsActedOn) {
  TestWorld world;
  const std::string body = TestWorld::image_body("demo");
  net::RequestHead head = TestClient::head_of({"POST", "/2025-09-09/microvm-images", body});
  const aws::WireRequest wire{head.method, head.path, head.query, {head.headers.begin(), head.headers.end()}};
  for (auto& [name, value] : aws::sign(wire,
                                       OneCredential().credential,
                                       {"us-east-1", "lambda", world.control.clock.wall(), ""},
                                       aws::sha256_hex("{}"))) {
    head.headers.add(std::move(name), std::move(value));
  }
  const net::Response response = world.client.send_as_is(head, body);
  EXPECT_EQ(response.status, 403);
  EXPECT_EQ(world.send({"GET", "/2025-09-09/microvm-images/" + TestWorld::image_arn("demo")}).status, 404);
}

TEST(ApiTest, AnOldSignatureIsRefused) {
  TestWorld world;
  test::FakeClock late;
  late.advance(std::chrono::minutes(16));
  TestClient client(world.api, OneCredential().credential, late);
  const net::Response response = client.send({"GET", "/2025-09-09/microvms"});
  EXPECT_EQ(response.status, 403);
  EXPECT_EQ(type_of(response), "InvalidSignatureException");
}

TEST(ApiTest, APresignedRequestIsTaken) {
  TestWorld world;
  net::RequestHead head = unsigned_head("/2025-09-09/microvms");
  const aws::WireRequest wire{head.method, head.path, head.query, {head.headers.begin(), head.headers.end()}};
  head.query = aws::presign(wire,
                            OneCredential().credential,
                            {"us-east-1", "lambda", world.control.clock.wall(), ""},
                            std::chrono::minutes(1),
                            aws::kEmptySha256);
  head.target = head.path + "?" + head.query;
  const net::Response response = world.client.send_as_is(head, "");
  EXPECT_EQ(response.status, 200) << body_of(response);
}

TEST(ApiTest, ABodyOverTheLimitIsRefusedByItsLengthAndByItsBytes) {
  TestWorld world;
  const std::string body(Api::kBodyBytesMax + 1, ' ');
  const std::string refusal =
      R"({"message":"Request must be smaller than 1048576 bytes for the RunMicrovm operation"})";
  const net::Response by_length = world.send({"POST", "/2025-09-09/microvms", body});
  EXPECT_EQ(by_length.status, 413);
  EXPECT_EQ(type_of(by_length), "RequestEntityTooLargeException");
  EXPECT_EQ(body_of(by_length), refusal);

  net::RequestHead head = TestClient::head_of({"POST", "/2025-09-09/microvms", body});
  head.content_length.reset();
  const aws::WireRequest wire{head.method, head.path, head.query, {head.headers.begin(), head.headers.end()}};
  for (auto& [name, value] : aws::sign(wire,
                                       OneCredential().credential,
                                       {"us-east-1", "lambda", world.control.clock.wall(), ""},
                                       aws::sha256_hex(body))) {
    head.headers.add(std::move(name), std::move(value));
  }
  const net::Response by_bytes = world.client.send_as_is(head, body);
  EXPECT_EQ(by_bytes.status, 413);
  EXPECT_EQ(body_of(by_bytes), refusal);
  EXPECT_TRUE(by_bytes.headers.contains("x-amzn-requestid"));
}

TEST(ApiTest, RequestsForS3GoToItsHandler) {
  TestWorld world;
  EXPECT_EQ(body_of(world.send({"GET", "/bucket/key", "", "s3"})), "s3 got GET /bucket/key");
}

TEST(ApiTest, AWrongSignatureForStsIsRefusedInXml) {
  TestWorld world;
  TestClient forger(world.api, {"AKIDEXAMPLE", "guess", ""}, world.control.clock);
  const net::Response response = forger.send({"POST", "/", "Action=GetCallerIdentity", "sts"});
  EXPECT_EQ(response.status, 403);
  EXPECT_THAT(body_of(response), HasSubstr("<ErrorResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\">"));
  EXPECT_THAT(body_of(response), HasSubstr("<Code>SignatureDoesNotMatch</Code>"));
}

TEST(ApiTest, HealthNeedsNoSignatureAndTellsWhyNot) {
  TestWorld world;
  const net::Response well = world.client.send_as_is(unsigned_head("/healthz"), "");
  EXPECT_EQ(well.status, 200);
  EXPECT_EQ(body_of(well), R"({"status":"ok"})");
  world.host().set_not_ready("the managed base is being built: 40 %");
  const net::Response busy = world.client.send_as_is(unsigned_head("/healthz"), "");
  EXPECT_EQ(busy.status, 503);
  EXPECT_EQ(body_of(busy), R"({"status":"unavailable","reason":"the managed base is being built: 40 %"})");
}

TEST(ApiTest, ListingsByPagesNameEveryItemOnce) {
  TestWorld world;
  for (const char* name : {"a", "b", "c", "d", "e"}) {
    world.create_image(name);
  }
  std::vector<std::string> names;
  std::string token;
  for (int page = 0; page < 5; ++page) {
    const std::string body = body_of(
        world.send({"GET", "/2025-09-09/microvm-images?maxResults=2" + (token.empty() ? "" : "&nextToken=" + token)}));
    for (std::size_t at = body.find("\"name\":\""); at != std::string::npos; at = body.find("\"name\":\"", at + 1)) {
      names.push_back(body.substr(at + 8, 1));
    }
    const std::size_t at = body.find("\"nextToken\":\"");
    if (at == std::string::npos) {
      break;
    }
    token = body.substr(at + 13, body.find('"', at + 13) - at - 13);
  }
  EXPECT_THAT(names, testing::UnorderedElementsAre("a", "b", "c", "d", "e"));
}

TEST(ApiTest, APageTokenExpires) {
  TestWorld world;
  world.create_image("a");
  world.create_image("b");
  const std::string body = body_of(world.send({"GET", "/2025-09-09/microvm-images?maxResults=1"}));
  const std::size_t at = body.find("\"nextToken\":\"") + 13;
  const std::string next =
      "/2025-09-09/microvm-images?maxResults=1&nextToken=" + body.substr(at, body.find('"', at) - at);
  EXPECT_EQ(world.send({"GET", next}).status, 200);
  world.control.clock.advance(PageTokens::kLifetime);
  EXPECT_EQ(world.send({"GET", next}).status, 400);
}

}  // namespace
}  // namespace dormouse::api
