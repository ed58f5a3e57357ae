// SPDX-License-Identifier: Apache-2.0

#include "telemetry/metrics.h"

#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace dormouse::telemetry {
namespace {

using testing::HasSubstr;
using testing::Not;

TEST(Metrics, ShowsFamiliesThatHaveNoSeriesYet) {
  const Metrics metrics(5);
  const std::string text = metrics.render();
  EXPECT_THAT(text, HasSubstr("# TYPE dormouse_slow_paths_total counter\n"));
  EXPECT_THAT(text, HasSubstr("# TYPE dormouse_step_duration_seconds histogram\n"));
  EXPECT_THAT(text, Not(HasSubstr("dormouse_slow_paths_total{")));
}

TEST(Metrics, CountsBySeries) {
  Metrics metrics(5);
  metrics.slow_paths.add({"launch", "no_clone", "web"});
  metrics.slow_paths.add({"launch", "no_clone", "web"});
  metrics.slow_paths.add({"wake", "no_process", "web"});
  const std::string text = metrics.render();
  EXPECT_THAT(text, HasSubstr("dormouse_slow_paths_total{image=\"web\",operation=\"launch\",reason=\"no_clone\"} 2"));
  EXPECT_THAT(text, HasSubstr("dormouse_slow_paths_total{image=\"web\",operation=\"wake\",reason=\"no_process\"} 1"));
}

TEST(Metrics, PutsMillisecondsAndMinutesIntoDifferentBuckets) {
  Metrics metrics(5);
  metrics.operations.observe({"launch", "web", "ok"}, 0.0015);
  metrics.operations.observe({"launch", "web", "ok"}, 45);
  const std::string text = metrics.render();
  const std::string series =
      "dormouse_operation_duration_seconds_bucket{image=\"web\",operation=\"launch\",outcome=\"ok\",";
  EXPECT_THAT(text, HasSubstr(series + "le=\"0.001\"} 0"));
  EXPECT_THAT(text, HasSubstr(series + "le=\"0.0025\"} 1"));
  EXPECT_THAT(text, HasSubstr(series + "le=\"30\"} 1"));
  EXPECT_THAT(text, HasSubstr(series + "le=\"60\"} 2"));
}

TEST(Metrics, NeverLowersACounterThatFollowsAnother) {
  Metrics metrics(5);
  metrics.pool_hits.raise_to({}, 7);
  metrics.pool_hits.raise_to({}, 3);
  EXPECT_THAT(metrics.render(), HasSubstr("dormouse_pool_hits_total 7"));
}

TEST(Metrics, ForgetsTheSeriesThatAReplacedGaugeHasNotAnyMore) {
  Metrics metrics(5);
  metrics.microvms.replace({{{"RUNNING", "web"}, 2}, {{"SUSPENDED", "web"}, 1}});
  metrics.microvms.replace({{{"RUNNING", "web"}, 3}});
  const std::string text = metrics.render();
  EXPECT_THAT(text, HasSubstr("dormouse_microvms{image=\"web\",state=\"RUNNING\"} 3"));
  EXPECT_THAT(text, Not(HasSubstr("SUSPENDED")));
}

TEST(Metrics, CountsImagesBeyondTheLimitTogether) {
  Metrics metrics(2);
  EXPECT_EQ(metrics.image_label("a"), "a");
  EXPECT_EQ(metrics.image_label("b"), "b");
  EXPECT_EQ(metrics.image_label("c"), "other");
  EXPECT_EQ(metrics.image_label("a"), "a");
}

TEST(Metrics, EscapesWhatAUserNamed) {
  Metrics metrics(5);
  metrics.slow_paths.add({"launch", "no_clone", "we\"b\\\n"});
  EXPECT_THAT(metrics.render(), HasSubstr(R"(image="we\"b\\\n")"));
}

}  // namespace
}  // namespace dormouse::telemetry
