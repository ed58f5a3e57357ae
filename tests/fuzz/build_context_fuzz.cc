// SPDX-License-Identifier: Apache-2.0
//
// Any bytes as a build archive: they are refused with a code, or become a tar archive that holds nothing but what is
// promised in build_context.h. A broken promise ends the program.

#include <archive.h>
#include <archive_entry.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "base/unique_fd.h"
#include "build_context/build_context.h"
#include "os/file.h"

namespace {

namespace bc = dormouse::build_context;
namespace fs = std::filesystem;

void require(bool promise) {
  if (!promise) {
    std::abort();
  }
}

void check_path(std::string_view path) {
  require(!path.empty() && path.front() != '/' && path.size() <= 1024);
  const std::string framed = "/" + std::string(path) + "/";
  require(framed.find("/../") == std::string::npos && framed.find("/./") == std::string::npos);
  require(path.find('\\') == std::string_view::npos);
}

void check_tar(const fs::path& tar, const bc::ContextSummary& summary) {
  const std::string bytes = dormouse::os::read_file(tar).value();
  require(bytes.size() % bc::kTarAlignmentBytes == 0 && bytes.size() >= 1024);
  require(bytes.find_first_not_of('\0', bytes.size() - 1024) == std::string::npos);
  const std::unique_ptr<archive, decltype(&archive_read_free)> reader(archive_read_new(), &archive_read_free);
  archive_read_support_format_tar(reader.get());
  require(archive_read_open_memory(reader.get(), bytes.data(), bytes.size()) == ARCHIVE_OK);
  std::uint64_t entries = 0;
  std::uint64_t size = 0;
  bool dockerfile = false;
  archive_entry* entry = nullptr;
  int outcome = ARCHIVE_OK;
  while ((outcome = archive_read_next_header(reader.get(), &entry)) == ARCHIVE_OK) {
    ++entries;
    const std::string path = archive_entry_pathname(entry);
    const bool directory = archive_entry_filetype(entry) == AE_IFDIR;
    check_path(directory ? path.substr(0, path.size() - 1) : path);
    require(archive_entry_hardlink(entry) == nullptr);
    require((archive_entry_perm(entry) & ~0777U) == 0);
    require(archive_entry_uid(entry) == 0 && archive_entry_gid(entry) == 0);
    require(directory || archive_entry_filetype(entry) == AE_IFREG || archive_entry_filetype(entry) == AE_IFLNK);
    require(archive_entry_filetype(entry) != AE_IFLNK || archive_entry_symlink(entry)[0] != '/');
    size += static_cast<std::uint64_t>(archive_entry_size(entry));
    dockerfile = dockerfile || (path == "Dockerfile" && archive_entry_filetype(entry) == AE_IFREG);
  }
  require(outcome == ARCHIVE_EOF && dockerfile);
  require(entries == summary.entries && size == summary.uncompressed_bytes);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const dormouse::UniqueFd zip(::memfd_create("zip", MFD_CLOEXEC));
  require(zip && dormouse::os::write_all(zip.get(), std::as_bytes(std::span(data, size)), "zip").has_value());
  const fs::path source = "/proc/self/fd/" + std::to_string(zip.get());
  const fs::path target = "/dev/shm/build_context_fuzz." + std::to_string(::getpid()) + ".tar";
  bc::Limits limits;
  limits.total_bytes_max = 1U << 20U;
  limits.entry_bytes_max = 1U << 19U;
  limits.entries_max = 100;
  limits.ratio_floor_bytes = 1U << 16U;
  const auto context = dormouse::os::Context::with_timeout(std::chrono::seconds(30));
  const auto summary = bc::convert_archive(source, target, limits, context);
  require(summary.has_value() == fs::exists(target));
  if (summary) {
    check_tar(target, *summary);
    fs::remove(target);
  } else {
    require(summary.error().code == bc::kArchiveInvalid || summary.error().code == bc::kDockerfileNotFound);
    for (const char c : summary.error().sentence) {
      require(c >= 0x20 && c < 0x7f);
    }
  }
  return 0;
}
