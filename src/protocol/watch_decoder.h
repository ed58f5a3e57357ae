// SPDX-License-Identifier: Apache-2.0

#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <variant>

#include "base/error.h"
#include "protocol/answers.h"
#include "protocol/frame.h"

namespace dormouse::protocol {

// A piece of the application's output. The pieces of one watch are in order; `dropped` bytes before this one were lost
// because nobody fetched them in time.
struct OutputChunk {
  std::uint64_t offset = 0;  // of bytes[0] since the application started
  std::uint64_t dropped = 0;
  std::string bytes;

  bool operator==(const OutputChunk&) const = default;
};

using WatchEvent = std::variant<OutputChunk, ApplicationExit>;

// Turns the bytes of a watch connection, from the first after the request, into events. Errors are kInvalidArgument for a
// guest that breaks the protocol; or what the agent refused with. After an error, or after ApplicationExit, the
// connection is of no more use. One thread.
class WatchDecoder {
 public:
  explicit WatchDecoder(std::uint64_t from) : next_offset_(from) {}

  void feed(std::string_view bytes) { frames_.feed(bytes); }

  // The next event, nothing if more bytes are needed.
  Result<std::optional<WatchEvent>> next();

  // Up to where the application had written when the watch began; nothing before the answer has come.
  std::optional<std::uint64_t> end_at_start() const { return end_at_start_; }

  // Where to watch on after the connection is lost.
  std::uint64_t next_offset() const { return next_offset_; }

 private:
  Status take_answer(const Frame& frame);
  Result<std::optional<WatchEvent>> take_output(const Frame& frame);

  FrameDecoder frames_;
  std::optional<std::uint64_t> end_at_start_;
  std::uint64_t next_offset_;
};

// Offset and bytes as the payload of an output frame.
std::string encode_output(std::uint64_t offset, std::string_view bytes);

// The error that a refusal becomes: its kind, its message.
Error to_error(Refusal refusal);

}  // namespace dormouse::protocol
