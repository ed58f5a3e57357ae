// SPDX-License-Identifier: Apache-2.0
//
// Everything that one side of the agent protocol decodes of what the other sent. The first byte chooses the decoder.

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "protocol/answers.h"
#include "protocol/base64.h"
#include "protocol/frame.h"
#include "protocol/limits.h"
#include "protocol/requests.h"
#include "protocol/watch_decoder.h"

using namespace dormouse::protocol;

namespace {

void require(bool holds) {
  if (!holds) {
    std::abort();
  }
}

// The same frames come out however the stream is cut.
void fuzz_frames(std::string_view input) {
  FrameDecoder whole;
  FrameDecoder cut;
  whole.feed(input);
  std::string_view rest = input;
  for (;;) {
    auto expected = whole.next();
    auto frame = cut.next();
    while (frame && !*frame && !rest.empty()) {
      cut.feed(rest.substr(0, 1));
      rest.remove_prefix(1);
      frame = cut.next();
    }
    require(expected.has_value() == frame.has_value());
    if (!expected || !*expected) {
      return;
    }
    require(**expected == **frame && (*frame)->payload.size() <= payload_bytes_max(std::uint8_t((*frame)->type)));
  }
}

void fuzz_watch(std::string_view input) {
  WatchDecoder decoder(0);
  decoder.feed(input);
  std::uint64_t offset = 0;
  for (auto event = decoder.next(); event && *event; event = decoder.next()) {
    if (const auto* const chunk = std::get_if<OutputChunk>(&**event)) {
      require(chunk->offset == offset + chunk->dropped && !chunk->bytes.empty() &&
              chunk->bytes.size() <= kDataBytesMax);
      offset = chunk->offset + chunk->bytes.size();
    }
  }
}

// What was decoded encodes to something that decodes to the same.
template <typename Decode>
void fuzz_answer(std::string_view input, Decode decode) {
  if (const auto answer = decode(input)) {
    const auto again = decode(encode(*answer));
    require(again && *again == *answer);
  }
}

void fuzz_request(std::string_view input) {
  if (const auto request = decode_request(input)) {
    const auto payload = encode_request(*request, kVersion);
    if (payload) {  // control characters grow when they are escaped, beyond the limit at worst
      const auto again = decode_request(*payload);
      require(again && *again == *request);
    }
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) {
    return 0;
  }
  const std::string_view input(reinterpret_cast<const char*>(data) + 1, size - 1);
  switch (data[0] % 11) {
    case 0: fuzz_frames(input); break;
    case 1: fuzz_watch(input); break;
    case 2: fuzz_answer(input, decode_hello_answer); break;
    case 3: fuzz_answer(input, decode_watch_answer); break;
    case 4: fuzz_answer(input, decode_freeze_answer); break;
    case 5: fuzz_answer(input, decode_restored_answer); break;
    case 6: fuzz_answer(input, decode_exec_exit); break;
    case 7: fuzz_answer(input, decode_application_exit); break;
    case 8: fuzz_answer(input, decode_refusal); break;
    case 9: fuzz_request(input); break;
    case 10:
      require(to_utf8_tail(input, 64).size() <= 64);
      if (const auto bytes = decode_base64(input)) {
        require(encode_base64(*bytes) == input);
      }
      break;
  }
  return 0;
}
