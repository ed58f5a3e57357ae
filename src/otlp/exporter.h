// SPDX-License-Identifier: Apache-2.0

#pragma once

#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "base/error.h"
#include "telemetry/span_sink.h"

namespace dormouse::otlp {

// Sends finished spans to an OTLP collector, over HTTP as JSON (POST to <endpoint>/v1/traces), in batches, from one thread of
// its own. What the collector does not take is dropped and counted: nothing waits for it, and memory is bounded by
// kQueueMax spans.
//
// Thread-safe.
class Exporter final : public telemetry::SpanSink {
 public:
  static constexpr std::size_t kQueueMax = 4096;
  static constexpr std::size_t kBatchMax = 512;
  static constexpr std::chrono::milliseconds kBatchWait{1000};  // that a span waits for company
  static constexpr std::chrono::seconds kPostTimeout{5};

  // Answers whether the collector accepted the batch. Blocks.
  using Post = std::function<Status(const std::string& body)>;

  // kInvalidArgument for an endpoint that is no http:// or https:// URL.
  static Result<std::unique_ptr<Exporter>> create(const std::string& endpoint, const std::string& service_version);

  Exporter(Post post, std::string service_version);
  ~Exporter() override;  // sends what is queued, once
  Exporter(const Exporter&) = delete;
  Exporter& operator=(const Exporter&) = delete;

  void take(telemetry::FinishedSpan span) override;

  struct Figures {
    std::uint64_t exported = 0;
    std::uint64_t dropped_full = 0;     // the queue was full
    std::uint64_t dropped_refused = 0;  // the collector did not accept them, or was not there
  };
  Figures figures() const;

 private:
  void run();

  // Constant after construction.
  const Post post_;
  const std::string service_version_;

  mutable std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<telemetry::FinishedSpan> queue_;  // guarded by mutex_, as is everything below
  Figures figures_;
  bool stopping_ = false;
  bool failing_ = false;  // the last batch was refused: said once, not for each batch

  std::thread thread_;  // the last member: it uses the others
};

}  // namespace dormouse::otlp
