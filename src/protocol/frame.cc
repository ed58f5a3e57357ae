// SPDX-License-Identifier: Apache-2.0

#include "protocol/frame.h"

#include <fmt/core.h>

#include "protocol/limits.h"

namespace dormouse::protocol {
namespace {

std::uint32_t read_length(std::string_view header) {
  std::uint32_t length = 0;
  for (std::size_t i = 0; i < 4; ++i) {
    length |= std::uint32_t{static_cast<unsigned char>(header[i])} << (8 * i);
  }
  return length;
}

}  // namespace

std::optional<std::size_t> payload_bytes_max(std::uint8_t type) {
  switch (static_cast<FrameType>(type)) {
    case FrameType::kRequest: return kRequestBytesMax;
    case FrameType::kAnswer:
    case FrameType::kRefusal:
    case FrameType::kExit: return kAnswerBytesMax;
    case FrameType::kStdin:
    case FrameType::kStdout:
    case FrameType::kStderr: return kDataBytesMax;
    case FrameType::kStdinEnd: return 0;
    case FrameType::kOutput: return kOutputOffsetBytes + kDataBytesMax;
  }
  return std::nullopt;
}

std::string encode_frame(FrameType type, std::string_view payload) {
  std::string frame;
  frame.reserve(kFrameHeaderBytes + payload.size());
  for (std::size_t i = 0; i < 4; ++i) {
    frame.push_back(static_cast<char>(payload.size() >> (8 * i) & 255U));
  }
  frame.push_back(static_cast<char>(type));
  frame.append(payload);
  return frame;
}

void FrameDecoder::feed(std::string_view bytes) {
  if (begin_ != 0) {
    buffer_.erase(0, begin_);
    begin_ = 0;
  }
  buffer_.append(bytes);
}

Result<std::optional<Frame>> FrameDecoder::next() {
  const std::string_view waiting = rest();
  if (waiting.size() < kFrameHeaderBytes) {
    return std::nullopt;
  }
  const auto type = static_cast<std::uint8_t>(waiting[4]);
  const auto limit = payload_bytes_max(type);
  if (!limit) {
    return fail(ErrorKind::kInvalidArgument, fmt::format("frame type {} does not exist", type));
  }
  const std::uint32_t length = read_length(waiting);
  if (length > *limit) {
    return fail(ErrorKind::kInvalidArgument,
                fmt::format("frame of type {} has {} bytes, the limit is {}", type, length, *limit));
  }
  if (waiting.size() - kFrameHeaderBytes < length) {
    return std::nullopt;
  }
  Frame frame{static_cast<FrameType>(type), std::string(waiting.substr(kFrameHeaderBytes, length))};
  begin_ += kFrameHeaderBytes + length;
  return frame;
}

}  // namespace dormouse::protocol
