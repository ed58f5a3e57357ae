// SPDX-License-Identifier: Apache-2.0
//
// What goes: events beyond the bounds on bytes, and those that are too old.

#include <algorithm>
#include <limits>
#include <utility>
#include <vector>

#include "logs/log_store.h"
#include "store/sqlite.h"

namespace dormouse::logs {

using store::SqliteTransaction;

namespace {

constexpr std::size_t kEventsAtOnce = 1'000;
constexpr std::int64_t kForEver = std::numeric_limits<std::int64_t>::max();
constexpr std::int64_t kDayMilliseconds = 24LL * 3600 * 1000;

}  // namespace

// The oldest events of a stream that are older than `before_ms`; answers their bytes.
Result<std::uint64_t> LogStore::remove_oldest(std::int64_t stream, std::size_t count, std::int64_t before_ms) {
  std::int64_t bytes = 0;
  {
    DM_ASSIGN(auto sum,
              writer_->prepare("SELECT coalesce(sum(cost), 0) FROM (SELECT cost FROM events WHERE stream_id = ? AND "
                               "timestamp_ms < ? ORDER BY timestamp_ms, id LIMIT ?)"),
              "");
    DM_TRY(sum.bind(stream).bind(before_ms).bind(static_cast<std::int64_t>(count)).step(), "");
    bytes = sum.number();
  }
  if (bytes == 0) {
    return 0;
  }
  DM_ASSIGN(auto remove,
            writer_->prepare("DELETE FROM events WHERE id IN (SELECT id FROM events WHERE stream_id = ? AND "
                             "timestamp_ms < ? ORDER BY timestamp_ms, id LIMIT ?)"),
            "");
  DM_TRY(remove.bind(stream).bind(before_ms).bind(static_cast<std::int64_t>(count)).run(), "");
  DM_ASSIGN(auto update, writer_->prepare("UPDATE streams SET bytes = bytes - ? WHERE id = ?"), "");
  DM_TRY(update.bind(bytes).bind(stream).run(), "");
  const auto removed = static_cast<std::uint64_t>(bytes);
  total_bytes_ -= std::min(total_bytes_, removed);
  return removed;
}

Status LogStore::trim(std::int64_t stream, std::uint64_t bytes_max) {
  for (;;) {
    std::uint64_t bytes = 0;
    {
      DM_ASSIGN(auto select, writer_->prepare("SELECT bytes FROM streams WHERE id = ?"), "");
      DM_TRY(select.bind(stream).step(), "");
      bytes = static_cast<std::uint64_t>(select.number());
    }
    if (bytes <= bytes_max) {
      return {};
    }
    // Few where events are large: no more than needed should go.
    const std::size_t count = std::clamp<std::size_t>((bytes - bytes_max) / 4096 + 1, 1, kEventsAtOnce);
    DM_ASSIGN(const std::uint64_t removed, remove_oldest(stream, count, kForEver), "");
    if (removed == 0) {
      return {};
    }
  }
}

// Takes from the stream that has most, until there is room again.
Status LogStore::keep_bounds() {
  if (total_bytes_ <= options_.bytes_max) {
    return {};
  }
  const auto wanted = static_cast<std::uint64_t>(static_cast<double>(options_.bytes_max) * (1 - kRoomShare));
  while (total_bytes_ > wanted) {
    std::int64_t largest = 0;
    std::uint64_t bytes = 0;
    {
      DM_ASSIGN(auto select, writer_->prepare("SELECT id, bytes FROM streams ORDER BY bytes DESC LIMIT 1"), "");
      DM_ASSIGN(const bool found, select.step(), "");
      if (!found) {
        return {};
      }
      largest = select.number();
      bytes = static_cast<std::uint64_t>(select.number());
    }
    const std::uint64_t before = total_bytes_;
    // Half of it at most: then another may be the largest.
    DM_TRY(trim(largest, std::max(bytes / 2, bytes - std::min(bytes, total_bytes_ - wanted))), "");
    if (total_bytes_ == before) {
      return {};
    }
  }
  return {};
}

Status LogStore::expire_stream(std::int64_t stream, std::int64_t before_ms) {
  for (;;) {
    const std::lock_guard lock(writing_);
    DM_ASSIGN(auto transaction, SqliteTransaction::begin(*writer_), "");
    DM_ASSIGN(const std::uint64_t removed, remove_oldest(stream, kEventsAtOnce, before_ms), "");
    if (removed == 0) {
      // A stream that has nothing left, and gets nothing more, goes too.
      DM_ASSIGN(
          auto remove,
          writer_->prepare("DELETE FROM streams WHERE id = ? AND bytes = 0 AND max(created_ms, last_event_ms) < ? "
                           "AND NOT EXISTS (SELECT 1 FROM sources JOIN groups ON groups.account = "
                           "sources.account AND groups.name = sources.log_group WHERE groups.id = "
                           "streams.group_id AND sources.log_stream = streams.name)"),
          "");
      DM_TRY(remove.bind(stream).bind(before_ms).run(), "");
      return transaction.commit();
    }
    DM_TRY(transaction.commit(), "");
  }
}

Status LogStore::expire() {
  const std::int64_t now_ms = to_milliseconds(clock_.wall());
  const std::int64_t oldest_ms =
      now_ms - std::chrono::duration_cast<std::chrono::milliseconds>(options_.age_max).count();
  std::vector<std::pair<std::int64_t, std::int64_t>> streams;  // and the time before which their events go
  {
    const std::lock_guard lock(writing_);
    DM_ASSIGN(auto select,
              writer_->prepare("SELECT streams.id, groups.retention_days FROM streams JOIN groups ON groups.id = "
                               "streams.group_id"),
              "expire logs");
    for (;;) {
      DM_ASSIGN(const bool row, select.step(), "expire logs");
      if (!row) {
        break;
      }
      const std::int64_t id = select.number();
      const auto days = select.optional_number();
      streams.emplace_back(id, days ? std::max(oldest_ms, now_ms - *days * kDayMilliseconds) : oldest_ms);
    }
  }
  for (const auto& [stream, before_ms] : streams) {
    DM_TRY(expire_stream(stream, before_ms), "expire logs");
  }
  const std::lock_guard lock(writing_);
  return writer_->execute("PRAGMA incremental_vacuum(4096)");
}

}  // namespace dormouse::logs
