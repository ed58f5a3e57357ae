// SPDX-License-Identifier: Apache-2.0
//
// aws-chunked bodies: the same bytes mean the same however they are cut. The first byte of the input says how.

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>

#include "artifacts/aws_chunked.h"

namespace {

using namespace dormouse;  // NOLINT: a harness

struct Outcome {
  bool complete = false;
  std::string bytes;
  artifacts::AwsChunkedDecoder::Trailers trailers;
};

Outcome decode(std::span<const std::byte> body, std::size_t piece_size) {
  Outcome outcome;
  artifacts::AwsChunkedDecoder decoder(std::nullopt, false);
  const auto sink = [&outcome](std::span<const std::byte> bytes) -> Status {
    outcome.bytes.append(reinterpret_cast<const char*>(bytes.data()), bytes.size());
    return {};
  };
  Status status;
  while (!body.empty() && status) {
    const auto piece = body.first(std::min(piece_size, body.size()));
    status = decoder.decode(piece, sink);
    body = body.subspan(piece.size());
  }
  outcome.complete = status && decoder.finish();
  outcome.trailers = decoder.trailers();
  return outcome;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) {
    return 0;
  }
  const auto body = std::as_bytes(std::span(data + 1, size - 1));
  const Outcome whole = decode(body, size);
  const Outcome cut = decode(body, 1 + data[0] % 64);
  if (whole.complete != cut.complete ||
      (whole.complete && (whole.bytes != cut.bytes || whole.trailers != cut.trailers))) {
    std::abort();
  }
  return 0;
}
