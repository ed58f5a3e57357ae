// SPDX-License-Identifier: Apache-2.0

#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "os/context.h"

namespace dormouse::managed_base {

// What this machine's APT knows of Debian 12. It is asked, never refreshed.
struct PackageLists {
  std::vector<std::string> sources;             // "deb URI SUITE COMPONENTS...", Debian's own alone; may be empty
  std::map<std::string, std::string> versions;  // package -> version that would be installed now
  bool complete = false;                        // every package of interest has a version
};

// The packages whose versions decide whether a base is up to date.
const std::vector<std::string>& packages_of_interest();

// An empty result rather than an error where APT cannot say: only cancellation and deadlines fail.
Result<PackageLists> read_package_lists(const os::Context& context);

// Sources from the output of `apt-get indextargets`, one "ORIGIN|CODENAME|URI|COMPONENT" a line: those of origin Debian whose
// code name is bookworm or begins with "bookworm-", each suite once with all its components, main ones first.
std::vector<std::string> parse_index_targets(std::string_view output);

// Candidates from the output of `apt-cache policy PACKAGE...` in the C locale; packages without one are left out.
std::map<std::string, std::string> parse_policy(std::string_view output);

}  // namespace dormouse::managed_base
