// SPDX-License-Identifier: Apache-2.0

#include "otlp/exporter.h"

#include <algorithm>
#include <iterator>
#include <span>
#include <utility>

#include <curl/curl.h>
#include <fmt/format.h>

#include "base/log.h"
#include "otlp/encoding.h"

namespace dormouse::otlp {
namespace {

struct CurlDeleter {
  void operator()(CURL* curl) const { curl_easy_cleanup(curl); }
};
struct ListDeleter {
  void operator()(curl_slist* list) const { curl_slist_free_all(list); }
};

std::size_t drop_body(const char* /*data*/, std::size_t size, std::size_t count, void* /*user*/) {
  return size * count;
}

// One POST over a connection that is kept between the calls.
class Poster {
 public:
  explicit Poster(std::string url)
      : url_(std::move(url)),
        curl_(curl_easy_init()),
        headers_(curl_slist_append(nullptr, "Content-Type: application/json")) {}

  Status operator()(const std::string& body) {
    CURL* const curl = curl_.get();
    curl_easy_setopt(curl, CURLOPT_URL, url_.c_str());
    curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(curl, CURLOPT_PROXY, "");
    curl_easy_setopt(
        curl, CURLOPT_TIMEOUT_MS, static_cast<long>(std::chrono::milliseconds(Exporter::kPostTimeout).count()));
    curl_easy_setopt(curl, CURLOPT_HTTPHEADER, headers_.get());
    curl_easy_setopt(curl, CURLOPT_POSTFIELDS, body.c_str());
    curl_easy_setopt(curl, CURLOPT_POSTFIELDSIZE_LARGE, static_cast<curl_off_t>(body.size()));
    curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, drop_body);
    if (const CURLcode result = curl_easy_perform(curl); result != CURLE_OK) {
      return fail(ErrorKind::kUnavailable, url_ + ": " + curl_easy_strerror(result));
    }
    long status = 0;
    curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &status);
    if (status / 100 != 2) {
      return fail(ErrorKind::kUnavailable, fmt::format("{}: HTTP status {}", url_, status));
    }
    return {};
  }

 private:
  const std::string url_;
  const std::unique_ptr<CURL, CurlDeleter> curl_;
  const std::unique_ptr<curl_slist, ListDeleter> headers_;
};

}  // namespace

Result<std::unique_ptr<Exporter>> Exporter::create(const std::string& endpoint, const std::string& service_version) {
  if (!endpoint.starts_with("http://") && !endpoint.starts_with("https://")) {
    return fail(ErrorKind::kInvalidArgument,
                fmt::format("'{}' is no URL of a collector: give http://HOST:4318 or https://HOST:4318", endpoint));
  }
  std::string url = endpoint;
  while (url.ends_with('/')) {
    url.pop_back();
  }
  auto poster = std::make_shared<Poster>(url + "/v1/traces");
  return std::make_unique<Exporter>([poster](const std::string& body) { return (*poster)(body); }, service_version);
}

Exporter::Exporter(Post post, std::string service_version)
    : post_(std::move(post)), service_version_(std::move(service_version)), thread_([this] { run(); }) {}

Exporter::~Exporter() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  changed_.notify_all();
  thread_.join();
}

void Exporter::take(telemetry::FinishedSpan span) {
  bool wake = false;
  {
    const std::lock_guard lock(mutex_);
    if (queue_.size() >= kQueueMax) {
      ++figures_.dropped_full;
      return;
    }
    queue_.push_back(std::move(span));
    wake = queue_.size() == kBatchMax;
  }
  if (wake) {
    changed_.notify_all();
  }
}

Exporter::Figures Exporter::figures() const {
  const std::lock_guard lock(mutex_);
  return figures_;
}

void Exporter::run() {
  std::unique_lock lock(mutex_);
  while (!stopping_ || !queue_.empty()) {
    changed_.wait_for(lock, kBatchWait, [this] { return stopping_ || queue_.size() >= kBatchMax; });
    if (queue_.empty()) {
      continue;
    }
    if (stopping_ && failing_) {  // nobody listens: the end is not put off for it
      figures_.dropped_refused += queue_.size();
      queue_.clear();
      continue;
    }
    const auto size = static_cast<std::ptrdiff_t>(std::min(queue_.size(), kBatchMax));
    std::vector<telemetry::FinishedSpan> batch(std::make_move_iterator(queue_.begin()),
                                               std::make_move_iterator(queue_.begin() + size));
    queue_.erase(queue_.begin(), queue_.begin() + size);
    lock.unlock();
    const Status sent = post_(encode(batch, service_version_));
    lock.lock();
    (sent ? figures_.exported : figures_.dropped_refused) += batch.size();
    if (!sent && !failing_) {
      log::warning("spans were not accepted; they are dropped and counted", {{"error", sent.error().message()}});
    }
    failing_ = !sent;
  }
}

}  // namespace dormouse::otlp
