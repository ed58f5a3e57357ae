// SPDX-License-Identifier: Apache-2.0

#pragma once

#include <array>
#include <cstddef>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace dormouse::artifacts {

// The additional checksums of S3 that are verified here, by their names on the wire ("CRC32", x-amz-checksum-crc32).
enum class ChecksumAlgorithm { kCrc32, kCrc32c, kCrc64Nvme, kSha1, kSha256 };
inline constexpr std::array kChecksumAlgorithms = {ChecksumAlgorithm::kCrc32,
                                                   ChecksumAlgorithm::kCrc32c,
                                                   ChecksumAlgorithm::kCrc64Nvme,
                                                   ChecksumAlgorithm::kSha1,
                                                   ChecksumAlgorithm::kSha256};

std::string_view to_string(ChecksumAlgorithm algorithm);                           // "CRC32"
std::optional<ChecksumAlgorithm> parse_checksum_algorithm(std::string_view name);  // in any case
std::string checksum_header(ChecksumAlgorithm algorithm);                          // "x-amz-checksum-crc32"
std::string checksum_element(ChecksumAlgorithm algorithm);                         // "ChecksumCRC32"
bool is_crc(ChecksumAlgorithm algorithm);

// A checksum over bytes that come in pieces.
class Checksum {
 public:
  explicit Checksum(ChecksumAlgorithm algorithm);
  ~Checksum();
  Checksum(Checksum&&) noexcept;
  Checksum& operator=(Checksum&&) noexcept;

  ChecksumAlgorithm algorithm() const { return algorithm_; }
  void update(std::span<const std::byte> bytes);
  std::string finish();  // raw bytes, big-endian; call once, last

 private:
  struct State;
  ChecksumAlgorithm algorithm_;
  std::unique_ptr<State> state_;
};

}  // namespace dormouse::artifacts
