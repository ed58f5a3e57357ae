// SPDX-License-Identifier: Apache-2.0

#include "daemon/figures.h"

#include <unistd.h>

#include <chrono>
#include <map>
#include <string>
#include <vector>

#include "base/log.h"
#include "control/identifiers.h"
#include "os/host_facts.h"
#include "os/process.h"

namespace dormouse::daemon {
namespace {

void count_microvms(telemetry::Metrics& metrics, store::MetadataStore& metadata) {
  const auto rows = metadata.live_microvms();
  if (!rows) {
    log::warning("the metrics leave out the microvms", {{"error", rows.error().message()}});
    return;
  }
  std::map<std::vector<std::string>, double> by_state;
  for (const auto& row : *rows) {
    ++by_state[{row.state, metrics.image_label(control::image_name_of(row.image_arn))}];
  }
  metrics.microvms.replace(by_state);
}

void read_figures(telemetry::Metrics& metrics, const FigureSources& sources) {
  count_microvms(metrics, sources.metadata);
  const host::Host::PoolFigures pool = sources.host.pool_figures();
  metrics.pool_clones.set({}, static_cast<double>(pool.stock));
  metrics.pool_started.set({}, static_cast<double>(pool.started));
  metrics.pool_rehearsed.set({}, static_cast<double>(pool.rehearsed));
  metrics.pool_hits.raise_to({}, static_cast<double>(pool.hits));
  metrics.pool_misses.raise_to({}, static_cast<double>(pool.misses));
  const host::Host::KeptFigures kept = sources.host.kept_figures();
  metrics.kept_processes.set({}, static_cast<double>(kept.processes));
  metrics.kept_hits.raise_to({}, static_cast<double>(kept.hits));
  metrics.ready.set({}, sources.host.not_ready() ? 0 : 1);
  if (const auto memory = os::read_memory_facts()) {
    metrics.memory_available.set({}, static_cast<double>(memory->available_bytes));
  }
  std::map<std::vector<std::string>, double> held;
  for (const auto& [kind, bytes] : sources.disk.by_kind()) {
    held[{kind}] = static_cast<double>(bytes);
  }
  metrics.storage.replace(held);
  const control::DiskRoom room = sources.disk.room();
  metrics.disk_left.set({}, static_cast<double>(room.left()));
  if (room.budget_bytes) {
    metrics.disk_budget.set({}, static_cast<double>(*room.budget_bytes));
  }
  if (const auto memory = os::memory_of(::getpid())) {
    metrics.resident_memory.set({}, static_cast<double>(memory->resident));
  }
  if (sources.exporter != nullptr) {
    const otlp::Exporter::Figures exported = sources.exporter->figures();
    metrics.spans_exported.raise_to({}, static_cast<double>(exported.exported));
    metrics.spans_dropped.raise_to({"queue_full"}, static_cast<double>(exported.dropped_full));
    metrics.spans_dropped.raise_to({"not_accepted"}, static_cast<double>(exported.dropped_refused));
  }
}

}  // namespace

void collect_figures(telemetry::Telemetry& telemetry, const FigureSources& sources) {
  const auto now = std::chrono::system_clock::now().time_since_epoch();
  telemetry::Metrics& metrics = telemetry.metrics();
  metrics.start_time.set({}, std::chrono::duration<double>(now).count());
  metrics.information.set({DM_VERSION, host::to_string(sources.host.isolation())}, 1);
  telemetry.on_render([sources](telemetry::Metrics& rendered) { read_figures(rendered, sources); });
}

}  // namespace dormouse::daemon
