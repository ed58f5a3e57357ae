// SPDX-License-Identifier: Apache-2.0

#include "cli/image_content.h"

#include <boost/json.hpp>
#include <gtest/gtest.h>

namespace dormouse::cli {
namespace {

namespace json = boost::json;

json::value hooks_after(const ImageContent& content, const std::string& before) {
  json::object request = json::parse(before).as_object();
  EXPECT_TRUE(apply_hooks(content, request));
  return request.contains("hooks") ? request["hooks"] : json::value();
}

TEST(ImageContentTest, WhatIsNotNamedIsLeft) {
  EXPECT_EQ(hooks_after({}, R"({"hooks": {"port": 9007}})"), json::parse(R"({"port": 9007})"));
  EXPECT_EQ(hooks_after({}, "{}"), json::value());
}

TEST(ImageContentTest, NewHooksKeepThePortOfTheOldOnes) {
  ImageContent content;
  content.hooks = {"run"};
  const json::value kept = hooks_after(
      content, R"({"hooks": {"port": 9007, "microvmHooks": {"suspend": "ENABLED"}, "microvmImageHooks": null}})");
  EXPECT_EQ(kept.at("port"), 9007);
  EXPECT_TRUE(kept.at("microvmHooks").as_object().contains("run"));
  EXPECT_FALSE(kept.at("microvmHooks").as_object().contains("suspend"));
  EXPECT_EQ(hooks_after(content, "{}").at("port"), 9000);
}

TEST(ImageContentTest, ThePortCanBeChangedAloneAndTheHooksStay) {
  ImageContent content;
  content.hooks_port = 9008;
  EXPECT_EQ(hooks_after(content, R"({"hooks": {"port": 9007, "microvmHooks": {"run": "ENABLED"}}})"),
            json::parse(R"({"port": 9008, "microvmHooks": {"run": "ENABLED"}})"));
}

}  // namespace
}  // namespace dormouse::cli
