// SPDX-License-Identifier: Apache-2.0

#include "managed_base/initramfs.h"

#include <archive.h>
#include <archive_entry.h>
#include <elf.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include <cstring>
#include <memory>
#include <sstream>
#include <string>
#include <string_view>

#include "os/file.h"

namespace dormouse::managed_base {
namespace {

namespace fs = std::filesystem;

#if defined(__x86_64__)
constexpr Elf64_Half kMachine = EM_X86_64;
#elif defined(__aarch64__)
constexpr Elf64_Half kMachine = EM_AARCH64;
#else
#error "guests exist for x86-64 and arm64"
#endif

// A guest's first program finds no loader and no libraries: the file must be a static executable of this architecture.
Status check_executable(std::string_view content, const fs::path& path) {
  const auto refuse = [&](std::string_view why) {
    return fail(ErrorKind::kInvalidArgument, "agent " + path.string() + ": " + std::string(why));
  };
  Elf64_Ehdr header{};
  if (content.size() < sizeof header) {
    return refuse("is no ELF file");
  }
  std::memcpy(&header, content.data(), sizeof header);
  if (std::memcmp(header.e_ident, ELFMAG, SELFMAG) != 0 || header.e_ident[EI_CLASS] != ELFCLASS64) {
    return refuse("is no ELF file of 64 bits");
  }
  if (header.e_machine != kMachine || (header.e_type != ET_EXEC && header.e_type != ET_DYN)) {
    return refuse("is no executable of this machine's architecture");
  }
  for (Elf64_Half i = 0; i < header.e_phnum; ++i) {
    const std::size_t offset = header.e_phoff + std::size_t{i} * sizeof(Elf64_Phdr);
    Elf64_Phdr segment{};
    if (offset > content.size() || content.size() - offset < sizeof segment) {
      return refuse("is cut short");
    }
    std::memcpy(&segment, content.data() + offset, sizeof segment);
    if (segment.p_type == PT_INTERP) {
      return refuse("is linked dynamically: a guest's first program must be static");
    }
  }
  return {};
}

// Adds entries to an archive; remembers the first failure.
class CpioWriter {
 public:
  explicit CpioWriter(const fs::path& target) : archive_(::archive_write_new(), &::archive_write_free) {
    check(::archive_write_set_format_cpio_newc(archive_.get()));
    check(::archive_write_open_filename(archive_.get(), target.c_str()));
  }

  void directory(const std::string& name) { header(name, S_IFDIR | 0755, 0, 0); }
  void console() { header("dev/console", S_IFCHR | 0600, 0, ::makedev(5, 1)); }
  void file(const std::string& name, std::string_view content, mode_t permissions) {
    header(name, S_IFREG | permissions, content.size(), 0);
    if (error_.empty() && ::archive_write_data(archive_.get(), content.data(), content.size()) !=
                              static_cast<la_ssize_t>(content.size())) {
      remember();
    }
  }
  Status finish() {
    check(::archive_write_close(archive_.get()));
    if (!error_.empty()) {
      return fail(ErrorKind::kInternal, "write the initramfs: " + error_);
    }
    return {};
  }

 private:
  void header(const std::string& name, mode_t mode, std::size_t size, dev_t device) {
    const std::unique_ptr<archive_entry, decltype(&::archive_entry_free)> entry(::archive_entry_new(),
                                                                                &::archive_entry_free);
    ::archive_entry_set_pathname(entry.get(), name.c_str());
    ::archive_entry_set_mode(entry.get(), mode);
    ::archive_entry_set_size(entry.get(), static_cast<la_int64_t>(size));
    ::archive_entry_set_rdev(entry.get(), device);
    ::archive_entry_set_nlink(entry.get(), 1);
    ::archive_entry_set_mtime(entry.get(), 0, 0);
    check(::archive_write_header(archive_.get(), entry.get()));
  }
  void check(int status) {
    if (status != ARCHIVE_OK) {
      remember();
    }
  }
  void remember() {
    if (error_.empty()) {
      const char* text = ::archive_error_string(archive_.get());
      error_ = text != nullptr ? text : "unknown error";
    }
  }

  std::unique_ptr<archive, decltype(&::archive_write_free)> archive_;
  std::string error_;
};

}  // namespace

Status write_initramfs(const fs::path& modules, const fs::path& agent_binary, const fs::path& target) {
  DM_ASSIGN(const std::string agent, os::read_file(agent_binary, 256U << 20U), "");
  DM_TRY(check_executable(agent, agent_binary), "");
  DM_ASSIGN(const std::string order, os::read_file(modules / "order"), "");

  CpioWriter writer(target);
  writer.directory("dev");
  writer.console();
  writer.file("init", agent, 0755);
  writer.directory("modules");
  writer.file("modules/order", order, 0644);
  std::istringstream names(order);
  for (std::string name; std::getline(names, name);) {
    DM_ASSIGN(const std::string module, os::read_file(modules / name), "");
    writer.file("modules/" + name, module, 0644);
  }
  return writer.finish();
}

}  // namespace dormouse::managed_base
