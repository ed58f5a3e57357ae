// SPDX-License-Identifier: Apache-2.0

#include "logs/log_store.h"

#include <fstream>

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "os/file.h"
#include "support/fake_clock.h"

namespace dormouse::logs {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using Direction = LogStore::Direction;

constexpr const char* kAccount = "000000000000";

class LogStoreTest : public testing::Test {
 protected:
  LogStoreTest() {
    std::string name = "/tmp/dormouse-logs-XXXXXX";
    directory = ::mkdtemp(name.data());
    reopen({});
  }
  ~LogStoreTest() override {
    logs.reset();
    (void)os::remove_tree(directory);
  }

  void reopen(LogStore::Options options) {
    logs.reset();
    auto opened = LogStore::open(directory / "logs.sqlite", clock, options);
    ASSERT_TRUE(opened) << opened.error().message();
    logs = *std::move(opened);
  }
  std::int64_t now() const { return to_milliseconds(clock.wall()); }

  void append(const std::string& stream, const std::vector<std::string>& messages, const std::string& group = "/g") {
    SourceOutput output{"source-" + stream, {kAccount, group, stream}, {}, std::nullopt, false};
    for (const std::string& message : messages) {
      output.events.push_back({now(), message});
    }
    const Status appended = logs->append({output});
    ASSERT_TRUE(appended) << appended.error().message();
  }
  static std::vector<std::string> texts(const Result<EventPage>& page) {
    EXPECT_TRUE(page) << (page ? "" : page.error().message());
    std::vector<std::string> found;
    for (const StoredEvent& event : page ? page->events : std::vector<StoredEvent>()) {
      found.push_back(event.message);
    }
    return found;
  }
  std::vector<std::string> all(const std::string& stream) {
    return texts(logs->read(kAccount, "/g", stream, {}, Direction::kForward, std::nullopt));
  }
  std::uint64_t stored_bytes() {
    std::uint64_t bytes = 0;
    const auto groups = logs->list_groups(kAccount, {}, "", 50);
    for (const LogGroup& group : groups->items) {
      bytes += group.stored_bytes;
    }
    return bytes;
  }

  std::filesystem::path directory;
  test::FakeClock clock;
  std::unique_ptr<LogStore> logs;
};

TEST_F(LogStoreTest, WhatWasAppendedIsReadInOrderAlsoAfterReopening) {
  append("s", {"one", "two"});
  clock.advance(std::chrono::seconds(1));
  append("s", {"three"});
  reopen({});
  EXPECT_THAT(all("s"), ElementsAre("one", "two", "three"));
}

TEST_F(LogStoreTest, MessagesMayBeAnyBytes) {
  const std::string odd("a\0b\xff", 4);
  append("s", {odd});
  EXPECT_THAT(all("s"), ElementsAre(odd));
  EXPECT_EQ(stored_bytes(), 4 + kEventOverheadBytes);
}

TEST_F(LogStoreTest, OffsetsOfSourcesAreStoredWithTheirEvents) {
  const Destination destination{kAccount, "/g", "s"};
  ASSERT_TRUE(logs->append({{"vm", destination, {{now(), "one"}}, 4, false}}));
  reopen({});
  const auto known = logs->sources();
  ASSERT_EQ(known->size(), 1U);
  EXPECT_EQ(known->front().source, "vm");
  EXPECT_EQ(known->front().destination, destination);
  EXPECT_EQ(known->front().next_offset, 4U);
  ASSERT_TRUE(logs->append({{"vm", destination, {}, 4, true}}));
  EXPECT_THAT(*logs->sources(), IsEmpty());
  EXPECT_THAT(all("s"), ElementsAre("one"));
}

TEST_F(LogStoreTest, AccountsAreKeptApart) {
  append("s", {"mine"});
  ASSERT_TRUE(logs->append({{"other", {"111111111111", "/g", "s"}, {{now(), "theirs"}}, 0, false}}));
  EXPECT_THAT(all("s"), ElementsAre("mine"));
  EXPECT_THAT(texts(logs->read("111111111111", "/g", "s", {}, Direction::kForward, std::nullopt)),
              ElementsAre("theirs"));
  EXPECT_THAT(logs->list_groups("222222222222", {}, "", 50)->items, IsEmpty());
  const auto none = logs->read("222222222222", "/g", "s", {}, Direction::kForward, std::nullopt);
  ASSERT_FALSE(none);
  EXPECT_EQ(none.error().message(), "The specified log group does not exist.");
}

TEST_F(LogStoreTest, ReadsForwardAndBackwardFromAPlace) {
  append("s", {"1", "2", "3", "4", "5"});
  EventRange range;
  range.events_max = 2;
  const auto first = logs->read(kAccount, "/g", "s", range, Direction::kForward, std::nullopt);
  EXPECT_THAT(texts(first), ElementsAre("1", "2"));
  const auto second = logs->read(kAccount, "/g", "s", range, Direction::kForward, first->events.back().position);
  EXPECT_THAT(texts(second), ElementsAre("3", "4"));
  EXPECT_THAT(texts(logs->read(kAccount, "/g", "s", range, Direction::kBackward, second->events.back().position)),
              ElementsAre("2", "3"));
  EXPECT_THAT(texts(logs->read(kAccount, "/g", "s", range, Direction::kBackward, std::nullopt)), ElementsAre("4", "5"));
}

TEST_F(LogStoreTest, ARangeOfTimesHasItsBeginningAndItsEndInASearchAlone) {
  for (const char* message : {"1", "2", "3"}) {
    append("s", {message});
    clock.advance(std::chrono::seconds(1));
  }
  EventRange range;
  range.from_ms = now() - 2'000;
  range.to_ms = now() - 1'000;
  EXPECT_THAT(texts(logs->read(kAccount, "/g", "s", range, Direction::kForward, std::nullopt)), ElementsAre("2"));
  EXPECT_THAT(texts(logs->search(kAccount, "/g", {}, range, std::nullopt)), ElementsAre("2", "3"));
}

TEST_F(LogStoreTest, ASearchMergesStreamsAndGoesOnWhereItStopped) {
  append("a", {"1"});
  append("b", {"2"});
  append("a", {"3"});
  append("b", {"4"});
  EventRange range;
  range.events_max = 3;
  const auto first = logs->search(kAccount, "/g", {}, range, std::nullopt);
  EXPECT_THAT(texts(first), ElementsAre("1", "2", "3"));
  EXPECT_EQ(first->events[1].stream, "b");
  ASSERT_TRUE(first->next);
  const auto rest = logs->search(kAccount, "/g", {}, range, first->next);
  EXPECT_THAT(texts(rest), ElementsAre("4"));
  EXPECT_FALSE(rest->next);
}

TEST_F(LogStoreTest, ASearchLooksAtSoManyEventsAndSaysWhereItStopped) {
  append("a", {"1", "2", "3", "yes"});
  LogStore::Search search;
  search.matches = [](std::string_view message) { return message == "yes"; };
  search.scanned_max = 3;
  const auto first = logs->search(kAccount, "/g", search, {}, std::nullopt);
  EXPECT_THAT(texts(first), IsEmpty());
  ASSERT_TRUE(first->next);
  EXPECT_THAT(texts(logs->search(kAccount, "/g", search, {}, first->next)), ElementsAre("yes"));
}

TEST_F(LogStoreTest, ASearchEndsWhenItsTimeIsOverAndSaysWhereItStopped) {
  append("a", {"1", "2", "yes"});
  LogStore::Search search;
  search.matches = [this](std::string_view message) {
    clock.advance(std::chrono::seconds(2));
    return message == "yes";
  };
  std::optional<Position> place;
  for (int page = 0; page < 2; ++page) {
    const auto found = logs->search(kAccount, "/g", search, {}, place);
    EXPECT_THAT(texts(found), IsEmpty());
    ASSERT_TRUE(found->next);
    place = found->next;
  }
  EXPECT_THAT(texts(logs->search(kAccount, "/g", search, {}, place)), ElementsAre("yes"));
}

TEST_F(LogStoreTest, ASearchTakesNamedStreamsOrThoseWithAPrefix) {
  append("app-1", {"1"});
  append("app-2", {"2"});
  append("build", {"3"});
  LogStore::Search search;
  search.stream_prefix = "app-";
  EXPECT_THAT(texts(logs->search(kAccount, "/g", search, {}, std::nullopt)), ElementsAre("1", "2"));
  search = {};
  search.streams = {"build", "app-2"};
  EXPECT_THAT(texts(logs->search(kAccount, "/g", search, {}, std::nullopt)), ElementsAre("2", "3"));
  search.streams = {"none"};
  const auto none = logs->search(kAccount, "/g", search, {}, std::nullopt);
  ASSERT_FALSE(none);
  EXPECT_EQ(none.error().message(), "The specified log stream does not exist.");
}

TEST_F(LogStoreTest, StreamsAreListedByNameAndByLastEventBothWays) {
  append("b", {"1"});
  clock.advance(std::chrono::seconds(1));
  append("a", {"2"});
  clock.advance(std::chrono::seconds(1));
  append("c", {});
  using Order = LogStore::StreamOrder;
  const auto names = [&](Order order, bool descending) {
    std::string text;
    std::optional<LogStore::StreamKey> after;
    for (int page = 0; page < 4; ++page) {
      const auto found = logs->list_streams(kAccount, "/g", {"", order, descending}, after, 1);
      for (const LogStream& stream : found->items) {
        text += stream.name;
        after = LogStore::key_of(stream);
      }
      EXPECT_EQ(found->more, page < 2);
    }
    return text;
  };
  EXPECT_EQ(names(Order::kName, false), "abc");
  EXPECT_EQ(names(Order::kName, true), "cba");
  EXPECT_EQ(names(Order::kLastEvent, false), "cba");
  EXPECT_EQ(names(Order::kLastEvent, true), "abc");
  const auto found = logs->list_streams(kAccount, "/g", {"a", Order::kName, false}, std::nullopt, 50);
  ASSERT_EQ(found->items.size(), 1U);
  EXPECT_EQ(found->items[0].first_event_ms, now() - 1'000);
  EXPECT_EQ(found->items[0].last_event_ms, now() - 1'000);
}

TEST_F(LogStoreTest, GroupsAreMadeListedAndDeleted) {
  ASSERT_TRUE(logs->create_group(kAccount, "/aws/one"));
  EXPECT_EQ(logs->create_group(kAccount, "/aws/one").error().message(), "The specified log group already exists");
  append("s", {"1"}, "/aws/two");
  append("s", {"1"}, "/other");
  const auto page = logs->list_groups(kAccount, {"/aws/", ""}, "", 1);
  ASSERT_EQ(page->items.size(), 1U);
  EXPECT_TRUE(page->more);
  EXPECT_EQ(logs->list_groups(kAccount, {"/aws/", ""}, "/aws/one", 1)->items.at(0).name, "/aws/two");
  EXPECT_EQ(logs->list_groups(kAccount, {"", "oth"}, "", 50)->items.at(0).name, "/other");
  EXPECT_THAT(logs->list_groups(kAccount, {"", "OTH"}, "", 50)->items, IsEmpty());
  EXPECT_EQ(logs->count_groups(kAccount), 3U);
  EXPECT_EQ(logs->count_groups("111111111111"), 0U);
  ASSERT_TRUE(logs->delete_group(kAccount, "/aws/two"));
  EXPECT_EQ(logs->delete_group(kAccount, "/aws/two").error().kind(), ErrorKind::kNotFound);
  EXPECT_EQ(stored_bytes(), 1 + kEventOverheadBytes);
}

TEST_F(LogStoreTest, EventsGoWithTheirGroupsRetentionAndWithTheStoresAge) {
  ASSERT_TRUE(logs->create_group(kAccount, "/short"));
  ASSERT_TRUE(logs->set_retention(kAccount, "/short", 1));
  append("s", {"old"}, "/short");
  append("s", {"old"});
  clock.advance(std::chrono::hours(25));
  append("s", {"new"}, "/short");
  ASSERT_TRUE(logs->expire());
  EXPECT_THAT(texts(logs->search(kAccount, "/short", {}, {}, std::nullopt)), ElementsAre("new"));
  EXPECT_THAT(all("s"), ElementsAre("old"));
  clock.advance(std::chrono::hours(24 * 30));
  ASSERT_TRUE(logs->expire());
  EXPECT_THAT(texts(logs->search(kAccount, "/g", {}, {}, std::nullopt)), IsEmpty());
  EXPECT_EQ(stored_bytes(), 0U);
}

TEST_F(LogStoreTest, AStreamWithoutEventsGoesUnlessItsSourceMayWriteAgain) {
  append("sleeps", {"1"});
  append("ended", {"1"});
  ASSERT_TRUE(logs->append({{"source-ended", {kAccount, "/g", "ended"}, {}, std::nullopt, true}}));
  clock.advance(std::chrono::hours(24 * 31));
  ASSERT_TRUE(logs->expire());
  const auto streams = logs->list_streams(kAccount, "/g", {}, std::nullopt, 50);
  ASSERT_EQ(streams->items.size(), 1U);
  EXPECT_EQ(streams->items[0].name, "sleeps");
}

TEST_F(LogStoreTest, AStreamIsBoundedAndItsOldestGoFirst) {
  LogStore::Options options;
  options.stream_bytes_max = 10'000;
  reopen(options);
  for (int i = 0; i < 500; ++i) {
    append("s", {fmt::format("{:036d}", i)});  // a hundred bytes each
    ASSERT_LE(stored_bytes(), 10'000U);
  }
  const auto left = all("s");
  EXPECT_GE(left.size(), 90U);
  EXPECT_EQ(left.back(), fmt::format("{:036d}", 499));
}

TEST_F(LogStoreTest, TheWholeIsBoundedAndWhoWritesMuchDisplacesHisOwn) {
  LogStore::Options options;
  options.bytes_max = 10'000;
  reopen(options);
  append("quiet", {"kept"});
  for (int i = 0; i < 500; ++i) {
    append("loud", {std::string(36, 'x')});
    ASSERT_LE(stored_bytes(), 10'000U);
  }
  EXPECT_THAT(all("quiet"), ElementsAre("kept"));
  reopen(options);
  append("loud", std::vector<std::string>(200, std::string(36, 'y')));
  EXPECT_LE(stored_bytes(), 10'000U) << "the bytes are known after reopening";
}

TEST_F(LogStoreTest, ADamagedFileIsPutAsideAndANewOneBegun) {
  logs.reset();
  std::ofstream(directory / "logs.sqlite", std::ios::trunc) << std::string(8192, 'x');
  reopen({});
  append("s", {"1"});
  EXPECT_THAT(all("s"), ElementsAre("1"));
  EXPECT_TRUE(std::filesystem::exists(directory / "logs.sqlite.damaged"));
}

}  // namespace
}  // namespace dormouse::logs
