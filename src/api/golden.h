// SPDX-License-Identifier: Apache-2.0
//
// Exchanges as recorded under tests/golden/api/<Operation>/<case>.{request,response}, byte for byte after ids, times,
// accounts and tokens have been given names. UPDATE_GOLDEN=1 writes them anew.

#pragma once

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <regex>
#include <sstream>
#include <string>

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "api/test_world.h"

namespace dormouse::api {

inline constexpr const char* kImages = "/2025-09-09/microvm-images";
inline constexpr const char* kMicrovms = "/2025-09-09/microvms";
inline constexpr const char* kManaged = "/2025-09-09/managed-microvm-images";
inline constexpr const char* kAbsentVm = "/2025-09-09/microvms/microvm-0badc0de-0000-4000-8000-0badc0de0bad";

inline constexpr const char* kConnectors = "/2026-04-04/network-connectors";
inline const std::string kTagsPath = "/2017-03-31/tags/";

// Runs of one character that are there for their length alone: "<4097 x>".
inline std::string without_runs(const std::string& text) {
  constexpr std::size_t kRunMin = 100;
  std::string result;
  for (std::size_t begin = 0; begin < text.size();) {
    const std::size_t end = std::min(text.find_first_not_of(text[begin], begin), text.size());
    const std::size_t length = end - begin;
    result += length < kRunMin ? text.substr(begin, length) : fmt::format("<{} {}>", length, text[begin]);
    begin = end;
  }
  return result;
}

inline std::string normalized(std::string text) {
  static const std::pair<std::regex, const char*> kNames[] = {
      {std::regex("[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"), "<uuid>"},
      {std::regex("\"(\\w+At)\":[0-9.]+(E[0-9]+)?"), "\"$1\":<time>"},
      {std::regex("(\"LastModified\":\")[-0-9T:.Z]+"), "$1<time>"},
      {std::regex("(\"versionStateTimeBucket\":\"\\w+#)[0-9]{8}"), "$1<hour>"},
      {std::regex("(nextToken\":\"|nextToken=|NextMarker\":\"|Marker=)[A-Za-z0-9_-]{60,}"), "$1<token>"},
      {std::regex("0{12}"), "<account>"},
      {std::regex("A(KIA|SIA|ROA)[A-Z2-7]{16}"), "<A$1 id>"},
      {std::regex("(SecretAccessKey>|secretAccessKey\":\")[A-Za-z0-9+/]{40}"), "$1<secret>"},
      {std::regex("(SessionToken>)[A-Za-z0-9+/=]+"), "$1<token>"},
      {std::regex("(<(CreateDate|Expiration)>)[-0-9T:]+Z"), "$1<time>"},
      {std::regex("(<Marker>|Marker=)[A-Za-z0-9_-]{60,}"), "$1<token>"},
  };
  for (const auto& [pattern, name] : kNames) {
    text = std::regex_replace(text, pattern, name);
  }
  return without_runs(text);
}

inline std::string written(const TestRequest& request) {
  std::string text = fmt::format("{} {}\nservice: {}\n", request.method, request.target, request.service);
  for (const auto& [name, value] : request.headers) {
    text += fmt::format("{}: {}\n", name, value);
  }
  return normalized(text + "\n" + request.body);
}

inline std::string written(const net::Response& response) {
  std::string text = fmt::format("{}\n", response.status);
  for (const auto& [name, value] : response.headers) {
    text += fmt::format("{}: {}\n", name, value);
  }
  return normalized(text + "\n" + std::get<std::string>(response.body));
}

inline std::string content(const std::filesystem::path& path) {
  std::ostringstream text;
  text << std::ifstream(path, std::ios::binary).rdbuf();
  return text.str();
}

inline void compare(const std::string& name, const std::string& text) {
  const std::filesystem::path path = std::filesystem::path(DM_GOLDEN_DIRECTORY) / name;
  if (std::getenv("UPDATE_GOLDEN") != nullptr) {
    std::filesystem::create_directories(path.parent_path());
    std::ofstream(path, std::ios::binary) << text;
  }
  ASSERT_TRUE(std::filesystem::exists(path)) << path << ": run with UPDATE_GOLDEN=1 to write it";
  EXPECT_EQ(content(path), text) << path;
}

inline net::Response check(TestWorld& world, const std::string& name, const TestRequest& request) {
  net::Response response = world.send(request);
  compare(name + ".request", written(request));
  compare(name + ".response", written(response));
  return response;
}

class GoldenTest : public testing::Test {
 protected:
  net::Response check(const std::string& name, const TestRequest& request) { return api::check(world, name, request); }

  TestWorld world;
};

inline TestRequest create(const std::string& body) { return {"POST", kImages, body}; }
inline TestRequest run(const std::string& body) { return {"POST", kMicrovms, body}; }
inline TestRequest get(const std::string& target) { return {"GET", target, ""}; }

inline std::string image_path(const std::string& name, const std::string& rest = "") {
  return std::string(kImages) + "/" + TestWorld::image_arn(name) + rest;
}

inline TestRequest update(const std::string& name, const std::string& members = "") {
  const std::string body = TestWorld::image_body(name, members);
  return {"PUT", image_path(name), "{" + body.substr(body.find(',') + 1)};  // without the name
}

inline TestRequest patch(const std::string& name, const std::string& version, const std::string& body) {
  return {"PATCH", image_path(name, "/versions/" + version), body};
}

inline std::string run_body(const std::string& name, const std::string& members = "") {
  return fmt::format(R"({{"imageIdentifier":"{}"{}}})", TestWorld::image_arn(name), members);
}

inline TestRequest connect(const std::string& name, const std::string& members = "", const std::string& token = "") {
  return {"POST",
          kConnectors,
          fmt::format(R"({{"Name":"{}","Configuration":{{"VpcEgressConfiguration":{{"SubnetIds":["subnet-1"],)"
                      R"("NetworkProtocol":"IPv4","AssociatedComputeResourceTypes":["MicroVm"]}}}},)"
                      R"("OperatorRole":"arn:aws:iam::000000000000:role/operator","ClientToken":"{}"{}}})",
                      name,
                      token.empty() ? "token-" + name : token,
                      members)};
}

inline std::string connector_id(const net::Response& response) {
  std::smatch id;
  const std::string& body = std::get<std::string>(response.body);
  return std::regex_search(body, id, std::regex("\"Id\":\"([^\"]+)\"")) ? id[1].str() : "";
}

inline std::string vm_path(const std::string& id, const std::string& rest = "") {
  return std::string(kMicrovms) + "/" + id + rest;
}

}  // namespace dormouse::api
