// SPDX-License-Identifier: Apache-2.0

#include "http_client/answer_parser.h"

#include <algorithm>

#include <boost/asio/buffer.hpp>
#include <boost/beast/core/buffers_to_string.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http/basic_dynamic_body.hpp>
#include <boost/beast/http/parser.hpp>
#include <fmt/format.h>

namespace dormouse::http_client {

namespace {

namespace beast = boost::beast;
namespace http = boost::beast::http;

}  // namespace

class AnswerParser::Message {
 public:
  Message() {
    parser.header_limit(kHeadBytesMax);
    parser.body_limit(boost::none);  // ours is smaller than what may be announced: put() stops
  }
  // This body grows by what arrives; that of strings reserves what Content-Length promises.
  http::response_parser<http::basic_dynamic_body<beast::flat_buffer>> parser;
};

AnswerParser::AnswerParser() : message_(std::make_unique<Message>()) {}
AnswerParser::~AnswerParser() = default;

HttpAnswer AnswerParser::answer() const {
  HttpAnswer answer;
  if (state_ != State::kHead) {
    answer.status = static_cast<int>(message_->parser.get().result_int());
    answer.body = beast::buffers_to_string(message_->parser.get().body().data());
    answer.body.resize(std::min(answer.body.size(), kBodyBytesMax));
  }
  return answer;
}

// The head is complete: an interim answer makes room for the next one.
Status AnswerParser::finish_head() {
  const unsigned status = message_->parser.get().result_int();
  if (status < 100 || status > 599) {
    return fail(ErrorKind::kInvalidArgument,
                fmt::format("the answer has the status {}, not one from 100 to 599", status));
  }
  if (status == 101) {
    return fail(ErrorKind::kInvalidArgument,
                "the answer has the status 101: it switches protocols although nobody asked");
  }
  if (status >= 200) {
    state_ = message_->parser.is_done() ? State::kDone : State::kBody;
    return {};
  }
  if (++interim_answers_ > kInterimAnswersMax) {
    return fail(ErrorKind::kInvalidArgument, fmt::format("more than {} interim answers (1xx)", kInterimAnswersMax));
  }
  message_ = std::make_unique<Message>();
  head_bytes_ = 0;
  return {};
}

// Whether something was parsed and more may follow.
Result<bool> AnswerParser::parse_some() {
  auto& parser = message_->parser;
  beast::error_code error;
  const std::size_t used = parser.put(boost::asio::buffer(pending_), error);
  pending_.erase(0, used);
  if (state_ == State::kHead) {
    head_bytes_ += used;  // the parser's own limit is one of what it cannot parse yet
    if (head_bytes_ > kHeadBytesMax || error == http::error::header_limit) {
      return fail(ErrorKind::kInvalidArgument, fmt::format("the answer's head is longer than {} bytes", kHeadBytesMax));
    }
  }
  if (error == http::error::need_more && pending_.size() <= kHeadBytesMax) {
    return false;
  }
  if (error && state_ == State::kBody) {
    state_ = State::kDone;  // the status stands; the body ends where it stops making sense
    return false;
  }
  if (error) {
    return fail(ErrorKind::kInvalidArgument, "the answer is not HTTP: " + error.message());
  }
  if (state_ == State::kHead && parser.is_header_done()) {
    DM_TRY(finish_head(), "");
  } else if (state_ == State::kBody && (parser.is_done() || parser.get().body().size() >= kBodyBytesMax)) {
    state_ = State::kDone;
  }
  return state_ != State::kDone && used > 0;
}

Result<AnswerParser::State> AnswerParser::put(std::string_view piece) {
  bytes_seen_ += piece.size();
  if (state_ == State::kDone) {
    return state_;
  }
  pending_ += piece;
  for (bool more = !pending_.empty(); more && !pending_.empty();) {
    DM_ASSIGN(more, parse_some(), "");
  }
  return state_;
}

}  // namespace dormouse::http_client
