// SPDX-License-Identifier: Apache-2.0

#include "artifacts/checksum.h"

#include <cstdint>
#include <utility>
#include <variant>

#include <boost/crc.hpp>

#include "aws/digest.h"
#include "aws/sigv4.h"

namespace dormouse::artifacts {

namespace {

using Crc32 = boost::crc_32_type;
using Crc32c = boost::crc_optimal<32, 0x1EDC6F41, 0xFFFFFFFF, 0xFFFFFFFF, true, true>;
using Crc64Nvme = boost::crc_optimal<64, 0xAD93D23594C93659, 0xFFFFFFFFFFFFFFFF, 0xFFFFFFFFFFFFFFFF, true, true>;

std::string to_bytes(std::uint64_t value, int size) {
  std::string bytes;
  for (int i = size - 1; i >= 0; --i) {
    bytes += static_cast<char>(value >> (8 * static_cast<unsigned>(i)) & 0xFFU);
  }
  return bytes;
}

}  // namespace

std::string_view to_string(ChecksumAlgorithm algorithm) {
  switch (algorithm) {
    case ChecksumAlgorithm::kCrc32: return "CRC32";
    case ChecksumAlgorithm::kCrc32c: return "CRC32C";
    case ChecksumAlgorithm::kCrc64Nvme: return "CRC64NVME";
    case ChecksumAlgorithm::kSha1: return "SHA1";
    case ChecksumAlgorithm::kSha256: return "SHA256";
  }
  return "";
}

std::optional<ChecksumAlgorithm> parse_checksum_algorithm(std::string_view name) {
  for (const ChecksumAlgorithm algorithm : kChecksumAlgorithms) {
    if (aws::to_lower(to_string(algorithm)) == aws::to_lower(name)) {
      return algorithm;
    }
  }
  return std::nullopt;
}

std::string checksum_header(ChecksumAlgorithm algorithm) {
  return "x-amz-checksum-" + aws::to_lower(to_string(algorithm));
}

std::string checksum_element(ChecksumAlgorithm algorithm) { return "Checksum" + std::string(to_string(algorithm)); }

bool is_crc(ChecksumAlgorithm algorithm) {
  return algorithm != ChecksumAlgorithm::kSha1 && algorithm != ChecksumAlgorithm::kSha256;
}

struct Checksum::State {
  std::variant<Crc32, Crc32c, Crc64Nvme, aws::Digest> value;
};

Checksum::Checksum(ChecksumAlgorithm algorithm) : algorithm_(algorithm) {
  switch (algorithm) {
    case ChecksumAlgorithm::kCrc32: state_ = std::make_unique<State>(State{Crc32()}); break;
    case ChecksumAlgorithm::kCrc32c: state_ = std::make_unique<State>(State{Crc32c()}); break;
    case ChecksumAlgorithm::kCrc64Nvme: state_ = std::make_unique<State>(State{Crc64Nvme()}); break;
    case ChecksumAlgorithm::kSha1:
      state_ = std::make_unique<State>(State{aws::Digest(aws::DigestAlgorithm::kSha1)});
      break;
    case ChecksumAlgorithm::kSha256:
      state_ = std::make_unique<State>(State{aws::Digest(aws::DigestAlgorithm::kSha256)});
      break;
  }
}

Checksum::~Checksum() = default;
Checksum::Checksum(Checksum&&) noexcept = default;
Checksum& Checksum::operator=(Checksum&&) noexcept = default;

void Checksum::update(std::span<const std::byte> bytes) {
  if (auto* digest = std::get_if<aws::Digest>(&state_->value)) {
    digest->update(bytes);
  } else if (auto* crc32 = std::get_if<Crc32>(&state_->value)) {
    crc32->process_bytes(bytes.data(), bytes.size());
  } else if (auto* crc32c = std::get_if<Crc32c>(&state_->value)) {
    crc32c->process_bytes(bytes.data(), bytes.size());
  } else {
    std::get<Crc64Nvme>(state_->value).process_bytes(bytes.data(), bytes.size());
  }
}

std::string Checksum::finish() {
  if (auto* digest = std::get_if<aws::Digest>(&state_->value)) {
    return digest->finish();
  }
  if (const auto* crc32 = std::get_if<Crc32>(&state_->value)) {
    return to_bytes(crc32->checksum(), 4);
  }
  if (const auto* crc32c = std::get_if<Crc32c>(&state_->value)) {
    return to_bytes(crc32c->checksum(), 4);
  }
  return to_bytes(std::get<Crc64Nvme>(state_->value).checksum(), 8);
}

}  // namespace dormouse::artifacts
