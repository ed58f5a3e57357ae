// SPDX-License-Identifier: Apache-2.0

#include "otlp/exporter.h"

#include <future>
#include <memory>
#include <string>
#include <vector>

#include <gtest/gtest.h>

namespace dormouse::otlp {
namespace {

telemetry::FinishedSpan span() {
  telemetry::FinishedSpan span;
  span.name = "launch";
  span.position = {1, 2, 3, true};
  return span;
}

TEST(OtlpExporter, SendsWhatIsQueuedBeforeItEnds) {
  std::vector<std::string> bodies;
  {
    Exporter exporter(
        [&](const std::string& body) -> Status {
          bodies.push_back(body);
          return {};
        },
        "0.1.0");
    exporter.take(span());
    exporter.take(span());
  }
  ASSERT_FALSE(bodies.empty());
  EXPECT_NE(bodies[0].find("\"launch\""), std::string::npos);
}

TEST(OtlpExporter, DropsAndCountsWhatAFullQueueCannotHold) {
  std::promise<void> release;
  std::promise<void> posting;
  bool first = true;
  Exporter exporter(
      [&](const std::string&) -> Status {
        if (std::exchange(first, false)) {
          posting.set_value();
          release.get_future().wait();
        }
        return {};
      },
      "0.1.0");
  for (std::size_t i = 0; i < Exporter::kBatchMax; ++i) {
    exporter.take(span());
  }
  posting.get_future().wait();  // the batch is with the collector, which takes its time
  for (std::size_t i = 0; i < Exporter::kQueueMax + 7; ++i) {
    exporter.take(span());
  }
  EXPECT_EQ(exporter.figures().dropped_full, 7U);
  release.set_value();
}

TEST(OtlpExporter, CountsWhatTheCollectorDoesNotAccept) {
  std::promise<void> refused;
  bool first = true;
  auto exporter = std::make_unique<Exporter>(
      [&](const std::string&) -> Status {
        if (std::exchange(first, false)) {
          refused.set_value();
        }
        return fail(ErrorKind::kUnavailable, "nobody there");
      },
      "0.1.0");
  for (std::size_t i = 0; i < 2 * Exporter::kBatchMax; ++i) {
    exporter->take(span());
  }
  refused.get_future().wait();
  Exporter::Figures figures = exporter->figures();
  while (figures.dropped_refused < 2 * Exporter::kBatchMax) {  // the exporter's own thread counts
    std::this_thread::yield();
    figures = exporter->figures();
  }
  EXPECT_EQ(figures.exported, 0U);
}

TEST(OtlpExporter, RefusesAnEndpointThatIsNoUrl) {
  const auto made = Exporter::create("localhost:4318", "0.1.0");
  ASSERT_FALSE(made);
  EXPECT_EQ(made.error().message(),
            "'localhost:4318' is no URL of a collector: give http://HOST:4318 or https://HOST:4318");
}

}  // namespace
}  // namespace dormouse::otlp
