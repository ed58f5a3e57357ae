// SPDX-License-Identifier: Apache-2.0

#include "os/sparse_copy.h"

#include <fcntl.h>
#include <linux/fs.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdint>
#include <string>
#include <vector>

#include "base/scope_exit.h"
#include "os/file.h"

namespace dormouse::os {
namespace {

constexpr std::size_t kPieceBytes = 4U << 20U;  // copied between two looks at the context

// copy_file_range() is not possible between some file systems; then bytes pass through memory.
Result<std::size_t> copy_piece(int from, int to, off_t offset, std::size_t size) {
  off_t source = offset;
  off_t target = offset;
  const ssize_t copied = ::copy_file_range(from, &source, to, &target, size, 0);
  if (copied > 0) {
    return static_cast<std::size_t>(copied);
  }
  if (copied < 0 && errno != EXDEV && errno != EINVAL && errno != EOPNOTSUPP && errno != ENOSYS) {
    return fail_errno("copy_file_range");
  }
  std::vector<std::byte> buffer(std::min<std::size_t>(size, 1U << 20U));
  DM_TRY(read_exactly(from, buffer, static_cast<std::uint64_t>(offset), "source"), "");
  if (::lseek(to, offset, SEEK_SET) < 0) {
    return fail_errno("lseek");
  }
  DM_TRY(write_all(to, buffer, "target"), "");
  return buffer.size();
}

Status copy_segments(int from, int to, const Context& context) {
  off_t at = 0;
  for (;;) {
    const off_t begin = ::lseek(from, at, SEEK_DATA);
    if (begin < 0 && errno == ENXIO) {
      return {};
    }
    if (begin < 0) {
      return fail_errno("lseek SEEK_DATA");
    }
    const off_t end = ::lseek(from, begin, SEEK_HOLE);
    if (end < 0) {
      return fail_errno("lseek SEEK_HOLE");
    }
    for (at = begin; at < end;) {
      DM_TRY(context.check("copy"), "");
      const std::size_t size = std::min(kPieceBytes, static_cast<std::size_t>(end - at));
      DM_ASSIGN(const std::size_t copied, copy_piece(from, to, at, size), "");
      at += static_cast<off_t>(copied);
    }
  }
}

}  // namespace

Status copy_sparsely(const std::filesystem::path& from, const std::filesystem::path& to, const Context& context) {
  const std::string doing = "copy " + from.string() + " to " + to.string();
  DM_ASSIGN(const UniqueFd source, open_file(from, O_RDONLY), doing);
  DM_ASSIGN(const UniqueFd target, open_file(to, O_RDWR | O_CREAT | O_EXCL, 0600), doing);
  ScopeExit remove([&] { ::unlink(to.c_str()); });
  if (::ioctl(target.get(), FICLONE, source.get()) != 0) {
    if (::ftruncate(target.get(), static_cast<off_t>(size_of(source.get()))) != 0) {
      return fail_errno(doing + ": ftruncate");
    }
    DM_TRY(copy_segments(source.get(), target.get(), context), doing);
  }
  remove.dismiss();
  return {};
}

}  // namespace dormouse::os
