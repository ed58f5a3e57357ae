// SPDX-License-Identifier: Apache-2.0

#include "build_context/build_context.h"

#include <fcntl.h>
#include <locale.h>
#include <sys/stat.h>
#include <unistd.h>

#include <memory>
#include <string>
#include <type_traits>
#include <utility>

#include <fmt/format.h>

#include "base/scope_exit.h"
#include "base/unique_fd.h"
#include "build_context/archive_tree.h"
#include "build_context/directory_records.h"
#include "build_context/entry_path.h"
#include "build_context/tar_writer.h"
#include "build_context/zip_reader.h"
#include "os/file.h"

namespace dormouse::build_context {
namespace fs = std::filesystem;

namespace {

constexpr const char* kDockerfile = "Dockerfile";
// Records of archives inside the archive are counted too (see count_directory_records): room for them.
constexpr std::uint64_t kDirectoryRecordsFactor = 4;

// The calling thread's character set is UTF-8 while this lives: libarchive loses names that the locale cannot express.
class Utf8Locale {
 public:
  Utf8Locale() : locale_(::newlocale(LC_CTYPE_MASK, "C.UTF-8", nullptr)) {
    if (locale_ != nullptr) {
      previous_ = ::uselocale(locale_);
    }
  }
  ~Utf8Locale() {
    if (locale_ != nullptr) {
      ::uselocale(previous_);
      ::freelocale(locale_);
    }
  }
  Utf8Locale(const Utf8Locale&) = delete;
  Utf8Locale& operator=(const Utf8Locale&) = delete;

  bool available() const { return locale_ != nullptr; }

 private:
  locale_t locale_;
  locale_t previous_ = nullptr;
};

// One conversion under way.
class Conversion {
 public:
  Conversion(const Limits& limits, const os::Context& context, std::uint64_t archive_bytes)
      : limits_(limits), context_(context), archive_bytes_(archive_bytes), tree_(limits) {}

  ArchiveResult<ContextSummary> run(ZipReader& reader, TarWriter& writer);

 private:
  ArchiveResult<void> convert(const ZipEntry& entry, ZipReader& reader, TarWriter& writer);
  ArchiveResult<void> convert_data(const ZipEntry& entry, ZipReader& reader, TarWriter& writer);
  ArchiveResult<void> account_for(const ZipEntry& entry);
  ArchiveResult<void> check_time() const;

  const Limits& limits_;
  const os::Context& context_;
  const std::uint64_t archive_bytes_;
  ArchiveTree tree_;
  ContextSummary summary_;
};

ArchiveResult<void> written(const Status& status) {
  if (!status) {
    return fail_platform("store the unpacked archive", status.error());
  }
  return {};
}

ArchiveResult<void> Conversion::check_time() const {
  if (const Status status = context_.check("convert the archive"); !status) {
    return fail_platform("read the archive", status.error());
  }
  return {};
}

ArchiveResult<void> Conversion::account_for(const ZipEntry& entry) {
  if (++summary_.entries > limits_.entries_max) {
    return refuse(fmt::format("The archive has more than {} entries.", limits_.entries_max));
  }
  if (entry.size_bytes > limits_.entry_bytes_max) {
    return refuse(fmt::format("Archive entry {} is {} bytes large unpacked; the limit is {}.",
                              quoted_name(entry.name),
                              entry.size_bytes,
                              limits_.entry_bytes_max));
  }
  summary_.uncompressed_bytes += entry.size_bytes;  // cannot overflow: both were held to their limits before
  const std::uint64_t total = summary_.uncompressed_bytes;
  if (total > limits_.total_bytes_max) {
    return refuse(
        fmt::format("The archive is {} bytes or more large unpacked, counted up to entry {}; the limit is {}.",
                    total,
                    quoted_name(entry.name),
                    limits_.total_bytes_max));
  }
  if (total > limits_.ratio_floor_bytes && total / limits_.ratio_max >= archive_bytes_) {
    return refuse(fmt::format(
        "The archive unpacks to {} bytes or more from {}, counted up to entry {}; the limit is {} times its size.",
        total,
        archive_bytes_,
        quoted_name(entry.name),
        limits_.ratio_max));
  }
  return {};
}

ArchiveResult<void> Conversion::convert_data(const ZipEntry& entry, ZipReader& reader, TarWriter& writer) {
  std::uint64_t delivered = 0;
  for (;;) {
    DM_REFUSE_TRY(check_time());
    const auto piece = reader.read_piece();
    if (!piece) {
      return tl::unexpected<ArchiveFailure>(piece.error());
    }
    delivered += piece->size();
    if (delivered > entry.size_bytes || (piece->empty() && delivered < entry.size_bytes)) {
      return refuse(fmt::format("Archive entry {} unpacks to {} {} bytes although it says {}.",
                                quoted_name(entry.name),
                                delivered,
                                piece->empty() ? "" : "or more",
                                entry.size_bytes));
    }
    if (piece->empty()) {
      return {};
    }
    DM_REFUSE_TRY(written(writer.write(*piece)));
  }
}

ArchiveResult<void> Conversion::convert(const ZipEntry& entry, ZipReader& reader, TarWriter& writer) {
  const auto path = normalized_path(entry.name, limits_);
  if (!path) {
    return tl::unexpected<ArchiveFailure>(path.error());
  }
  if (path->empty()) {
    if (entry.kind != EntryKind::kDirectory) {
      return refuse(fmt::format("Archive entry {} stands for the root but is no directory.", quoted_name(entry.name)));
    }
    return {};
  }
  DM_REFUSE_TRY(account_for(entry));
  DM_REFUSE_TRY(tree_.add(*path, entry.kind, entry.link_target));
  DM_REFUSE_TRY(written(writer.begin(*path, entry)));
  return entry.kind == EntryKind::kRegularFile ? convert_data(entry, reader, writer) : ArchiveResult<void>();
}

ArchiveResult<ContextSummary> Conversion::run(ZipReader& reader, TarWriter& writer) {
  for (;;) {
    DM_REFUSE_TRY(check_time());
    const auto entry = reader.next();
    if (!entry) {
      return tl::unexpected<ArchiveFailure>(entry.error());
    }
    if (!*entry) {
      break;
    }
    DM_REFUSE_TRY(convert(**entry, reader, writer));
  }
  DM_REFUSE_TRY(tree_.check_links(context_));
  if (!tree_.is_regular_file(kDockerfile)) {
    return tl::unexpected<ArchiveFailure>(ArchiveFailure{
        std::string(kDockerfileNotFound),
        fmt::format(
            "The archive has no regular file named \"{}\" at its root; {} entries were read. Zip the content of the "
            "directory, not the directory itself.",
            kDockerfile,
            summary_.entries),
        ""});
  }
  DM_REFUSE_TRY(written(writer.finish(kTarAlignmentBytes)));
  return summary_;
}

// The archive's size.
ArchiveResult<std::uint64_t> inspect(int file, const Limits& limits, const os::Context& context) {
  struct stat status{};
  if (::fstat(file, &status) != 0) {
    return fail_platform("read the archive", fail_errno("measure the archive").value());
  }
  const auto size = static_cast<std::uint64_t>(status.st_size);
  if (size > limits.archive_bytes_max) {
    return refuse(fmt::format("The archive is {} bytes large; the limit is {}.", size, limits.archive_bytes_max));
  }
  const std::uint64_t records_max = limits.entries_max * kDirectoryRecordsFactor;
  const auto records = count_directory_records(file, records_max, context);
  if (!records) {
    return fail_platform("read the archive", records.error());
  }
  if (*records > records_max) {
    return refuse(
        fmt::format("The archive has too many entries: more than {} directory records, those of archives stored "
                    "inside it included; the limit is {} entries.",
                    records_max,
                    limits.entries_max));
  }
  return size;
}

}  // namespace

tl::expected<ContextSummary, ArchiveFailure> convert_archive(const fs::path& zip,
                                                             const fs::path& tar_target,
                                                             const Limits& limits,
                                                             const os::Context& context) {
  const Utf8Locale locale;
  if (!locale.available()) {
    return fail_platform("read the archive", Error(ErrorKind::kInternal, "the locale C.UTF-8 does not exist"));
  }
  const auto source = os::open_file(zip, O_RDONLY);
  if (!source) {
    return fail_platform("read the archive", source.error());
  }
  const auto archive_bytes = inspect(source->get(), limits, context);
  if (!archive_bytes) {
    return tl::unexpected<ArchiveFailure>(archive_bytes.error());
  }
  auto reader = ZipReader::open(source->get());
  if (!reader) {
    return tl::unexpected<ArchiveFailure>(std::move(reader).error());
  }
  const auto target = os::open_file(tar_target, O_WRONLY | O_CREAT | O_EXCL, 0600);
  if (!target) {
    return fail_platform("store the unpacked archive", target.error());
  }
  ScopeExit remove_target([&tar_target] { ::unlink(tar_target.c_str()); });
  auto writer = TarWriter::open(target->get());
  if (!writer) {
    return fail_platform("store the unpacked archive", writer.error());
  }
  Conversion conversion(limits, context, *archive_bytes);
  auto summary = conversion.run(*reader, *writer);
  if (summary) {
    remove_target.dismiss();
  }
  return summary;
}

}  // namespace dormouse::build_context
