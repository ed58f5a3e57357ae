// SPDX-License-Identifier: Apache-2.0
//
// Archives from the local store, and from another S3, which is a second one of ours behind a real port.

#include "artifacts/artifact_fetcher.h"

#include <stdlib.h>

#include <gtest/gtest.h>

#include "artifacts/s3_handler.h"
#include "net/http_server.h"
#include "os/file.h"
#include "os/worker_pool.h"

namespace dormouse::artifacts {
namespace {

class OneCredential final : public aws::CredentialStore {
 public:
  tl::expected<aws::Credential, aws::AuthFailureKind> find(std::string_view access_key,
                                                           std::string_view session_token,
                                                           WallTime /*now*/) const override {
    return aws::lasting_credential(access_key == credential.access_key ? &credential : nullptr, session_token);
  }
  aws::Credential credential{"AKIAFOREIGN", "secret", "other"};
};

class Answering final : public net::Handler {
 public:
  Answering(int status, std::string body) : status_(status), body_(std::move(body)) {}
  tl::expected<std::unique_ptr<net::Exchange>, net::Response> begin(const net::RequestHead& /*head*/) override {
    net::Response response;
    response.status = status_;
    response.body = body_;
    return net::refuse(std::move(response));
  }

 private:
  const int status_;
  const std::string body_;
};

class ArtifactFetcherTest : public ::testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = (std::filesystem::temp_directory_path() / "dormouse-fetcher-XXXXXX").native();
    ASSERT_NE(::mkdtemp(pattern.data()), nullptr);
    directory_ = pattern;
    ASSERT_TRUE(os::make_directories(directory_ / "local"));
    ASSERT_TRUE(os::make_directories(directory_ / "foreign"));
    local_ = ObjectStore::open(directory_ / "local", clock_).value();
    foreign_ = ObjectStore::open(directory_ / "foreign", clock_).value();
    put(*local_, "a", "here", "k", "local");
    put(*foreign_, "other", "there", "k y/\xC3\xBC", std::string(300'000, 'f'));
    handler_.emplace(*foreign_, credentials_, clock_, S3Service::Options{});
    server_.emplace(HttpServerOptions(), *handler_, workers_);
    ASSERT_TRUE(server_->start());
  }
  void TearDown() override {
    server_.reset();
    workers_.stop();
    std::filesystem::remove_all(directory_);
  }

  static net::HttpServer::Options HttpServerOptions() {
    net::HttpServer::Options options;
    options.listen = {"127.0.0.1:0"};
    return options;
  }

  static void put(ObjectStore& store,
                  const std::string& account,
                  const std::string& bucket,
                  const std::string& key,
                  std::string_view body) {
    ASSERT_TRUE(store.create_bucket(account, bucket));
    auto blob = store.new_blob();
    ASSERT_TRUE((*blob)->write(std::as_bytes(std::span(body))));
    ASSERT_TRUE(store.put({account, bucket, key}, {}, **blob, {}));
  }

  ForeignS3 elsewhere() const {
    return {.url = "http://127.0.0.1:" + std::to_string(server_->ports().at(0)),
            .region = "us-east-1",
            .credential = credentials_.credential};
  }

  // The file's content, or "code: sentence".
  // What comes of an S3 that answers so to everything.
  std::string fetch_from(int status, const std::string& body) {
    Answering handler(status, body);
    net::HttpServer server(HttpServerOptions(), handler, workers_);
    EXPECT_TRUE(server.start());
    ForeignS3 foreign = elsewhere();
    foreign.url = "http://127.0.0.1:" + std::to_string(server.ports().at(0));
    return fetch(foreign, "s3://there/k");
  }

  std::string fetch(const std::optional<ForeignS3>& foreign,
                    const std::string& uri,
                    std::uint64_t size_max = 1U << 20U) {
    ArtifactFetcher fetcher(*local_, foreign);
    const auto target = directory_ / "target";
    std::filesystem::remove(target);
    const auto fetched = fetcher.fetch("a", uri, target, size_max, os::Context::with_timeout(std::chrono::seconds(30)));
    return fetched ? os::read_file(target).value() : fetched.error().code + ": " + fetched.error().sentence;
  }

  const SystemClock clock_;
  OneCredential credentials_;
  std::filesystem::path directory_;
  std::unique_ptr<ObjectStore> local_, foreign_;
  os::WorkerPool workers_{{}};
  std::optional<S3Handler> handler_;
  std::optional<net::HttpServer> server_;
};

TEST_F(ArtifactFetcherTest, LocalObjectIsCopied) { EXPECT_EQ(fetch(std::nullopt, "s3://here/k"), "local"); }

TEST_F(ArtifactFetcherTest, BucketThatIsNotHereIsLookedForElsewhere) {
  EXPECT_EQ(fetch(elsewhere(), "s3://there/k y/\xC3\xBC"), std::string(300'000, 'f'));
}

TEST_F(ArtifactFetcherTest, BucketsInOtherRegionsAreToldFromThoseThatAreNot) {
  const std::string elsewhere =
      "S3_CROSS_REGION_ACCESS_DENIED: The bucket of the object s3://there/k is in another Region than the one that "
      "this "
      "server asks.";
  EXPECT_EQ(fetch_from(301, "<Error><Code>PermanentRedirect</Code></Error>"), elsewhere);
  EXPECT_EQ(fetch_from(307, "<Error><Code>TemporaryRedirect</Code></Error>"), elsewhere);
  EXPECT_EQ(fetch_from(400, "<Error><Code>AuthorizationHeaderMalformed</Code><Region>eu-west-1</Region></Error>"),
            elsewhere);
  EXPECT_EQ(fetch_from(400, "<Error><Code>AuthorizationHeaderMalformed</Code></Error>"),
            "S3_INVALID_OBJECT: The object s3://there/k was answered with HTTP status 400.");
}

TEST_F(ArtifactFetcherTest, WhatTheOtherS3FailsAtIsNotTheTenants) {
  EXPECT_EQ(fetch_from(503, "<Error><Code>SlowDown</Code></Error>"),
            "INTERNAL_PLATFORM_ERROR: The object s3://there/k was answered with HTTP status 503 by the configured S3 "
            "endpoint.");
  ForeignS3 gone = elsewhere();
  server_.reset();  // nobody listens there any more
  EXPECT_EQ(fetch(gone, "s3://there/k"),
            "INTERNAL_PLATFORM_ERROR: The object s3://there/k could not be fetched from the configured S3 endpoint: "
            "Couldn't connect to server.");
}

TEST_F(ArtifactFetcherTest, EachFailureHasItsCode) {
  EXPECT_EQ(fetch(elsewhere(), "s3://here/absent"), "S3_NO_SUCH_KEY: The object s3://here/absent does not exist.");
  EXPECT_EQ(fetch(elsewhere(), "s3://there/absent"), "S3_NO_SUCH_KEY: The object s3://there/absent does not exist.");
  EXPECT_EQ(fetch(elsewhere(), "s3://nowhere/k"), "S3_NO_SUCH_BUCKET: The bucket nowhere does not exist.");
  EXPECT_TRUE(
      fetch(std::nullopt, "s3://there/k").starts_with("S3_NO_SUCH_BUCKET: The bucket there does not exist here"));
  ForeignS3 wrong = elsewhere();
  wrong.credential.secret = "wrong";
  EXPECT_EQ(fetch(wrong, "s3://there/k"), "S3_ACCESS_DENIED: Access to the object s3://there/k was denied.");
  EXPECT_TRUE(fetch(std::nullopt, "s3://here/k", 4).starts_with("S3_INVALID_OBJECT: The object s3://here/k is longer"));
  EXPECT_TRUE(fetch(elsewhere(), "s3://there/k y/\xC3\xBC", 1000).starts_with("S3_INVALID_OBJECT: "));
  EXPECT_TRUE(fetch(std::nullopt, "https://here/k").starts_with("S3_INVALID_OBJECT: "));
}

}  // namespace
}  // namespace dormouse::artifacts
