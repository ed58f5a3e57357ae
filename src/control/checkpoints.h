// SPDX-License-Identifier: Apache-2.0

#pragma once

#include <chrono>
#include <cstddef>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "control/images.h"
#include "control/microvms.h"
#include "control/records.h"
#include "control/service_error.h"
#include "control/timers.h"
#include "os/worker_pool.h"

namespace dormouse::control {

class World;
class SavedState;

// Checkpoints: states of VMs that are kept, by name if they have one, to launch VMs from or to go back to.
//
// A checkpoint is its directory DIR/checkpoints/<id> (docs/formats/checkpoint.md): it exists when that was published by one
// rename, with its record in it, and there is no other record of it. It does not end with its VM; while it exists, the
// version of the image that it stands on is not deleted. It goes when it is removed, or, if World::checkpoint_age_max is set,
// within kSweepInterval of that age; one that is in use then goes later.
//
// Thread-safe. create() and rollback() block until the host is done, the rest on the disk at most.
class Checkpoints {
 public:
  static constexpr std::size_t kPerMicrovmMax = 32;
  static constexpr std::size_t kPerAccountMax = 1000;
  static constexpr std::chrono::minutes kSweepInterval{10};

  Checkpoints(World& world, Images& images, Microvms& microvms);
  ~Checkpoints();
  Checkpoints(const Checkpoints&) = delete;
  Checkpoints& operator=(const Checkpoints&) = delete;

  Answer<Checkpoint> create(const std::string& account,
                            const std::string& microvm_id,
                            const std::optional<std::string>& name);
  Answer<Checkpoint> get(const std::string& account, const std::string& checkpoint_id) const;
  // Newest first; of one VM if one is named.
  Answer<Page<Checkpoint>> list(const std::string& account,
                                const std::optional<std::string>& microvm_id,
                                std::size_t limit,
                                const std::optional<std::string>& after) const;
  std::size_t count(const std::string& account) const;
  std::vector<Checkpoint> all() const;  // of every account
  // Refused while VMs are launched from it, or one goes back to it.
  Answer<void> remove(const std::string& account, const std::string& checkpoint_id);

  // VMs that go on from it, in PENDING.
  Answer<std::vector<Microvm>> fork_checkpoint(const std::string& account,
                                               const std::string& checkpoint_id,
                                               const ForkRequest& request);
  // The VM becomes what it was. `checkpoint` is the id or the name of one of its own.
  Answer<void> rollback(const std::string& account, const std::string& microvm_id, const std::string& checkpoint);

  // Finds those that an earlier daemon made, and removes what it left unfinished. Before images and VMs are changed.
  void start();
  // Nothing is removed by age after it has returned. Idempotent.
  void stop();

 private:
  struct Entry {
    Checkpoint checkpoint;
    std::weak_ptr<const SavedState> in_use;
  };
  using Entries = std::map<std::string, Entry>;

  Answer<void> reserve(const Checkpoint& checkpoint);
  void give_up(const std::string& checkpoint_id);
  std::filesystem::path directory_of(const std::string& checkpoint_id) const;
  Result<Checkpoint> read(const std::filesystem::path& directory) const;
  void plan_sweep();
  void sweep();  // removes what is too old
  // The state of one that exists, kept from removal.
  std::shared_ptr<const SavedState> use(Entry& entry) const;

  World& world_;
  Images& images_;
  Microvms& microvms_;

  mutable std::mutex mutex_;
  Entries entries_;                             // guarded by mutex_; by id
  std::map<std::string, Checkpoint> reserved_;  // guarded by mutex_; being made

  Timers timers_;
  os::WorkerPool sweeper_;
};

}  // namespace dormouse::control
