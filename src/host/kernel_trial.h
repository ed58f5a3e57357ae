// SPDX-License-Identifier: Apache-2.0
//
// Whether the kernel of a base boots under KVM here is seen by booting it: there are hosts whose KVM runs the loop of the
// probe (src/vmm/acceleration.h) and no ordinary kernel.

#pragma once

#include <chrono>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>

#include "base/error.h"
#include "engine/engine.h"
#include "host/guest.h"
#include "managed_base/managed_base.h"
#include "os/context.h"
#include "snapshot/layout.h"
#include "snapshot/manifest.h"
#include "vmm/acceleration.h"

namespace dormouse::host {

// What a trial was of: another boot of the host, or another base, wants another one.
struct TrialSubject {
  std::string boot_id;  // os::boot_id()
  std::string base_key;
  bool operator==(const TrialSubject&) const = default;
};

// DIR/kernel-trial.json (docs/formats/kernel-trial.md)
struct KernelVerdict {
  static constexpr int kFormat = 1;
  TrialSubject subject;
  std::optional<std::string> refusal;  // why no guest came up, as a clause; none: one did
  bool operator==(const KernelVerdict&) const = default;
};

std::string encode(const KernelVerdict& verdict);
Result<KernelVerdict> decode_kernel_verdict(const std::string& text);  // kDataLoss

// Durable.
Status write_verdict(const std::filesystem::path& file, const KernelVerdict& verdict);
// What is known of `subject`: nothing if the file is of another one, is not there or cannot be read.
std::optional<KernelVerdict> remembered_verdict(const std::filesystem::path& file, const TrialSubject& subject);

// Whether a trial has a say: of KVM that nobody asked for by name.
bool is_up_to_trial(const std::string& wanted, vmm::Acceleration acceleration);

// Whether a data directory has images that were made under KVM. They run under nothing else, on kernels of their own that did
// boot: a refused new kernel must not take the host from them.
bool has_kvm_images(const snapshot::Layout& layout);

// How guests are to be run, with what is known of the base's kernel: the probe's verdict, unless that is up to a trial and
// the kernel was refused.
vmm::AccelerationVerdict heed(vmm::AccelerationVerdict probed,
                              const std::string& wanted,
                              const std::optional<KernelVerdict>& known);

// On a host that runs guests at all, a kernel that runs without emulation is up after two.
inline constexpr std::chrono::seconds kTrialTimeout{20};

struct KernelTrial {
  std::shared_ptr<const engine::Engine> engine;
  snapshot::Platform platform;
  managed_base::ManagedBase base;
  std::filesystem::path initramfs;
  std::filesystem::path blank_disk;  // to be copied
  std::filesystem::path directory;   // must not exist
  unsigned user = 0;
  std::chrono::seconds timeout = kTrialTimeout;
};

// Boots the kernel once, as the guest of an application, until its agent answers. Process and directory are gone afterwards.
// Why it did not come up, as KernelVerdict::refusal; an error when it could not be tried.
Result<std::optional<std::string>> try_kernel(GuestSupport& support,
                                              const KernelTrial& trial,
                                              const os::Context& context);

}  // namespace dormouse::host
