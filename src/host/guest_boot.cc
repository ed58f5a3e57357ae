// SPDX-License-Identifier: Apache-2.0

#include "host/guest_boot.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cerrno>
#include <utility>

#include <fmt/format.h>

#include "os/file.h"

namespace dormouse::host {
namespace {

namespace fs = std::filesystem;

// The kernel's command line. A kernel that panics ends its machine by a triple fault: the machine has no other way to be
// reset, and -no-reboot makes that its end. Under TCG the kernel hangs early unless it is told its clock, and the rate is
// the host's.
std::string command_line(const BootRequest& request) {
  std::string text = fmt::format("console=ttyS0 quiet panic=-1 reboot=t dormouse.role={}", request.role);
  if (request.model.acceleration == vmm::Acceleration::kTcg) {
    text += fmt::format(" mitigations=off tsc=reliable tsc_early_khz={}", request.model.tsc_khz);
  }
  return text + (request.any_timer ? " dormouse.timer=any" : "");
}

Result<vmm::DiskFiles> disk_file(const std::string& serial, const fs::path& path) {
  vmm::DiskFiles disk;
  disk.serial = serial;
  disk.read_only = serial != "application";
  DM_ASSIGN(disk.base, os::open_file(path, disk.read_only ? O_RDONLY : O_RDWR), "");
  return disk;
}

Status size_and_give(int memory, std::uint32_t memory_mib, unsigned user) {
  if (::ftruncate(memory, static_cast<off_t>(std::uint64_t{memory_mib} << 20U)) != 0) {
    return fail_errno("size the guest's memory");
  }
  if (::fchown(memory, user, user) != 0) {
    return fail_errno("chown the guest's memory");
  }
  return {};
}

}  // namespace

vmm::MachineModel new_machine(const snapshot::Platform& platform,
                              std::uint32_t memory_mib,
                              std::uint32_t vcpus,
                              std::vector<std::string> disks) {
  return {platform.acceleration,
          memory_mib,
          vcpus,
          platform.tsc_khz,
          std::move(disks),
          vmm::processor_of(platform.acceleration)};
}

Result<UniqueFd> anonymous_memory(std::uint32_t memory_mib, unsigned user) {
  UniqueFd memory(::memfd_create("guest", MFD_CLOEXEC));
  if (!memory) {
    return fail_errno("memfd_create");
  }
  DM_TRY(size_and_give(memory.get(), memory_mib, user), "");
  return memory;
}

Result<UniqueFd> create_memory(const fs::path& path, std::uint32_t memory_mib, unsigned user) {
  if (::unlink(path.c_str()) != 0 && errno != ENOENT) {
    return fail_errno("remove " + path.string());
  }
  DM_ASSIGN(UniqueFd memory, os::open_file(path, O_RDWR | O_CREAT | O_EXCL), "");
  DM_TRY(size_and_give(memory.get(), memory_mib, user), "");
  return memory;
}

Result<std::unique_ptr<Guest>> boot_guest(GuestSupport& support,
                                          BootRequest request,
                                          std::chrono::seconds timeout,
                                          const os::Context& context) {
  vmm::BootFiles boot;
  DM_ASSIGN(boot.kernel, os::open_file(request.kernel, O_RDONLY), "");
  DM_ASSIGN(boot.initramfs, os::open_file(request.initramfs, O_RDONLY), "");
  boot.command_line = command_line(request);
  GuestRequest start;
  for (std::size_t i = 0; i < request.disks.size(); ++i) {
    DM_ASSIGN(vmm::DiskFiles disk, disk_file(request.model.disks[i], request.disks[i]), "");
    start.disks.push_back(std::move(disk));
  }
  DM_TRY(os::make_directories(request.directory), "");
  start.name = std::move(request.name);
  start.directory = std::move(request.directory);
  start.engine = std::move(request.engine);
  start.model = std::move(request.model);
  start.memory = std::move(request.memory);
  start.shared_memory = true;
  start.user = request.user;
  start.egress = request.egress;
  start.boot = std::move(boot);
  DM_ASSIGN(std::unique_ptr<Guest> guest, Guest::start(support, std::move(start), context), "");
  if (auto booted = guest->boot(context.within(timeout)); !booted) {
    (void)guest->end(os::Context::with_timeout(kEndTimeout));
    return fail(std::move(booted).error());
  }
  return guest;
}

}  // namespace dormouse::host
