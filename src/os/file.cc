// SPDX-License-Identifier: Apache-2.0

#include "os/file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <filesystem>
#include <system_error>

namespace dormouse::os {
namespace fs = std::filesystem;

Result<UniqueFd> open_file(const fs::path& path, int flags, mode_t mode) {
  int fd = -1;
  do {
    fd = ::open(path.c_str(), flags | O_CLOEXEC, mode);
  } while (fd < 0 && errno == EINTR);
  if (fd < 0) {
    return fail_errno("open " + path.string());
  }
  return UniqueFd(fd);
}

Result<std::string> read_file(const fs::path& path, std::size_t size_bytes_max) {
  DM_ASSIGN(const UniqueFd file, open_file(path, O_RDONLY), "");
  std::string content;
  std::string piece(65'536, '\0');
  for (;;) {
    const ssize_t got = ::read(file.get(), piece.data(), piece.size());
    if (got < 0 && errno == EINTR) {
      continue;
    }
    if (got < 0) {
      return fail_errno("read " + path.string());
    }
    if (got == 0) {
      return content;
    }
    content.append(piece, 0, static_cast<std::size_t>(got));
    if (content.size() > size_bytes_max) {
      return fail(ErrorKind::kInvalidArgument,
                  "read " + path.string() + ": longer than the limit of " + std::to_string(size_bytes_max) + " bytes");
    }
  }
}

Status write_all(int fd, std::span<const std::byte> bytes, std::string_view what) {
  while (!bytes.empty()) {
    const ssize_t put = ::write(fd, bytes.data(), bytes.size());
    if (put < 0 && errno == EINTR) {
      continue;
    }
    if (put < 0) {
      return fail_errno("write " + std::string(what));
    }
    bytes = bytes.subspan(static_cast<std::size_t>(put));
  }
  return {};
}

Status write_all(int fd, std::string_view text, std::string_view what) {
  return write_all(fd, std::as_bytes(std::span(text.data(), text.size())), what);
}

Status read_exactly(int fd, std::span<std::byte> bytes, std::uint64_t offset, std::string_view what) {
  while (!bytes.empty()) {
    const ssize_t got = ::pread(fd, bytes.data(), bytes.size(), static_cast<off_t>(offset));
    if (got < 0 && errno == EINTR) {
      continue;
    }
    if (got < 0) {
      return fail_errno("read " + std::string(what));
    }
    if (got == 0) {
      return fail(ErrorKind::kDataLoss, "read " + std::string(what) + ": the file is too short");
    }
    offset += static_cast<std::uint64_t>(got);
    bytes = bytes.subspan(static_cast<std::size_t>(got));
  }
  return {};
}

Status publish_file(const fs::path& path, std::string_view content, mode_t mode, Durability durability) {
  fs::path temporary = path;
  temporary += ".tmp";
  {
    DM_ASSIGN(const UniqueFd file, open_file(temporary, O_WRONLY | O_CREAT | O_TRUNC, mode), "");
    DM_TRY(write_all(file.get(), content, temporary.string()), "");
    if (durability == Durability::kDurable) {
      DM_TRY(sync(file.get(), temporary.string()), "");
    }
  }
  if (durability == Durability::kDurable) {
    return rename_durably(temporary, path);
  }
  if (::rename(temporary.c_str(), path.c_str()) != 0) {
    return fail_errno("rename " + temporary.string());
  }
  return {};
}

Status sync(int fd, std::string_view what) {
  if (::fdatasync(fd) != 0) {
    return fail_errno("fdatasync " + std::string(what));
  }
  return {};
}

Status sync_file(const fs::path& path) {
  DM_ASSIGN(const UniqueFd file, open_file(path, O_RDONLY), "");
  return sync(file.get(), path.string());
}

Status sync_directory(const fs::path& path) {
  DM_ASSIGN(const UniqueFd directory, open_file(path, O_RDONLY | O_DIRECTORY), "");
  if (::fsync(directory.get()) != 0) {
    return fail_errno("fsync " + path.string());
  }
  return {};
}

Status rename_durably(const fs::path& from, const fs::path& to) {
  if (::rename(from.c_str(), to.c_str()) != 0) {
    return fail_errno("rename " + from.string() + " to " + to.string());
  }
  return sync_directory(to.parent_path());
}

Status make_directories(const fs::path& path, mode_t mode) {
  if (path.has_parent_path() && !fs::exists(path.parent_path())) {
    DM_TRY(make_directories(path.parent_path(), mode), "");
  }
  if (::mkdir(path.c_str(), mode) != 0 && errno != EEXIST) {
    return fail_errno("mkdir " + path.string());
  }
  return {};
}

Result<std::vector<fs::path>> entries_of(const fs::path& directory) {
  std::vector<fs::path> found;
  std::error_code error;
  for (fs::directory_iterator entry(directory, error), end; !error && entry != end; entry.increment(error)) {
    found.push_back(entry->path());
  }
  if (error && error.value() != ENOENT) {
    return fail(Error::from_errno(error.value(), "list " + directory.string()));
  }
  std::sort(found.begin(), found.end());
  return found;
}

Status remove_tree(const fs::path& path) {
  std::error_code error;
  fs::remove_all(path, error);
  if (error) {
    return fail(Error::from_errno(error.value(), "remove " + path.string()));
  }
  return {};
}

void give_back_space(const UniqueFd& file) {
  constexpr off_t kPiece = off_t{16} << 20U;
  struct stat info{};
  if (::fstat(file.get(), &info) != 0 || info.st_nlink != 0) {
    return;
  }
  for (off_t size = info.st_size; size > 0;) {
    size = std::max<off_t>(0, size - kPiece);
    if (::ftruncate(file.get(), size) != 0) {
      return;  // the rest comes back when it is closed
    }
  }
}

std::uint64_t size_of(int fd) {
  struct stat status{};
  return ::fstat(fd, &status) == 0 ? static_cast<std::uint64_t>(status.st_size) : 0;
}

std::uint64_t allocated_bytes_of(int fd) {
  struct stat status{};
  return ::fstat(fd, &status) == 0 ? static_cast<std::uint64_t>(status.st_blocks) * 512U : 0;
}

}  // namespace dormouse::os
