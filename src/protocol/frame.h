// SPDX-License-Identifier: Apache-2.0

#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/error.h"

namespace dormouse::protocol {

enum class FrameType : std::uint8_t {
  kRequest = 1,   // host: JSON, first on every connection
  kAnswer = 2,    // guest: JSON, the request was taken
  kRefusal = 3,   // guest: JSON, the request was not; last on the connection
  kStdin = 4,     // host, exec: bytes
  kStdinEnd = 5,  // host, exec: empty
  kStdout = 6,    // guest, exec: bytes
  kStderr = 7,    // guest, exec: bytes
  kOutput = 8,    // guest, watch: u64 little-endian offset, bytes
  kExit = 9,      // guest, exec and watch: JSON, last on the connection
};

struct Frame {
  FrameType type = FrameType::kRequest;
  std::string payload;

  bool operator==(const Frame&) const = default;
};

// The largest payload of a type; nothing for a type that does not exist.
std::optional<std::size_t> payload_bytes_max(std::uint8_t type);

// A frame: u32 little-endian payload length, u8 type, payload. The payload must be within payload_bytes_max().
std::string encode_frame(FrameType type, std::string_view payload);

// Cuts a stream of bytes into frames. Memory is bounded by the largest frame plus what one feed() brings. After an error
// the stream is lost: every further next() repeats it. One thread.
class FrameDecoder {
 public:
  void feed(std::string_view bytes);

  // The next whole frame, nothing if more bytes are needed. kInvalidArgument for a type that does not exist or a length
  // beyond its limit: known from the header alone, before any payload is kept.
  Result<std::optional<Frame>> next();

  // Bytes fed and not yet returned: of the frames to come, or of what follows the frames.
  std::string_view rest() const { return std::string_view(buffer_).substr(begin_); }

 private:
  std::string buffer_;
  std::size_t begin_ = 0;  // of what next() has not returned
};

}  // namespace dormouse::protocol
