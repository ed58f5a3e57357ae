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

std::string size_text(std::uint64_t bytes) {
  constexpr std::uint64_t kGiB = 1ULL << 30U;
  return bytes < 10 * kGiB ? fmt::format("{} MiB", bytes >> 20U)
                           : fmt::format("{:.1f} GiB", static_cast<double>(bytes) / static_cast<double>(kGiB));
}

std::uint64_t DiskRoom::left() const {
  const std::uint64_t of_budget = budget_bytes ? less(*budget_bytes, held_bytes) : UINT64_MAX;
  return std::min(of_budget, less(available_bytes, DiskBudget::kReserveBytes));
}

DiskRoom DiskBudget::room() const {
  DiskRoom room;
  room.budget_bytes = budget_bytes_;
  const auto facts = sources_.file_system();
  if (!facts) {
    log::warning("the disk's free space is not known", {{"error", facts.error().message()}});
    room.available_bytes = UINT64_MAX;  // what finds no space says so itself
    return room;
  }
  room.file_system_bytes = facts->total_bytes;
  room.available_bytes = facts->available_bytes;
  const std::lock_guard lock(mutex_);
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
  const std::uint64_t all = room.held_bytes + room.left();
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

std::uint64_t DiskBudget::needed(Use use) const {
  switch (use) {
    case Use::kBuild: return kBuildBytes + sources_.running_bytes();
    case Use::kLaunch: return kLaunchBytes + sources_.running_bytes();
    case Use::kCheckpoint: return sources_.suspension_bytes() + sources_.running_bytes();
    case Use::kSuspension: return sources_.suspension_bytes();
  }
  return 0;
}

Status DiskBudget::check(Use use) {
  const std::uint64_t need = needed(use);
  DiskRoom found = room();
  if (found.left() < need) {
    count_unless_fresh();
    found = room();
  }
  if (found.left() >= need) {
    return {};
  }
  const bool by_budget =
      found.budget_bytes && less(*found.budget_bytes, found.held_bytes) < less(found.available_bytes, kReserveBytes);
  const std::string state = by_budget ? fmt::format("the disk budget of {} (--disk-budget) has {} left",
                                                    size_text(*found.budget_bytes),
                                                    size_text(less(*found.budget_bytes, found.held_bytes)))
                                      : fmt::format("the host's disk has {} free", size_text(found.available_bytes));
  return fail(ErrorKind::kResourceExhausted,
              fmt::format("{}, and {} needs {}{}: delete images, checkpoints or artifacts that are not needed any more "
                          "(`dormouse df` shows what holds how much){}",
                          state,
                          name_of(use),
                          size_text(need + (by_budget ? 0 : kReserveBytes)),
                          use == Use::kSuspension ? "" : ", with what puts the MicroVMs that run to sleep",
                          by_budget ? ", or raise the budget" : ", or make room otherwise"));
}

}  // namespace dormouse::control
