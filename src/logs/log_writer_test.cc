// SPDX-License-Identifier: Apache-2.0

#include "logs/log_writer.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "os/file.h"
#include "support/fake_clock.h"

namespace dormouse::logs {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

constexpr const char* kAccount = "000000000000";

class LogWriterTest : public testing::Test {
 protected:
  LogWriterTest() {
    std::string name = "/tmp/dormouse-logs-XXXXXX";
    directory = ::mkdtemp(name.data());
    start();
  }
  ~LogWriterTest() override {
    writer.reset();
    store.reset();
    (void)os::remove_tree(directory);
  }

  void start(LogWriter::Options options = {}) {
    store = *LogStore::open(directory / "logs.sqlite", clock, {});
    writer = *LogWriter::start(*store, clock, options);
  }
  void restart() {
    writer.reset();
    start();
  }
  std::vector<std::string> stored(const std::string& stream) {
    std::vector<std::string> texts;
    const auto page = store->read(kAccount, "/g", stream, {}, LogStore::Direction::kForward, std::nullopt);
    for (const StoredEvent& event : page ? page->events : std::vector<StoredEvent>()) {
      texts.push_back(event.message);
    }
    return texts;
  }

  std::filesystem::path directory;
  test::FakeClock clock;
  std::unique_ptr<LogStore> store;
  std::unique_ptr<LogWriter> writer;
};

TEST_F(LogWriterTest, StoresWhatAnOpenSourceWrites) {
  writer->open("vm", {kAccount, "/g", "s"});
  writer->write("vm", {0, 0, "one\ntwo\n"});
  writer->write("unknown", {0, 0, "nothing\n"});
  ASSERT_TRUE(writer->flush());
  EXPECT_THAT(stored("s"), ElementsAre("one", "two"));
  EXPECT_EQ(writer->wanted_from("vm"), 8U);
  EXPECT_EQ(writer->wanted_from("unknown"), std::nullopt);
}

TEST_F(LogWriterTest, StoresByItselfAsTimePasses) {
  writer->open("vm", {kAccount, "/g", "s"});
  writer->write("vm", {0, 0, "one\n"});
  for (int tries = 0; stored("s").empty() && tries < 10'000; ++tries) {
    clock.advance(std::chrono::milliseconds(200));
  }
  EXPECT_THAT(stored("s"), ElementsAre("one"));
}

TEST_F(LogWriterTest, AStreamIsThereBeforeItsFirstEvent) {
  writer->open("vm", {kAccount, "/g", "s"});
  ASSERT_TRUE(writer->flush());
  EXPECT_EQ(store->list_streams(kAccount, "/g", {}, std::nullopt, 50)->items.size(), 1U);
}

TEST_F(LogWriterTest, ReadersFindTheStreamOfASourceThatWasJustOpened) {
  writer->open("vm", {kAccount, "/g", "s"});
  ASSERT_TRUE(writer->make_streams());
  EXPECT_EQ(store->list_streams(kAccount, "/g", {}, std::nullopt, 50)->items.size(), 1U);
  writer->write("vm", {0, 0, "one\n"});
  ASSERT_TRUE(writer->make_streams());
  EXPECT_THAT(stored("s"), IsEmpty()) << "nobody who reads makes a batch of what is there already";
}

TEST_F(LogWriterTest, GoesOnAfterARestartWithoutLossOrRepetition) {
  writer->open("vm", {kAccount, "/g", "s"});
  writer->write("vm", {0, 0, "one\ntwo\nthr"});
  restart();  // stores what is pending; the line that has no end is asked for again
  EXPECT_EQ(writer->wanted_from("vm"), 8U);
  writer->write("vm", {0, 0, "one\ntwo\nthree\nfour\n"});
  ASSERT_TRUE(writer->flush());
  EXPECT_THAT(stored("s"), ElementsAre("one", "two", "three", "four"));
}

TEST_F(LogWriterTest, ASourceThatWasRolledBackIsAskedFromWhereItIsNow) {
  writer->open("vm", {kAccount, "/g", "s"});
  writer->write("vm", {0, 0, "one\ntwo\n"});
  ASSERT_TRUE(writer->flush());
  ASSERT_TRUE(writer->restart("vm"));
  EXPECT_EQ(writer->wanted_from("vm"), std::nullopt);
  EXPECT_EQ(store->sources()->at(0).next_offset, std::nullopt);
  writer->write("vm", {4, 0, "TWO\n"});
  ASSERT_TRUE(writer->flush());
  EXPECT_THAT(stored("s"), ElementsAre("one", "two", "TWO"));
}

TEST_F(LogWriterTest, WhatIsClosedIsStoredAndForgotten) {
  writer->open("vm", {kAccount, "/g", "s"});
  writer->write("vm", {0, 0, "one\ntw"});
  writer->close("vm");
  writer->write("vm", {6, 0, "late\n"});
  ASSERT_TRUE(writer->flush());
  EXPECT_THAT(stored("s"), ElementsAre("one", "tw"));
  EXPECT_THAT(*store->sources(), IsEmpty());
}

TEST_F(LogWriterTest, ClosesWhatNobodyWillClose) {
  for (const char* source : {"microvm-1", "microvm-2", "build-1"}) {
    writer->open(source, {kAccount, "/g", source});
  }
  restart();
  writer->close_others("microvm-", {"microvm-2"});
  ASSERT_TRUE(writer->flush());
  std::vector<std::string> left;
  const auto sources = store->sources();
  for (const KnownSource& known : *sources) {
    left.push_back(known.source);
  }
  EXPECT_THAT(left, ElementsAre("build-1", "microvm-2"));
}

TEST_F(LogWriterTest, AGroupThatIsDeletedComesBackWithTheNextOutput) {
  writer->open("vm", {kAccount, "/g", "s"});
  writer->write("vm", {0, 0, "one\n"});
  ASSERT_TRUE(writer->flush());
  ASSERT_TRUE(store->delete_group(kAccount, "/g"));
  writer->write("vm", {4, 0, "two\n"});
  ASSERT_TRUE(writer->flush());
  EXPECT_THAT(stored("s"), ElementsAre("two"));
}

TEST_F(LogWriterTest, AllSourcesTogetherAreBounded) {
  writer.reset();
  LogWriter::Options options;
  options.pending_bytes_max = 10'000;
  start(options);
  for (int i = 0; i < 100; ++i) {
    const std::string source = "vm-" + std::to_string(i);
    writer->open(source, {kAccount, "/g", source});
    std::string lines;
    for (int line = 0; line < 20; ++line) {
      lines += std::string(936, 'x') + "\n";
    }
    writer->write(source, {0, 0, lines});
  }
  ASSERT_TRUE(writer->flush());
  EXPECT_EQ(stored("vm-0").size(), 20U);
  const auto last = stored("vm-99");
  ASSERT_EQ(last.size(), 1U + 8U) << "of those without room the last lines";
  EXPECT_EQ(last.front(),
            "[dormouse: 12 lines (11232 bytes) of output were dropped here: only 512 KiB a second are kept]");
}

}  // namespace
}  // namespace dormouse::logs
