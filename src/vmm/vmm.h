// SPDX-License-Identifier: Apache-2.0

#pragma once

#include <filesystem>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "base/error.h"
#include "base/unique_fd.h"
#include "os/context.h"
#include "os/process.h"
#include "vmm/machine.h"
#include "vmm/qmp.h"

namespace dormouse::vmm {

struct DiskFiles {
  std::string serial;
  bool read_only = false;
  UniqueFd base;     // opened read-write exactly when it is to be written, i.e. without overlay and not read_only
  UniqueFd overlay;  // empty: none
};

// What a guest boots. The files must be readable by everybody: QEMU opens them again as the VM's user.
struct BootFiles {
  UniqueFd kernel;
  UniqueFd initramfs;
  std::string command_line;
};

struct VmmRequest {
  std::string launcher;  // path of dormouse-vmm-launch
  // Borrowed: the directory of the engine (engine_layout.h) that QEMU is started from. -1: `system_qemu` is started as it is
  // installed, for somebody who wants to see what it loads; it is no protection of a template.
  int engine = -1;
  std::string system_qemu;
  std::string name;                      // for the process's environment, DORMOUSE_VM
  std::filesystem::path data_directory;  // DORMOUSE_DATA_DIRECTORY: whose process it is
  std::filesystem::path directory;       // of this incarnation: the QMP socket and QEMU's messages go here
  MachineModel model;
  UniqueFd memory;      // the memory file
  bool shared = false;  // writes go to the file; else it is a template: mapped privately, and opened read-only
  std::vector<DiskFiles> disks;
  int network_namespace = -1;     // borrowed
  UniqueFd tap;                   // empty: no network
  unsigned user = 0;              // user and group id of the process
  std::optional<BootFiles> boot;  // none: waits for load_state()
};

// One QEMU process: unprivileged, in its seccomp sandbox and its network namespace, with files as descriptors only. Its
// vCPUs stand still until run().
//
// The process lives on when this object or the daemon goes; attach() finds it again. Methods may be called by one thread
// at a time, except process(), console() and take_events().
class Vmm {
 public:
  static Result<std::unique_ptr<Vmm>> start(VmmRequest request, const os::Context& context);
  static Result<std::unique_ptr<Vmm>> attach(os::Process process,
                                             const std::filesystem::path& directory,
                                             const os::Context& context);
  ~Vmm();
  Vmm(const Vmm&) = delete;
  Vmm& operator=(const Vmm&) = delete;

  // Gives the disk with this serial another overlay over the same base, opened read-write. For a process that was started
  // before it was known whose it would be; before load_state().
  Status replace_overlay(const std::string& serial, const UniqueFd& overlay, const os::Context& context);

  // Loads a device state into a process that was started without a boot image. The vCPUs stand still afterwards.
  Status load_state(const UniqueFd& state, const os::Context& context);
  Status run(const os::Context& context);  // QMP cont
  Result<bool> is_running(const os::Context& context);
  Result<std::string> version(const os::Context& context);  // of QEMU: "7.2.22"
  // What QEMU's human monitor answers, e.g. to "info cpus". For diagnosis: the text has no fixed form.
  Result<std::string> ask_monitor(std::string_view command, const os::Context& context);
  Status stop(const os::Context& context);  // QMP stop: vCPUs stand still, disks are flushed
  // Writes the device state, without memory, to `state`, opened write-only. The vCPUs must stand still.
  Status save_state(const UniqueFd& state, const os::Context& context);

  // Ends the process: SIGKILL, then waits. The guest is not asked.
  Result<os::ProcessEnd> kill(const os::Context& context);

  os::Process& process() { return process_; }
  const os::Process& process() const { return process_; }

  // Events that arrived, e.g. BLOCK_IO_ERROR; kUnavailable when QEMU is gone. Call when qmp_descriptor() is readable.
  Result<std::vector<Qmp::Event>> take_events();
  int qmp_descriptor() const { return qmp_.descriptor(); }

  // The last 16 KiB that the guest wrote to its console; only of a guest that was booted.
  std::string console() const;
  // What QEMU itself had to say, e.g. why it did not start.
  static std::string messages(const std::filesystem::path& directory);

 private:
  class ConsoleReader;
  Vmm(os::Process process, Qmp qmp, std::unique_ptr<ConsoleReader> console);

  os::Process process_;
  std::mutex mutex_;
  Qmp qmp_;  // guarded by mutex_
  std::unique_ptr<ConsoleReader> console_;
};

}  // namespace dormouse::vmm
