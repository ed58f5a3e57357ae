// SPDX-License-Identifier: Apache-2.0

#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "aws/digest.h"
#include "aws/signature_check.h"
#include "base/error.h"

namespace dormouse::artifacts {

// Decodes the content encoding "aws-chunked":
//
//     <hex size>[;chunk-signature=<hex>]\r\n <bytes> \r\n ... 0[;chunk-signature=<hex>]\r\n
//     [<trailer name>:<value>\r\n ...] \r\n
//
// and verifies the signatures of chunks and trailer where the body is signed. Bytes are handed out before the signature of
// their chunk is known: their taker believes them only when finish() succeeds. Not thread-safe.
//
// Errors are the client's: kInvalidArgument for what is malformed, kPermissionDenied for a signature that does not match.
class AwsChunkedDecoder {
 public:
  static constexpr std::size_t kLineBytesMax = 4096;
  static constexpr std::size_t kTrailersMax = 32;

  using Sink = std::function<Status(std::span<const std::byte>)>;
  using Trailers = std::vector<std::pair<std::string, std::string>>;

  // signatures: none for an unsigned body; signed_trailer: the trailer has a signature too.
  AwsChunkedDecoder(std::optional<aws::ChunkSignatures> signatures, bool signed_trailer);

  Status decode(std::span<const std::byte> bytes, const Sink& sink);
  Status finish() const;  // whether the body was complete

  std::uint64_t size() const { return size_; }            // bytes handed out
  const Trailers& trailers() const { return trailers_; }  // names in lower case

 private:
  enum class State { kSizeLine, kBytes, kBytesEnd, kTrailer, kComplete };

  Status take_line(std::string_view line);
  Status begin_chunk(std::string_view line);
  Status end_chunk();
  Status end_trailer();

  // Constant after construction.
  const bool signed_trailer_;

  std::optional<aws::ChunkSignatures> signatures_;
  State state_ = State::kSizeLine;
  std::string line_;             // of which the end has not come
  std::uint64_t remaining_ = 0;  // bytes of the present chunk
  bool last_chunk_ = false;
  std::string chunk_signature_;
  aws::Digest chunk_digest_{aws::DigestAlgorithm::kSha256};
  std::string trailer_text_;
  std::string trailer_signature_;
  Trailers trailers_;
  std::uint64_t size_ = 0;
};

}  // namespace dormouse::artifacts
