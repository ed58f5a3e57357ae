// SPDX-License-Identifier: Apache-2.0

#include "protocol/watch_decoder.h"

#include <limits>

#include <fmt/core.h>

#include "protocol/limits.h"

namespace dormouse::protocol {

std::string encode_output(std::uint64_t offset, std::string_view bytes) {
  std::string payload;
  payload.reserve(kOutputOffsetBytes + bytes.size());
  for (std::size_t i = 0; i < kOutputOffsetBytes; ++i) {
    payload.push_back(static_cast<char>(offset >> (8 * i) & 255U));
  }
  payload.append(bytes);
  return payload;
}

Error to_error(Refusal refusal) { return Error(refusal.kind, std::move(refusal.message)); }

Result<std::optional<WatchEvent>> WatchDecoder::next() {
  for (;;) {
    DM_ASSIGN(const auto frame, frames_.next(), "watch");
    if (!frame) {
      return std::nullopt;
    }
    if (!end_at_start_) {
      DM_TRY(take_answer(*frame), "watch");
      continue;
    }
    if (frame->type == FrameType::kOutput) {
      return take_output(*frame);
    }
    if (frame->type == FrameType::kExit) {
      DM_ASSIGN(auto exit, decode_application_exit(frame->payload), "watch");
      return WatchEvent(std::move(exit));
    }
    return fail(ErrorKind::kInvalidArgument, fmt::format("watch: frame of type {} is not an event", int(frame->type)));
  }
}

Status WatchDecoder::take_answer(const Frame& frame) {
  if (frame.type == FrameType::kRefusal) {
    DM_ASSIGN(auto refusal, decode_refusal(frame.payload), "");
    return fail(to_error(std::move(refusal)));
  }
  if (frame.type != FrameType::kAnswer) {
    return fail(ErrorKind::kInvalidArgument, fmt::format("frame of type {} is not an answer", int(frame.type)));
  }
  DM_ASSIGN(const WatchAnswer answer, decode_watch_answer(frame.payload), "");
  end_at_start_ = answer.end;
  return {};
}

Result<std::optional<WatchEvent>> WatchDecoder::take_output(const Frame& frame) {
  if (frame.payload.size() <= kOutputOffsetBytes) {
    return fail(ErrorKind::kInvalidArgument, fmt::format("watch: output frame of {} bytes", frame.payload.size()));
  }
  OutputChunk chunk;
  for (std::size_t i = 0; i < kOutputOffsetBytes; ++i) {
    chunk.offset |= std::uint64_t{static_cast<unsigned char>(frame.payload[i])} << (8 * i);
  }
  constexpr std::uint64_t kOffsetMax = std::numeric_limits<std::int64_t>::max() - kDataBytesMax;
  if (chunk.offset < next_offset_ || chunk.offset > kOffsetMax) {
    return fail(ErrorKind::kInvalidArgument,
                fmt::format("watch: output at offset {}, expected {} or later", chunk.offset, next_offset_));
  }
  chunk.bytes = frame.payload.substr(kOutputOffsetBytes);
  chunk.dropped = chunk.offset - next_offset_;
  next_offset_ = chunk.offset + chunk.bytes.size();
  return WatchEvent(std::move(chunk));
}

}  // namespace dormouse::protocol
