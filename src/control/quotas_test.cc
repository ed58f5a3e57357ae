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
  Quotas quotas = aws_quotas("eu-west-1");
  quotas.rates["GetMicrovm"] = {5, 20};
  for (const auto& [name, value] : settings_of(quotas)) {
    EXPECT_FALSE(why_no_setting(name, value)) << name;
    EXPECT_TRUE(value) << name;
  }
  EXPECT_EQ(settings_of(quotas).at("burst:GetMicrovm"), 20U);
  EXPECT_EQ(settings_of(with_settings(Quotas(), settings_of(quotas))), settings_of(quotas));
  EXPECT_EQ(why_no_setting("image", 1),
            "'image' is no quota: there are memory-mib, images, versions-per-image, concurrent-builds, "
            "connections-per-vcpu, requests-per-vcpu, rate:OPERATION and burst:OPERATION");
  EXPECT_TRUE(why_no_setting("rate:", 1));
  EXPECT_EQ(why_no_setting("rate:Run", 0), "rate:Run=0: a rate a second is 1 at least");
  EXPECT_EQ(why_no_setting("burst:Run", 0), "burst:Run=0: a burst is 1 at least");
  EXPECT_TRUE(why_no_setting("requests-per-vcpu", 0));
  EXPECT_FALSE(why_no_setting("images", 0)) << "none at all";
  EXPECT_FALSE(why_no_setting("rate:Run", std::nullopt));
}

TEST(AccountQuotasTest, QuotasAreReadAsTheyAreWritten) {
  using Settings = QuotaSettings;
  EXPECT_EQ(parse_quota("images=5").value(), (Settings{{"images", 5}}));
  EXPECT_EQ(parse_quota("images=none").value(), (Settings{{"images", std::nullopt}}));
  EXPECT_EQ(parse_quota("rate:Run=5").value(), (Settings{{"rate:Run", 5}}));
  EXPECT_EQ(parse_quota("rate:Run=5/10").value(), (Settings{{"rate:Run", 5}, {"burst:Run", 10}}));
  for (const char* const text : {"images",
                                 "images=",
                                 "=5",
                                 "images=5x",
                                 "images=-1",
                                 "images=5/6",
                                 "rate:Run=5/",
                                 "rate:Run=/5",
                                 "rate:Run=5/none",
                                 "rate:Run=0",
                                 "rate:Run=5/0",
                                 "image=5",
                                 ""}) {
    EXPECT_FALSE(parse_quota(text)) << text;
  }
  EXPECT_EQ(parse_quota("images=many").error().message(),
            "'images=many' is not NAME=NUMBER, NAME=none or rate:OPERATION=RATE/BURST; examples are images=5 and "
            "rate:RunMicrovm=5/10");
}

TEST(AccountQuotasTest, BurstsAreSetBesideRates) {
  AccountQuotas quotas;
  quotas.set_defaults(rates({{"Run", {5, 5}}}));
  quotas.set("a", {{"rate:Run", 2}, {"burst:Run", 10}});
  quotas.set("b", {{"burst:Run", 20}, {"burst:Get", 3}});
  const auto expect = [&](const char* account, double per_second, double burst) {
    const auto rate = quotas.rate(account, "Run");
    ASSERT_TRUE(rate) << account;
    EXPECT_EQ(rate->per_second, per_second) << account;
    EXPECT_EQ(rate->burst, burst) << account;
    EXPECT_EQ(quotas.of(account).rates.at("Run").per_second, per_second) << account;
    EXPECT_EQ(quotas.of(account).rates.at("Run").burst, burst) << account;
  };
  expect("a", 2, 10);
  expect("b", 5, 20);
  EXPECT_FALSE(quotas.rate("b", "Get")) << "without a rate there is nothing to burst";
  EXPECT_FALSE(quotas.of("b").rates.contains("Get"));
}

TEST(AccountQuotasTest, EndpointsAreLimitedByTheProcessorsOfTheirVms) {
  AccountQuotas quotas;
  EXPECT_FALSE(quotas.endpoint_limits("a", 4).connections);
  EXPECT_FALSE(quotas.endpoint_limits("a", 4).requests);
  quotas.set_defaults(aws_quotas("us-east-1"));
  for (const auto& [vcpus, connections] : {std::pair{1U, 8U}, {2U, 16U}, {4U, 32U}, {8U, 64U}, {16U, 128U}}) {
    EXPECT_EQ(quotas.endpoint_limits("a", vcpus).connections, connections) << vcpus;
  }
  EXPECT_EQ(quotas.endpoint_limits("a", 4).requests->per_second, 40);
  EXPECT_EQ(quotas.endpoint_limits("a", 16).requests->burst, 160);
  quotas.set("a", {{"connections-per-vcpu", 1}, {"requests-per-vcpu", std::nullopt}});
  EXPECT_EQ(quotas.endpoint_limits("a", 4).connections, 4U);
  EXPECT_FALSE(quotas.endpoint_limits("a", 4).requests);
}

TEST(AccountQuotasTest, ServicesNumbersAreLargerInFourOfItsRegions) {
  for (const char* const region : {"us-east-1", "us-east-2", "us-west-2", "ap-northeast-1"}) {
    EXPECT_EQ(aws_quotas(region).memory_mib, 1024U * 1024U) << region;
    EXPECT_EQ(aws_quotas(region).concurrent_builds, 10U) << region;
  }
  EXPECT_EQ(aws_quotas("eu-west-1").memory_mib, 400U * 1024U);
  EXPECT_EQ(aws_quotas("eu-west-1").concurrent_builds, 5U);
}

TEST(AccountQuotasTest, NothingIsLimitedUnlessAsked) {
  const Quotas quotas;
  EXPECT_FALSE(quotas.memory_mib || quotas.images || quotas.versions_per_image || quotas.concurrent_builds);
  EXPECT_TRUE(quotas.rates.empty());
  EXPECT_FALSE(quotas.connections_per_vcpu || quotas.requests_per_vcpu);
  EXPECT_EQ(aws_quotas("us-east-1").rates.at("SuspendMicrovm").burst, 2);
}

}  // namespace
}  // namespace dormouse::control
