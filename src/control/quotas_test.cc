// SPDX-License-Identifier: Apache-2.0

#include "control/quotas.h"

#include <chrono>
#include <string>
#include <thread>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "support/control_fixture.h"

namespace dormouse::control {
namespace {

using std::chrono::milliseconds;
using test::ControlFixture;
using test::FakeHost;
using testing::StartsWith;

constexpr const char* kAccount = ControlFixture::kAccount;

Quotas rates(std::map<std::string, Rate, std::less<>> rates) {
  Quotas quotas;
  quotas.rates = std::move(rates);
  return quotas;
}

TEST(RateLimiterTest, TakesABurstAndThenTheRate) {
  test::FakeClock clock;
  AccountQuotas quotas;
  quotas.set_defaults(rates({{"Run", {2, 3}}}));
  RateLimiter limiter(clock, quotas);
  for (int call = 0; call < 3; ++call) {
    EXPECT_FALSE(limiter.take("a", "Run"));
  }
  EXPECT_EQ(limiter.take("a", "Run"), 1);
  clock.advance(milliseconds(499));
  EXPECT_EQ(limiter.take("a", "Run"), 1);
  clock.advance(milliseconds(1));
  EXPECT_FALSE(limiter.take("a", "Run"));
  EXPECT_EQ(limiter.take("a", "Run"), 1);
}

TEST(RateLimiterTest, SavesNoMoreThanTheBurst) {
  test::FakeClock clock;
  AccountQuotas quotas;
  quotas.set_defaults(rates({{"Run", {5, 2}}}));
  RateLimiter limiter(clock, quotas);
  clock.advance(std::chrono::hours(1));
  EXPECT_FALSE(limiter.take("a", "Run"));
  EXPECT_FALSE(limiter.take("a", "Run"));
  EXPECT_TRUE(limiter.take("a", "Run"));
}

TEST(RateLimiterTest, SaysHowLongToWaitInWholeSeconds) {
  test::FakeClock clock;
  AccountQuotas quotas;
  quotas.set_defaults(rates({{"Slow", {0.1, 1}}}));
  RateLimiter limiter(clock, quotas);
  EXPECT_FALSE(limiter.take("a", "Slow"));
  EXPECT_EQ(limiter.take("a", "Slow"), 10);
  clock.advance(milliseconds(9'500));
  EXPECT_EQ(limiter.take("a", "Slow"), 1);
}

TEST(RateLimiterTest, KeepsAccountsAndOperationsApart) {
  test::FakeClock clock;
  AccountQuotas quotas;
  quotas.set_defaults(rates({{"Run", {1, 1}}, {"Suspend", {1, 1}}}));
  RateLimiter limiter(clock, quotas);
  EXPECT_FALSE(limiter.take("a", "Run"));
  EXPECT_TRUE(limiter.take("a", "Run"));
  EXPECT_FALSE(limiter.take("b", "Run"));
  EXPECT_FALSE(limiter.take("a", "Suspend"));
  EXPECT_FALSE(limiter.take("a", "Other"));
  EXPECT_FALSE(limiter.take("a", "Other"));
}

class QuotasTest : public testing::Test {
 protected:
  Answer<Microvm> run() { return fixture.microvms->run(kAccount, fixture.run_request(), "digest"); }
  Answer<Images::Created> create(const std::string& name, const std::string& account = kAccount) {
    return fixture.images->create(account, name, ControlFixture::specification(), std::nullopt, std::nullopt, "digest");
  }
  Answer<Images::Created> update() {
    return fixture.images->update(
        kAccount, ControlFixture::kImageArn, ControlFixture::specification(), std::nullopt, "digest");
  }

  template <typename Number>
  void allow(std::optional<Number> Quotas::* quota, Number number) {
    quotas.*quota = number;
    fixture.world->quotas.set_defaults(quotas);
  }

  ControlFixture fixture;
  Quotas quotas;
};

TEST_F(QuotasTest, MemoryCountsRunningAndSuspendedVms) {
  allow(&Quotas::memory_mib, std::uint64_t{4096});  // two of the default size
  fixture.create_image();
  const Microvm first = fixture.run_to_running(fixture.run_request());
  const Microvm second = fixture.run_to_running(fixture.run_request());
  ASSERT_TRUE(fixture.microvms->suspend(kAccount, second.microvm_id));
  ASSERT_TRUE(fixture.states.wait_for(second.microvm_id, MicrovmState::kSuspended));
  const auto refused = run();
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().kind, ServiceErrorKind::kServiceQuotaExceeded);
  EXPECT_EQ(
      refused.error().message,
      "The base maximum allocated memory limit has been reached for this account. Its MicroVMs have 4096 MiB, this "
      "one needs 2048 MiB, 4096 MiB are allowed. Terminate some. Whoever runs this Dormouse can raise it: dormouse "
      "account quota set 000000000000 memory-mib=NUMBER");
  ASSERT_TRUE(fixture.microvms->terminate(kAccount, first.microvm_id));
  ASSERT_TRUE(fixture.states.wait_for(first.microvm_id, MicrovmState::kTerminated));
  while (!run()) {  // the room is given back right after the record says TERMINATED
    std::this_thread::yield();
  }
}

TEST_F(QuotasTest, MemoryIsCountedAgainAfterARestart) {
  fixture.create_image();
  fixture.run_to_running(fixture.run_request());
  fixture.restart();
  allow(&Quotas::memory_mib, std::uint64_t{2048});
  fixture.start();
  const auto refused = run();
  ASSERT_FALSE(refused);
  EXPECT_THAT(refused.error().message, StartsWith("The base maximum allocated memory limit has been reached"));
}

TEST_F(QuotasTest, ImagesAreCountedByAccount) {
  allow(&Quotas::images, std::size_t{1});
  ASSERT_TRUE(create("a"));
  const auto refused = create("b");
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().kind, ServiceErrorKind::kServiceQuotaExceeded);
  EXPECT_EQ(
      refused.error().message,
      "The maximum number of MicroVM images (1) has been reached for this account. It has 1. Delete some. Whoever runs "
      "this Dormouse can raise it: dormouse account quota set 000000000000 images=NUMBER");
  EXPECT_TRUE(create("b", "111111111111"));
}

TEST_F(QuotasTest, FailedVersionsCountToo) {
  allow(&Quotas::versions_per_image, std::size_t{2});
  fixture.create_image();
  fixture.host.fail_next_build({"CONTAINER_BUILD_FAILED", "The container image build failed.", std::nullopt});
  ASSERT_TRUE(update());
  ASSERT_TRUE(fixture.wait_for_build(BuildState::kFailed));
  const auto refused = update();
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().kind, ServiceErrorKind::kServiceQuotaExceeded);
  EXPECT_THAT(refused.error().message, StartsWith("The maximum number of versions (2) has been reached for MicroVM"));
}

TEST_F(QuotasTest, ConcurrentBuildsAreCountedByAccount) {
  allow(&Quotas::concurrent_builds, std::size_t{2});
  fixture.host.hold(FakeHost::Call::kBuild);
  ASSERT_TRUE(create("a"));
  ASSERT_TRUE(create("b"));
  const auto refused = create("c");
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().kind, ServiceErrorKind::kServiceQuotaExceeded);
  EXPECT_EQ(
      refused.error().message,
      "The maximum number of concurrent builds (2) has been reached for this account. 2 are waiting or under way. "
      "Whoever runs this Dormouse can raise it: dormouse account quota set 000000000000 concurrent-builds=NUMBER");
  EXPECT_TRUE(create("c", "111111111111"));
  fixture.host.release(FakeHost::Call::kBuild);
  ASSERT_TRUE(fixture.wait_for_build(BuildState::kSuccessful, 3));
  EXPECT_TRUE(create("c"));
}

TEST_F(QuotasTest, AccountsHaveTheirOwnNumbersInPlaceOfTheDefaults) {
  allow(&Quotas::images, std::size_t{1});
  fixture.world->quotas.set("111111111111", {{"images", 2}});
  fixture.world->quotas.set("222222222222", {{"images", std::nullopt}});
  EXPECT_EQ(fixture.world->quotas.of(kAccount).images, 1U);
  EXPECT_EQ(fixture.world->quotas.of("111111111111").images, 2U);
  EXPECT_FALSE(fixture.world->quotas.of("222222222222").images);
  ASSERT_TRUE(create("a", "111111111111"));
  ASSERT_TRUE(create("b", "111111111111"));
  const auto refused = create("c", "111111111111");
  ASSERT_FALSE(refused);
  EXPECT_THAT(refused.error().message, StartsWith("The maximum number of MicroVM images (2) has been reached"));
  fixture.world->quotas.set("111111111111", {});
  EXPECT_EQ(fixture.world->quotas.of("111111111111").images, 1U);
}

TEST(AccountQuotasTest, RatesAreSetByOperation) {
  test::FakeClock clock;
  AccountQuotas quotas;
  quotas.set_defaults(rates({{"Run", {5, 5}}}));
  quotas.set("a", {{"rate:Run", 1}, {"rate:Get", 1}});
  quotas.set("b", {{"rate:Run", std::nullopt}});
  RateLimiter limiter(clock, quotas);
  EXPECT_FALSE(limiter.take("a", "Run"));
  EXPECT_EQ(limiter.take("a", "Run"), 1);
  EXPECT_FALSE(limiter.take("a", "Get"));
  EXPECT_EQ(limiter.take("a", "Get"), 1);
  for (int call = 0; call < 20; ++call) {
    EXPECT_FALSE(limiter.take("b", "Run"));
  }
  EXPECT_EQ(quotas.of("a").rates.at("Run").per_second, 1);
  EXPECT_FALSE(quotas.of("b").rates.contains("Run"));
}

TEST(AccountQuotasTest, QuotasAreKnownByTheirNames) {
  for (const auto& [name, value] : settings_of(aws_quotas())) {
    EXPECT_TRUE(is_quota(name)) << name;
    EXPECT_TRUE(value) << name;
  }
  EXPECT_EQ(settings_of(with_settings(Quotas(), settings_of(aws_quotas()))), settings_of(aws_quotas()));
  EXPECT_FALSE(is_quota("image"));
  EXPECT_FALSE(is_quota("rate:"));
}

TEST(AccountQuotasTest, NothingIsLimitedUnlessAsked) {
  const Quotas quotas;
  EXPECT_FALSE(quotas.memory_mib || quotas.images || quotas.versions_per_image || quotas.concurrent_builds);
  EXPECT_TRUE(quotas.rates.empty());
  EXPECT_EQ(aws_quotas().rates.at("SuspendMicrovm").burst, 2);
  EXPECT_EQ(aws_quotas().memory_mib, 409'600U);
}

}  // namespace
}  // namespace dormouse::control
