// SPDX-License-Identifier: Apache-2.0

#include "telemetry/metrics.h"

#include <algorithm>
#include <sstream>
#include <unordered_map>
#include <utility>

#include <prometheus/counter.h>
#include <prometheus/family.h>
#include <prometheus/gauge.h>
#include <prometheus/histogram.h>
#include <prometheus/registry.h>
#include <prometheus/text_serializer.h>

namespace dormouse::telemetry {
namespace {

// Seconds, dense between 1 ms and 1 s, where launches and wakes are; builds take minutes.
const prometheus::Histogram::BucketBoundaries kBuckets = {
    0.001, 0.0025, 0.005, 0.01, 0.02, 0.035, 0.05, 0.075, 0.1, 0.15, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300};
constexpr char kSeparator = '\x1f';  // between label values in a key

// `Values` are texts in the order of a family's label names.
template <typename Values>
std::string key_of(const Values& values) {
  std::string key;
  key.reserve(64);
  for (const std::string_view value : values) {
    key += value;
    key += kSeparator;
  }
  return key;
}

}  // namespace

class Registry {
 public:
  struct Description {
    std::string name;
    std::string help;
    prometheus::MetricType type;
  };

  template <typename T>
  prometheus::Family<T>& family(const std::string& name, const std::string& help) {
    described_.push_back({name, help, T::metric_type});
    auto builder = prometheus::detail::Builder<T>();
    return builder.Name(name).Help(help).Register(registry_);
  }

  std::string render() const {
    std::vector<prometheus::MetricFamily> families = registry_.Collect();
    for (const Description& described : described_) {
      const bool there = std::any_of(
          families.begin(), families.end(), [&](const auto& family) { return family.name == described.name; });
      if (!there) {
        prometheus::MetricFamily empty;
        empty.name = described.name;
        empty.help = described.help;
        empty.type = described.type;
        families.push_back(std::move(empty));
      }
    }
    std::ostringstream text;
    prometheus::TextSerializer().Serialize(text, families);
    return text.str();
  }

 private:
  prometheus::Registry registry_;
  std::vector<Description> described_;  // constant after construction of Metrics
};

// The series of one family by their label values.
template <typename Metric>
class Series {
 public:
  Series(Registry& registry, const std::string& name, const std::string& help, std::vector<std::string> labels)
      : family_(registry.family<Metric>(name, help)), names_(std::move(labels)) {}

  template <typename... Arguments>
  Metric& with(LabelValues values, const Arguments&... arguments) {
    std::string key = key_of(values);
    const std::lock_guard lock(mutex_);
    const auto found = series_.find(key);
    return found != series_.end() ? *found->second : make(std::move(key), values, arguments...);
  }

  void replace(const std::map<std::vector<std::string>, double>& values) {
    const std::lock_guard lock(mutex_);
    for (const auto& [key, series] : series_) {
      family_.Remove(series);
    }
    series_.clear();
    for (const auto& [label_values, value] : values) {
      make(key_of(label_values), label_values).Set(value);
    }
  }

 private:
  template <typename Values, typename... Arguments>
  Metric& make(std::string key, const Values& values, const Arguments&... arguments) {
    prometheus::Labels labels;
    auto name = names_.begin();
    for (const std::string_view value : values) {
      labels.emplace(*name++, value);
    }
    Metric& made = family_.Add(labels, arguments...);
    series_.emplace(std::move(key), &made);
    return made;
  }

  prometheus::Family<Metric>& family_;
  const std::vector<std::string> names_;
  std::mutex mutex_;
  std::unordered_map<std::string, Metric*> series_;  // guarded by mutex_
};

template <typename Metric>
Family<Metric>::Family(Registry& registry,
                       const std::string& name,
                       const std::string& help,
                       std::vector<std::string> labels)
    : series_(std::make_unique<Series<Metric>>(registry, name, help, std::move(labels))) {}
template <typename Metric>
Family<Metric>::~Family() = default;

template class Family<prometheus::Counter>;
template class Family<prometheus::Gauge>;
template class Family<prometheus::Histogram>;

void CounterFamily::add(LabelValues labels, double value) { series_->with(labels).Increment(value); }

void CounterFamily::raise_to(LabelValues labels, double total) {
  prometheus::Counter& counter = series_->with(labels);
  const std::lock_guard lock(raising_);
  counter.Increment(std::max(0.0, total - counter.Value()));
}

void GaugeFamily::set(LabelValues labels, double value) { series_->with(labels).Set(value); }

void GaugeFamily::replace(const std::map<std::vector<std::string>, double>& values) { series_->replace(values); }

void HistogramFamily::observe(LabelValues labels, double seconds) { series_->with(labels, kBuckets).Observe(seconds); }

std::string BoundedLabel::admit(const std::string& value) {
  const std::lock_guard lock(mutex_);
  if (values_.contains(value)) {
    return value;
  }
  if (values_.size() >= limit_) {
    return "other";
  }
  values_.insert(value);
  return value;
}

Metrics::Metrics(std::size_t images_max)
    : registry_(std::make_unique<Registry>()),
      images_(images_max),
      operations(*registry_,
                 "dormouse_operation_duration_seconds",
                 "From the call, or the request, that asked for an operation to its end.",
                 {"operation", "image", "outcome"}),
      steps(*registry_,
            "dormouse_step_duration_seconds",
            "The steps of operations; some contain others.",
            {"operation", "step", "image", "outcome"}),
      first_bytes(*registry_,
                  "dormouse_first_byte_seconds",
                  "From the begin of an operation to the first byte of the answer to a request that waited for it.",
                  {"operation", "image"}),
      snapshot_bytes(*registry_,
                     "dormouse_snapshot_bytes_total",
                     "Bytes of memory and device states written to and read from snapshots.",
                     {"operation", "direction", "image"}),
      slow_paths(*registry_,
                 "dormouse_slow_paths_total",
                 "Operations that found nothing made ahead.",
                 {"operation", "reason", "image"}),
      refusals(*registry_,
               "dormouse_refusals_total",
               "Calls and requests that were refused.",
               {"surface", "operation", "reason", "image"}),
      unexpected_ends(*registry_,
                      "dormouse_unexpected_ends_total",
                      "MicroVMs that ended although nobody ended them.",
                      {"cause", "image"}),
      api_requests(*registry_,
                   "dormouse_api_request_duration_seconds",
                   "Calls of the API by operation and HTTP status.",
                   {"operation", "status"}),
      endpoint_requests(*registry_,
                        "dormouse_endpoint_requests_total",
                        "Requests to endpoints, by the HTTP status that the client was given.",
                        {"status", "image"}),
      endpoint_answers(*registry_,
                       "dormouse_endpoint_first_byte_seconds",
                       "From the header of a request at an endpoint to the first byte of its answer, waking included.",
                       {"image"}),
      microvms(*registry_, "dormouse_microvms", "MicroVMs by state.", {"state", "image"}),
      pool_clones(*registry_, "dormouse_pool_clones", "Clones made ahead that wait for a launch or a wake.", {}),
      pool_started(*registry_, "dormouse_pool_started", "Of these, processes merely started, for VMs that wake.", {}),
      pool_rehearsed(
          *registry_, "dormouse_pool_rehearsed", "Of the others, those whose application has rehearsed.", {}),
      pool_hits(*registry_, "dormouse_pool_hits_total", "Launches and wakes that found a clone made ahead.", {}),
      pool_misses(*registry_, "dormouse_pool_misses_total", "Launches and wakes that found none.", {}),
      kept_processes(*registry_, "dormouse_kept_processes", "Processes of suspended VMs kept for a quick wake.", {}),
      kept_hits(*registry_, "dormouse_kept_hits_total", "Wakes that found the process of their VM kept.", {}),
      spans_exported(*registry_, "dormouse_spans_exported_total", "Spans that the OTLP collector accepted.", {}),
      spans_dropped(*registry_, "dormouse_spans_dropped_total", "Spans that were dropped instead.", {"reason"}),
      ready(*registry_, "dormouse_ready", "1 when a MicroVM can be launched.", {}),
      information(*registry_, "dormouse_build_info", "Always 1.", {"version", "isolation"}),
      memory_available(*registry_,
                       "dormouse_host_memory_available_bytes",
                       "Memory that the host could give out without swapping.",
                       {}),
      storage(*registry_, "dormouse_storage_bytes", "Allocated in the data directory, counted every minute.", {"kind"}),
      disk_budget(*registry_, "dormouse_disk_budget_bytes", "What the data directory may hold.", {}),
      disk_left(*registry_, "dormouse_disk_left_bytes", "What the data directory may still take.", {}),
      resident_memory(*registry_, "process_resident_memory_bytes", "Resident memory of the daemon.", {}),
      start_time(*registry_, "process_start_time_seconds", "When the daemon started, as Unix time.", {}) {}

Metrics::~Metrics() = default;

std::string Metrics::render() const { return registry_->render(); }

}  // namespace dormouse::telemetry
