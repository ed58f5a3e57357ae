// SPDX-License-Identifier: Apache-2.0

#include "cli/archive.h"

#include <archive.h>
#include <archive_entry.h>
#include <fcntl.h>

#include <algorithm>
#include <memory>
#include <span>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "os/file.h"

namespace dormouse::cli {
namespace {

namespace fs = std::filesystem;

struct ArchiveCloser {
  void operator()(struct archive* archive) const { archive_write_free(archive); }
};
struct EntryCloser {
  void operator()(struct archive_entry* entry) const { archive_entry_free(entry); }
};
using Archive = std::unique_ptr<struct archive, ArchiveCloser>;
using Entry = std::unique_ptr<struct archive_entry, EntryCloser>;

tl::unexpected<Error> archive_failure(struct archive* archive, const fs::path& path) {
  const char* const text = archive_error_string(archive);
  return fail(ErrorKind::kInternal,
              fmt::format("pack {}: {}", path.string(), text == nullptr ? "unknown error" : text));
}

// Relative paths of regular files and directories, sorted.
Result<std::vector<fs::path>> entries_of(const fs::path& directory) {
  std::vector<fs::path> found;
  std::error_code error;
  for (fs::recursive_directory_iterator it(directory, error), end; !error && it != end; it.increment(error)) {
    const fs::path relative = it->path().lexically_relative(directory);
    if (it.depth() == 0 && relative == ".git") {
      it.disable_recursion_pending();
      continue;
    }
    const fs::file_type type = it->symlink_status(error).type();
    if (type == fs::file_type::symlink) {
      return fail(ErrorKind::kInvalidArgument,
                  fmt::format("{} is a symbolic link, which an artifact cannot hold; put a copy of its target there",
                              it->path().string()));
    }
    if (type != fs::file_type::regular && type != fs::file_type::directory) {
      return fail(
          ErrorKind::kInvalidArgument,
          fmt::format("{} is neither a file nor a directory; remove it from the build context", it->path().string()));
    }
    found.push_back(relative);
  }
  if (error) {
    return fail(Error::from_errno(error.value(), "read directory " + directory.string()));
  }
  std::sort(found.begin(), found.end());
  return found;
}

Status add_content(struct archive* archive, int file, std::uint64_t size, const fs::path& path) {
  std::vector<std::byte> buffer(1U << 18U);
  for (std::uint64_t offset = 0; offset < size;) {
    const auto piece =
        std::span(buffer).first(static_cast<std::size_t>(std::min<std::uint64_t>(buffer.size(), size - offset)));
    DM_TRY(os::read_exactly(file, piece, offset, path.string()), "");
    if (archive_write_data(archive, piece.data(), piece.size()) != static_cast<la_ssize_t>(piece.size())) {
      return archive_failure(archive, path);
    }
    offset += piece.size();
  }
  return {};
}

Status add_entry(struct archive* archive,
                 const fs::path& directory,
                 const fs::path& relative,
                 ArchiveSummary& summary) {
  const fs::path path = directory / relative;
  std::error_code error;
  const fs::file_status status = fs::status(path, error);
  if (error) {
    return fail(Error::from_errno(error.value(), "read " + path.string()));
  }
  const bool is_directory = fs::is_directory(status);
  UniqueFd file;
  if (!is_directory) {
    DM_ASSIGN(file, os::open_file(path, O_RDONLY), "");
  }
  const std::uint64_t size = is_directory ? 0 : os::size_of(file.get());
  const Entry entry(archive_entry_new());
  archive_entry_set_pathname(entry.get(), (relative.string() + (is_directory ? "/" : "")).c_str());
  archive_entry_set_filetype(entry.get(), is_directory ? AE_IFDIR : AE_IFREG);
  archive_entry_set_perm(entry.get(), static_cast<__LA_MODE_T>(status.permissions()) & 0777U);
  archive_entry_set_size(entry.get(), static_cast<la_int64_t>(size));
  if (archive_write_header(archive, entry.get()) != ARCHIVE_OK) {
    return archive_failure(archive, path);
  }
  summary.files += is_directory ? 0 : 1;
  summary.bytes += size;
  return is_directory ? Status() : add_content(archive, file.get(), size, path);
}

}  // namespace

Result<ArchiveSummary> zip_directory(const fs::path& directory, const fs::path& target) {
  std::error_code error;
  if (!fs::is_regular_file(directory / "Dockerfile", error)) {
    return fail(ErrorKind::kInvalidArgument,
                fmt::format("{} has no Dockerfile; a build context has one at its root", directory.string()));
  }
  DM_ASSIGN(const std::vector<fs::path> entries, entries_of(directory), "");
  const Archive archive(archive_write_new());
  if (!archive || archive_write_set_format_zip(archive.get()) != ARCHIVE_OK ||
      archive_write_open_filename(archive.get(), target.c_str()) != ARCHIVE_OK) {
    return archive_failure(archive.get(), target);
  }
  ArchiveSummary summary;
  for (const fs::path& relative : entries) {
    DM_TRY(add_entry(archive.get(), directory, relative, summary), "");
  }
  if (archive_write_close(archive.get()) != ARCHIVE_OK) {
    return archive_failure(archive.get(), target);
  }
  return summary;
}

}  // namespace dormouse::cli
