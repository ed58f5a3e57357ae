// SPDX-License-Identifier: Apache-2.0

#pragma once

#include <memory>

#include "base/error.h"
#include "daemon/options.h"
#include "os/context.h"

namespace dormouse::daemon {

// All parts of dormoused, constructed and wired; nothing else is decided here. The order of members is the order in which
// they stand on each other, so that destruction takes them down from the top.
class Daemon {
 public:
  // Opens the data directory (one daemon at a time: kConflict), finds the VMs of an earlier daemon, listens. Cancels `serving` when
  // the daemon is to be destroyed and started anew with the same options.
  static Result<std::unique_ptr<Daemon>> start(const Options& options,
                                               const os::Cancellation& serving,
                                               const os::Context& context);
  // Finishes what is under way; VMs run on.
  ~Daemon();
  Daemon(const Daemon&) = delete;
  Daemon& operator=(const Daemon&) = delete;

 private:
  struct Parts;
  explicit Daemon(std::unique_ptr<Parts> parts);
  std::unique_ptr<Parts> parts_;
};

}  // namespace dormouse::daemon
