// SPDX-License-Identifier: Apache-2.0

#pragma once

#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "base/error.h"
#include "faults/fault_point.h"
#include "host/guest.h"
#include "host/host.h"
#include "host/standstill.h"
#include "host/user_pool.h"
#include "host/vm.h"
#include "managed_base/managed_base.h"

namespace dormouse::host {

// What builds of one host share; outlives them.
struct BuildSupport {
  VmSupport& vm;
  const managed_base::ManagedBaseStore& bases;
  managed_base::ManagedBase base;
  std::filesystem::path initramfs;
  std::string kernel_sha256;
  std::string substitute_base = "auto";  // DORMOUSE_SUBSTITUTE_BASE of build-image.sh
};

// Makes a snapshot from a zip (specification section 5.2), in five phases:
//
//     archive      the zip is checked and becomes a tar, which guests get as a disk
//     container    the Dockerfile runs in a builder guest, which is thrown away; its result is a disk
//     application  a fresh guest, whose kernel and agent no RUN has touched, starts the application and waits for /ready
//     snapshot     memory, device state and disk are taken and published by one rename
//     validate     /validate in a clone that is thrown away; when it fails the snapshot is withdrawn
//
// One object makes one build. Whatever happens, processes and the working directory are gone when build() returns.
class ImageBuilder {
 public:
  ImageBuilder(BuildSupport& support, const BuildRequest& request, std::filesystem::path work, BuildObserver& observer);

  tl::expected<BuildResult, BuildFailure> build(const os::Context& context);

 private:
  using Outcome = tl::expected<void, BuildFailure>;

  Outcome convert(const os::Context& context);
  Outcome run_dockerfile(const os::Context& context);
  Outcome run_builder(const os::Context& context);  // one attempt at it
  Outcome run_build_script(const os::Context& context);
  Outcome run_build_script(StandstillGuard& guard, const os::Context& context);
  void log_state(const std::string& why, const std::string& state);
  void read_notices(const os::Context& context);
  Outcome start_application(const os::Context& context);
  Outcome start_container(const os::Context& context);
  Outcome wait_until_ready(const os::Context& context);
  snapshot::SnapshotManifest origin() const;
  Result<std::uint64_t> report_output(const os::Context& context);
  Outcome take_snapshot(const os::Context& context);
  Result<snapshot::SnapshotManifest::Checksums> checksums_of(const std::filesystem::path& directory) const;
  Outcome validate(const os::Context& context);

  // What a guest is booted with. Every attempt has memory of its own.
  struct Boot {
    const char* role;
    std::filesystem::path root;
    std::vector<std::string> disks;
    std::function<Result<UniqueFd>()> memory;
    std::uint32_t memory_mib;
    std::uint32_t vcpus;
  };
  // Boots again when the guest ends by itself: it does when its kernel measured its timer wrong.
  Result<std::unique_ptr<Guest>> boot_guest(const Boot& wanted, const os::Context& context);
  Result<std::unique_ptr<Guest>> boot_once(const Boot& wanted, int attempt, const os::Context& context);
  std::filesystem::path disk_path(const std::string& serial, const std::filesystem::path& root) const;
  // Polls a build hook until it answers 200.
  Outcome poll_hook(const char* name, const Hook& hook, const AgentClient& agent, const os::Context& context);
  Outcome check_alive(const AgentClient& agent, const os::Context& context);
  // Runs `step` with a context that also ends when the guest's process does, which is then the reason.
  Outcome with_guest(Outcome (ImageBuilder::*step)(const os::Context&), const os::Context& context);
  // Whether a write of the guest's found no space on the host since this was asked last, or none could.
  bool disk_ran_full();
  BuildFailure internal(const Error& error) const;
  Status reached(faults::Step step) const;

  BuildSupport& support_;
  const BuildRequest& request_;
  const std::filesystem::path work_;
  BuildObserver& observer_;
  UserPool::Lease user_;
  std::unique_ptr<Guest> guest_;
  SteadyTime deadline_;
  bool stood_still_ = false;  // the builder guest, in the last attempt
  BuildResult result_;
  bool withdraw_on_failure_ = false;  // the snapshot, which is published
};

}  // namespace dormouse::host
