// SPDX-License-Identifier: Apache-2.0

#include "managed_base/package_lists.h"

#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace dormouse::managed_base {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using testing::Pair;

TEST(ParseIndexTargets, KeepsDebiansOwnSuitesOfTheReleaseAlone) {
  const auto sources = parse_index_targets(
      "Debian|bookworm|http://mirror.example/debian/|main\n"
      "Debian|bookworm-updates|http://mirror.example/debian/|main\n"
      "Debian|bookworm-security|http://mirror.example/security/|main\n"
      "Debian|trixie|http://mirror.example/debian/|main\n"
      "Debian|bookwormish|http://mirror.example/debian/|main\n"
      "Node Source|nodistro|https://packages.example/node/|main\n"
      "Debian Backports|bookworm-backports|http://mirror.example/debian/|main\n"
      "\n"
      "Debian|bookworm|too few\n");
  EXPECT_THAT(sources,
              ElementsAre("deb http://mirror.example/debian/ bookworm main",
                          "deb http://mirror.example/debian/ bookworm-updates main",
                          "deb http://mirror.example/security/ bookworm-security main"));
}

TEST(ParseIndexTargets, JoinsTheComponentsOfOneSuite) {
  const auto sources = parse_index_targets(
      "Debian|bookworm|http://mirror.example/debian/|main\n"
      "Debian|bookworm|http://mirror.example/debian/|contrib\n"
      "Debian|bookworm|http://mirror.example/debian/|main\n");
  EXPECT_THAT(sources, ElementsAre("deb http://mirror.example/debian/ bookworm main contrib"));
}

TEST(ParsePolicy, TakesCandidatesAndLeavesOutPackagesWithoutOne) {
  const auto versions = parse_policy(
      "crun:\n"
      "  Installed: 0.9\n"
      "  Candidate: 1.8.1-1+deb12u1\n"
      "  Version table:\n"
      "     1.8.1-1+deb12u1 500\n"
      "        500 http://mirror.example/debian bookworm/main amd64 Packages\n"
      "buildah:\n"
      "  Installed: (none)\n"
      "  Candidate: (none)\n"
      "  Version table:\n");
  EXPECT_THAT(versions, ElementsAre(Pair("crun", "1.8.1-1+deb12u1")));
}

TEST(ParsePolicy, FindsNothingInNothing) { EXPECT_THAT(parse_policy(""), IsEmpty()); }

}  // namespace
}  // namespace dormouse::managed_base
