// SPDX-License-Identifier: Apache-2.0

#include "telemetry/telemetry.h"

#include <sys/random.h>

#include <algorithm>
#include <cerrno>
#include <system_error>

#include "telemetry/recorded_operation.h"

namespace dormouse::telemetry {
namespace {

constexpr std::uint64_t kStep = 0x9e3779b97f4a7c15;  // of SplitMix64: odd, so that every state comes once

std::uint64_t random_seed() {
  std::uint64_t seed = 0;
  if (::getrandom(&seed, sizeof seed, 0) != static_cast<ssize_t>(sizeof seed)) {
    throw std::system_error(errno, std::generic_category(), "getrandom");
  }
  return seed;
}

}  // namespace

Telemetry::Telemetry(const Clock& clock, Options options, SpanSink* sink)
    : clock_(clock), options_(options), sink_(sink), metrics_(options.images_max), ids_(random_seed()) {}

Telemetry::~Telemetry() = default;

// SplitMix64 (Steele, Lea, Flood 2014): every id once in 2^64, not guessable from outside by accident. Never zero.
std::uint64_t Telemetry::next_id() {
  std::uint64_t z = ids_.fetch_add(kStep, std::memory_order_relaxed) + kStep;
  z = (z ^ (z >> 30U)) * 0xbf58476d1ce4e5b9;
  z = (z ^ (z >> 27U)) * 0x94d049bb133111eb;
  z ^= z >> 31U;
  return z != 0 ? z : kStep;
}

tracing::Cause Telemetry::receive(std::string_view traceparent) {
  tracing::Cause cause;
  cause.arrived = clock_.steady();
  if (const auto caller = tracing::parse_traceparent(traceparent)) {
    cause.caller = *caller;
    cause.position = {caller->trace_high, caller->trace_low, next_id(), caller->sampled};
  } else {
    cause.position = {next_id(), next_id(), next_id(), true};
  }
  return cause;
}

void Telemetry::answered(const tracing::Cause& cause,
                         std::string name,
                         std::string outcome,
                         std::vector<std::pair<std::string, std::string>> attributes) {
  if (sink_ == nullptr || !cause.position.sampled) {
    return;
  }
  FinishedSpan span;
  span.name = std::move(name);
  span.position = cause.position;
  span.parent_span = cause.caller.span;
  span.is_server = true;
  const auto end = std::chrono::duration_cast<std::chrono::nanoseconds>(clock_.wall().time_since_epoch());
  const std::chrono::nanoseconds duration = clock_.steady() - cause.arrived;
  span.begin_unix_ns = (end - duration).count();
  span.end_unix_ns = end.count();
  span.outcome = std::move(outcome);
  span.attributes = std::move(attributes);
  give(std::move(span));
}

tracing::Trace Telemetry::begin(Subject subject, const tracing::Cause& cause) {
  return tracing::Trace(std::make_shared<RecordedOperation>(*this, std::move(subject), cause));
}

void Telemetry::ended(const std::shared_ptr<RecordedOperation>& operation) {
  std::shared_ptr<RecordedOperation> oldest;  // destroyed without the lock
  const std::lock_guard lock(mutex_);
  auto& kept = recent_[operation->subject().operation];
  kept.push_back(operation);
  if (kept.size() > options_.operations_kept) {
    oldest = std::move(kept.front());
    kept.pop_front();
  }
}

void Telemetry::give(FinishedSpan span) {
  if (sink_ != nullptr) {
    sink_->take(std::move(span));
  }
}

std::vector<OperationRecord> Telemetry::recent(std::string_view operation,
                                               std::string_view account,
                                               std::size_t limit) const {
  std::vector<std::shared_ptr<RecordedOperation>> found;
  {
    const std::lock_guard lock(mutex_);
    for (const auto& [name, kept] : recent_) {
      if (operation.empty() || name == operation) {
        std::copy_if(kept.begin(), kept.end(), std::back_inserter(found), [&](const auto& candidate) {
          return candidate->subject().account == account;
        });
      }
    }
  }
  std::sort(found.begin(), found.end(), [](const auto& a, const auto& b) { return a->begin() > b->begin(); });
  found.resize(std::min(found.size(), limit));
  std::vector<OperationRecord> records;
  records.reserve(found.size());
  for (const auto& one : found) {
    records.push_back(one->record());
  }
  return records;
}

std::string Telemetry::render() {
  const std::lock_guard lock(rendering_);
  for (const auto& collector : collectors_) {
    collector(metrics_);
  }
  return metrics_.render();
}

}  // namespace dormouse::telemetry
