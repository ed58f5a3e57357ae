// SPDX-License-Identifier: Apache-2.0

#include "cli/terminal.h"

#include <sstream>

#include <gtest/gtest.h>

namespace dormouse::cli {
namespace {

TEST(TerminalTest, ColumnsAreAsWideAsTheirWidestCell) {
  std::ostringstream out;
  std::ostringstream err;
  Terminal terminal(out, err, false);
  terminal.table({"NAME", "STATE"}, {{"a-long-name", "CREATED"}, {"b", "-"}});
  EXPECT_EQ(out.str(), "NAME         STATE\na-long-name  CREATED\nb            -\n");
}

TEST(TerminalTest, ProgressIsSilentWithoutATerminal) {
  std::ostringstream out;
  std::ostringstream err;
  Terminal terminal(out, err, false);
  terminal.progress("half way");
  terminal.answer("done");
  EXPECT_EQ(out.str(), "done\n");
  EXPECT_EQ(err.str(), "");
}

TEST(TerminalTest, ProgressIsClearedBeforeTheAnswer) {
  std::ostringstream out;
  std::ostringstream err;
  Terminal terminal(out, err, true);
  terminal.progress("half way");
  terminal.answer("done");
  EXPECT_EQ(err.str(), "\r\x1b[Khalf way\r\x1b[K");
}

TEST(TerminalTest, ProgressDoesNotCutALineOfTheStream) {
  std::ostringstream out;
  std::ostringstream err;
  Terminal terminal(out, err, true);
  terminal.stream("half a li");
  terminal.progress("busy");
  terminal.stream("ne\n");
  EXPECT_EQ(err.str(), "half a line\n");
}

TEST(TextTest, DurationsHaveTheUnitThatFits) {
  EXPECT_EQ(duration_text(0.1234), "0.12 s");
  EXPECT_EQ(duration_text(41.4), "41 s");
  EXPECT_EQ(duration_text(185), "3 min 05 s");
  EXPECT_EQ(duration_text(7260), "2 h 01 min");
}

TEST(TextTest, SizesHaveTheUnitThatFits) {
  EXPECT_EQ(size_text(512), "512 B");
  EXPECT_EQ(size_text(1536), "1.5 KiB");
  EXPECT_EQ(size_text(3.0 * 1024 * 1024 * 1024), "3.0 GiB");
}

TEST(TextTest, TimesAreInUtc) { EXPECT_EQ(time_text(1'767'323'045.5), "2026-01-02 03:04:05 UTC"); }

}  // namespace
}  // namespace dormouse::cli
