// SPDX-License-Identifier: Apache-2.0

#include "net/http_call.h"

#include <exception>
#include <utility>

#include "base/log.h"

namespace dormouse::net {

namespace {

Response answer_to(const std::exception& error) {
  log::error("a request handler threw", {{"what", error.what()}});
  return json_message(500, "internal error");
}

}  // namespace

void HttpCall::begin() {
  try {
    auto begun = handler_.begin(head_);
    if (begun) {
      exchange_ = *std::move(begun);
    } else {
      answer_ = std::move(begun).error();
    }
  } catch (const std::exception& error) {
    answer_ = answer_to(error);
  }
}

void HttpCall::on_body(std::span<const std::byte> piece) {
  try {
    if (auto taken = exchange_->on_body(piece); !taken) {
      answer_ = std::move(taken).error();
    }
  } catch (const std::exception& error) {
    answer_ = answer_to(error);
  }
}

void HttpCall::finish() {
  try {
    answer_ = exchange_->finish();
  } catch (const std::exception& error) {
    answer_ = answer_to(error);
  }
  exchange_.reset();
}

}  // namespace dormouse::net
