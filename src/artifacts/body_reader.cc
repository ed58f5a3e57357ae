// SPDX-License-Identifier: Apache-2.0

#include "artifacts/body_reader.h"

#include <charconv>
#include <utility>

#include <fmt/core.h>

#include "aws/encoding.h"

namespace dormouse::artifacts {

namespace {

constexpr std::string_view kChecksumPrefix = "x-amz-checksum-";
constexpr std::string_view kKnownAlgorithms = "CRC32, CRC32C, CRC64NVME, SHA1 or SHA256";

// x-amz-checksum-* that do not hold a value.
bool is_checksum_setting(std::string_view name) {
  return name == "x-amz-checksum-algorithm" || name == "x-amz-checksum-mode" || name == "x-amz-checksum-type";
}

S3Result<ChecksumAlgorithm> parse_algorithm(std::string_view name) {
  if (const auto algorithm = parse_checksum_algorithm(name)) {
    return *algorithm;
  }
  return refuse(
      400, "InvalidRequest", fmt::format("Checksum algorithm '{}' is not supported; use {}", name, kKnownAlgorithms));
}

tl::unexpected<S3Error> bad_digest(std::string_view what) {
  return refuse(400, "BadDigest", fmt::format("The {} you specified did not match the calculated checksum.", what));
}

}  // namespace

S3Result<BodyReader> BodyReader::create(const net::RequestHead& head,
                                        aws::SignatureCheck signature,
                                        std::uint64_t size_bytes_max,
                                        std::optional<ChecksumAlgorithm> default_checksum) {
  const aws::PayloadMode mode = signature.payload_mode();
  BodyReader reader(std::move(signature));
  reader.size_bytes_max_ = size_bytes_max;
  if (aws::is_streaming(mode)) {
    const bool signed_chunks = mode != aws::PayloadMode::kStreamingUnsignedTrailer;
    reader.decoder_.emplace(signed_chunks ? std::optional(reader.signature_.chunk_signatures()) : std::nullopt,
                            mode == aws::PayloadMode::kStreamingSignedTrailer);
    if (const auto text = head.headers.find("x-amz-decoded-content-length")) {
      std::uint64_t size = 0;
      const auto [end, error] = std::from_chars(text->data(), text->data() + text->size(), size);
      if (error != std::errc() || end != text->data() + text->size()) {
        return refuse(400, "InvalidArgument", fmt::format("x-amz-decoded-content-length is no number: '{}'", *text));
      }
      reader.expected_size_ = size;
    }
  } else {
    reader.expected_size_ = head.content_length;
  }
  if (reader.expected_size_.value_or(0) > size_bytes_max) {
    return refuse(400,
                  "EntityTooLarge",
                  fmt::format("Your proposed upload of {} bytes exceeds the maximum allowed size of {} bytes",
                              *reader.expected_size_,
                              size_bytes_max));
  }
  if (mode == aws::PayloadMode::kHashed) {
    reader.raw_sha256_.emplace(aws::DigestAlgorithm::kSha256);
  }
  if (const auto md5 = head.headers.find("Content-MD5")) {
    reader.expected_md5_ = aws::from_base64(*md5);
    if (!reader.expected_md5_ || reader.expected_md5_->size() != 16) {
      return refuse(400, "InvalidDigest", "The Content-MD5 you specified is not valid.");
    }
  }
  if (auto read = reader.read_checksum_headers(head.headers); !read) {
    return tl::unexpected<S3Error>(std::move(read).error());
  }
  if (!reader.checksum_ && default_checksum) {
    reader.checksum_.emplace(*default_checksum);
  }
  return reader;
}

S3Result<void> BodyReader::read_checksum_headers(const net::Headers& headers) {
  std::string name;
  for (const auto& [field, value] : headers) {
    const std::string lower = aws::to_lower(field);
    if (lower.starts_with(kChecksumPrefix) && !is_checksum_setting(lower)) {
      if (!name.empty()) {
        return refuse(400,
                      "InvalidRequest",
                      "Expecting a single x-amz-checksum- header. Multiple checksum Types are not allowed.");
      }
      name = lower.substr(kChecksumPrefix.size());
      expected_checksum_ = value;
    }
  }
  if (const auto trailer = headers.find("x-amz-trailer")) {
    const std::string lower = aws::to_lower(*trailer);
    if (!lower.starts_with(kChecksumPrefix) || !decoder_) {
      return refuse(400, "InvalidRequest", "The value specified in the x-amz-trailer header is not supported");
    }
    name = lower.substr(kChecksumPrefix.size());
    checksum_in_trailer_ = true;
  }
  if (name.empty()) {
    const auto announced = headers.find("x-amz-sdk-checksum-algorithm");
    if (!announced) {
      return {};
    }
    name = *announced;  // computed and answered, though nothing is given to compare with
  }
  auto algorithm = parse_algorithm(name);
  if (!algorithm) {
    return tl::unexpected<S3Error>(std::move(algorithm).error());
  }
  checksum_.emplace(*algorithm);
  return {};
}

S3Result<void> BodyReader::take(std::span<const std::byte> bytes, const Sink& sink) {
  if (raw_sha256_) {
    raw_sha256_->update(bytes);
  }
  const Sink counted = [this, &sink](std::span<const std::byte> piece) { return take_decoded(piece, sink); };
  const Status taken = decoder_ ? decoder_->decode(bytes, counted) : counted(bytes);
  if (!taken) {
    if (size_ > size_bytes_max_) {
      return refuse(400, "EntityTooLarge", taken.error().message());
    }
    return tl::unexpected<S3Error>(to_s3_error(taken.error()));
  }
  return {};
}

Status BodyReader::take_decoded(std::span<const std::byte> bytes, const Sink& sink) {
  size_ += bytes.size();
  if (size_ > size_bytes_max_) {
    return fail(ErrorKind::kInvalidArgument,
                fmt::format("Your proposed upload exceeds the maximum allowed size of {} bytes", size_bytes_max_));
  }
  md5_.update(bytes);
  if (checksum_) {
    checksum_->update(bytes);
  }
  return sink(bytes);
}

S3Result<void> BodyReader::check_sizes() {
  if (decoder_) {
    if (const Status complete = decoder_->finish(); !complete) {
      return refuse(400, "IncompleteBody", complete.error().message());
    }
  }
  if (expected_size_ && *expected_size_ != size_) {
    return refuse(400, "IncompleteBody", fmt::format("You provided {} bytes and announced {}", size_, *expected_size_));
  }
  return {};
}

S3Result<std::optional<StoredChecksum>> BodyReader::check_checksum() {
  if (!checksum_) {
    return std::nullopt;
  }
  if (checksum_in_trailer_) {
    for (const auto& [name, value] : decoder_->trailers()) {
      if (name == checksum_header(checksum_->algorithm())) {
        expected_checksum_ = value;
      }
    }
    if (!expected_checksum_) {
      return refuse(
          400,
          "MalformedTrailerError",
          "The request contained trailing data that was not well-formed or did not conform to our published schema.");
    }
  }
  const std::string value = aws::to_base64(checksum_->finish());
  if (expected_checksum_ && *expected_checksum_ != value) {
    return bad_digest(to_string(checksum_->algorithm()));
  }
  return StoredChecksum{.algorithm = checksum_->algorithm(), .value = value, .full_object = true};
}

S3Result<BodyReader::Verified> BodyReader::finish() {
  if (auto sizes = check_sizes(); !sizes) {
    return tl::unexpected<S3Error>(std::move(sizes).error());
  }
  if (raw_sha256_) {
    if (auto checked = signature_.check_body(aws::to_hex(raw_sha256_->finish())); !checked) {
      return tl::unexpected<S3Error>(from_auth_failure(checked.error()));
    }
  }
  Verified verified{.size = size_, .md5 = md5_.finish(), .checksum = std::nullopt};
  if (expected_md5_ && *expected_md5_ != verified.md5) {
    return bad_digest("Content-MD5");
  }
  auto checksum = check_checksum();
  if (!checksum) {
    return tl::unexpected<S3Error>(std::move(checksum).error());
  }
  verified.checksum = *std::move(checksum);
  return verified;
}

}  // namespace dormouse::artifacts
