// SPDX-License-Identifier: Apache-2.0
//
// The files of one VM: DIR/microvms/<id>/
//     vm.json         what runs: snapshot, user, process. Not durable: a VM that runs does not outlive its host
//     overlay.qcow2   what the guest wrote to its disk
//     suspended.json  present exactly while the VM is suspended; names state and pages. Published by one rename after
//                     everything else is durable, and renamed away, durably, before a guest runs again over the overlay
//     state pages     of the suspended VM
//     run/            QMP socket and QEMU's messages of the process
//     rollback/       overlay, state and pages of a checkpoint, to replace those of the VM
//     rollback.json   present exactly while they do: the VM is suspended with them, whatever else is there
//
// A checkpoint is a directory of the same form, with overlay, suspended.json, state, pages and what its maker keeps with it.

#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <set>
#include <string>

#include "base/error.h"
#include "base/unique_fd.h"
#include "os/context.h"
#include "os/file.h"
#include "snapshot/egress.h"
#include "snapshot/sealed_json.h"

namespace dormouse::snapshot {

// vm.json
struct VmRecord {
  static constexpr Formats kFormats{1, 2};  // 1: without an engine
  std::filesystem::path snapshot;
  std::string engine;  // digest of the one that it runs on
  Egress egress = Egress::kInternet;
  unsigned user = 0;
  std::string boot_id;  // of the host: pid and start time mean nothing after its restart
  int pid = 0;          // 0: none yet
  std::uint64_t process_start_time = 0;
};

// suspended.json
struct SuspendedRecord {
  static constexpr Formats kFormats{2, 3};  // 2: without an engine
  std::filesystem::path snapshot;
  std::string engine;  // digest of the one that saved it, and loads it; empty: the snapshot's
  Egress egress = Egress::kInternet;
  std::uint64_t state_checksum = 0;    // checksum_of(); the pages carry their own
  std::uint64_t overlay_checksum = 0;  // likewise
  std::uint64_t output_offset = 0;     // of the application's output, reported so far
};

class VmFiles {
 public:
  explicit VmFiles(std::filesystem::path directory) : directory_(std::move(directory)) {}

  const std::filesystem::path& directory() const { return directory_; }
  std::filesystem::path run_directory() const { return directory_ / "run"; }
  std::filesystem::path overlay() const { return directory_ / "overlay.qcow2"; }
  std::filesystem::path state() const { return directory_ / "state"; }
  std::filesystem::path pages() const { return directory_ / "pages"; }

  // What the records here name, whatever state the VM is in.
  struct Named {
    std::set<std::string> engines;              // by digest
    std::set<std::filesystem::path> snapshots;  // directories
  };
  Result<Named> named() const;

  Result<VmRecord> read_record() const;
  Status write_record(const VmRecord& record) const;

  bool is_suspended() const;
  Result<SuspendedRecord> read_suspended() const;
  Status publish_suspended(const SuspendedRecord& record) const;  // durable: the VM is suspended when this returns
  // The same with no promise about the host's crash: of a checkpoint that does not outlive the daemon.
  Status write_suspended(const SuspendedRecord& record, os::Durability durability) const;
  Status consume_suspended() const;                    // durable: it is not any more
  Status restore_suspended() const;                    // durable: it is again, since nothing ran
  Status sync_state() const;                           // state and pages
  Status sum(SuspendedRecord& record) const;           // its checksums, of the files as they are
  Status verify(const SuspendedRecord& record) const;  // kDataLoss if they are other files
  // State and pages, once consumed or never published: their names are gone when this returns. The space of the pages comes
  // back with the descriptor, if there was such a file: os::give_back_space().
  UniqueFd remove_suspended_files() const;

  // --- rollback: what a checkpoint held replaces what the VM is, by one rename, and by steps that can be repeated ---

  // Copies the checkpoint's files; durable. Nothing has changed yet.
  Status prepare_rollback(const VmFiles& checkpoint, const os::Context& context) const;
  Status publish_rollback(
      const SuspendedRecord& record) const;  // durable: from now on the VM is what the checkpoint was
  bool rollback_is_pending() const;
  // One that was published; durable: the VM is suspended. No process may have the overlay open.
  Status finish_rollback() const;
  void abandon_rollback() const;  // unless it was published

 private:
  std::filesystem::path suspended() const { return directory_ / "suspended.json"; }
  std::filesystem::path rollback_directory() const { return directory_ / "rollback"; }
  std::filesystem::path rollback_record() const { return directory_ / "rollback.json"; }
  std::filesystem::path directory_;
};

}  // namespace dormouse::snapshot
