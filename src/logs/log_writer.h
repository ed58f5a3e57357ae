// SPDX-License-Identifier: Apache-2.0

#pragma once

#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "base/clock.h"
#include "base/error.h"
#include "logs/log_store.h"
#include "logs/output_intake.h"

namespace dormouse::logs {

// Takes the output of many sources in memory and stores it in batches on a thread of its own, so that no one who runs a VM
// waits for a disk. A source is known from open() to close(), over restarts of the daemon too; output of one that is not
// known is left out.
//
// Memory is bounded: by IntakeLimits for each source, by pending_bytes_max for all together. What could not be stored is
// counted as dropped, and shows as such in the log.
//
// Thread-safe. write() never touches the disk.
class LogWriter {
 public:
  struct Options {
    IntakeLimits source;
    std::size_t pending_bytes_max = 32U << 20U;
    std::chrono::milliseconds interval{200};   // from one batch to the next
    std::chrono::seconds expiry_interval{60};  // from one LogStore::expire() to the next
  };

  static Result<std::unique_ptr<LogWriter>> start(LogStore& store, Clock& clock, Options options);
  ~LogWriter();  // stores what is pending
  LogWriter(const LogWriter&) = delete;
  LogWriter& operator=(const LogWriter&) = delete;

  // Opening one again changes nothing.
  void open(const std::string& source, const Destination& destination);
  void write(const std::string& source, const OutputPiece& piece);
  // There will be no more: the source is forgotten, what it wrote stays.
  void close(const std::string& source);
  // The source was put back to an earlier state, and what it writes from then on counts anew. Returns when that is stored.
  Status restart(const std::string& source);
  // Closes the sources that begin with `prefix`, except those: after a restart, what nobody will close.
  void close_others(std::string_view prefix, const std::set<std::string>& except);

  // From which byte on a source's output is not stored yet; nothing for one that is not known or wrote nothing.
  std::optional<std::uint64_t> wanted_from(const std::string& source) const;

  // Stores what is pending now. Returns when it is stored.
  Status flush();
  // For readers: returns when the streams of all sources that are open are there, also of those opened a moment ago. Costs
  // nothing when they are.
  Status make_streams();

 private:
  struct Source {
    Destination destination;
    OutputIntake intake;
    std::optional<std::uint64_t> stored_offset;
    bool changed = false;  // there is something to store
    bool ended = false;
    bool stored = false;  // once at least, so that its stream is there
  };

  LogWriter(LogStore& store, Clock& clock, Options options);
  // Lets `work` change the source's intake and keeps count of what is pending. mutex_ is held.
  template <typename Work>
  void change(Source& source, const Work& work);
  void loop();
  std::vector<SourceOutput> collect();
  void stored(const std::vector<SourceOutput>& outputs, bool success);

  LogStore& store_;
  Clock& clock_;
  const Options options_;

  std::mutex storing_;    // held during a batch; before mutex_
  bool failing_ = false;  // guarded by storing_: the store; said once

  mutable std::mutex mutex_;
  std::condition_variable wake_;
  std::map<std::string, Source> sources_;  // guarded by mutex_, as is everything below
  std::size_t pending_bytes_ = 0;          // of all sources
  std::size_t never_stored_ = 0;           // sources
  bool stopping_ = false;
  std::thread thread_;
};

}  // namespace dormouse::logs
