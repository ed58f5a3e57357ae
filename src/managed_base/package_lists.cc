// SPDX-License-Identifier: Apache-2.0

#include "managed_base/package_lists.h"

#include <algorithm>
#include <optional>
#include <sstream>
#include <utility>

#include "os/command.h"

namespace dormouse::managed_base {
namespace {

constexpr std::string_view kSuite = "bookworm";

bool is_of_suite(std::string_view code_name) {
  return code_name == kSuite || code_name.substr(0, kSuite.size() + 1) == std::string(kSuite) + "-";
}

// The output of an APT program, or nothing when it fails; an error only when `context` has ended.
Result<std::optional<std::string>> ask(std::vector<std::string> arguments, const os::Context& context) {
  const os::Command command{std::move(arguments), {"LC_ALL=C", "PATH=/usr/sbin:/usr/bin:/sbin:/bin"}};
  auto output = os::run_for_output(command, 4U << 20U, context.within(std::chrono::minutes(1)));
  if (output) {
    return std::optional(*std::move(output));
  }
  DM_TRY(context.check("read the package lists"), "");
  return std::optional<std::string>();
}

}  // namespace

const std::vector<std::string>& packages_of_interest() {
  static const std::vector<std::string> kPackages{
      "apt",
      "base-files",
      "buildah",
      "ca-certificates",
      "crun",
      "jq",
      "libc6",
      "libssl3",
      "libsystemd0",
      "linux-image-cloud-amd64",
      "python3",
      "python3-pip",
      "python3.11",
      "tzdata",
  };
  return kPackages;
}

std::vector<std::string> parse_index_targets(std::string_view output) {
  std::vector<std::pair<std::string, std::string>> suites;  // "URI SUITE" -> components
  std::istringstream lines{std::string(output)};
  for (std::string line; std::getline(lines, line);) {
    std::vector<std::string> fields;
    std::istringstream parts(line);
    for (std::string field; std::getline(parts, field, '|');) {
      fields.push_back(field);
    }
    if (fields.size() != 4 || fields[0] != "Debian" || !is_of_suite(fields[1])) {
      continue;
    }
    const std::string suite = fields[2] + " " + fields[1];
    const auto known =
        std::find_if(suites.begin(), suites.end(), [&](const auto& entry) { return entry.first == suite; });
    if (known == suites.end()) {
      suites.emplace_back(suite, " " + fields[3]);
    } else if ((known->second + " ").find(" " + fields[3] + " ") == std::string::npos) {
      known->second += " " + fields[3];
    }
  }
  std::vector<std::string> sources;
  for (const auto& [suite, components] : suites) {
    sources.push_back("deb " + suite + components);
  }
  return sources;
}

std::map<std::string, std::string> parse_policy(std::string_view output) {
  std::map<std::string, std::string> versions;
  std::string package;
  std::istringstream lines{std::string(output)};
  for (std::string line; std::getline(lines, line);) {
    static constexpr std::string_view kCandidate = "  Candidate: ";
    if (!line.empty() && line.front() != ' ' && line.back() == ':') {
      package = line.substr(0, line.size() - 1);
    } else if (line.substr(0, kCandidate.size()) == kCandidate && !package.empty()) {
      const std::string version = line.substr(kCandidate.size());
      if (version != "(none)") {
        versions[package] = version;
      }
    }
  }
  return versions;
}

Result<PackageLists> read_package_lists(const os::Context& context) {
  PackageLists lists;
  std::vector<std::string> targets_command{"/usr/bin/apt-get",
                                           "indextargets",
                                           "--format",
                                           "$(ORIGIN)|$(CODENAME)|$(REPO_URI)|$(COMPONENT)",
                                           "Created-By: Packages"};
  DM_ASSIGN(const auto targets, ask(std::move(targets_command), context), "");
  lists.sources = parse_index_targets(targets.value_or(""));

  std::vector<std::string> policy_command{"/usr/bin/apt-cache", "policy"};
  policy_command.insert(policy_command.end(), packages_of_interest().begin(), packages_of_interest().end());
  DM_ASSIGN(const auto policy, ask(std::move(policy_command), context), "");
  lists.versions = parse_policy(policy.value_or(""));
  lists.complete = !lists.sources.empty() && lists.versions.size() == packages_of_interest().size();
  return lists;
}

}  // namespace dormouse::managed_base
