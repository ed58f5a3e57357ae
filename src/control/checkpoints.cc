// SPDX-License-Identifier: Apache-2.0

#include "control/checkpoints.h"

#include <sys/stat.h>

#include <algorithm>
#include <chrono>
#include <future>
#include <system_error>
#include <utility>

#include <fmt/core.h>

#include "base/log.h"
#include "base/uuid.h"
#include "control/disk_budget.h"
#include "control/document.h"
#include "control/image_files.h"
#include "control/image_holds.h"
#include "control/microvm_effects.h"
#include "control/record_codec.h"
#include "control/service_failure.h"
#include "control/world.h"
#include "os/file.h"
#include "store/paging.h"

namespace dormouse::control {

namespace {

// record.json (docs/formats/checkpoint.md).
struct CheckpointRecord {
  int format = 0;
  std::string checkpoint_id;
  std::optional<std::string> name;
  WallTime created_at;
  std::string source;
};

}  // namespace

template <typename Document>
void members(Document& document, typename Document::template As<CheckpointRecord>& record) {
  document("format", record.format);
  document("checkpoint_id", record.checkpoint_id);
  document("name", record.name);
  document("created_at", record.created_at);
  document("source", record.source);
}

namespace {

namespace fs = std::filesystem;

constexpr int kRecordFormat = 1;
constexpr std::size_t kRecordBytesMax = 256U << 10U;
constexpr std::chrono::minutes kPatience{10};  // for effects of the VM that come before

tl::unexpected<ServiceError> not_found(const std::string& checkpoint) {
  return refuse(ServiceErrorKind::kResourceNotFound, fmt::format("Checkpoint not found: {}", checkpoint));
}

std::string encode(const Checkpoint& checkpoint) {
  return to_document(CheckpointRecord{kRecordFormat,
                                      checkpoint.checkpoint_id,
                                      checkpoint.name,
                                      checkpoint.created_at,
                                      encode_answer(checkpoint.source)}) +
         "\n";
}

Result<Checkpoint> decode_checkpoint(const std::string& text) {
  CheckpointRecord record;
  DM_TRY(from_document(text, record), "");
  if (record.format != kRecordFormat) {
    return fail(ErrorKind::kDataLoss,
                fmt::format("it has format {}: this version reads format {}", record.format, kRecordFormat));
  }
  DM_ASSIGN(Microvm source, decode_microvm_answer(record.source), "source");
  return Checkpoint{record.checkpoint_id, record.name, record.created_at, 0, std::move(source)};
}

std::uint64_t bytes_in(const fs::path& directory) {
  std::uint64_t bytes = 0;
  for (const fs::path& entry : os::entries_of(directory).value_or(std::vector<fs::path>())) {
    struct stat status{};
    if (::stat(entry.c_str(), &status) == 0) {
      bytes += static_cast<std::uint64_t>(status.st_blocks) * 512;
    }
  }
  return bytes;
}

// Waits for what a task reports later. Nothing: it never will, the daemon stops.
template <typename Outcome>
std::optional<Outcome> wait_for(std::future<Outcome>& future) {
  if (future.wait_for(kPatience) != std::future_status::ready) {
    return std::nullopt;
  }
  try {
    return future.get();
  } catch (const std::future_error&) {
    return std::nullopt;
  }
}

tl::unexpected<ServiceError> refuse_for(const char* doing, const std::string& microvm_id, const Error& error) {
  switch (error.kind()) {
    case ErrorKind::kDataLoss:
      return refuse(ServiceErrorKind::kValidation,
                    "The checkpoint is damaged and cannot be used; the MicroVM is as it was. Please delete it.");
    case ErrorKind::kResourceExhausted:
      return refuse(ServiceErrorKind::kInsufficientCapacity,
                    fmt::format("The host's disk is full: the MicroVM {} is as it was.", microvm_id));
    case ErrorKind::kUnavailable:  // its VMM ended meanwhile
    case ErrorKind::kCancelled: return refuse_ended(microvm_id);
    default: return refuse_internally(doing, error);
  }
}

store::TimePosition position_of(const Checkpoint& checkpoint) {
  return store::TimePosition::of(checkpoint.created_at, checkpoint.checkpoint_id);
}

}  // namespace

Checkpoints::Checkpoints(World& world, Images& images, Microvms& microvms)
    : world_(world), images_(images), microvms_(microvms), timers_(world.clock), sweeper_({1, 1}) {}
Checkpoints::~Checkpoints() { stop(); }

fs::path Checkpoints::directory_of(const std::string& checkpoint_id) const {
  return checkpoints_directory(world_.data_directory) / checkpoint_id;
}

// ---- making one ----

// A place for one that is being made: within the limits, its name its own.
Answer<void> Checkpoints::reserve(const Checkpoint& checkpoint) {
  const std::lock_guard lock(mutex_);
  std::size_t of_account = 0;
  std::size_t of_microvm = 0;
  bool name_taken = false;
  const auto count = [&](const Checkpoint& other) {
    if (other.source.account == checkpoint.source.account) {
      ++of_account;
    }
    if (other.source.microvm_id == checkpoint.source.microvm_id) {
      ++of_microvm;
      name_taken = name_taken || (checkpoint.name && other.name == checkpoint.name);
    }
  };
  for (const auto& [id, entry] : entries_) {
    count(entry.checkpoint);
  }
  for (const auto& [id, other] : reserved_) {
    count(other);
  }
  if (name_taken) {
    return refuse(ServiceErrorKind::kConflict,
                  fmt::format("The MicroVM {} has a checkpoint named '{}' already; delete it or take another name.",
                              checkpoint.source.microvm_id,
                              *checkpoint.name));
  }
  if (of_microvm >= kPerMicrovmMax || of_account >= kPerAccountMax) {
    return refuse(
        ServiceErrorKind::kServiceQuotaExceeded,
        fmt::format("The MicroVM {} has {} checkpoints and the account {}; {} and {} are allowed. Delete some.",
                    checkpoint.source.microvm_id,
                    of_microvm,
                    of_account,
                    kPerMicrovmMax,
                    kPerAccountMax));
  }
  reserved_.emplace(checkpoint.checkpoint_id, checkpoint);
  return {};
}

void Checkpoints::give_up(const std::string& checkpoint_id) {
  {
    const std::lock_guard lock(mutex_);
    reserved_.erase(checkpoint_id);
  }
  images_.holds().release(checkpoint_id);
}

Answer<Checkpoint> Checkpoints::create(const std::string& account,
                                       const std::string& microvm_id,
                                       const std::optional<std::string>& name) {
  auto source = microvms_.get(account, microvm_id);
  if (!source) {
    return tl::unexpected(source.error());
  }
  const auto room = take_disk_room(world_.disk, DiskBudget::Use::kCheckpoint);
  if (!room) {
    return refuse(ServiceErrorKind::kInsufficientCapacity,
                  fmt::format("No checkpoint is made: {}.", room.error().message()));
  }
  Checkpoint checkpoint;
  checkpoint.checkpoint_id = "checkpoint-" + make_uuid();
  checkpoint.name = name;
  checkpoint.created_at = rounded(world_.clock.wall());
  checkpoint.source = *std::move(source);
  if (const auto reserved = reserve(checkpoint); !reserved) {
    return tl::unexpected(reserved.error());
  }
  const store::VersionKey version{checkpoint.source.image_arn, checkpoint.source.image_version};
  const bool held = images_.holds().hold(checkpoint.checkpoint_id, version, [&] {
    const auto now = microvms_.get(account, microvm_id);
    return now && now->state != MicrovmState::kTerminating && now->state != MicrovmState::kTerminated;
  });
  if (!held) {
    give_up(checkpoint.checkpoint_id);
    return refuse_ended(microvm_id);
  }
  const auto outcome = std::make_shared<std::promise<Result<host::CheckpointResult>>>();
  auto future = outcome->get_future();
  host::CheckpointRequest request;
  request.microvm_id = microvm_id;
  request.destination = directory_of(checkpoint.checkpoint_id);
  request.record = encode(checkpoint);
  const auto accepted = microvms_.save(
      std::move(request), [outcome](const Result<host::CheckpointResult>& result) { outcome->set_value(result); });
  if (!accepted) {
    give_up(checkpoint.checkpoint_id);
    return tl::unexpected(accepted.error());
  }
  const auto saved = wait_for(future);
  if (!saved || !*saved) {
    give_up(checkpoint.checkpoint_id);
    return saved ? refuse_for("make a checkpoint", microvm_id, saved->error())
                 : refuse(ServiceErrorKind::kInternalServer, "The daemon is stopping; try again when it is back.");
  }
  checkpoint.bytes = bytes_in(directory_of(checkpoint.checkpoint_id));
  log::info("checkpoint", {{"id", checkpoint.checkpoint_id}, {"microvm", microvm_id}});
  const std::lock_guard lock(mutex_);
  reserved_.erase(checkpoint.checkpoint_id);
  entries_.emplace(checkpoint.checkpoint_id, Entry{checkpoint, {}});
  return checkpoint;
}

// ---- those there are ----

Answer<Checkpoint> Checkpoints::get(const std::string& account, const std::string& checkpoint_id) const {
  const std::lock_guard lock(mutex_);
  const auto found = entries_.find(checkpoint_id);
  if (found == entries_.end() || found->second.checkpoint.source.account != account) {
    return not_found(checkpoint_id);
  }
  return found->second.checkpoint;
}

Answer<Page<Checkpoint>> Checkpoints::list(const std::string& account,
                                           const std::optional<std::string>& microvm_id,
                                           std::size_t limit,
                                           const std::optional<std::string>& after) const {
  const auto begin = answer_of(store::TimePosition::parse(after), "list checkpoints");
  if (!begin) {
    return tl::unexpected(begin.error());
  }
  std::vector<Checkpoint> found;
  {
    const std::lock_guard lock(mutex_);
    for (const auto& [id, entry] : entries_) {
      const Microvm& source = entry.checkpoint.source;
      if (source.account == account && (!microvm_id || source.microvm_id == *microvm_id) &&
          position_of(entry.checkpoint) < *begin) {
        found.push_back(entry.checkpoint);
      }
    }
  }
  std::sort(found.begin(), found.end(), [](const Checkpoint& one, const Checkpoint& other) {
    return position_of(one) > position_of(other);
  });
  auto page = store::cut_page(
      std::move(found), {limit, after}, [](const Checkpoint& last) { return position_of(last).text(); });
  return Page<Checkpoint>{std::move(page.rows), std::move(page.next)};
}

std::size_t Checkpoints::count(const std::string& account) const {
  const std::lock_guard lock(mutex_);
  return static_cast<std::size_t>(std::count_if(entries_.begin(), entries_.end(), [&](const auto& entry) {
    return entry.second.checkpoint.source.account == account;
  }));
}

std::vector<Checkpoint> Checkpoints::all() const {
  std::vector<Checkpoint> found;
  const std::lock_guard lock(mutex_);
  for (const auto& [id, entry] : entries_) {
    found.push_back(entry.checkpoint);
  }
  return found;
}

Answer<void> Checkpoints::remove(const std::string& account, const std::string& checkpoint_id) {
  Entries::node_type removing;
  {
    const std::lock_guard lock(mutex_);
    const auto found = entries_.find(checkpoint_id);
    if (found == entries_.end() || found->second.checkpoint.source.account != account) {
      return not_found(checkpoint_id);
    }
    if (!found->second.in_use.expired()) {
      return refuse(ServiceErrorKind::kConflict,
                    fmt::format("The checkpoint {} is being forked or gone back to; try again.", checkpoint_id));
    }
    removing = entries_.extract(found);
  }
  if (const Status removed = world_.host.remove_checkpoint(directory_of(checkpoint_id)); !removed) {
    const std::lock_guard lock(mutex_);
    entries_.insert(std::move(removing));
    return refuse_internally("remove a checkpoint", removed.error());
  }
  images_.holds().release(checkpoint_id);
  return {};
}

// ---- using one ----

std::shared_ptr<const SavedState> Checkpoints::use(Entry& entry) const {
  if (auto state = entry.in_use.lock()) {
    return state;
  }
  const auto state = std::make_shared<const SavedState>(directory_of(entry.checkpoint.checkpoint_id), [] {});
  entry.in_use = state;
  return state;
}

Answer<std::vector<Microvm>> Checkpoints::fork_checkpoint(const std::string& account,
                                                          const std::string& checkpoint_id,
                                                          const ForkRequest& request) {
  Microvm source;
  std::shared_ptr<const SavedState> state;
  {
    const std::lock_guard lock(mutex_);
    const auto found = entries_.find(checkpoint_id);
    if (found == entries_.end() || found->second.checkpoint.source.account != account) {
      return not_found(checkpoint_id);
    }
    source = found->second.checkpoint.source;
    state = use(found->second);
  }
  return microvms_.launch_from(source, state, request);
}

Answer<void> Checkpoints::rollback(const std::string& account,
                                   const std::string& microvm_id,
                                   const std::string& checkpoint) {
  const auto microvm = microvms_.get(account, microvm_id);
  if (!microvm) {
    return tl::unexpected(microvm.error());
  }
  std::shared_ptr<const SavedState> state;
  {
    const std::lock_guard lock(mutex_);
    for (auto& [id, entry] : entries_) {
      if (entry.checkpoint.source.microvm_id == microvm_id &&
          (id == checkpoint || entry.checkpoint.name == checkpoint)) {
        state = use(entry);
      }
    }
  }
  if (!state) {
    return refuse(ServiceErrorKind::kResourceNotFound,
                  fmt::format("The MicroVM {} has no checkpoint {}", microvm_id, checkpoint));
  }
  const auto outcome = std::make_shared<std::promise<Status>>();
  auto future = outcome->get_future();
  const auto accepted =
      microvms_.rollback(microvm_id, std::move(state), [outcome](const Status& result) { outcome->set_value(result); });
  if (!accepted) {
    return accepted;
  }
  const auto done = wait_for(future);
  if (!done) {
    return refuse(ServiceErrorKind::kInternalServer, "The daemon is stopping; look at the MicroVM when it is back.");
  }
  return *done ? Answer<void>() : refuse_for("roll a microvm back", microvm_id, done->error());
}

// ---- start ----

Result<Checkpoint> Checkpoints::read(const fs::path& directory) const {
  DM_ASSIGN(const std::string text, os::read_file(directory / host::kCheckpointRecord, kRecordBytesMax), "");
  DM_ASSIGN(Checkpoint checkpoint, decode_checkpoint(text), host::kCheckpointRecord);
  if (checkpoint.checkpoint_id != directory.filename()) {
    return fail(ErrorKind::kDataLoss, "the record is that of " + checkpoint.checkpoint_id);
  }
  checkpoint.bytes = bytes_in(directory);
  return checkpoint;
}

void Checkpoints::start() {
  const fs::path root = checkpoints_directory(world_.data_directory);
  if (const Status made = os::make_directories(root); !made) {
    log::error("checkpoints cannot be kept", {{"error", made.error().message()}});
    return;
  }
  const auto entries = os::entries_of(root);
  if (!entries) {
    log::error("checkpoints cannot be listed", {{"error", entries.error().message()}});
    return;
  }
  for (const fs::path& entry : *entries) {
    const std::string name = entry.filename().string();
    // What is being made or removed has a name ending so; states of forks are good for nothing now.
    if (name.ends_with(".tmp") || name.starts_with("fork-")) {
      if (const Status removed = world_.host.remove_checkpoint(entry); !removed) {
        log::error("what was left of a checkpoint could not be removed", {{"error", removed.error().message()}});
      }
      continue;
    }
    auto checkpoint = read(entry);
    if (!checkpoint) {
      log::error("a checkpoint cannot be read", {{"id", name}, {"error", checkpoint.error().message()}});
      continue;
    }
    const store::VersionKey version{checkpoint->source.image_arn, checkpoint->source.image_version};
    images_.holds().hold(name, version, [] { return true; });
    const std::lock_guard lock(mutex_);
    entries_.emplace(name, Entry{*std::move(checkpoint), {}});
  }
  sweep();
}

// ---- age ----

void Checkpoints::plan_sweep() {
  timers_.at(world_.clock.steady() + kSweepInterval, [this] {
    if (!sweeper_.post([this] { sweep(); })) {
      log::debug("the sweep of old checkpoints is left out");
    }
  });
}

void Checkpoints::sweep() {
  if (!world_.checkpoint_age_max) {
    return;
  }
  const WallTime oldest = world_.clock.wall() - *world_.checkpoint_age_max;
  for (const Checkpoint& checkpoint : all()) {
    if (checkpoint.created_at > oldest) {
      continue;
    }
    const std::string& id = checkpoint.checkpoint_id;
    if (const auto removed = remove(checkpoint.source.account, id); !removed) {
      log::info("an old checkpoint stays for now", {{"id", id}, {"reason", removed.error().message}});
    } else {
      log::info("an old checkpoint was removed", {{"id", id}, {"microvm", checkpoint.source.microvm_id}});
    }
  }
  plan_sweep();
}

void Checkpoints::stop() {
  timers_.stop();
  sweeper_.stop();
}

}  // namespace dormouse::control
