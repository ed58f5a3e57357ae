// SPDX-License-Identifier: Apache-2.0

#include "control/build_log.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <utility>

#include "base/log.h"
#include "os/file.h"

namespace dormouse::control {

namespace {

constexpr std::string_view kCutOff = "\n[the log is cut off here: it reached its limit of 4 MiB]\n";

// How many of the last bytes begin a UTF-8 character that does not end: 0 to 3.
std::size_t incomplete_tail(std::string_view text) {
  for (std::size_t back = 1; back <= 3 && back <= text.size(); ++back) {
    const auto byte = static_cast<unsigned char>(text[text.size() - back]);
    if ((byte & 0xC0U) == 0x80U) {
      continue;  // inside of a character
    }
    const std::size_t length = byte >= 0xF0U ? 4 : byte >= 0xE0U ? 3 : byte >= 0xC0U ? 2 : 1;
    return length > back ? back : 0;
  }
  return 0;
}

}  // namespace

BuildLog::BuildLog(const std::filesystem::path& path) : path_(path) {
  auto file = os::open_file(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
  if (!file) {
    log::error("a build log cannot be written", {{"error", file.error().message()}});
    return;
  }
  file_ = *std::move(file);
}

void BuildLog::write(std::string_view text) {
  if (!file_ || text.empty() || written_ >= kBuildLogBytesMax) {
    return;
  }
  const std::string_view kept = text.substr(0, kBuildLogBytesMax - written_);
  Status status = os::write_all(file_.get(), kept, path_.native());
  written_ += kept.size();
  at_line_start_ = kept.back() == '\n';
  if (status && written_ >= kBuildLogBytesMax) {
    status = os::write_all(file_.get(), kCutOff, path_.native());
  }
  if (!status) {
    log::error("a build log cannot be written", {{"error", status.error().message()}});
    file_.reset();
  }
}

Result<BuildLogPiece> read_build_log(const std::filesystem::path& path, std::uint64_t offset) {
  auto file = os::open_file(path, O_RDONLY);
  if (!file) {
    if (file.error().errno_value() == ENOENT) {
      return BuildLogPiece{"", true};
    }
    return fail(std::move(file).error());
  }
  BuildLogPiece piece;
  piece.text.resize(kBuildLogPieceBytesMax);
  ssize_t got = -1;
  do {
    got = ::pread(file->get(), piece.text.data(), piece.text.size(), static_cast<off_t>(offset));
  } while (got < 0 && errno == EINTR);
  if (got < 0) {
    return fail_errno("read " + path.native());
  }
  piece.text.resize(static_cast<std::size_t>(got));
  piece.at_end = piece.text.size() < kBuildLogPieceBytesMax;
  const std::size_t tail = incomplete_tail(piece.text);
  if (tail < piece.text.size()) {  // the rest of it comes with the next piece, if at all
    piece.text.resize(piece.text.size() - (piece.at_end ? 0 : tail));
  }
  return piece;
}

}  // namespace dormouse::control
