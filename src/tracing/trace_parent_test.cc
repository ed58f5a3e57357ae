// SPDX-License-Identifier: Apache-2.0

#include "tracing/trace_parent.h"

#include <gtest/gtest.h>

namespace dormouse::tracing {
namespace {

constexpr char kText[] = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";  // the example of section 3.2.3

TEST(TraceParent, ReadsTheStandardsExample) {
  const auto position = parse_traceparent(kText);
  ASSERT_TRUE(position);
  EXPECT_EQ(position->trace_high, 0x4bf92f3577b34da6U);
  EXPECT_EQ(position->trace_low, 0xa3ce929d0e0e4736U);
  EXPECT_EQ(position->span, 0x00f067aa0ba902b7U);
  EXPECT_TRUE(position->sampled);
}

TEST(TraceParent, WritesWhatItRead) { EXPECT_EQ(format_traceparent(*parse_traceparent(kText)), kText); }

TEST(TraceParent, TakesOtherFlagsAsUnsampledUnlessTheLowestBitIsSet) {
  EXPECT_FALSE(parse_traceparent("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-fe")->sampled);
  EXPECT_TRUE(parse_traceparent("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-ff")->sampled);
}

TEST(TraceParent, ReadsLaterVersionsAsFarAsItKnowsThem) {
  EXPECT_TRUE(parse_traceparent("cc-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"));
  EXPECT_TRUE(parse_traceparent("cc-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-more"));
  EXPECT_FALSE(parse_traceparent("cc-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01.more"));
}

TEST(TraceParent, RefusesWhatBreaksTheGrammar) {
  for (const char* text : {"",
                           "00",
                           "ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
                           "00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01",
                           "00-00000000000000000000000000000000-00f067aa0ba902b7-01",
                           "00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01",
                           "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-more",
                           "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-0",
                           "00_4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
                           "00-4bf92f3577b34da6a3ce929d0e0e473x-00f067aa0ba902b7-01"}) {
    EXPECT_FALSE(parse_traceparent(text)) << text;
  }
}

}  // namespace
}  // namespace dormouse::tracing
