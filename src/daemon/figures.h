// SPDX-License-Identifier: Apache-2.0

#pragma once

#include "control/disk_budget.h"
#include "host/host.h"
#include "otlp/exporter.h"
#include "store/metadata_store.h"
#include "telemetry/telemetry.h"

namespace dormouse::daemon {

// What /metrics shows of parts that keep figures of their own. All outlive the last rendering.
struct FigureSources {
  const host::Host& host;
  store::MetadataStore& metadata;
  const control::DiskBudget& disk;
  const otlp::Exporter* exporter = nullptr;
};

// Has them read before each rendering.
void collect_figures(telemetry::Telemetry& telemetry, const FigureSources& sources);

}  // namespace dormouse::daemon
