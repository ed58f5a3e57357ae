// SPDX-License-Identifier: Apache-2.0

#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "aws/sigv4.h"
#include "base/error.h"
#include "os/context.h"

namespace dormouse::cli {

struct HttpRequest {
  std::string method = "GET";
  std::string url;
  std::vector<aws::HeaderField> headers;
  std::string body;
  std::optional<std::filesystem::path> body_file;                        // sent instead of `body`, streamed
  std::string ca_file;                                                   // empty: the system's store
  std::size_t answer_bytes_max = 64U << 20U;                             // of what is kept in HttpAnswer::body
  std::function<void(std::string_view piece)> on_body;                   // takes the body instead of HttpAnswer::body
  std::function<void(std::uint64_t sent, std::uint64_t total)> on_sent;  // how much of the body has been sent
};

struct HttpAnswer {
  int status = 0;
  std::vector<aws::HeaderField> headers;  // names in lower case
  std::string body;

  std::string_view header(std::string_view lower_case_name) const;  // empty if there is none
};

// HTTP over libcurl; connections are kept for the next request. Certificates are always verified. Not thread-safe.
// kUnavailable when nobody answers, kDeadlineExceeded, kResourceExhausted for an answer over its limit.
class HttpClient {
 public:
  HttpClient();
  ~HttpClient();
  HttpClient(HttpClient&&) noexcept;
  HttpClient& operator=(HttpClient&&) noexcept;

  Result<HttpAnswer> send(const HttpRequest& request, const os::Context& context);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace dormouse::cli
