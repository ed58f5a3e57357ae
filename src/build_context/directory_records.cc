// SPDX-License-Identifier: Apache-2.0

#include "build_context/directory_records.h"

#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <string>
#include <string_view>

namespace dormouse::build_context {

namespace {

constexpr std::string_view kSignature = "PK\x01\x02";
constexpr std::size_t kPieceBytes = 1U << 20U;

}  // namespace

Result<std::uint64_t> count_directory_records(int file, std::uint64_t count_max, const os::Context& context) {
  std::uint64_t count = 0;
  std::string piece(kPieceBytes, '\0');
  std::size_t kept = 0;  // bytes at the beginning of `piece` that belong to a signature cut in two
  for (std::uint64_t offset = 0; count <= count_max;) {
    DM_TRY(context.check("count the archive's entries"), "");
    const ssize_t got = ::pread(file, piece.data() + kept, piece.size() - kept, static_cast<off_t>(offset));
    if (got < 0 && errno == EINTR) {
      continue;
    }
    if (got < 0) {
      return fail_errno("read the archive");
    }
    if (got == 0) {
      break;
    }
    offset += static_cast<std::uint64_t>(got);
    const std::string_view text(piece.data(), kept + static_cast<std::size_t>(got));
    for (std::size_t at = text.find(kSignature); at != std::string_view::npos && count <= count_max;
         at = text.find(kSignature, at + kSignature.size())) {
      ++count;
    }
    kept = std::min(text.size(), kSignature.size() - 1);
    piece.replace(0, kept, std::string(text.substr(text.size() - kept)));
  }
  return count;
}

}  // namespace dormouse::build_context
