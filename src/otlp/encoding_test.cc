// SPDX-License-Identifier: Apache-2.0

#include "otlp/encoding.h"

#include <vector>

#include <boost/json.hpp>
#include <gtest/gtest.h>

namespace dormouse::otlp {
namespace {

telemetry::FinishedSpan span() {
  telemetry::FinishedSpan span;
  span.name = "launch";
  span.position = {0x4bf92f3577b34da6, 0xa3ce929d0e0e4736, 0x00f067aa0ba902b7, true};
  span.begin_unix_ns = 1'700'000'000'000'000'001;
  span.end_unix_ns = 1'700'000'000'040'000'000;
  span.outcome = "ok";
  span.attributes = {{"dormouse.image", "we\"b"}};
  return span;
}

boost::json::object encoded(const telemetry::FinishedSpan& one) {
  const std::vector<telemetry::FinishedSpan> spans = {one};
  const boost::json::value request = boost::json::parse(encode(spans, "0.1.0"));
  return request.at_pointer("/resourceSpans/0/scopeSpans/0/spans/0").as_object();
}

TEST(OtlpEncoding, WritesIdsInHexadecimalAndTimesAsStrings) {
  const boost::json::object out = encoded(span());
  EXPECT_EQ(out.at("traceId"), "4bf92f3577b34da6a3ce929d0e0e4736");
  EXPECT_EQ(out.at("spanId"), "00f067aa0ba902b7");
  EXPECT_EQ(out.at("startTimeUnixNano"), "1700000000000000001");
  EXPECT_EQ(out.at("endTimeUnixNano"), "1700000000040000000");
  EXPECT_EQ(out.at("kind"), 1);
  EXPECT_EQ(out.at("status").at("code"), 1);
  EXPECT_EQ(out.at("attributes").at(0).at("value").at("stringValue"), "we\"b");
}

TEST(OtlpEncoding, LeavesOutTheParentOfATopSpanAndWritesThatOfOthers) {
  EXPECT_FALSE(encoded(span()).contains("parentSpanId"));
  telemetry::FinishedSpan child = span();
  child.parent_span = 0xab;
  EXPECT_EQ(encoded(child).at("parentSpanId"), "00000000000000ab");
}

TEST(OtlpEncoding, SaysWhyASpanFailed) {
  telemetry::FinishedSpan failed = span();
  failed.outcome = "deadline_exceeded";
  failed.is_server = true;
  const boost::json::object out = encoded(failed);
  EXPECT_EQ(out.at("status").at("code"), 2);
  EXPECT_EQ(out.at("status").at("message"), "deadline_exceeded");
  EXPECT_EQ(out.at("kind"), 2);
}

}  // namespace
}  // namespace dormouse::otlp
