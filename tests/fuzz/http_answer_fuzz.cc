// SPDX-License-Identifier: Apache-2.0
//
// Any bytes as an HTTP answer, in pieces whose size is the first byte: the parser keeps its limits, and how the bytes were
// cut changes nothing.

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "http_client/answer_parser.h"

namespace {

using dormouse::http_client::AnswerParser;
using dormouse::http_client::HttpAnswer;

void require(bool promise) {
  if (!promise) {
    std::abort();
  }
}

struct Outcome {
  AnswerParser::State state = AnswerParser::State::kHead;
  HttpAnswer answer;
};

Outcome parse(std::string_view bytes, std::size_t piece_bytes) {
  AnswerParser parser;
  Outcome outcome;
  while (!bytes.empty() && parser.state() != AnswerParser::State::kDone) {
    const auto piece = bytes.substr(0, piece_bytes);
    bytes.remove_prefix(piece.size());
    if (!parser.put(piece)) {
      require(parser.state() == AnswerParser::State::kHead);
      break;
    }
  }
  outcome.state = parser.state();
  outcome.answer = parser.answer();
  require(outcome.answer.body.size() <= dormouse::http_client::kBodyBytesMax);
  require(outcome.state == AnswerParser::State::kHead ? outcome.answer.status == 0
                                                      : outcome.answer.status >= 200 && outcome.answer.status <= 599);
  return outcome;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) {
    return 0;
  }
  const std::string_view bytes(static_cast<const char*>(static_cast<const void*>(data)), size);
  const Outcome cut = parse(bytes.substr(1), std::size_t{data[0]} + 1);
  const Outcome whole = parse(bytes.substr(1), 16 * 1024);
  // A head that is both incomplete and wrong is refused now or with its next byte: that may differ.
  require(cut.answer.status == whole.answer.status);
  require(cut.answer.body == whole.answer.body);
  return 0;
}
