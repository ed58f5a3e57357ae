// SPDX-License-Identifier: Apache-2.0

#pragma once

#include <span>
#include <string>

#include "telemetry/span_sink.h"

namespace dormouse::otlp {

// An ExportTraceServiceRequest in the JSON encoding of OTLP 1.x: ids in hexadecimal, 64-bit integers as strings, enumerations
// as numbers.
std::string encode(std::span<const telemetry::FinishedSpan> spans, const std::string& service_version);

}  // namespace dormouse::otlp
