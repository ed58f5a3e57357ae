// SPDX-License-Identifier: Apache-2.0
//
// What is counted and measured, for Prometheus (docs/reference/metrics.md lists it for users).

#pragma once

#include <cstddef>
#include <initializer_list>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <string_view>
#include <vector>

namespace prometheus {
class Counter;
class Gauge;
class Histogram;
}  // namespace prometheus

namespace dormouse::telemetry {

// The values of one label in the order of the family's label names.
using LabelValues = std::initializer_list<std::string_view>;

class Registry;
template <typename Metric>
class Series;

// One name, some labels, a series for each combination of their values. Thread-safe; under a microsecond.
template <typename Metric>
class Family {
 public:
  Family(Registry& registry, const std::string& name, const std::string& help, std::vector<std::string> labels);
  ~Family();

 protected:
  std::unique_ptr<Series<Metric>> series_;
};

class CounterFamily : public Family<prometheus::Counter> {
 public:
  using Family::Family;
  void add(LabelValues labels, double value = 1);
  void raise_to(LabelValues labels, double total);  // for what is counted elsewhere; never lowers

 private:
  std::mutex raising_;
};

class GaugeFamily : public Family<prometheus::Gauge> {
 public:
  using Family::Family;
  void set(LabelValues labels, double value);
  void replace(const std::map<std::vector<std::string>, double>& values);  // and no other series
};

class HistogramFamily : public Family<prometheus::Histogram> {
 public:
  using Family::Family;
  void observe(LabelValues labels, double seconds);
};

// The values that one label may have: the first `limit` different ones, and "other" for all that come later. Thread-safe.
class BoundedLabel {
 public:
  explicit BoundedLabel(std::size_t limit) : limit_(limit) {}
  std::string admit(const std::string& value);

 private:
  const std::size_t limit_;
  std::mutex mutex_;
  std::set<std::string> values_;  // guarded by mutex_
};

// All families of the daemon. Labels have few values by construction; images, which users name, pass image_label().
class Metrics {
 public:
  explicit Metrics(std::size_t images_max);
  ~Metrics();
  Metrics(const Metrics&) = delete;
  Metrics& operator=(const Metrics&) = delete;

  std::string image_label(const std::string& image) { return images_.admit(image); }

  // The text format, version 0.0.4. Families without a series show their HELP and TYPE.
  std::string render() const;

 private:
  std::unique_ptr<Registry> registry_;
  BoundedLabel images_;

 public:
  HistogramFamily operations;        // operation, image, outcome
  HistogramFamily steps;             // operation, step, image, outcome
  HistogramFamily first_bytes;       // operation, image
  CounterFamily snapshot_bytes;      // operation, direction, image
  CounterFamily slow_paths;          // operation, reason, image
  CounterFamily refusals;            // surface, operation, reason, image
  CounterFamily unexpected_ends;     // cause, image
  HistogramFamily api_requests;      // operation, status
  CounterFamily endpoint_requests;   // status, image
  HistogramFamily endpoint_answers;  // image
  GaugeFamily microvms;              // state, image
  GaugeFamily pool_clones;
  GaugeFamily pool_started;
  GaugeFamily pool_rehearsed;
  CounterFamily pool_hits;
  CounterFamily pool_misses;
  GaugeFamily kept_processes;
  CounterFamily kept_hits;
  CounterFamily spans_exported;
  CounterFamily spans_dropped;  // reason
  GaugeFamily ready;
  GaugeFamily information;  // version, isolation
  GaugeFamily memory_available;
  GaugeFamily storage;
  GaugeFamily disk_budget;
  GaugeFamily disk_left;
  GaugeFamily resident_memory;
  GaugeFamily start_time;
};

}  // namespace dormouse::telemetry
