// SPDX-License-Identifier: Apache-2.0

#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <unordered_map>

#include "base/error.h"
#include "base/unique_fd.h"
#include "host/guest.h"
#include "host/host.h"
#include "protocol/watch_decoder.h"

namespace dormouse::host {

// Watches running guests for what nobody asked of them: the application's output and its end, the VMM's end, a full disk.
// One thread for all of them, which sleeps until something happens.
//
// A guest is watched from add() to remove(); after remove() has returned no handler is called for it any more. At most one
// exit is reported of each. Handlers run on the watcher's thread and must not block.
class Watcher {
 public:
  Watcher(ExitHandler on_exit, OutputHandler on_output, OutputWanted wanted);
  ~Watcher();
  Watcher(const Watcher&) = delete;
  Watcher& operator=(const Watcher&) = delete;

  // `guest` outlives its being watched. Output is reported from the byte that is wanted on, `output_from` if that is not
  // known, as far as the guest still has it. What is before `own_from` is the image's. Of a guest whose process has ended
  // the exit is reported at once.
  Status add(const std::string& id,
             Guest& guest,
             std::uint64_t output_from,
             std::uint64_t own_from,
             const os::Context& context);
  // The output alone of a guest whose end, VMM and disk somebody else looks after.
  Status add_output(const std::string& id, Guest& guest, const os::Context& context);
  // Answers where the output was up to, for the next add().
  std::uint64_t remove(const std::string& id);
  // The same of one that is watched on.
  std::uint64_t output_offset(const std::string& id);

  // Calls the handler for output that was read elsewhere, of a guest that is not watched.
  void report_output(const std::string& id, const OutputPiece& piece) const { on_output_(id, piece); }

 private:
  struct Watched;
  Status insert(const std::string& id,
                Guest& guest,
                std::uint64_t output_from,
                std::uint64_t own_from,
                bool output_alone,
                const os::Context& context);
  void loop();
  void handle(Watched& watched, int source);
  void read_output(Watched& watched);
  void pass_on(const Watched& watched, const protocol::OutputChunk& output) const;
  void report(Watched& watched, VmExit exit);
  Status register_source(Watched& watched, int source, int descriptor);

  const ExitHandler on_exit_;
  const OutputHandler on_output_;
  const OutputWanted wanted_;
  UniqueFd epoll_;
  UniqueFd wake_;
  std::mutex mutex_;  // held while a handler runs, so that remove() waits for it
  bool stopping_ = false;
  std::uint64_t next_key_ = 1;
  std::unordered_map<std::uint64_t, std::unique_ptr<Watched>> watched_;  // guarded by mutex_
  std::thread thread_;
};

}  // namespace dormouse::host
