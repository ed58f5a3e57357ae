// SPDX-License-Identifier: Apache-2.0

#include "cli/export_line.h"

#include <gtest/gtest.h>

namespace dormouse::cli {
namespace {

TEST(ExportLineTest, ShellReadsTheValueAsItIs) {
  EXPECT_EQ(export_line("KEY", "a/b+c="), "export KEY='a/b+c='");
  EXPECT_EQ(export_line("KEY", ""), "export KEY=''");
  EXPECT_EQ(export_line("KEY", "$(x) 'y' \\"), R"(export KEY='$(x) '\''y'\'' \')");
}

}  // namespace
}  // namespace dormouse::cli
