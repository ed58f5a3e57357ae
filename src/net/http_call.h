// SPDX-License-Identifier: Apache-2.0

#pragma once

#include <cstddef>
#include <memory>
#include <optional>
#include <span>

#include "net/http.h"

namespace dormouse::net {

// Private to net/: one request on its way through the handler, from its head to its answer. Turns an exception of the
// handler into a 500. Calls come one at a time, from any thread; begin(), on_body(), finish() and abandon() may block.
class HttpCall {
 public:
  HttpCall(Handler& handler, const RequestHead& head) : handler_(handler), head_(head) {}

  void begin();
  void on_body(std::span<const std::byte> piece);
  void finish();
  void abandon() { exchange_.reset(); }  // destroys the exchange, if any
  void answer(Response response) { answer_ = std::move(response); }

  bool answered() const { return answer_.has_value(); }
  bool open() const { return exchange_ != nullptr; }
  std::optional<Response> take_answer() { return std::move(answer_); }

 private:
  Handler& handler_;
  const RequestHead& head_;
  std::unique_ptr<Exchange> exchange_;
  std::optional<Response> answer_;
};

}  // namespace dormouse::net
