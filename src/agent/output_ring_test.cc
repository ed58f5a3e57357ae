// SPDX-License-Identifier: Apache-2.0

#include "agent/output_ring.h"

#include <gtest/gtest.h>

namespace dormouse::agent {
namespace {

TEST(OutputRing, HoldsTheLastBytesOfWhatWasAppendedInAnyPieces) {
  for (std::size_t piece = 1; piece < 40; ++piece) {
    OutputRing ring(10);
    std::string all;
    for (int i = 0; i < 7; ++i) {
      std::string bytes;
      for (std::size_t k = 0; k < piece; ++k) {
        bytes.push_back(static_cast<char>('a' + (all.size() + k) % 26));
      }
      all += bytes;
      ring.append(bytes);
      ASSERT_EQ(ring.end(), all.size());
      ASSERT_EQ(ring.begin(), all.size() - std::min<std::size_t>(all.size(), 10));
      for (std::uint64_t from = ring.begin(); from <= ring.end(); ++from) {
        ASSERT_EQ(ring.read(from, 100), all.substr(from)) << piece;
        ASSERT_EQ(ring.read(from, 3), all.substr(from, 3)) << piece;
      }
    }
  }
}

TEST(OutputRing, IsEmptyAtFirst) {
  const OutputRing ring(10);
  EXPECT_EQ(ring.begin(), 0U);
  EXPECT_EQ(ring.end(), 0U);
  EXPECT_EQ(ring.read(0, 5), "");
}

}  // namespace
}  // namespace dormouse::agent
