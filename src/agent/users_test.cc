// SPDX-License-Identifier: Apache-2.0

#include "agent/users.h"

#include <gtest/gtest.h>

namespace dormouse::agent {
namespace {

constexpr std::string_view kPasswd =
    "root:x:0:0:root:/root:/bin/sh\nbroken\n:x:7:7::/:\napp:x:1000:1001:App:/home/app:/bin/sh\n2000:x:5:6::/odd:\n";
constexpr std::string_view kGroup = "root:x:0:\nstaff:x:50:app,other\nvideo:x:44:other,app\nbad:x:no:app\n";

UserIds resolved(std::string_view user) {
  const auto ids = resolve_user(user, kPasswd, kGroup);
  EXPECT_TRUE(ids) << user;
  return ids.value_or(UserIds{});
}

TEST(ResolveUser, IsRootWhenTheImageNamesNobody) { EXPECT_EQ(resolved(""), (UserIds{0, 0, {0}, "/root"})); }

TEST(ResolveUser, TakesGroupsAndHomeFromTheFiles) {
  EXPECT_EQ(resolved("app"), (UserIds{1000, 1001, {1001, 50, 44}, "/home/app"}));
  EXPECT_EQ(resolved("1000"), (UserIds{1000, 1001, {1001, 50, 44}, "/home/app"}));
}

TEST(ResolveUser, TakesNumbersThatAreNotListed) {
  EXPECT_EQ(resolved("4711"), (UserIds{4711, 0, {0}, "/"}));
  EXPECT_EQ(resolved("4711:4712"), (UserIds{4711, 4712, {4712}, "/"}));
}

TEST(ResolveUser, PrefersANameThatLooksLikeANumber) { EXPECT_EQ(resolved("2000").uid, 5U); }

TEST(ResolveUser, NamesNoOtherGroupsBesideAnExplicitOne) {
  EXPECT_EQ(resolved("app:video"), (UserIds{1000, 44, {44}, "/home/app"}));
  EXPECT_EQ(resolved("app:9"), (UserIds{1000, 9, {9}, "/home/app"}));
}

TEST(ResolveUser, SaysWhichUserOrGroupIsMissing) {
  const auto user = resolve_user("ghost", kPasswd, kGroup);
  ASSERT_FALSE(user);
  EXPECT_EQ(user.error().code, "no_such_user");
  EXPECT_EQ(
      user.error().message,
      "USER ghost: the image's /etc/passwd has no user \"ghost\"; add it with a RUN instruction or use its number");
  const auto group = resolve_user("app:ghosts", kPasswd, kGroup);
  ASSERT_FALSE(group);
  EXPECT_EQ(group.error().code, "no_such_group");
  EXPECT_FALSE(resolve_user("-1", kPasswd, kGroup));
  EXPECT_FALSE(resolve_user("4294967295", kPasswd, kGroup));
}

}  // namespace
}  // namespace dormouse::agent
