// SPDX-License-Identifier: Apache-2.0

#include "build_context/zip_reader.h"

#include <archive.h>
#include <archive_entry.h>

#include <string_view>

#include <fmt/format.h>

#include "build_context/entry_path.h"

namespace dormouse::build_context {

namespace {

constexpr std::size_t kReadBytes = 64U * 1024U;

std::string_view text_or(const char* text, std::string_view otherwise) { return text != nullptr ? text : otherwise; }

// What libarchive says about an error, fit for a sentence: it may quote the archive and end with a line break.
std::string reason_of(archive* reader) {
  std::string reason;
  for (const char c : text_or(archive_error_string(reader), "no reason is known")) {
    if (c >= 0x20 && c < 0x7f) {
      reason += c;
    }
  }
  return reason;
}

}  // namespace

void ZipReader::Free::operator()(archive* reader) const { archive_read_free(reader); }

tl::unexpected<ArchiveFailure> ZipReader::corrupt(const std::string& where) const {
  return refuse(fmt::format("The archive is damaged or truncated {}: {}.", where, reason_of(reader_.get())));
}

ArchiveResult<ZipReader> ZipReader::open(int file) {
  std::unique_ptr<archive, Free> reader(archive_read_new());
  // The seekable reader only: the other one believes local headers, which other programs do not read.
  if (!reader || archive_read_support_format_zip_seekable(reader.get()) != ARCHIVE_OK) {
    return fail_platform("read the archive", Error(ErrorKind::kInternal, "libarchive has no zip reader"));
  }
  if (archive_read_open_fd(reader.get(), file, kReadBytes) != ARCHIVE_OK) {
    return refuse("The archive is not a zip file, or it is empty or truncated: it has no central directory.");
  }
  return ZipReader(std::move(reader));
}

ArchiveResult<std::optional<ZipEntry>> ZipReader::next() {
  archive_entry* raw = nullptr;
  const int outcome = archive_read_next_header(reader_.get(), &raw);
  if (outcome == ARCHIVE_EOF) {
    return std::nullopt;
  }
  if (outcome != ARCHIVE_OK) {
    return corrupt(name_.empty() ? "at its first entry" : "after entry " + quoted_name(name_));
  }
  auto entry = describe(raw);
  if (!entry) {
    return tl::unexpected<ArchiveFailure>(std::move(entry).error());
  }
  name_ = entry->name;
  return std::optional<ZipEntry>(*std::move(entry));
}

ArchiveResult<ZipEntry> ZipReader::describe(archive_entry* raw) {
  ZipEntry entry;
  entry.name = text_or(archive_entry_pathname(raw), "");
  if (archive_entry_is_encrypted(raw) != 0) {
    return refuse(fmt::format("Archive entry {} is encrypted; upload it without a password.", quoted_name(entry.name)));
  }
  switch (archive_entry_filetype(raw)) {
    case AE_IFREG: entry.kind = EntryKind::kRegularFile; break;
    case AE_IFDIR: entry.kind = EntryKind::kDirectory; break;
    case AE_IFLNK: entry.kind = EntryKind::kSymbolicLink; break;
    default:
      return refuse(
          fmt::format("Archive entry {} is neither a regular file nor a directory nor a symbolic link (type {:#o}).",
                      quoted_name(entry.name),
                      static_cast<unsigned>(archive_entry_filetype(raw))));
  }
  if (archive_entry_hardlink(raw) != nullptr) {
    return refuse(fmt::format("Archive entry {} is a hard link.", quoted_name(entry.name)));
  }
  // "ZIP 2.0 (deflation)": the only place where libarchive tells the method.
  const std::string_view format = text_or(archive_format_name(reader_.get()), "");
  if (format.find("(uncompressed)") == std::string_view::npos && format.find("(deflation)") == std::string_view::npos) {
    return refuse(fmt::format("Archive entry {} is compressed by a method that is not supported ({}); use deflate.",
                              quoted_name(entry.name),
                              format));
  }
  entry.permissions = archive_entry_perm(raw) & 0777U;
  entry.modified = archive_entry_mtime_is_set(raw) != 0 ? archive_entry_mtime(raw) : 0;
  if (entry.kind == EntryKind::kRegularFile) {
    if (archive_entry_size_is_set(raw) == 0 || archive_entry_size(raw) < 0) {
      return refuse(fmt::format("Archive entry {} does not say how large it is.", quoted_name(entry.name)));
    }
    entry.size_bytes = static_cast<std::uint64_t>(archive_entry_size(raw));
  }
  if (entry.kind == EntryKind::kSymbolicLink) {
    entry.link_target = text_or(archive_entry_symlink(raw), "");
  }
  return entry;
}

ArchiveResult<std::span<const std::byte>> ZipReader::read_piece() {
  for (;;) {
    const void* data = nullptr;
    std::size_t size = 0;
    la_int64_t offset = 0;
    const int outcome = archive_read_data_block(reader_.get(), &data, &size, &offset);
    if (outcome == ARCHIVE_EOF) {
      return std::span<const std::byte>();
    }
    if (outcome != ARCHIVE_OK) {
      return corrupt("in entry " + quoted_name(name_));
    }
    if (size > 0) {
      return std::span(static_cast<const std::byte*>(data), size);
    }
  }
}

}  // namespace dormouse::build_context
