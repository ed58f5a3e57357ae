// SPDX-License-Identifier: Apache-2.0

#include "build_context/tar_writer.h"

#include <sys/stat.h>
#include <unistd.h>

#include <archive.h>
#include <archive_entry.h>

#include <algorithm>

namespace dormouse::build_context {

namespace {

constexpr int kBlockBytes = 256 * 1024;
// Years 1970 to 2242: fits the octal field of every tar program.
constexpr std::time_t kModifiedMax = 077777777777;

unsigned type_of(EntryKind kind) {
  switch (kind) {
    case EntryKind::kRegularFile: return AE_IFREG;
    case EntryKind::kDirectory: return AE_IFDIR;
    case EntryKind::kSymbolicLink: return AE_IFLNK;
  }
  return 0;
}

std::uint32_t permissions_of(const ZipEntry& entry) {
  if (entry.kind == EntryKind::kSymbolicLink) {
    return 0777;
  }
  const std::uint32_t unknown = entry.kind == EntryKind::kDirectory ? 0755 : 0644;
  return entry.permissions != 0 ? entry.permissions & 0777U : unknown;
}

}  // namespace

void TarWriter::Free::operator()(archive* writer) const {
  archive_write_fail(writer);  // nothing more is written; harmless after finish()
  archive_write_free(writer);
}

tl::unexpected<Error> TarWriter::failure() const {
  const char* text = archive_error_string(writer_.get());
  const int errno_value = archive_errno(writer_.get());
  if (errno_value > 0) {
    return fail(Error::from_errno(errno_value, "write the tar archive"));
  }
  return fail(ErrorKind::kInternal, std::string("write the tar archive: ") + (text != nullptr ? text : "no reason is known"));
}

Result<TarWriter> TarWriter::open(int file) {
  std::unique_ptr<archive, Free> handle(archive_write_new());
  if (!handle) {
    return fail(ErrorKind::kResourceExhausted, "write the tar archive: no memory");
  }
  TarWriter writer(file, std::move(handle));
  archive* const raw = writer.writer_.get();
  if (archive_write_set_format_gnutar(raw) != ARCHIVE_OK || archive_write_add_filter_none(raw) != ARCHIVE_OK ||
      archive_write_set_bytes_per_block(raw, kBlockBytes) != ARCHIVE_OK ||
      archive_write_set_bytes_in_last_block(raw, 1) != ARCHIVE_OK || archive_write_open_fd(raw, file) != ARCHIVE_OK) {
    return writer.failure();
  }
  return writer;
}

Status TarWriter::begin(const std::string& path, const ZipEntry& entry) {
  const std::unique_ptr<archive_entry, decltype(&archive_entry_free)> header(archive_entry_new(), &archive_entry_free);
  if (!header) {
    return fail(ErrorKind::kResourceExhausted, "write the tar archive: no memory");
  }
  archive_entry_copy_pathname(header.get(), path.c_str());
  archive_entry_set_filetype(header.get(), type_of(entry.kind));
  archive_entry_set_perm(header.get(), permissions_of(entry));
  archive_entry_set_uid(header.get(), 0);
  archive_entry_set_gid(header.get(), 0);
  archive_entry_set_mtime(header.get(), std::clamp<std::time_t>(entry.modified, 0, kModifiedMax), 0);
  archive_entry_set_size(header.get(), static_cast<la_int64_t>(entry.size_bytes));
  if (entry.kind == EntryKind::kSymbolicLink) {
    archive_entry_copy_symlink(header.get(), entry.link_target.c_str());
  }
  if (archive_write_header(writer_.get(), header.get()) != ARCHIVE_OK) {
    return failure();
  }
  return {};
}

Status TarWriter::write(std::span<const std::byte> data) {
  while (!data.empty()) {
    const la_ssize_t put = archive_write_data(writer_.get(), data.data(), data.size());
    if (put < 0) {
      return failure();
    }
    if (put == 0) {
      return fail(ErrorKind::kInternal, "write the tar archive: more data than the entry's header says");
    }
    data = data.subspan(static_cast<std::size_t>(put));
  }
  return {};
}

Status TarWriter::finish(std::uint64_t alignment_bytes) {
  if (archive_write_close(writer_.get()) != ARCHIVE_OK) {
    return failure();
  }
  struct stat status {};
  if (::fstat(file_, &status) != 0) {
    return fail_errno("measure the tar archive");
  }
  const auto size = static_cast<std::uint64_t>(status.st_size);
  const std::uint64_t padded = (size + alignment_bytes - 1) / alignment_bytes * alignment_bytes;
  if (::ftruncate(file_, static_cast<off_t>(padded)) != 0) {
    return fail_errno("pad the tar archive");
  }
  return {};
}

}  // namespace dormouse::build_context
