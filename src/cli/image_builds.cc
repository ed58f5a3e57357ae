// SPDX-License-Identifier: Apache-2.0
//
// image build list, describe.

#include <memory>

#include <CLI/CLI.hpp>
#include <boost/json.hpp>
#include <fmt/format.h>

#include "cli/build_text.h"
#include "cli/command.h"
#include "cli/image_versions.h"
#include "cli/record.h"

namespace dormouse::cli {
namespace {

namespace json = boost::json;

struct Options {
  std::string image;
  std::string version;
  std::string architecture;
  std::string chipset;
  std::string chipset_generation;
  std::string build;
};

// Of the version named, or of all.
Result<json::array> builds_of(Service& service,
                              const std::string& arn,
                              const Options& options,
                              const os::Context& context) {
  std::vector<std::string> numbers;
  if (options.version.empty()) {
    DM_ASSIGN(const json::array versions, service.list(api_path({"microvm-images", arn, "versions"}), {}, context), "");
    for (const json::value& version : versions) {
      numbers.push_back(text_of(version, "imageVersion"));
    }
  } else {
    numbers.push_back(options.version);
  }
  Service::Query query;
  const std::pair<const char*, const std::string&> filters[] = {{"architecture", options.architecture},
                                                                {"chipset", options.chipset},
                                                                {"chipsetGeneration", options.chipset_generation}};
  for (const auto& [name, value] : filters) {
    if (!value.empty()) {
      query.emplace_back(name, value);
    }
  }
  json::array all;
  for (const std::string& number : numbers) {
    DM_ASSIGN(const json::array builds,
              service.list(api_path({"microvm-images", arn, "versions", number, "builds"}), query, context),
              "");
    all.insert(all.end(), builds.begin(), builds.end());
  }
  return all;
}

Status list(const Options& options, const Invocation& invocation) {
  const os::Context context = os::Context::with_timeout(kRequestTimeout);
  DM_ASSIGN(Service service, invocation.connect(), "");
  DM_ASSIGN(const std::string arn, service.image_arn(options.image, context), "");
  DM_ASSIGN(json::array builds, builds_of(service, arn, options, context), "");
  std::vector<std::vector<std::string>> rows;
  for (const json::value& build : builds) {
    rows.push_back({text_of(build, "buildId"),
                    text_of(build, "imageVersion"),
                    text_of(build, "buildState"),
                    fmt::format("{} {} {}",
                                text_of(build, "architecture"),
                                text_of(build, "chipset"),
                                text_of(build, "chipsetGeneration")),
                    time_text(number_of(build, "createdAt")),
                    text_of(build, "stateReason")});
  }
  invocation.answer(json::object{{"builds", std::move(builds)}}, [&] {
    invocation.terminal.table({"BUILD", "VERSION", "STATE", "PROCESSOR", "CREATED", "REASON"}, rows);
  });
  return {};
}

// The service finds a build by its version; people have its id.
Result<std::string> version_of_build(Service& service,
                                     const std::string& arn,
                                     const Options& options,
                                     const os::Context& context) {
  DM_ASSIGN(const json::array builds, builds_of(service, arn, options, context), "");
  for (const json::value& build : builds) {
    if (text_of(build, "buildId") == options.build) {
      return text_of(build, "imageVersion");
    }
  }
  return fail(ErrorKind::kNotFound,
              fmt::format("{} has no build '{}'; `dormouse image build list {}` has those there are",
                          name_of_arn(arn),
                          options.build,
                          name_of_arn(arn)));
}

Status describe(const Options& options, const Invocation& invocation) {
  const os::Context context = os::Context::with_timeout(kRequestTimeout);
  DM_ASSIGN(Service service, invocation.connect(), "");
  DM_ASSIGN(const std::string arn, service.image_arn(options.image, context), "");
  DM_ASSIGN(const std::string version, version_of_build(service, arn, options, context), "");
  const std::string path = extension_path({"images", arn, "versions", version, "builds", options.build});
  DM_ASSIGN(const json::value build, service.call("GET", path, {}, nullptr, context), "");
  invocation.answer(build, [&] {
    invocation.terminal.answer(fmt::format("{} version {}", arn, version));
    show_build(invocation.terminal, build);
  });
  return {};
}

}  // namespace

void add_image_builds(CLI::App& image, Invocation& invocation) {
  CLI::App* const build = image.add_subcommand("build", "the builds of an image's versions");
  build->require_subcommand(1);

  CLI::App* const all = build->add_subcommand("list", "builds, with why they failed");
  const auto listed = std::make_shared<Options>();
  all->add_option("IMAGE", listed->image, "name or ARN")->required();
  all->add_option("--version", listed->version, "only of this version");
  all->add_option("--architecture", listed->architecture, "only for X86_64 or ARM_64");
  all->add_option("--chipset", listed->chipset, "only for INTEL or GRAVITON");
  all->add_option("--chipset-generation", listed->chipset_generation, "only for this one, e.g. 1");
  all->footer("Example:\n  dormouse image build list counter");
  all->callback(
      [listed, &invocation] { invocation.action = [listed, &invocation] { return list(*listed, invocation); }; });

  CLI::App* const one = build->add_subcommand("describe", "a build: state and why, phase, sizes, notices");
  const auto described = std::make_shared<Options>();
  one->add_option("IMAGE", described->image, "name or ARN")->required();
  one->add_option("BUILD", described->build, "its id")->required();
  one->footer("Example:\n  dormouse image build describe counter 5b2e...");
  one->callback([described, &invocation] {
    invocation.action = [described, &invocation] { return describe(*described, invocation); };
  });
}

}  // namespace dormouse::cli
