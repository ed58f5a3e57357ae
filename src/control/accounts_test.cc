// SPDX-License-Identifier: Apache-2.0

#include "control/accounts.h"

#include <chrono>
#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "aws/credentials.h"
#include "control/callers.h"
#include "control/roles.h"
#include "support/control_fixture.h"

namespace dormouse::control {
namespace {

using aws::AuthFailureKind;
using std::chrono::seconds;
using testing::HasSubstr;

constexpr const char* kAdministrator = "000000000000";
constexpr const char* kTenant = "111111111111";
constexpr const char* kTrust = R"({"Version":"2012-10-17","Statement":[]})";

class OneKey final : public aws::CredentialStore {
 public:
  tl::expected<aws::Credential, AuthFailureKind> find(std::string_view access_key,
                                                      std::string_view session_token,
                                                      WallTime /*now*/) const override {
    return aws::lasting_credential(access_key == credential.access_key ? &credential : nullptr, session_token);
  }
  aws::Credential credential{"AKIAFILE", "secret", kAdministrator};
};

class AccountsTest : public testing::Test {
 protected:
  AccountsTest()
      : database(store::Database::open(directory.path() / "metadata.sqlite").value()),
        store(*database),
        accounts({store, quotas, clock, [this](const std::string&) { return others; }, {file.credential}},
                 kAdministrator),
        callers(file, store, sessions, kAdministrator),
        roles(store, sessions, clock) {
    EXPECT_TRUE(accounts.start());
  }
  auto find(const std::string& key, const std::string& token = "") { return callers.find(key, token, clock.wall()); }
  Roles::Assumption assumption(const std::string& role) const {
    return {kTenant, "arn:aws:iam::111111111111:root", false, "arn:aws:iam::111111111111:role/" + role, "me", 900};
  }
  Role role(const std::string& name) const {
    Role role;
    role.account = kTenant;
    role.name = name;
    role.trust_policy = kTrust;
    return role;
  }

  test::TemporaryDirectory directory;
  test::FakeClock clock;
  OneKey file;
  AccountQuotas quotas;
  store::IdentityStore::Counts others;
  std::unique_ptr<store::Database> database;
  store::IdentityStore store;
  Sessions sessions{"key"};
  Accounts accounts;
  Callers callers;
  Roles roles;
};

TEST_F(AccountsTest, AdministratorIsThereFromTheStart) {
  const auto page = accounts.list(10, std::nullopt);
  ASSERT_TRUE(page);
  ASSERT_EQ(page->items.size(), 1U);
  EXPECT_TRUE(page->items[0].administrator);
  EXPECT_TRUE(find("AKIAFILE")->administrator);
  const auto refused = accounts.remove(kAdministrator);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().message, "Account 000000000000 is the administrator's and cannot be deleted");
}

TEST_F(AccountsTest, AccountNumbersHaveTwelveDigitsAndAreTakenOnce) {
  ASSERT_TRUE(accounts.create(kTenant, "a tenant"));
  EXPECT_EQ(accounts.create(kTenant, "").error().message, "There is an account 111111111111 already");
  EXPECT_EQ(accounts.create("12345", "").error().message,
            "'12345' is no account number: it has 12 digits, like 123456789012");
  const auto random = accounts.create(std::nullopt, "");
  ASSERT_TRUE(random);
  EXPECT_TRUE(is_account_id(random->id));
}

TEST_F(AccountsTest, KeyWorksUntilItIsRevoked) {
  ASSERT_TRUE(accounts.create(kTenant, ""));
  const auto key = accounts.create_key(kTenant);
  ASSERT_TRUE(key);
  EXPECT_EQ(key->secret.size(), 40U);
  const auto found = find(key->access_key);
  ASSERT_TRUE(found);
  EXPECT_EQ(found->account, kTenant);
  EXPECT_EQ(found->secret, key->secret);
  EXPECT_FALSE(found->administrator);
  EXPECT_EQ(accounts.list_keys(kTenant)->at(0).secret, "");
  EXPECT_FALSE(accounts.revoke_key(kAdministrator, key->access_key)) << "it is another account's";
  ASSERT_TRUE(accounts.revoke_key(kTenant, key->access_key));
  EXPECT_EQ(find(key->access_key).error(), AuthFailureKind::kUnknownAccessKey);
  EXPECT_THAT(accounts.revoke_key(kTenant, key->access_key).error().message, HasSubstr("has no access key AKIA"));
}

TEST_F(AccountsTest, OldKeyWorksBesideTheNewOneUntilTheOverlapEnds) {
  ASSERT_TRUE(accounts.create(kTenant, ""));
  const auto old = accounts.create_key(kTenant);
  const auto rotation = accounts.rotate_key(kTenant, old->access_key, seconds(60));
  ASSERT_TRUE(rotation);
  clock.advance(seconds(59));
  EXPECT_TRUE(find(old->access_key));
  EXPECT_TRUE(find(rotation->created.access_key));
  clock.advance(seconds(1));
  EXPECT_EQ(find(old->access_key).error(), AuthFailureKind::kUnknownAccessKey);
  EXPECT_TRUE(find(rotation->created.access_key));
  EXPECT_THAT(accounts.rotate_key(kTenant, old->access_key, seconds(0)).error().message, HasSubstr("has expired"));
  EXPECT_EQ(accounts.rotate_key(kTenant, rotation->created.access_key, seconds(-1)).error().message,
            "The old key cannot go on for -1 seconds: 0 to 7776000 are allowed");
}

TEST_F(AccountsTest, KeysOfTheFileAreRevokedInTheFile) {
  EXPECT_EQ(accounts.revoke_key(kAdministrator, "AKIAFILE").error().message,
            "Access key AKIAFILE stands in the file `credentials` of the data directory: take it out there and start "
            "dormoused again");
}

TEST_F(AccountsTest, KeysOfAnAccountAreBounded) {
  ASSERT_TRUE(accounts.create(kTenant, ""));
  for (std::size_t i = 0; i < Accounts::kKeysMax; ++i) {
    ASSERT_TRUE(accounts.create_key(kTenant));
  }
  EXPECT_EQ(accounts.create_key(kTenant).error().message,
            "Account 111111111111 has 10 access keys, 10 are allowed: revoke one");
}

TEST_F(AccountsTest, AccountWithResourcesStaysAndItsKeysGoWithIt) {
  ASSERT_TRUE(accounts.create(kTenant, ""));
  const auto key = accounts.create_key(kTenant);
  ASSERT_TRUE(roles.create(role("build")));
  others["buckets"] = 2;
  EXPECT_EQ(accounts.remove(kTenant).error().message,
            "Account 111111111111 has 2 buckets, 1 roles. Delete these first, with the account's own keys.");
  others.clear();
  ASSERT_TRUE(roles.remove(kTenant, "build"));
  ASSERT_TRUE(accounts.remove(kTenant));
  EXPECT_EQ(find(key->access_key).error(), AuthFailureKind::kUnknownAccessKey);
  EXPECT_EQ(accounts.get(kTenant).error().kind, ServiceErrorKind::kResourceNotFound);
}

TEST_F(AccountsTest, QuotasOfAnAccountOutliveTheProcess) {
  ASSERT_TRUE(accounts.create(kTenant, ""));
  ASSERT_TRUE(accounts.set_quotas(kTenant, {{"images", 3}, {"memory-mib", std::nullopt}}, {}));
  EXPECT_EQ(quotas.of(kTenant).images, 3U);
  quotas.set(kTenant, {});
  ASSERT_TRUE(accounts.start());
  EXPECT_EQ(quotas.of(kTenant).images, 3U);
  EXPECT_EQ(accounts.get(kTenant)->quotas, (QuotaSettings{{"images", 3}, {"memory-mib", std::nullopt}}));
  ASSERT_TRUE(accounts.set_quotas(kTenant, {}, {"images"}));
  EXPECT_FALSE(quotas.of(kTenant).images);
  EXPECT_THAT(accounts.set_quotas(kTenant, {{"image", 3}}, {}).error().message, HasSubstr("'image' is no quota"));
}

TEST_F(AccountsTest, SessionIsTakenUntilItExpiresWithItsTokenAlone) {
  ASSERT_TRUE(roles.create(role("build")));
  const auto assumed = roles.assume(assumption("build"));
  ASSERT_TRUE(assumed) << assumed.error().message;
  const Sessions::Issued& issued = assumed->issued;
  const auto found = find(issued.session.access_key, issued.token);
  ASSERT_TRUE(found);
  EXPECT_EQ(found->secret, issued.secret);
  EXPECT_EQ(found->account, kTenant);
  EXPECT_EQ(found->arn, "arn:aws:sts::111111111111:assumed-role/build/me");
  EXPECT_EQ(found->user_id, assumed->role.role_id + ":me");
  EXPECT_FALSE(found->administrator);
  EXPECT_EQ(find(issued.session.access_key).error(), AuthFailureKind::kUnknownAccessKey);
  EXPECT_EQ(find("ASIAOTHER", issued.token).error(), AuthFailureKind::kInvalidSessionToken);
  std::string forged = issued.token;
  forged[60] = forged[60] == 'A' ? 'B' : 'A';
  EXPECT_EQ(find(issued.session.access_key, forged).error(), AuthFailureKind::kInvalidSessionToken);
  clock.advance(seconds(900));
  EXPECT_EQ(find(issued.session.access_key, issued.token).error(), AuthFailureKind::kTokenExpired);
}

TEST_F(AccountsTest, SessionEndsWithItsRole) {
  ASSERT_TRUE(roles.create(role("build")));
  const auto assumed = roles.assume(assumption("build"));
  ASSERT_TRUE(roles.remove(kTenant, "build"));
  ASSERT_TRUE(roles.create(role("build")));  // another one
  EXPECT_EQ(find(assumed->issued.session.access_key, assumed->issued.token).error(),
            AuthFailureKind::kInvalidSessionToken);
}

TEST_F(AccountsTest, RolesAreAssumedWithinTheirAccountAndTime) {
  ASSERT_TRUE(roles.create(role("build")));
  auto asked = assumption("build");
  asked.caller_account = "222222222222";
  EXPECT_EQ(roles.assume(asked).error().message,
            "User: arn:aws:iam::111111111111:root is not authorized to perform: sts:AssumeRole on resource: "
            "arn:aws:iam::111111111111:role/build");
  EXPECT_EQ(roles.assume(assumption("other")).error().kind, ServiceErrorKind::kAccessDenied);
  asked = assumption("build");
  asked.duration_seconds = 3601;
  EXPECT_EQ(roles.assume(asked).error().message,
            "The requested DurationSeconds exceeds the MaxSessionDuration set for this role.");
}

TEST_F(AccountsTest, RoleNamesDifferInMoreThanTheCaseOfLetters) {
  ASSERT_TRUE(roles.create(role("build")));
  EXPECT_EQ(roles.create(role("Build")).error().message, "Role with name Build already exists.");
}

}  // namespace
}  // namespace dormouse::control
