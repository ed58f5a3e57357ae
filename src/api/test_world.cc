// SPDX-License-Identifier: Apache-2.0

#include "api/test_world.h"

#include <chrono>
#include <utility>

#include <boost/json.hpp>
#include <fmt/format.h>

namespace dormouse::api {
namespace {

namespace json = boost::json;

// The body of an answer that must have this status.
json::object parsed(const net::Response& response, int status) {
  const std::string& body = std::get<std::string>(response.body);
  EXPECT_EQ(response.status, status) << body;
  return response.status == status ? json::parse(body).as_object() : json::object();
}

std::string text_of(const json::object& object, std::string_view member) {
  const json::value* value = object.if_contains(member);
  return value == nullptr ? "" : json::value_to<std::string>(*value);
}

}  // namespace

std::string TestTokens::issue(const std::string& microvm_id,
                              const std::string& account,
                              const std::vector<PortRange>& ports,
                              WallTime expiry) {
  std::string token = fmt::format("{} {} until {}",
                                  microvm_id,
                                  account,
                                  std::chrono::duration_cast<std::chrono::seconds>(expiry.time_since_epoch()).count());
  for (const PortRange& range : ports) {
    token += fmt::format(" {}-{}", range.first, range.last);
  }
  return token;
}

tl::expected<std::unique_ptr<net::Exchange>, net::Response> EchoHandler::begin(const net::RequestHead& head) {
  net::Response response;
  response.body = "s3 got " + head.method + " " + head.path;
  return net::refuse(std::move(response));
}

std::string TestTokens::issue_shell(const std::string& microvm_id, const std::string& account, WallTime expiry) {
  return issue(microvm_id, account, {}, expiry) + " shell";
}

namespace {

Api::Options completed(Api::Options options) {
  options.page_token_key = "page token key";
  return options;
}

}  // namespace

TestWorld::TestWorld(const control::Quotas& quotas, Api::Options options)
    : api({*control.images,
           *control.microvms,
           *control.checkpoints,
           *control.connectors,
           *control.accounts,
           *control.roles,
           control.world->quotas,
           [this] { return control.host.not_ready(); },
           callers_,
           control.clock,
           tokens_,
           s3_,
           *control.log_store,
           *control.log_writer,
           [this](const os::Context&) -> Result<control::StorageReport> {
             DM_TRY(control.metadata->live_microvms(), "");
             return storage;
           }},
          completed(std::move(options))),
      client(api, credentials_.credential, control.clock) {
  control.world->quotas.set_defaults(quotas);
  control.start();
}

std::string TestWorld::image_arn(const std::string& name) {
  return fmt::format("arn:aws:lambda:{}:{}:microvm-image:{}", kRegion, kAccount, name);
}

std::string TestWorld::image_body(const std::string& name, const std::string& members) {
  return fmt::format(
      R"({{"name":"{}","baseImageArn":"arn:aws:lambda:{}:aws:microvm-image:al2023-1",)"
      R"("buildRoleArn":"arn:aws:iam::{}:role/build","codeArtifact":{{"uri":"s3://bucket/key.zip"}}{}}})",
      name,
      kRegion,
      kAccount,
      members);
}

void TestWorld::create_image(const std::string& name, const std::string& members) {
  (void)parsed(send({"POST", "/2025-09-09/microvm-images", image_body(name, members)}), 201);
  EXPECT_TRUE(control.wait_for_build(control::BuildState::kSuccessful, ++built_)) << name;
}

void TestWorld::create_failed_image(const std::string& name, const host::BuildFailure& failure) {
  host().fail_next_build(failure);
  (void)parsed(send({"POST", "/2025-09-09/microvm-images", image_body(name)}), 201);
  EXPECT_TRUE(control.wait_for_build(control::BuildState::kFailed, ++failed_)) << name;
}

std::string TestWorld::run_microvm(const std::string& image_arn, const std::string& members) {
  const net::Response response =
      send({"POST", "/2025-09-09/microvms", fmt::format(R"({{"imageIdentifier":"{}"{}}})", image_arn, members)});
  const std::string id = text_of(parsed(response, 200), "microvmId");
  await_state(id, control::MicrovmState::kRunning);
  return id;
}

void TestWorld::terminate(const std::string& microvm_id) {
  (void)parsed(send({"DELETE", "/2025-09-09/microvms/" + microvm_id}), 200);
  await_state(microvm_id, control::MicrovmState::kTerminated);
}

std::string TestWorld::build_id(const std::string& image_arn) {
  const net::Response response = send({"GET", "/2025-09-09/microvm-images/" + image_arn + "/versions/1.0/builds"});
  const json::object page = parsed(response, 200);
  return page.empty() ? "" : text_of(page.at("items").as_array().at(0).as_object(), "buildId");
}

void TestWorld::await_state(const std::string& microvm_id, control::MicrovmState state, int times) {
  EXPECT_TRUE(control.states.wait_for(microvm_id, state, times))
      << microvm_id << " did not become " << control::to_string(state);
}

}  // namespace dormouse::api
