// SPDX-License-Identifier: Apache-2.0

#pragma once

#include <cstddef>
#include <filesystem>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "engine/engine.h"
#include "os/context.h"
#include "vmm/machine.h"

namespace dormouse::engine {

// QEMU as it is installed, and what of ours belongs to an engine.
struct SystemQemu {
  std::string program;                   // path, or of a script that executes one
  std::string launcher;                  // dormouse-vmm-launch
  std::string template_shim;             // libdormouse-template-shim.so
  std::filesystem::path data_directory;  // whose processes those are that are started for a look
  vmm::Acceleration acceleration = vmm::Acceleration::kTcg;
  unsigned user = 0;  // whom QEMU is run as for a look at it
};

// What an engine is made of.
struct EngineParts {
  std::string qemu_version;
  std::map<std::string, std::filesystem::path> files;  // path in the engine -> file that it is a copy of
  std::vector<std::filesystem::path> decided_by;       // files that have a say in which those are
};

// Starts QEMU for our machine, with no guest, and looks at what it has mapped: nothing of that is guessed. `directory` exists and is
// empty; what is in it afterwards is for the caller to remove. kUnavailable when there is no such program.
Result<EngineParts> find_parts(const SystemQemu& system,
                               const std::filesystem::path& directory,
                               const os::Context& context);

// Starts an engine as a clone's VMM is started. An error if it is not the version it says, or maps code from anywhere else.
Status prove(const Engine& engine,
             const SystemQemu& system,
             const std::filesystem::path& directory,
             const os::Context& context);

// --- for tests ---

// name -> path of what `ld.so --list` prints; kUnavailable, naming it, when a library was not found.
Result<std::map<std::string, std::filesystem::path>> parse_library_list(std::string_view text);

// A line of /proc/PID/maps (proc(5)) that a file stands behind.
struct FileMapping {
  std::size_t begin = 0;
  bool executable = false;
  std::filesystem::path path;
};
std::vector<FileMapping> parse_mappings(std::string_view maps);

}  // namespace dormouse::engine
