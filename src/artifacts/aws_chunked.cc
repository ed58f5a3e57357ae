// SPDX-License-Identifier: Apache-2.0

#include "artifacts/aws_chunked.h"

#include <algorithm>
#include <charconv>

#include <fmt/core.h>

#include "aws/encoding.h"

namespace dormouse::artifacts {

namespace {

constexpr std::string_view kSignatureName = "chunk-signature=";

tl::unexpected<Error> malformed(std::string message) {
  return fail(ErrorKind::kInvalidArgument, "malformed aws-chunked body: " + std::move(message));
}

}  // namespace

AwsChunkedDecoder::AwsChunkedDecoder(std::optional<aws::ChunkSignatures> signatures, bool signed_trailer)
    : signed_trailer_(signed_trailer), signatures_(std::move(signatures)) {}

Status AwsChunkedDecoder::decode(std::span<const std::byte> bytes, const Sink& sink) {
  while (!bytes.empty()) {
    if (state_ == State::kComplete) {
      return malformed("there are bytes after its end");
    }
    if (state_ == State::kBytes) {
      const auto piece = bytes.first(static_cast<std::size_t>(std::min<std::uint64_t>(remaining_, bytes.size())));
      if (signatures_) {
        chunk_digest_.update(piece);
      }
      size_ += piece.size();
      remaining_ -= piece.size();
      bytes = bytes.subspan(piece.size());
      DM_TRY(sink(piece), "");
      if (remaining_ == 0) {
        state_ = State::kBytesEnd;
      }
      continue;
    }
    const auto end = std::find(bytes.begin(), bytes.end(), static_cast<std::byte>('\n'));
    const auto size = static_cast<std::size_t>(end - bytes.begin());
    line_.append(reinterpret_cast<const char*>(bytes.data()), size);
    if (line_.size() > kLineBytesMax) {
      return malformed(fmt::format("a line is longer than {} bytes, the limit", kLineBytesMax));
    }
    if (end == bytes.end()) {
      return {};
    }
    bytes = bytes.subspan(size + 1);
    if (line_.ends_with('\r')) {
      line_.pop_back();
    }
    const std::string line = std::exchange(line_, {});
    DM_TRY(take_line(line), "");
  }
  return {};
}

Status AwsChunkedDecoder::take_line(std::string_view line) {
  switch (state_) {
    case State::kSizeLine: return begin_chunk(line);
    case State::kBytesEnd:
      if (!line.empty()) {
        return malformed("a chunk is longer than its size says");
      }
      return end_chunk();
    case State::kTrailer: {
      if (line.empty()) {
        return end_trailer();
      }
      const std::size_t colon = line.find(':');
      if (colon == std::string_view::npos || trailers_.size() >= kTrailersMax) {
        return malformed(fmt::format("'{}' is no trailer, or there are more than {}", line, kTrailersMax));
      }
      std::string name = aws::to_lower(line.substr(0, colon));
      std::string value = aws::canonical_value(line.substr(colon + 1));
      if (name == "x-amz-trailer-signature") {
        trailer_signature_ = std::move(value);
      } else {
        trailer_text_ += fmt::format("{}:{}\n", name, value);
        trailers_.emplace_back(std::move(name), std::move(value));
      }
      return {};
    }
    case State::kBytes:
    case State::kComplete: break;
  }
  return malformed("unexpected line");
}

Status AwsChunkedDecoder::begin_chunk(std::string_view line) {
  const std::size_t semicolon = line.find(';');
  const std::string_view digits = line.substr(0, semicolon);
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), remaining_, 16);
  if (error != std::errc() || end != digits.data() + digits.size()) {
    return malformed(fmt::format("'{}' is no chunk size", digits));
  }
  chunk_signature_.clear();
  if (semicolon != std::string_view::npos && line.substr(semicolon + 1).starts_with(kSignatureName)) {
    chunk_signature_ = line.substr(semicolon + 1 + kSignatureName.size());
  }
  last_chunk_ = remaining_ == 0;
  if (last_chunk_) {
    return end_chunk();
  }
  state_ = State::kBytes;
  return {};
}

Status AwsChunkedDecoder::end_chunk() {
  if (signatures_) {
    const std::string hash = aws::to_hex(chunk_digest_.finish());
    chunk_digest_ = aws::Digest(aws::DigestAlgorithm::kSha256);
    if (!signatures_->check_chunk(hash, chunk_signature_)) {
      return fail(ErrorKind::kPermissionDenied, "the signature of a chunk does not match");
    }
  }
  state_ = last_chunk_ ? State::kTrailer : State::kSizeLine;
  return {};
}

Status AwsChunkedDecoder::end_trailer() {
  if (signatures_ && signed_trailer_ && !signatures_->check_trailer(trailer_text_, trailer_signature_)) {
    return fail(ErrorKind::kPermissionDenied, "the signature of the trailer does not match");
  }
  state_ = State::kComplete;
  return {};
}

Status AwsChunkedDecoder::finish() const {
  // Some clients leave out the last, empty line when there are no trailers.
  const bool complete = state_ == State::kComplete ||
                        (state_ == State::kTrailer && line_.empty() && trailers_.empty() && !signed_trailer_);
  return complete ? Status() : malformed("it ended early");
}

}  // namespace dormouse::artifacts
