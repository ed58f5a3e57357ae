// SPDX-License-Identifier: Apache-2.0
//
// The guests that a build boots.

#include <fcntl.h>

#include <utility>

#include <fmt/format.h>

#include "base/log.h"
#include "host/image_builder.h"
#include "os/file.h"

namespace dormouse::host {
namespace {

namespace fs = std::filesystem;

constexpr std::chrono::seconds kBootTimeout{90};  // of one attempt
constexpr int kBootAttempts = 5;

// The kernel's command line. A kernel that panics ends its machine by a triple fault: the machine has no other way to be
// reset, and -no-reboot makes that its end. Under TCG the kernel hangs early unless it is told its clock, and the rate is
// the host's. A guest whose kernel measured its timer wrong resets itself (src/agent/timer_check.h), unless it is the last.
std::string command_line(const snapshot::Platform& platform, const char* role, int attempt) {
  std::string text = fmt::format("console=ttyS0 quiet panic=-1 reboot=t dormouse.role={}", role);
  if (platform.acceleration == vmm::Acceleration::kTcg) {
    text += fmt::format(" mitigations=off tsc=reliable tsc_early_khz={}", platform.tsc_khz);
  }
  return text + (attempt == kBootAttempts ? " dormouse.timer=any" : "");
}

}  // namespace

vmm::MachineModel ImageBuilder::new_machine(std::uint32_t memory_mib,
                                            std::uint32_t vcpus,
                                            std::vector<std::string> disks) const {
  const snapshot::Platform& platform = support_.vm.platform;
  return {platform.acceleration,
          memory_mib,
          vcpus,
          platform.tsc_khz,
          std::move(disks),
          vmm::processor_of(platform.acceleration)};
}

Result<vmm::DiskFiles> ImageBuilder::disk_file(const std::string& serial, const fs::path& root) const {
  vmm::DiskFiles disk;
  disk.serial = serial;
  disk.read_only = serial != "application";
  const fs::path path = serial == "root"         ? root
                        : serial == "containers" ? support_.base.containers
                        : serial == "context"    ? work_ / "context.tar"
                                                 : work_ / "disk";
  DM_ASSIGN(disk.base, os::open_file(path, disk.read_only ? O_RDONLY : O_RDWR), "");
  return disk;
}

Result<std::unique_ptr<Guest>> ImageBuilder::boot_guest(const Boot& wanted, const os::Context& context) {
  for (int attempt = 1;; ++attempt) {
    auto guest = boot_once(wanted, attempt, context);
    if (guest || attempt == kBootAttempts) {
      return guest;
    }
    // Nothing of the user's has run in a guest that ended while it booted, or that got stuck: kernels do, where they are
    // emulated and kept from a processor at the wrong moment.
    const ErrorKind kind = guest.error().kind();
    if (kind != ErrorKind::kUnavailable && (kind != ErrorKind::kDeadlineExceeded || !context.check("boot"))) {
      return guest;
    }
    log::warning("a build's guest did not boot: it is booted again",
                 {{"build", request_.build_id}, {"role", wanted.role}, {"error", guest.error().message()}});
  }
}

Result<std::unique_ptr<Guest>> ImageBuilder::boot_once(const Boot& wanted, int attempt, const os::Context& context) {
  GuestRequest request;
  request.name = fmt::format("build-{}-{}", request_.build_id, wanted.role);
  request.directory = work_ / wanted.role;
  DM_TRY(os::make_directories(request.directory), "");
  request.engine = support_.vm.engines.current();
  request.model = new_machine(wanted.memory_mib, wanted.vcpus, wanted.disks);
  for (const std::string& serial : request.model.disks) {
    DM_ASSIGN(vmm::DiskFiles disk, disk_file(serial, wanted.root), "");
    request.disks.push_back(std::move(disk));
  }
  DM_ASSIGN(request.memory, wanted.memory(), "");
  request.shared_memory = true;
  request.user = user_.id();
  request.egress = to_network(request_.egress);
  vmm::BootFiles boot;
  DM_ASSIGN(boot.kernel, os::open_file(support_.base.kernel, O_RDONLY), "");
  DM_ASSIGN(boot.initramfs, os::open_file(support_.initramfs, O_RDONLY), "");
  boot.command_line = command_line(support_.vm.platform, wanted.role, attempt);
  request.boot = std::move(boot);
  DM_ASSIGN(std::unique_ptr<Guest> guest, Guest::start(support_.vm.guest, std::move(request), context), "");
  if (auto booted = guest->boot(context.within(kBootTimeout)); !booted) {
    (void)guest->end(os::Context::with_timeout(kEndTimeout));
    return fail(std::move(booted).error());
  }
  return guest;
}

}  // namespace dormouse::host
