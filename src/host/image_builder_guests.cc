// SPDX-License-Identifier: Apache-2.0
//
// The guests that a build boots.

#include <utility>

#include <fmt/format.h>

#include "base/log.h"
#include "host/guest_boot.h"
#include "host/image_builder.h"

namespace dormouse::host {
namespace {

namespace fs = std::filesystem;

constexpr std::chrono::seconds kBootTimeout{90};  // of one attempt
constexpr int kBootAttempts = 5;

}  // namespace

fs::path ImageBuilder::disk_path(const std::string& serial, const fs::path& root) const {
  return serial == "root"         ? root
         : serial == "containers" ? support_.base.containers
         : serial == "context"    ? work_ / "context.tar"
                                  : work_ / "disk";
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
  BootRequest request;
  request.name = fmt::format("build-{}-{}", request_.build_id, wanted.role);
  request.directory = work_ / wanted.role;
  request.role = wanted.role;
  request.engine = support_.vm.engines.current();
  request.model = new_machine(support_.vm.platform, wanted.memory_mib, wanted.vcpus, wanted.disks);
  for (const std::string& serial : wanted.disks) {
    request.disks.push_back(disk_path(serial, wanted.root));
  }
  DM_ASSIGN(request.memory, wanted.memory(), "");
  request.user = user_.id();
  request.egress = to_network(request_.egress);
  request.kernel = support_.base.kernel;
  request.initramfs = support_.initramfs;
  request.any_timer = attempt == kBootAttempts;
  return host::boot_guest(support_.vm.guest, std::move(request), kBootTimeout, context);
}

}  // namespace dormouse::host
