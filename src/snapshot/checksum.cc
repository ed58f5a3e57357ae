// SPDX-License-Identifier: Apache-2.0

#include "snapshot/checksum.h"

#include <fcntl.h>
#include <unistd.h>
#include <xxhash.h>

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <cstring>
#include <memory>
#include <string>
#include <vector>

#include "os/file.h"

namespace dormouse::snapshot {
namespace {

constexpr std::uint64_t kBlockBytes = 64U << 10U;
constexpr std::uint64_t kPieceBytes = 16 * kBlockBytes;  // read at once

class Hash {
 public:
  Hash() : state_(XXH3_createState(), XXH3_freeState) { XXH3_64bits_reset(state_.get()); }
  void add(const void* bytes, std::size_t size) { XXH3_64bits_update(state_.get(), bytes, size); }
  std::uint64_t digest() const { return XXH3_64bits_digest(state_.get()); }

 private:
  std::unique_ptr<XXH3_state_t, decltype(&XXH3_freeState)> state_;
};

bool is_zero(const std::byte* bytes, std::size_t size) {
  return bytes[0] == std::byte{0} && std::memcmp(bytes, bytes + 1, size - 1) == 0;
}

// Where the data at or after `offset` begins, rounded down to a block; `size` when there is none.
Result<std::uint64_t> next_data(int fd, std::uint64_t offset, std::uint64_t size) {
  const off_t found = ::lseek(fd, static_cast<off_t>(offset), SEEK_DATA);
  if (found < 0) {
    return errno == ENXIO ? Result<std::uint64_t>(size) : fail_errno("find the data of a file");
  }
  return std::max(offset, static_cast<std::uint64_t>(found) / kBlockBytes * kBlockBytes);
}

}  // namespace

Result<std::uint64_t> checksum_of(const UniqueFd& file) {
  const std::uint64_t size = os::size_of(file.get());
  Hash hash;
  std::vector<std::byte> piece(kPieceBytes);
  for (std::uint64_t offset = 0; offset < size;) {
    DM_ASSIGN(offset, next_data(file.get(), offset, size), "");
    if (offset == size) {
      break;
    }
    const std::uint64_t length = std::min(kPieceBytes, size - offset);
    DM_TRY(os::read_exactly(file.get(), std::span(piece).first(length), offset, "a checksum's file"), "");
    for (std::uint64_t at = 0; at < length; at += kBlockBytes) {
      const std::uint64_t block_bytes = std::min(kBlockBytes, length - at);
      if (!is_zero(piece.data() + at, block_bytes)) {
        const std::uint64_t number = (offset + at) / kBlockBytes;
        hash.add(&number, sizeof number);
        hash.add(piece.data() + at, block_bytes);
      }
    }
    offset += length;
  }
  hash.add(&size, sizeof size);
  return hash.digest();
}

Status verify(const UniqueFd& file, std::uint64_t checksum, const char* what) {
  DM_ASSIGN(const std::uint64_t found, checksum_of(file), std::string("verify ") + what);
  if (found != checksum) {
    return fail(ErrorKind::kDataLoss, std::string(what) + " does not verify: it is not what was written");
  }
  return {};
}

}  // namespace dormouse::snapshot
