// SPDX-License-Identifier: Apache-2.0
//
// CloudWatch Logs on the wire: every operation, its success and its errors.

#include <boost/json.hpp>

#include "api/golden.h"

namespace dormouse::api {
namespace {

constexpr const char* kGroup = "/aws/lambda-microvms/demo";

class GoldenLogsTest : public GoldenTest {
 protected:
  static TestRequest ask(const std::string& operation, const std::string& body) {
    return {"POST",
            "/",
            body,
            "logs",
            {{"X-Amz-Target", "Logs_20140328." + operation}, {"Content-Type", "application/x-amz-json-1.1"}}};
  }
  static std::string in_group(const std::string& members = "") {
    return fmt::format(R"({{"logGroupName":"{}"{}}})", kGroup, members);
  }
  static std::string with_stream(const std::string& stream, const std::string& members = "") {
    return in_group(fmt::format(R"(,"logStreamName":"{}"{})", stream, members));
  }
  void print(const std::string& stream, const std::vector<std::string>& messages) {
    for (const std::string& message : messages) {
      const std::int64_t now = logs::to_milliseconds(world.control.clock.wall());
      ASSERT_TRUE(world.control.log_store->append(
          {{"s-" + stream, {TestWorld::kAccount, kGroup, stream}, {{now, message}}, std::nullopt, false}}));
      world.control.clock.advance(std::chrono::seconds(1));
    }
  }
  static std::string member(const net::Response& response, const char* name) {
    const auto body = boost::json::parse(std::get<std::string>(response.body));
    return boost::json::value_to<std::string>(body.at(name));
  }
};

TEST_F(GoldenLogsTest, DescribeLogGroups) {
  check("DescribeLogGroups/none", ask("DescribeLogGroups", "{}"));
  print("s", {"one"});
  (void)world.send(ask("CreateLogGroup", R"({"logGroupName":"/other"})"));
  check("DescribeLogGroups/success", ask("DescribeLogGroups", "{}"));
  check("DescribeLogGroups/prefix", ask("DescribeLogGroups", R"({"logGroupNamePrefix":"/o"})"));
  check("DescribeLogGroups/pattern", ask("DescribeLogGroups", R"({"logGroupNamePattern":"lambda"})"));
  const auto first = check("DescribeLogGroups/first_page", ask("DescribeLogGroups", R"({"limit":1})"));
  const auto rest = world.send(
      ask("DescribeLogGroups", fmt::format(R"({{"limit":1,"nextToken":"{}"}})", member(first, "nextToken"))));
  EXPECT_NE(std::get<std::string>(rest.body).find("\"/other\""), std::string::npos);
  check("DescribeLogGroups/both", ask("DescribeLogGroups", R"({"logGroupNamePrefix":"/o","logGroupNamePattern":"x"})"));
  check("DescribeLogGroups/limit", ask("DescribeLogGroups", R"({"limit":51})"));
  check("DescribeLogGroups/token", ask("DescribeLogGroups", R"({"nextToken":"x"})"));
}

TEST_F(GoldenLogsTest, DescribeLogStreams) {
  print("a", {"one", "two"});
  print("b", {"three"});
  check("DescribeLogStreams/success", ask("DescribeLogStreams", in_group()));
  check("DescribeLogStreams/last_event",
        ask("DescribeLogStreams", in_group(R"(,"orderBy":"LastEventTime","descending":true,"limit":1)")));
  check("DescribeLogStreams/identifier",
        ask("DescribeLogStreams",
            fmt::format(R"({{"logGroupIdentifier":"arn:aws:logs:us-east-1:000000000000:log-group:{}","limit":1}})",
                        kGroup)));
  check("DescribeLogStreams/order_with_prefix",
        ask("DescribeLogStreams", in_group(R"(,"orderBy":"LastEventTime","logStreamNamePrefix":"a")")));
  check("DescribeLogStreams/no_group", ask("DescribeLogStreams", R"({"logGroupName":"none"})"));
  check("DescribeLogStreams/no_name", ask("DescribeLogStreams", "{}"));
  check("DescribeLogStreams/two_names", ask("DescribeLogStreams", in_group(R"(,"logGroupIdentifier":"x")")));
}

TEST_F(GoldenLogsTest, DescribeLogStreamsGoesThroughPagesInEitherOrder) {
  print("a", {"1"});
  print("b", {"2"});
  print("c", {"3"});
  for (const char* order : {R"(,"limit":1)", R"(,"limit":1,"orderBy":"LastEventTime","descending":true)"}) {
    std::string names;
    std::string token;
    for (int page = 0; page < 3; ++page) {
      const auto answer = world.send(ask("DescribeLogStreams", in_group(order + token)));
      const auto body = boost::json::parse(std::get<std::string>(answer.body)).as_object();
      names += boost::json::value_to<std::string>(body.at("logStreams").at(0).at("logStreamName"));
      EXPECT_EQ(body.contains("nextToken"), page < 2);
      token = page < 2 ? fmt::format(R"(,"nextToken":"{}")", member(answer, "nextToken")) : "";
    }
    EXPECT_EQ(names, std::string_view(order).find("desc") == std::string_view::npos ? "abc" : "cba");
  }
}

TEST_F(GoldenLogsTest, GetLogEvents) {
  print("s", {"one", "two", "three"});
  check("GetLogEvents/success", ask("GetLogEvents", with_stream("s")));
  const auto head =
      check("GetLogEvents/head", ask("GetLogEvents", with_stream("s", R"(,"startFromHead":true,"limit":2)")));
  const auto next = [&](const net::Response& from, const char* name) {
    return ask("GetLogEvents", with_stream("s", fmt::format(R"(,"nextToken":"{}")", member(from, name))));
  };
  const auto forward = check("GetLogEvents/forward", next(head, "nextForwardToken"));
  const auto end = check("GetLogEvents/end", next(forward, "nextForwardToken"));
  EXPECT_EQ(member(end, "nextForwardToken"), member(forward, "nextForwardToken"));
  print("s", {"four"});
  check("GetLogEvents/more", next(end, "nextForwardToken"));
  check("GetLogEvents/backward", next(forward, "nextBackwardToken"));
  check("GetLogEvents/range",
        ask("GetLogEvents", with_stream("s", R"(,"startTime":1800000001000,"endTime":1800000002000)")));
  check("GetLogEvents/no_stream", ask("GetLogEvents", with_stream("none")));
  check("GetLogEvents/no_group", ask("GetLogEvents", R"({"logGroupName":"none","logStreamName":"s"})"));
  check("GetLogEvents/token", ask("GetLogEvents", with_stream("s", R"(,"nextToken":"f/12/s")")));
  check("GetLogEvents/times", ask("GetLogEvents", with_stream("s", R"(,"startTime":2,"endTime":1)")));
  check("GetLogEvents/missing", ask("GetLogEvents", in_group()));
}

TEST_F(GoldenLogsTest, FilterLogEvents) {
  print("a", {"ERROR one"});
  print("b", {"INFO two"});
  print("a", {"ERROR three"});
  check("FilterLogEvents/success", ask("FilterLogEvents", in_group(R"(,"interleaved":true)")));
  check("FilterLogEvents/pattern", ask("FilterLogEvents", in_group(R"(,"filterPattern":"ERROR -three")")));
  check("FilterLogEvents/streams", ask("FilterLogEvents", in_group(R"(,"logStreamNames":["b"])")));
  const auto first = check("FilterLogEvents/first_page", ask("FilterLogEvents", in_group(R"(,"limit":2)")));
  check("FilterLogEvents/next_page",
        ask("FilterLogEvents", in_group(fmt::format(R"(,"nextToken":"{}")", member(first, "nextToken")))));
  check("FilterLogEvents/foreign_token",
        ask("FilterLogEvents",
            in_group(fmt::format(R"(,"filterPattern":"x","nextToken":"{}")", member(first, "nextToken")))));
  print("a", {R"({"a":1})", R"({"a":2})"});
  check("FilterLogEvents/json_pattern", ask("FilterLogEvents", in_group(R"(,"filterPattern":"{ $.a = 1 }")")));
  check("FilterLogEvents/columns_pattern",
        ask("FilterLogEvents", in_group(R"(,"filterPattern":"[level = ERR* || level = WARN, word != one]")")));
  check("FilterLogEvents/regex_pattern", ask("FilterLogEvents", in_group(R"(,"filterPattern":"%^INFO|t[h-z]ree$%")")));
  check("FilterLogEvents/wrong_pattern",
        ask("FilterLogEvents", in_group(R"(,"filterPattern":"[level = %(a)%, word]")")));
  check("FilterLogEvents/newest_first", ask("FilterLogEvents", in_group(R"(,"startFromHead":false)")));
  check("FilterLogEvents/names_and_prefix",
        ask("FilterLogEvents", in_group(R"(,"logStreamNames":["b"],"logStreamNamePrefix":"a")")));
  check("FilterLogEvents/no_stream", ask("FilterLogEvents", in_group(R"(,"logStreamNames":["none"])")));
  check("FilterLogEvents/no_group", ask("FilterLogEvents", R"({"logGroupName":"none"})"));
  check("FilterLogEvents/wrong_type", ask("FilterLogEvents", in_group(R"(,"limit":"many")")));
}

TEST_F(GoldenLogsTest, TheStreamOfAVmIsThereFromItsLaunch) {
  world.create_image("demo");
  const std::string vm = world.run_microvm(TestWorld::image_arn("demo"));
  const auto record = world.control.microvms->get(TestWorld::kAccount, vm);
  ASSERT_TRUE(record);
  const std::string stream = record->log_stream.value_or("none");
  const auto answer = world.send(ask("FilterLogEvents", in_group(R"(,"logStreamNames":[")" + stream + R"("])")));
  EXPECT_EQ(std::get<std::string>(answer.body), R"({"events":[],"searchedLogStreams":[]})");
}

TEST_F(GoldenLogsTest, GroupsAndTheirRetention) {
  check("CreateLogGroup/success", ask("CreateLogGroup", in_group()));
  check("CreateLogGroup/exists", ask("CreateLogGroup", in_group()));
  check("CreateLogGroup/name", ask("CreateLogGroup", R"({"logGroupName":"a b"})"));
  check("PutRetentionPolicy/success", ask("PutRetentionPolicy", in_group(R"(,"retentionInDays":7)")));
  check("DescribeLogGroups/retention", ask("DescribeLogGroups", "{}"));
  check("PutRetentionPolicy/days", ask("PutRetentionPolicy", in_group(R"(,"retentionInDays":8)")));
  check("PutRetentionPolicy/no_group", ask("PutRetentionPolicy", R"({"logGroupName":"none","retentionInDays":7})"));
  check("DeleteRetentionPolicy/success", ask("DeleteRetentionPolicy", in_group()));
  check("DeleteLogGroup/success", ask("DeleteLogGroup", in_group()));
  check("DeleteLogGroup/no_group", ask("DeleteLogGroup", in_group()));
}

TEST_F(GoldenLogsTest, WhatIsNotServedIsRefusedSayingWhatIs) {
  check("Logs/unknown_operation", ask("PutLogEvents", "{}"));
  check("Logs/no_target", {"POST", "/", "{}", "logs"});
  TestRequest request = ask("DescribeLogGroups", "{");
  check("Logs/no_json", request);
  net::RequestHead head = TestClient::head_of(ask("DescribeLogGroups", "{}"));
  head.headers.add("X-Amz-Date", "20260101T000000Z");
  head.headers.add(
      "Authorization",
      "AWS4-HMAC-SHA256 Credential=NOBODY/20260101/us-east-1/logs/aws4_request, SignedHeaders=host;x-amz-date, "
      "Signature=00");
  const net::Response refused = world.client.send_as_is(head, "{}");
  EXPECT_NE(std::get<std::string>(refused.body).find(R"({"__type":"UnrecognizedClientException")"), std::string::npos)
      << std::get<std::string>(refused.body);
}

}  // namespace
}  // namespace dormouse::api
