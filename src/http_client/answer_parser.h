// SPDX-License-Identifier: Apache-2.0

#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>

#include "base/error.h"
#include "http_client/http_answer.h"

namespace dormouse::http_client {

// Parses the answer to one request other than HEAD and CONNECT (RFC 9112), from bytes of a server that may be hostile.
//
// Interim answers (1xx) are skipped, except 101: nobody asked to switch. Memory is bounded by the limits of http_answer.h
// plus one piece. After an error the parser is of no use.
class AnswerParser {
 public:
  enum class State {
    kHead,  // no final status yet
    kBody,  // the status is known, the body is not complete
    kDone,  // the answer is complete, or as much of its body as is kept, or the rest of it is malformed
  };

  AnswerParser();
  ~AnswerParser();
  AnswerParser(const AnswerParser&) = delete;
  AnswerParser& operator=(const AnswerParser&) = delete;

  // Takes the next bytes. kInvalidArgument when the head is not HTTP or exceeds a limit: never once the status is known.
  Result<State> put(std::string_view piece);

  State state() const { return state_; }
  std::size_t bytes_seen() const { return bytes_seen_; }
  HttpAnswer answer() const;  // status 0 while the state is kHead

 private:
  class Message;

  Result<bool> parse_some();
  Status finish_head();

  std::unique_ptr<Message> message_;
  std::string pending_;  // bytes that are not parsed yet
  std::size_t bytes_seen_ = 0;
  std::size_t head_bytes_ = 0;  // parsed of the head that is under way
  int interim_answers_ = 0;
  State state_ = State::kHead;
};

}  // namespace dormouse::http_client
