// SPDX-License-Identifier: Apache-2.0

#pragma once

#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <vector>

#include "base/error.h"
#include "engine/engine.h"
#include "engine/system_qemu.h"
#include "os/context.h"

namespace dormouse::engine {

// The engines of a data directory, DIR/engines/: whole under their digests, or not there. One object a directory at a time.
// Thread-safe once choose_current() has returned.
class EngineStore {
 public:
  // How an engine of the system's QEMU is made; a directory is lent to each for what it needs meanwhile.
  struct Maker {
    std::function<Result<EngineParts>(const std::filesystem::path& scratch)> find;            // find_parts()
    std::function<Status(const Engine& engine, const std::filesystem::path& scratch)> prove;  // prove()
    std::string program;                                                                      // SystemQemu's
    vmm::Acceleration acceleration = vmm::Acceleration::kTcg;
  };
  static Maker maker_for(const SystemQemu& system, const os::Context& context);

  explicit EngineStore(std::filesystem::path directory) : directory_(std::move(directory)) {}

  // To be called once with success, first. Removes what an end without warning left half made or half removed, then decides
  // which engine new guests get: the one that was made from the system's QEMU as it is now, and if there is none that is
  // whole, one made now.
  // Where that fails, the last one serves on if it is whole.
  Result<std::shared_ptr<const Engine>> choose_current(const Maker& maker, const os::Context& context);
  std::shared_ptr<const Engine> current() const;

  // By its digest, verified when it is first opened in this object's life. kConflict, with the reason, when there is none or it
  // does not verify: what was made with it may be used again once it is back.
  Result<std::shared_ptr<const Engine>> open(const std::string& digest);

  // Verifies all that have not been, so that nobody has to wait for it later.
  void verify_all(const os::Context& context);

  // Removes every engine that is not current, not open and not among those that `named` answers. It is asked once, after
  // what is open was looked at: what begins to be used meanwhile is open or was named then. Does nothing when there is but the
  // current one, or when `named` fails, which is the answer then.
  using Named = std::function<Result<std::set<std::string>>()>;
  Status collect(const Named& named);

  // The digests of what is there.
  Result<std::vector<std::string>> list() const;

 private:
  struct Slot {
    std::mutex mutex;
    std::shared_ptr<const Engine> engine;  // guarded by mutex; once verified. Open if somebody else has it too
  };
  std::shared_ptr<Slot> slot(const std::string& digest);
  bool is_open(const std::string& digest);
  Result<std::shared_ptr<const Engine>> make(const Maker& maker, const os::Context& context);
  Status publish(const Engine& made);
  Status clean() const;
  Status remove(const std::string& digest);  // unless it is open

  const std::filesystem::path directory_;
  std::mutex collecting_;  // one collects at a time
  mutable std::mutex mutex_;
  std::shared_ptr<const Engine> current_;               // guarded by mutex_, as is:
  std::map<std::string, std::shared_ptr<Slot>> slots_;  // by digest
};

}  // namespace dormouse::engine
