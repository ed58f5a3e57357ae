// SPDX-License-Identifier: Apache-2.0

#include "telemetry/telemetry.h"

#include <algorithm>
#include <chrono>
#include <limits>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "support/fake_clock.h"

namespace dormouse::telemetry {
namespace {

using std::chrono::milliseconds;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;

constexpr char kSampled[] = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
constexpr char kUnsampled[] = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-00";

class RememberingSink final : public SpanSink {
 public:
  void take(FinishedSpan span) override { spans.push_back(std::move(span)); }
  std::vector<FinishedSpan> spans;
};

std::vector<std::string> names(const std::vector<FinishedSpan>& spans) {
  std::vector<std::string> result;
  std::transform(
      spans.begin(), spans.end(), std::back_inserter(result), [](const FinishedSpan& span) { return span.name; });
  return result;
}

class TelemetryTest : public testing::Test {
 protected:
  tracing::Trace begin(const tracing::Cause& cause = {}) {
    return telemetry.begin({"launch", "web", "000000000000", "microvm-1"}, cause);
  }
  test::FakeClock clock;
  RememberingSink sink;
  Telemetry telemetry{clock, {.images_max = 5, .operations_kept = 3}, &sink};
};

TEST_F(TelemetryTest, RemembersTheStepsOfAnOperationWithTheirTimes) {
  const tracing::Trace launch = begin();
  clock.advance(milliseconds(5));
  {
    tracing::Span outer = launch.span("obtain_slow");
    tracing::Span inner = outer.within().span("namespace");
    clock.advance(milliseconds(20));
    inner.succeed();
    clock.advance(milliseconds(10));
    outer.succeed();
  }
  launch.finish(tracing::kOk);
  const auto recent = telemetry.recent("launch", "000000000000", 10);
  ASSERT_EQ(recent.size(), 1U);
  const OperationRecord& record = recent.front();
  EXPECT_EQ(record.duration, milliseconds(35));
  EXPECT_EQ(record.outcome, "ok");
  ASSERT_EQ(record.spans.size(), 2U);
  EXPECT_STREQ(record.spans[0].name, "namespace");
  EXPECT_EQ(record.spans[0].begin, milliseconds(5));
  EXPECT_EQ(record.spans[0].duration, milliseconds(20));
  EXPECT_EQ(record.spans[0].parent, record.spans[1].id);
  EXPECT_EQ(record.spans[1].parent, record.position.span);
  EXPECT_EQ(record.spans[1].duration, milliseconds(30));
}

TEST_F(TelemetryTest, MeasuresStepsAndOperationsByImageAndOutcome) {
  const tracing::Trace launch = begin();
  const Status failed = launch.step("overlay", []() -> Status { return fail(ErrorKind::kResourceExhausted, "full"); });
  EXPECT_FALSE(failed);
  launch.finish(tracing::outcome_of(failed));
  const std::string text = telemetry.render();
  EXPECT_THAT(text,
              HasSubstr("dormouse_step_duration_seconds_count{image=\"web\",operation=\"launch\","
                        "outcome=\"resource_exhausted\",step=\"overlay\"} 1"));
  EXPECT_THAT(text,
              HasSubstr("dormouse_operation_duration_seconds_count{image=\"web\",operation=\"launch\","
                        "outcome=\"resource_exhausted\"} 1"));
  EXPECT_THAT(text, Not(HasSubstr("microvm-1")));
}

TEST_F(TelemetryTest, TakesAStepThatNobodyEndedAsFailed) {
  const tracing::Trace launch = begin();
  {
    const tracing::Span left = launch.span("namespace");
  }
  launch.finish(tracing::kFailed);
  EXPECT_EQ(telemetry.recent("", "000000000000", 1).front().spans.front().outcome, "failed");
}

TEST_F(TelemetryTest, CountsAnOperationThatNobodyFinishedAsAbandoned) {
  begin();
  EXPECT_THAT(telemetry.render(), HasSubstr("outcome=\"abandoned\"} 1"));
  EXPECT_TRUE(telemetry.recent("", "000000000000", 10).empty());
}

TEST_F(TelemetryTest, AnOperationBeginsWhenItsCauseArrivedAndBelongsToItsTrace) {
  const tracing::Cause cause = telemetry.receive(kSampled);
  clock.advance(milliseconds(7));
  const tracing::Trace launch = begin(cause);
  launch.finish(tracing::kOk);
  telemetry.answered(cause, "RunMicrovm", "ok", {});
  const OperationRecord record = telemetry.recent("launch", "000000000000", 1).front();
  EXPECT_EQ(record.duration, milliseconds(7));
  ASSERT_THAT(names(sink.spans), ElementsAre("launch", "RunMicrovm"));
  EXPECT_EQ(tracing::format_trace_id(sink.spans[0].position), "4bf92f3577b34da6a3ce929d0e0e4736");
  EXPECT_EQ(sink.spans[0].parent_span, sink.spans[1].position.span);
  EXPECT_EQ(tracing::format_span_id(sink.spans[1].parent_span), "00f067aa0ba902b7");
  EXPECT_TRUE(sink.spans[1].is_server);
}

TEST_F(TelemetryTest, ExportsNothingOfATraceThatItsBeginnerDidNotSample) {
  const tracing::Cause cause = telemetry.receive(kUnsampled);
  const tracing::Trace launch = begin(cause);
  launch.span("namespace").succeed();
  launch.finish(tracing::kOk);
  telemetry.answered(cause, "RunMicrovm", "ok", {});
  EXPECT_TRUE(sink.spans.empty());
  EXPECT_EQ(telemetry.recent("launch", "000000000000", 1).size(), 1U);
}

TEST_F(TelemetryTest, BeginsANewTraceWhereTheHeaderIsNone) {
  const tracing::Cause first = telemetry.receive("rubbish");
  const tracing::Cause second = telemetry.receive("");
  EXPECT_TRUE(first.position);
  EXPECT_FALSE(first.caller);
  EXPECT_NE(first.position.trace_low, second.position.trace_low);
}

TEST_F(TelemetryTest, KeepsTheLatestOperationsOfEachKindAndAccount) {
  for (int i = 0; i < 5; ++i) {
    clock.advance(milliseconds(1));
    begin().finish(tracing::kOk);
    telemetry.begin({"suspend", "web", "111111111111", "microvm-2"}, {}).finish(tracing::kOk);
  }
  EXPECT_EQ(telemetry.recent("launch", "000000000000", 10).size(), 3U);
  EXPECT_EQ(telemetry.recent("launch", "000000000000", 2).size(), 2U);
  EXPECT_EQ(telemetry.recent("suspend", "000000000000", 10).size(), 0U);
  EXPECT_EQ(telemetry.recent("", "111111111111", 10).size(), 3U);
  const auto newest_first = telemetry.recent("launch", "000000000000", 10);
  EXPECT_GT(newest_first[0].begin, newest_first[2].begin);
}

TEST_F(TelemetryTest, BoundsTheSpansOfAnOperationAndSaysHowManyItLeftOut) {
  const tracing::Trace launch = begin();
  for (std::size_t i = 0; i < Telemetry::kSpansMax + 5; ++i) {
    launch.span("namespace").succeed();
  }
  launch.finish(tracing::kOk);
  const OperationRecord record = telemetry.recent("launch", "000000000000", 1).front();
  EXPECT_EQ(record.spans.size(), Telemetry::kSpansMax);
  EXPECT_EQ(record.spans_left_out, 5U);
}

TEST_F(TelemetryTest, TakesTheFirstRequestsStepsAlsoAfterTheEnd) {
  const tracing::Trace launch = begin();
  launch.finish(tracing::kOk);
  clock.advance(milliseconds(40));
  launch.span("answer").succeed();
  launch.first_byte();
  clock.advance(milliseconds(40));
  launch.first_byte();
  const OperationRecord record = telemetry.recent("launch", "000000000000", 1).front();
  EXPECT_EQ(record.first_byte, milliseconds(40));
  EXPECT_EQ(record.spans.size(), 1U);
  EXPECT_THAT(telemetry.render(), HasSubstr("dormouse_first_byte_seconds_count{image=\"web\",operation=\"launch\"} 1"));
}

TEST_F(TelemetryTest, CountsBytesAndSlowPathsByOperation) {
  const tracing::Trace launch = begin();
  launch.count_bytes(tracing::Direction::kWritten, 4096);
  launch.count_slow_path("no_clone");
  const std::string text = telemetry.render();
  EXPECT_THAT(
      text, HasSubstr("dormouse_snapshot_bytes_total{direction=\"written\",image=\"web\",operation=\"launch\"} 4096"));
  EXPECT_THAT(text, HasSubstr("dormouse_slow_paths_total{image=\"web\",operation=\"launch\",reason=\"no_clone\"} 1"));
}

TEST_F(TelemetryTest, AsksItsCollectorsBeforeEachRendering) {
  int asked = 0;
  telemetry.on_render([&](Metrics& metrics) { metrics.ready.set({}, ++asked); });
  telemetry.render();
  EXPECT_THAT(telemetry.render(), HasSubstr("dormouse_ready 2"));
}

// The fastest of many batches: what other programs take from this one does not count.
template <typename Work>
double nanoseconds_each(const Work& work) {
  constexpr int kBatches = 40;
  constexpr int kBatch = 500;
  double best = std::numeric_limits<double>::max();
  for (int batch = 0; batch < kBatches; ++batch) {
    const auto begin = std::chrono::steady_clock::now();
    for (int i = 0; i < kBatch; ++i) {
      work();
    }
    const std::chrono::duration<double, std::nano> took = std::chrono::steady_clock::now() - begin;
    best = std::min(best, took.count() / kBatch);
  }
  return best;
}

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
constexpr double kSlower = 20;
#elif !defined(__OPTIMIZE__)
constexpr double kSlower = 5;
#else
constexpr double kSlower = 1;
#endif

TEST(TelemetryCost, ASpanWithoutTelemetryCostsNextToNothing) {
  const tracing::Trace nothing;
  EXPECT_LT(nanoseconds_each([&] { nothing.span("namespace").succeed(); }), 100 * kSlower);
}

TEST(TelemetryCost, ASpanCostsLessThanAMicrosecondWhenNothingIsExported) {
  const SystemClock clock;
  Telemetry telemetry(clock, {});
  const tracing::Trace launch = telemetry.begin({"launch", "web", "000000000000", "microvm-1"}, {});
  const double cost = nanoseconds_each([&] { launch.span("namespace").succeed(); });
  RecordProperty("nanoseconds", std::to_string(cost));
  EXPECT_LT(cost, 1000 * kSlower);
}

}  // namespace
}  // namespace dormouse::telemetry
