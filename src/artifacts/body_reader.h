// SPDX-License-Identifier: Apache-2.0

#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "artifacts/aws_chunked.h"
#include "artifacts/checksum.h"
#include "artifacts/object_store.h"
#include "artifacts/s3_error.h"
#include "aws/digest.h"
#include "aws/signature_check.h"
#include "net/http.h"

namespace dormouse::artifacts {

// Takes the body of one request, undoes aws-chunked and verifies all that its head, its trailer and its signature say about
// it: size, SHA-256, Content-MD5, additional checksum. Nothing of the body may be acted on before finish() has succeeded.
class BodyReader {
 public:
  using Sink = std::function<Status(std::span<const std::byte>)>;

  // Refuses heads that no body could fulfil. `size_bytes_max`: of the decoded body. `default_checksum`: computed when the
  // client gives none.
  static S3Result<BodyReader> create(const net::RequestHead& head,
                                     aws::SignatureCheck signature,
                                     std::uint64_t size_bytes_max,
                                     std::optional<ChecksumAlgorithm> default_checksum = std::nullopt);

  S3Result<void> take(std::span<const std::byte> bytes, const Sink& sink);

  struct Verified {
    std::uint64_t size = 0;
    std::string md5;                         // raw bytes
    std::optional<StoredChecksum> checksum;  // what the client gave, or the default
  };
  S3Result<Verified> finish();

 private:
  explicit BodyReader(aws::SignatureCheck signature) : signature_(std::move(signature)) {}

  S3Result<void> read_checksum_headers(const net::Headers& headers);
  Status take_decoded(std::span<const std::byte> bytes, const Sink& sink);
  S3Result<void> check_sizes();
  S3Result<std::optional<StoredChecksum>> check_checksum();

  aws::SignatureCheck signature_;
  std::uint64_t size_bytes_max_ = 0;
  std::optional<std::uint64_t> expected_size_;    // of the decoded body
  std::optional<std::string> expected_md5_;       // raw bytes
  std::optional<std::string> expected_checksum_;  // base64; none yet when it comes in the trailer
  bool checksum_in_trailer_ = false;

  std::optional<AwsChunkedDecoder> decoder_;
  std::optional<aws::Digest> raw_sha256_;  // of the body as sent, where the signature covers it
  aws::Digest md5_{aws::DigestAlgorithm::kMd5};
  std::optional<Checksum> checksum_;
  std::uint64_t size_ = 0;
};

}  // namespace dormouse::artifacts
