// SPDX-License-Identifier: Apache-2.0

#include "build_context/tar_writer.h"

#include <archive.h>
#include <archive_entry.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>

#include "os/file.h"

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

void TarWriter::Free::operator()(archive* writer) const { archive_write_free(writer); }

TarWriter::~TarWriter() {
  if (sink_) {
    sink_->dropping = true;  // freeing writes what is buffered and fills up an entry under way
  }
}

ssize_t TarWriter::write_block(archive* /*writer*/, void* sink, const void* block, std::size_t size) {
  Sink& self = *static_cast<Sink*>(sink);
  if (!self.dropping) {
    self.status = os::write_all(self.file, std::span(static_cast<const std::byte*>(block), size), "the tar archive");
    self.dropping = !self.status;
  }
  return static_cast<ssize_t>(size);
}

tl::unexpected<Error> TarWriter::failure() const {
  const char* text = archive_error_string(writer_.get());
  return fail(ErrorKind::kInternal,
              std::string("write the tar archive: ") + (text != nullptr ? text : "no reason is known"));
}

Status TarWriter::outcome_of(bool done) const {
  if (!sink_->status) {
    return sink_->status;
  }
  return done ? Status() : Status(failure());
}

Result<TarWriter> TarWriter::open(int file) {
  std::unique_ptr<archive, Free> handle(archive_write_new());
  if (!handle) {
    return fail(ErrorKind::kResourceExhausted, "write the tar archive: no memory");
  }
  TarWriter writer(std::make_unique<Sink>(Sink{file, Status(), false}), std::move(handle));
  archive* const raw = writer.writer_.get();
  if (archive_write_set_format_gnutar(raw) != ARCHIVE_OK || archive_write_add_filter_none(raw) != ARCHIVE_OK ||
      archive_write_set_bytes_per_block(raw, kBlockBytes) != ARCHIVE_OK ||
      archive_write_set_bytes_in_last_block(raw, 1) != ARCHIVE_OK ||
      archive_write_open(raw, writer.sink_.get(), nullptr, &write_block, nullptr) != ARCHIVE_OK) {
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
  return outcome_of(archive_write_header(writer_.get(), header.get()) == ARCHIVE_OK);
}

Status TarWriter::write(std::span<const std::byte> data) {
  while (!data.empty()) {
    const la_ssize_t put = archive_write_data(writer_.get(), data.data(), data.size());
    DM_TRY(outcome_of(put >= 0), "");
    if (put == 0) {
      return fail(ErrorKind::kInternal, "write the tar archive: more data than the entry's header says");
    }
    data = data.subspan(static_cast<std::size_t>(put));
  }
  return {};
}

Status TarWriter::finish(std::uint64_t alignment_bytes) {
  DM_TRY(outcome_of(archive_write_close(writer_.get()) == ARCHIVE_OK), "");
  struct stat status{};
  if (::fstat(sink_->file, &status) != 0) {
    return fail_errno("measure the tar archive");
  }
  const auto size = static_cast<std::uint64_t>(status.st_size);
  const std::uint64_t padded = (size + alignment_bytes - 1) / alignment_bytes * alignment_bytes;
  if (::ftruncate(sink_->file, static_cast<off_t>(padded)) != 0) {
    return fail_errno("pad the tar archive");
  }
  return {};
}

}  // namespace dormouse::build_context
