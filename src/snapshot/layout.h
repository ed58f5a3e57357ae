// SPDX-License-Identifier: Apache-2.0

#pragma once

#include <filesystem>
#include <string>

namespace dormouse::snapshot {

// Where things are in the data directory.
class Layout {
 public:
  explicit Layout(std::filesystem::path root) : root_(std::move(root)) {}

  const std::filesystem::path& root() const { return root_; }
  std::filesystem::path lock() const { return root_ / "lock"; }  // there from the first daemon on
  std::filesystem::path microvms() const { return root_ / "microvms"; }
  std::filesystem::path microvm(const std::string& microvm_id) const { return microvms() / microvm_id; }
  std::filesystem::path warm() const { return root_ / "warm"; }  // clones made ahead; nothing in it outlives a daemon
  std::filesystem::path builds() const { return root_ / "builds"; }
  std::filesystem::path engines() const { return root_ / "engines"; }
  std::filesystem::path images() const { return root_ / "images"; }
  std::filesystem::path checkpoints() const { return root_ / "checkpoints"; }
  std::filesystem::path kernel_trial() const { return root_ / "kernel-trial.json"; }
  std::filesystem::path prepared() const { return root_ / "prepared"; }  // empty overlays, made once

 private:
  std::filesystem::path root_;
};

}  // namespace dormouse::snapshot
