// SPDX-License-Identifier: Apache-2.0

#include "agent/runtime_config.h"

#include <boost/json.hpp>
#include <gtest/gtest.h>

namespace dormouse::agent {
namespace {

boost::json::value config_of(const RuntimePlan& plan) { return boost::json::parse(make_runtime_config(plan)); }

std::size_t capabilities_in(const boost::json::value& config, std::string_view set) {
  return config.at("process").at("capabilities").at({set.data(), set.size()}).as_array().size();
}

TEST(RuntimeConfig, GivesTheDefaultCapabilitiesOrAll) {
  RuntimePlan plan;
  const auto limited = config_of(plan);
  EXPECT_EQ(capabilities_in(limited, "bounding"), 14U);
  EXPECT_EQ(capabilities_in(limited, "effective"), 14U);
  const auto& names = limited.at("process").at("capabilities").at("bounding").as_array();
  EXPECT_NE(std::find(names.begin(), names.end(), boost::json::value("CAP_NET_BIND_SERVICE")), names.end());
  EXPECT_EQ(std::find(names.begin(), names.end(), boost::json::value("CAP_SYS_ADMIN")), names.end());
  plan.all_capabilities = true;
  EXPECT_EQ(capabilities_in(config_of(plan), "permitted"), 41U);
  plan.last_capability = 37;
  EXPECT_EQ(capabilities_in(config_of(plan), "permitted"), 38U);
}

TEST(RuntimeConfig, SharesTheGuestsNetwork) {
  const auto config = config_of(RuntimePlan{});
  for (const auto& entry : config.at("linux").at("namespaces").as_array()) {
    EXPECT_NE(entry.at("type").as_string(), "network");
  }
  EXPECT_EQ(config.at("linux").at("namespaces").as_array().size(), 5U);
}

TEST(RuntimeConfig, SaysWhatToRunAndAsWhom) {
  RuntimePlan plan;
  plan.arguments = {"a", "b"};
  plan.user = {1, 2, {3, 4}, "/"};
  plan.memory_max_bytes = 12345678;
  const auto config = config_of(plan);
  EXPECT_EQ(config.at("process").at("args"), boost::json::value({"a", "b"}));
  EXPECT_EQ(config.at("process").at("user").at("gid"), 2);
  EXPECT_EQ(config.at("process").at("user").at("additionalGids"), boost::json::value({3, 4}));
  EXPECT_EQ(config.at("linux").at("resources").at("memory").at("limit"), 12345678);
}

TEST(MergeEnvironment, PutsTheVersionsOverTheImagesAndTheInjectedOverBoth) {
  ImageConfig image;
  image.environment = {"A=image", "B=image", "C=image", "=odd", "odd", "E=a=b"};
  protocol::StartApplication request;
  request.environment = {{"B", "version"}, {"C", "version"}};
  request.injected = {{"C", "injected"}};
  const auto merged = merge_environment(image, request, "/home/app");
  EXPECT_EQ(value_of(merged, "A"), "image");
  EXPECT_EQ(value_of(merged, "B"), "version");
  EXPECT_EQ(value_of(merged, "C"), "injected");
  EXPECT_EQ(value_of(merged, "E"), "a=b");
  EXPECT_EQ(value_of(merged, "HOME"), "/home/app");
  EXPECT_EQ(value_of(merged, "PATH"), "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin");
  EXPECT_EQ(merged.size(), 6U);
}

}  // namespace
}  // namespace dormouse::agent
