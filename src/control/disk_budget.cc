// SPDX-License-Identifier: Apache-2.0

#include "control/disk_budget.h"

#include <algorithm>
#include <array>
#include <numeric>
#include <utility>

#include <fmt/core.h>

#include "base/log.h"

namespace dormouse::control {

namespace {

constexpr std::chrono::seconds kCountTimeout{30};
constexpr std::uint64_t kUnknown = UINT64_MAX;     // bytes that are available
constexpr std::array kWarnings = {80U, 90U, 95U};  // percent

constexpr std::uint64_t less(std::uint64_t from, std::uint64_t bytes) { return from - std::min(from, bytes); }

std::string_view name_of(DiskBudget::Use use) {
  switch (use) {
    case DiskBudget::Use::kBuild: return "a build";
    case DiskBudget::Use::kLaunch: return "a launch";
    case DiskBudget::Use::kCheckpoint: return "a checkpoint";
    case DiskBudget::Use::kSuspension: return "a suspension";
  }
  return "it";
}

}  // namespace

Result<DiskBudget::RoomPointer> take_disk_room(DiskBudget* budget, DiskBudget::Use use, std::uint64_t times) {
  if (budget == nullptr) {
    return nullptr;
  }
  return budget->take(use, times);
}

std::string size_text(std::uint64_t bytes) {
  constexpr std::uint64_t kGiB = 1ULL << 30U;
  return bytes < 10 * kGiB ? fmt::format("{} MiB", bytes >> 20U)
                           : fmt::format("{:.1f} GiB", static_cast<double>(bytes) / static_cast<double>(kGiB));
}

std::uint64_t DiskRoom::left() const {
  const std::uint64_t of_budget = budget_bytes ? less(*budget_bytes, held_bytes + promised_bytes) : UINT64_MAX;
  return std::min(of_budget, less(available_bytes, DiskBudget::kReserveBytes + promised_bytes));
}

DiskRoom DiskBudget::room() const {
  const std::lock_guard lock(mutex_);
  return look();
}

DiskRoom DiskBudget::look() const {
  DiskRoom room;
  room.budget_bytes = budget_bytes_;
  const auto facts = sources_.file_system();
  if (!facts) {
    log::warning("the disk's free space is not known", {{"error", facts.error().message()}});
    room.available_bytes = kUnknown;  // what finds no space says so itself
    room.promised_bytes = unseen_bytes_;
    return room;
  }
  room.file_system_bytes = facts->total_bytes;
  room.available_bytes = facts->available_bytes;
  room.promised_bytes = less(unseen_bytes_, less(noted_available_, facts->available_bytes));
  if (counted_) {
    for (const auto& [kind, bytes] : counted_->bytes) {
      room.held_bytes += bytes;
    }
    room.held_bytes += less(counted_->available_bytes, facts->available_bytes);
  }
  return room;
}

DiskBudget::Bytes DiskBudget::by_kind() const {
  const std::lock_guard lock(mutex_);
  return counted_ ? counted_->bytes : Bytes();
}

void DiskBudget::count() {
  const std::lock_guard alone(counting_);
  count_alone();
}

void DiskBudget::count_unless_fresh() {
  const std::lock_guard alone(counting_);
  if (!tried_ || sources_.clock.steady() - *tried_ >= kFresh) {
    count_alone();
  }
}

void DiskBudget::count_alone() {
  tried_ = sources_.clock.steady();
  const auto facts = sources_.file_system();
  auto bytes = sources_.count(os::Context::with_timeout(kCountTimeout));
  if (!facts || !bytes) {
    log::warning("what the data directory holds could not be counted",
                 {{"error", (facts ? bytes.error() : facts.error()).message()}});
    return;
  }
  {
    const std::lock_guard lock(mutex_);
    counted_ = Counted{*std::move(bytes), facts->available_bytes};
  }
  warn(room());
}

void DiskBudget::warn(const DiskRoom& room) {
  // The share of what there is for us: of the budget, or of what we hold and could get.
  const std::uint64_t all = room.held_bytes + room.promised_bytes + room.left();
  const std::uint64_t share = all == 0 ? 100 : room.held_bytes * 100 / all;
  unsigned reached = 0;
  for (const unsigned percent : kWarnings) {
    reached = share >= percent ? percent : reached;
  }
  const std::lock_guard lock(mutex_);
  if (reached > warned_) {
    log::warning(
        "the disk fills up; `dormouse df` shows what holds how much",
        {{"held", size_text(room.held_bytes)}, {"left", size_text(room.left())}, {"percent", std::to_string(share)}});
  }
  warned_ = reached;
}

std::uint64_t DiskBudget::bytes_of(Use use) const {
  switch (use) {
    case Use::kBuild: return kBuildBytes;
    case Use::kLaunch: return kLaunchBytes;
    case Use::kCheckpoint:
    case Use::kSuspension: return sources_.suspension_bytes();
  }
  return 0;
}

void DiskBudget::note_promises(std::uint64_t unseen, const DiskRoom& looked) {
  unseen_bytes_ = unseen;
  if (looked.available_bytes != kUnknown) {
    noted_available_ = looked.available_bytes;
  }
}

DiskBudget::RoomPointer DiskBudget::promise(std::uint64_t bytes, std::uint64_t needed, DiskRoom& found) {
  const std::lock_guard lock(mutex_);
  found = look();
  if (found.left() < needed) {
    return nullptr;
  }
  note_promises(found.promised_bytes + bytes, found);
  promised_bytes_ += bytes;
  return std::make_shared<const Room>(*this, bytes);
}

// What others were promised and have not taken may be no more than all of it: what this one did not take goes with it.
void DiskBudget::give_back(std::uint64_t bytes) {
  const std::lock_guard lock(mutex_);
  const DiskRoom now = look();
  promised_bytes_ -= bytes;
  note_promises(std::min(now.promised_bytes, promised_bytes_), now);
}

Result<DiskBudget::RoomPointer> DiskBudget::take(Use use, std::uint64_t times) {
  const std::uint64_t own = bytes_of(use) * times;
  const std::uint64_t need = own + (use == Use::kSuspension ? 0 : sources_.running_bytes());
  DiskRoom found;
  RoomPointer room = promise(own, need, found);
  if (room == nullptr) {
    count_unless_fresh();
    room = promise(own, need, found);
  }
  if (room != nullptr) {
    return room;
  }
  return fail(ErrorKind::kResourceExhausted, sentence(use, need, found));
}

// Why `found` is too little.
std::string DiskBudget::sentence(Use use, std::uint64_t need, const DiskRoom& found) {
  const bool by_budget =
      found.budget_bytes && less(*found.budget_bytes, found.held_bytes) < less(found.available_bytes, kReserveBytes);
  const std::string promised = found.promised_bytes == 0 ? ""
                                                         : fmt::format(", {} of it for what was accepted just before",
                                                                       size_text(found.promised_bytes));
  const std::string state = by_budget ? fmt::format("the disk budget of {} (--disk-budget) has {} left",
                                                    size_text(*found.budget_bytes),
                                                    size_text(less(*found.budget_bytes, found.held_bytes)))
                                      : fmt::format("the host's disk has {} free", size_text(found.available_bytes));
  return fmt::format(
      "{}{}, and {} needs {}{}: delete images, checkpoints or artifacts that are not needed any more "
      "(`dormouse df` shows what holds how much){}",
      state,
      promised,
      name_of(use),
      size_text(need + (by_budget ? 0 : kReserveBytes)),
      use == Use::kSuspension ? "" : ", with what puts the MicroVMs that run to sleep",
      by_budget ? ", or raise the budget" : ", or make room otherwise");
}

}  // namespace dormouse::control
