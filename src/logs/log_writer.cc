// SPDX-License-Identifier: Apache-2.0

#include "logs/log_writer.h"

#include <utility>

#include "base/log.h"

namespace dormouse::logs {

LogWriter::LogWriter(LogStore& store, Clock& clock, Options options)
    : store_(store), clock_(clock), options_(options) {}

Result<std::unique_ptr<LogWriter>> LogWriter::start(LogStore& store, Clock& clock, Options options) {
  std::unique_ptr<LogWriter> writer(new LogWriter(store, clock, options));
  DM_ASSIGN(const std::vector<KnownSource> known, store.sources(), "");
  for (const KnownSource& source : known) {
    writer->sources_.emplace(source.source,
                             Source{source.destination,
                                    OutputIntake(options.source, source.next_offset),
                                    source.next_offset,
                                    false,
                                    false,
                                    true});
  }
  writer->thread_ = std::thread([raw = writer.get()] { raw->loop(); });
  return writer;
}

LogWriter::~LogWriter() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
    wake_.notify_all();
  }
  if (thread_.joinable()) {
    thread_.join();
  }
  (void)flush();  // said where it fails
}

void LogWriter::open(const std::string& source, const Destination& destination) {
  const std::lock_guard lock(mutex_);
  const auto [place, inserted] = sources_.try_emplace(
      source, Source{destination, OutputIntake(options_.source, std::nullopt), std::nullopt, true, false, false});
  if (inserted) {
    ++never_stored_;
  }
}

template <typename Work>
void LogWriter::change(Source& source, const Work& work) {
  const std::size_t before = source.intake.pending_bytes();
  work(source.intake);
  pending_bytes_ = pending_bytes_ + source.intake.pending_bytes() - before;
}

void LogWriter::write(const std::string& source, const OutputPiece& piece) {
  const std::lock_guard lock(mutex_);
  const auto found = sources_.find(source);
  if (found == sources_.end() || found->second.ended) {
    return;
  }
  const bool room = pending_bytes_ < options_.pending_bytes_max;
  change(found->second, [&](OutputIntake& intake) { intake.take(piece, room, clock_.wall(), clock_.steady()); });
  found->second.changed = true;
}

void LogWriter::close(const std::string& source) {
  const std::lock_guard lock(mutex_);
  const auto found = sources_.find(source);
  if (found == sources_.end() || found->second.ended) {
    return;
  }
  change(found->second, [&](OutputIntake& intake) { intake.finish(clock_.wall()); });
  found->second.ended = found->second.changed = true;
}

Status LogWriter::restart(const std::string& source) {
  {
    const std::lock_guard lock(mutex_);
    const auto found = sources_.find(source);
    if (found == sources_.end()) {
      return {};
    }
    change(found->second, [&](OutputIntake& intake) { intake.restart(clock_.wall()); });
    found->second.changed = true;
    found->second.stored_offset.reset();
  }
  return flush();
}

void LogWriter::close_others(std::string_view prefix, const std::set<std::string>& except) {
  std::vector<std::string> names;
  {
    const std::lock_guard lock(mutex_);
    for (const auto& [name, source] : sources_) {
      if (name.starts_with(prefix) && !except.contains(name)) {
        names.push_back(name);
      }
    }
  }
  for (const std::string& name : names) {
    close(name);
  }
}

std::optional<std::uint64_t> LogWriter::wanted_from(const std::string& source) const {
  const std::lock_guard lock(mutex_);
  const auto found = sources_.find(source);
  return found == sources_.end() ? std::nullopt : found->second.stored_offset;
}

std::vector<SourceOutput> LogWriter::collect() {
  const std::lock_guard lock(mutex_);
  std::vector<SourceOutput> outputs;
  for (auto& [name, source] : sources_) {
    std::vector<NewEvent> events;
    change(source, [&](OutputIntake& intake) {
      intake.age(clock_.wall(), clock_.steady());
      events = intake.take_events();
    });
    const std::optional<std::uint64_t> offset = source.intake.settled_offset();
    if (source.changed || !events.empty() || offset != source.stored_offset) {
      source.changed = false;
      outputs.push_back({name, source.destination, std::move(events), offset, source.ended});
    }
  }
  return outputs;
}

void LogWriter::stored(const std::vector<SourceOutput>& outputs, bool success) {
  const std::lock_guard lock(mutex_);
  for (const SourceOutput& output : outputs) {
    const auto found = sources_.find(output.source);
    if (found == sources_.end()) {
      continue;
    }
    if (!success) {
      found->second.intake.not_stored(output.events);
      found->second.changed = true;
      continue;
    }
    if (!std::exchange(found->second.stored, true)) {
      --never_stored_;
    }
    if (output.ended) {
      sources_.erase(found);
    } else {
      found->second.stored_offset = output.next_offset;
    }
  }
}

Status LogWriter::flush() {
  const std::lock_guard storing(storing_);
  const std::vector<SourceOutput> outputs = collect();
  if (outputs.empty()) {
    return {};
  }
  const Status appended = store_.append(outputs);
  stored(outputs, appended.has_value());
  if (!appended && !std::exchange(failing_, true)) {
    log::error("logs cannot be stored; what is written meanwhile is dropped", {{"error", appended.error().message()}});
  } else if (appended && std::exchange(failing_, false)) {
    log::info("logs are stored again");
  }
  return appended;
}

Status LogWriter::make_streams() {
  {
    const std::lock_guard lock(mutex_);
    if (never_stored_ == 0) {
      return {};
    }
  }
  return flush();
}

void LogWriter::loop() {
  SteadyTime expire_at = clock_.steady();
  for (;;) {
    {
      std::unique_lock lock(mutex_);
      const SteadyTime until = clock_.steady() + options_.interval;
      while (!stopping_ && clock_.steady() < until) {
        clock_.wait_until(wake_, lock, until);
      }
      if (stopping_) {
        return;
      }
    }
    (void)flush();
    if (clock_.steady() >= expire_at) {
      expire_at = clock_.steady() + options_.expiry_interval;
      if (const Status expired = store_.expire(); !expired) {
        log::error("old logs cannot be removed", {{"error", expired.error().message()}});
      }
    }
  }
}

}  // namespace dormouse::logs
