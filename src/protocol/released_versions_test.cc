// SPDX-License-Identifier: Apache-2.0
//
// What agents of each version understand and say, as it was written when the version was released. Agents live on in snapshots: a text
// here is never changed, only added to with a version of its own, and goes when kOldestVersion has passed it.

#include <algorithm>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "protocol/answers.h"
#include "protocol/limits.h"
#include "protocol/requests.h"

namespace dormouse::protocol {
namespace {

struct RecordedRequest {
  Request request;
  std::string text;
};

struct RecordedAnswer {
  std::string text;
  std::function<bool(const std::string& text)> is_understood;  // and says what it then did
};

struct Recorded {
  int operations;  // that the version has
  std::vector<RecordedRequest> requests;
  std::vector<RecordedAnswer> answers;
};

template <typename T>
auto as(Result<T> (*decode)(std::string_view), T expected) {
  return [decode, expected](const std::string& text) {
    const Result<T> decoded = decode(text);
    return decoded && *decoded == expected;
  };
}

StartApplication start_application() {
  StartApplication request;
  request.environment = {{"A", "1"}};
  request.injected = {{"B", "2"}};
  request.hostname = "box";
  request.memory_max_bytes = 1U << 20U;
  return request;
}

Restored restored() {
  Restored request;
  request.entropy = std::string(32, '\0');
  request.unix_time_ns = 5;
  request.hostname = "box";
  request.machine_id = "0123456789abcdef0123456789abcdef";
  return request;
}

Exec exec() {
  Exec request;
  request.argv = {"sh"};
  request.environment = {{"A", "1"}};
  request.timeout_ms = 7;
  request.takes_stdin = true;
  return request;
}

std::vector<RecordedRequest> requests_of_1() {
  return {
      {Hello{}, R"({"version":1,"operation":"hello"})"},
      {start_application(),
       R"({"version":1,"operation":"start_application","environment":{"A":"1"},"injected":{"B":"2"},)"
       R"("all_capabilities":false,"hostname":"box","memory_max_bytes":1048576})"},
      {Watch{3}, R"({"version":1,"operation":"watch","from":3})"},
      {Freeze{true, false, false}, R"({"version":1,"operation":"freeze","sync":true,"drop_caches":false})"},
      {Freeze{false, true, true},
       R"({"version":1,"operation":"freeze","sync":false,"drop_caches":true,"keep_connections":true})"},
      {restored(),
       R"({"version":1,"operation":"restored","entropy":"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=",)"
       R"("unix_time_ns":5,"thaw":true,"hostname":"box","machine_id":"0123456789abcdef0123456789abcdef"})"},
      {Thaw{}, R"({"version":1,"operation":"thaw"})"},
      {Thaw{9}, R"({"version":1,"operation":"thaw","unix_time_ns":9})"},
      {Connect{80}, R"({"version":1,"operation":"connect","port":80})"},
      {exec(),
       R"({"version":1,"operation":"exec","argv":["sh"],"environment":{"A":"1"},"working_directory":"/",)"
       R"("timeout_ms":7,"stdin":true})"},
      {Shutdown{}, R"({"version":1,"operation":"shutdown"})"},
  };
}

std::vector<RecordedAnswer> answers_of_1() {
  return {
      {R"({"version":1,"agent_version":"0.1.0","role":"application","application":"running","frozen":true})",
       as(decode_hello_answer, HelloAnswer{1, "0.1.0", Role::kApplication, ApplicationState::kRunning, true})},
      {R"({"from":1,"end":2})", as(decode_watch_answer, WatchAnswer{1, 2})},
      {R"({"connections_closed":3})", as(decode_freeze_answer, FreezeAnswer{3})},
      {R"({"entropy_bits":512,"tcp_destroyed":1,"udp_destroyed":2,"thawed":true})",
       as(decode_restored_answer, RestoredAnswer{512, 1, 2, true})},
      {R"({"exit_code":4,"timed_out":false})", as(decode_exec_exit, ExecExit{{4, std::nullopt}, false})},
      {R"({"signal":9,"out_of_memory":true,"last_output":"x"})",
       as(decode_application_exit, ApplicationExit{{std::nullopt, 9}, true, "x"})},
      {R"({"kind":"conflict","code":"not_frozen","message":"m"})",
       as(decode_refusal, Refusal{ErrorKind::kConflict, "not_frozen", "m"})},
      {"{}", [](const std::string& text) { return decode_empty_answer(text).has_value(); }},
  };
}

std::map<std::uint64_t, Recorded> recorded() { return {{1, {9, requests_of_1(), answers_of_1()}}}; }

TEST(ReleasedVersions, EachThatIsSpokenIsRecordedAndNoOther) {
  const std::map<std::uint64_t, Recorded> versions = recorded();
  EXPECT_EQ(versions.begin()->first, kOldestVersion);
  EXPECT_EQ(versions.rbegin()->first, kVersion);
  EXPECT_EQ(versions.size(), kVersion - kOldestVersion + 1);
}

TEST(ReleasedVersions, AgentsOfEachAreAskedAsTheyWereAtTheirRelease) {
  for (const auto& [version, recorded] : recorded()) {
    std::vector<bool> operations(std::variant_size_v<Request>);
    for (const auto& [request, text] : recorded.requests) {
      const auto payload = encode_request(request, version);
      ASSERT_TRUE(payload) << payload.error().message();
      EXPECT_EQ(*payload, text);
      operations[request.index()] = true;
    }
    EXPECT_EQ(std::count(operations.begin(), operations.end(), true), recorded.operations);
  }
}

TEST(ReleasedVersions, WhatAgentsOfEachSayIsUnderstood) {
  for (const auto& [version, recorded] : recorded()) {
    for (const auto& [text, is_understood] : recorded.answers) {
      EXPECT_TRUE(is_understood(text)) << "version " << version << ": " << text;
    }
  }
}

TEST(ReleasedVersions, AnAgentUnderstandsTheVersionThatItIsBuiltWith) {
  const std::map<std::uint64_t, Recorded> versions = recorded();
  for (const auto& [request, text] : versions.at(kVersion).requests) {
    const auto decoded = decode_request(text);
    ASSERT_TRUE(decoded) << text << ": " << decoded.error().message();
    EXPECT_EQ(*decoded, request) << text;
  }
}

TEST(ReleasedVersions, AnotherIsNotSpoken) {
  for (const std::uint64_t version : {kOldestVersion - 1, kVersion + 1}) {
    const auto payload = encode_request(Hello{}, version);
    ASSERT_FALSE(payload);
    EXPECT_EQ(payload.error().kind(), ErrorKind::kConflict);
    EXPECT_EQ(payload.error().message(),
              "the guest's agent speaks version " + std::to_string(version) +
                  " of the protocol, and this version of Dormouse 1 to 1");
  }
}

}  // namespace
}  // namespace dormouse::protocol
