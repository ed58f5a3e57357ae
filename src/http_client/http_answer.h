// SPDX-License-Identifier: Apache-2.0

#pragma once

#include <cstddef>
#include <string>

namespace dormouse::http_client {

// What a server answered. The status is final (never 1xx), 200 to 599.
struct HttpAnswer {
  int status = 0;
  std::string body;  // the first kBodyBytesMax bytes, transfer coding removed
};

inline constexpr std::size_t kHeadBytesMax = 16 * 1024;  // status line and fields of one answer
inline constexpr std::size_t kBodyBytesMax = 64 * 1024;  // that are kept; the rest is not read
inline constexpr int kInterimAnswersMax = 16;            // 1xx before the final answer

}  // namespace dormouse::http_client
