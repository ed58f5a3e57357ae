// SPDX-License-Identifier: Apache-2.0

#include "engine/system_qemu.h"

#include <elf.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <memory>
#include <set>
#include <utility>

#include <fmt/format.h>

#include "base/scope_exit.h"
#include "os/command.h"
#include "os/file.h"
#include "vmm/engine_layout.h"
#include "vmm/vmm.h"

namespace dormouse::engine {
namespace {

namespace fs = std::filesystem;
using std::chrono::seconds;

constexpr seconds kLookTimeout{60};
constexpr seconds kEndTimeout{10};
constexpr std::uint32_t kMemoryMib = 64;  // nothing of it is touched but for the firmware
constexpr std::size_t kOutputBytesMax = 1U << 20U;
constexpr char kLibraryCache[] = "/etc/ld.so.cache";

using Libraries = std::map<std::string, fs::path>;

// What was seen of a QEMU that ran: with our machine, without a guest.
struct Look {
  std::string version;
  fs::path program;
  fs::path loader;
  std::set<fs::path> code;  // all files of which code is mapped, those two included
};

// The address that the dynamic loader was mapped at (getauxval(3), AT_BASE).
Result<std::size_t> loader_address(const std::string& process) {
  DM_ASSIGN(const std::string vector, os::read_file(process + "/auxv", 65'536), "");
  for (std::size_t at = 0; at + sizeof(Elf64_auxv_t) <= vector.size(); at += sizeof(Elf64_auxv_t)) {
    Elf64_auxv_t entry;
    vector.copy(reinterpret_cast<char*>(&entry), sizeof entry, at);
    if (entry.a_type == AT_BASE) {
      return entry.a_un.a_val;
    }
  }
  return fail(ErrorKind::kInternal, process + "/auxv has no AT_BASE");
}

Result<Look> look_at(vmm::Vmm& vmm, const os::Context& context) {
  const std::string process = "/proc/" + std::to_string(vmm.process().pid());
  Look look;
  DM_ASSIGN(look.version, vmm.version(context), "");
  std::error_code error;
  look.program = fs::read_symlink(process + "/exe", error);
  DM_ASSIGN(const std::string maps, os::read_file(process + "/maps"), "");
  DM_ASSIGN(const std::size_t loader, loader_address(process), "");
  for (const FileMapping& mapping : parse_mappings(maps)) {
    if (mapping.begin == loader) {
      look.loader = mapping.path;
    }
    if (mapping.executable) {
      look.code.insert(mapping.path);
    }
  }
  return look;
}

Result<Look> start_and_look(vmm::VmmRequest request,
                            const SystemQemu& system,
                            const fs::path& directory,
                            const os::Context& outer) {
  const os::Context context = outer.within(kLookTimeout);
  request.launcher = system.launcher;
  request.name = "engine";
  request.data_directory = system.data_directory;
  request.directory = directory;
  request.model.acceleration = system.acceleration;
  request.model.memory_mib = kMemoryMib;
  request.model.processor = vmm::processor_of(system.acceleration);
  request.user = system.user;
  DM_ASSIGN(const UniqueFd name_space, os::open_file("/proc/self/ns/net", O_RDONLY), "");
  request.network_namespace = name_space.get();
  request.memory.reset(::memfd_create("engine", MFD_CLOEXEC));
  if (!request.memory || ::ftruncate(request.memory.get(), off_t{kMemoryMib} << 20U) != 0) {
    return fail_errno("make the memory of a machine");
  }
  DM_ASSIGN(const std::unique_ptr<vmm::Vmm> vmm, vmm::Vmm::start(std::move(request), context), "");
  const ScopeExit end([&] { (void)vmm->kill(os::Context::with_timeout(kEndTimeout)); });
  return look_at(*vmm, context);
}

Result<Libraries> libraries_of(const fs::path& loader, const fs::path& file, const os::Context& context) {
  DM_ASSIGN(const std::string text,
            os::run_for_output({{loader.string(), "--list", file.string()}, {}}, kOutputBytesMax, context),
            "list the libraries of " + file.string());
  DM_ASSIGN(Libraries libraries, parse_library_list(text), file.string());
  return libraries;
}

Result<fs::path> find_firmware(const std::string& program, const os::Context& context) {
  DM_ASSIGN(const std::string output,
            os::run_for_output({{program, "-L", "help"}, {}}, kOutputBytesMax, context),
            "ask QEMU where its firmware is");
  for (std::size_t at = 0; at < output.size();) {
    const std::size_t end = std::min(output.find('\n', at), output.size());
    const fs::path file = fs::path(output.substr(at, end - at)) / vmm::kFirmwareName;
    if (::access(file.c_str(), R_OK) == 0) {
      return file;
    }
    at = end + 1;
  }
  return fail(ErrorKind::kUnavailable,
              fmt::format("{} has no firmware {}: apt-get install qemu-system-data", program, vmm::kFirmwareName));
}

// Adds the libraries that `file` needs by their names; `left` loses those that are accounted for.
Status add_libraries(EngineParts& parts,
                     std::set<fs::path>& left,
                     const fs::path& loader,
                     const fs::path& file,
                     const os::Context& context) {
  DM_ASSIGN(const Libraries libraries, libraries_of(loader, file, context), "");
  for (const auto& [name, path] : libraries) {
    std::error_code error;
    const fs::path mapped = fs::canonical(path, error);
    if (mapped == loader) {
      continue;
    }
    parts.files.emplace(fs::path(vmm::kEngineLibraries) / name, path);
    left.erase(mapped);
  }
  return {};
}

}  // namespace

Result<Libraries> parse_library_list(std::string_view text) {
  constexpr std::string_view kArrow = " => ";
  Libraries libraries;
  while (!text.empty()) {
    std::string_view line = text.substr(0, text.find('\n'));
    text.remove_prefix(std::min(line.size() + 1, text.size()));
    line.remove_prefix(std::min(line.find_first_not_of(" \t"), line.size()));
    const std::size_t arrow = line.find(kArrow);
    if (arrow == std::string_view::npos) {
      continue;  // the kernel's, or the loader itself
    }
    const std::string_view name = line.substr(0, arrow);
    std::string_view path = line.substr(arrow + kArrow.size());
    if (!path.starts_with('/')) {
      return fail(ErrorKind::kUnavailable, fmt::format("the library {} is {}", name, path));
    }
    path = path.substr(0, path.rfind(" (0x"));
    libraries.emplace(fs::path(name).filename(), path);
  }
  return libraries;
}

std::vector<FileMapping> parse_mappings(std::string_view maps) {
  // 55a5923de000-55a5923e3000 r-xp 00002000 fe:00 247026                     /usr/bin/cat
  std::vector<FileMapping> mappings;
  while (!maps.empty()) {
    const std::string_view line = maps.substr(0, maps.find('\n'));
    maps.remove_prefix(std::min(line.size() + 1, maps.size()));
    const std::size_t permissions = line.find(' ');
    const std::size_t path = line.find('/');
    FileMapping mapping;
    if (permissions == std::string_view::npos || path == std::string_view::npos || permissions + 4 > path ||
        std::from_chars(line.data(), line.data() + permissions, mapping.begin, 16).ec != std::errc()) {
      continue;
    }
    mapping.executable = line[permissions + 3] == 'x';
    mapping.path = line.substr(path);
    mappings.push_back(std::move(mapping));
  }
  return mappings;
}

Result<EngineParts> find_parts(const SystemQemu& system, const fs::path& directory, const os::Context& context) {
  if (::access(system.program.c_str(), X_OK) != 0) {
    return fail(ErrorKind::kUnavailable,
                fmt::format("there is no QEMU at {}: apt-get install qemu-system-x86, or name one with --qemu",
                            system.program));
  }
  vmm::VmmRequest request;
  request.system_qemu = system.program;
  request.shared = true;
  DM_ASSIGN(Look look, start_and_look(std::move(request), system, directory, context), "look at " + system.program);
  if (look.loader.empty()) {
    return fail(
        ErrorKind::kConflict,
        look.program.string() + " is linked statically: Dormouse needs one that a library can be preloaded into");
  }
  EngineParts parts;
  parts.qemu_version = look.version;
  parts.files = {{vmm::kEngineQemu, look.program}, {vmm::kEngineLoader, look.loader}};
  parts.decided_by = {system.program, kLibraryCache};
  std::set<fs::path> left = look.code;
  left.erase(look.program);
  left.erase(look.loader);
  DM_TRY(add_libraries(parts, left, look.loader, look.program, context), "");
  // What nothing needs by name was opened by path: modules of QEMU's.
  for (const fs::path& file : std::set<fs::path>(left)) {
    DM_TRY(add_libraries(parts, left, look.loader, file, context), "");
  }
  for (const fs::path& module : left) {
    parts.files.emplace(fs::path(vmm::kEngineModules) / module.filename(), module);
  }
  DM_ASSIGN(const fs::path firmware, find_firmware(system.program, context), "");
  parts.files.emplace(vmm::kEngineFirmware, firmware);
  parts.files.insert_or_assign(vmm::kEngineShim, fs::path(system.template_shim));
  return parts;
}

Status prove(const Engine& engine, const SystemQemu& system, const fs::path& directory, const os::Context& context) {
  vmm::VmmRequest request;
  request.engine = engine.directory.get();
  DM_ASSIGN(const Look look, start_and_look(std::move(request), system, directory, context), "start the engine");
  if (look.version != engine.qemu_version) {
    return fail(ErrorKind::kInternal,
                fmt::format("the engine is QEMU {}, not {} as was seen before", look.version, engine.qemu_version));
  }
  std::error_code error;
  const fs::path home = fs::canonical(engine.path, error);
  for (const fs::path& file : look.code) {
    if (std::mismatch(home.begin(), home.end(), file.begin(), file.end()).first != home.end()) {
      return fail(
          ErrorKind::kConflict,
          fmt::format("the engine loads {}, which it does not hold: Dormouse cannot keep this QEMU", file.string()));
    }
  }
  if (!look.code.contains(home / vmm::kEngineShim)) {
    return fail(ErrorKind::kInternal, "the engine did not load " + std::string(vmm::kEngineShim));
  }
  return {};
}

}  // namespace dormouse::engine
