// SPDX-License-Identifier: Apache-2.0

#pragma once

#include <cstdint>
#include <string>

#include "base/error.h"
#include "http_client/http_answer.h"
#include "os/context.h"

namespace dormouse::http_client {

// The request is, byte for byte:
//
//     POST <path> HTTP/1.1
//     Host: <host>
//     User-Agent: dormouse
//     Connection: close
//     Content-Type: <content_type>    only with a body
//     Content-Length: <length>
struct HttpRequest {
  std::string host;  // "localhost:9000"
  std::string path;  // "/aws/lambda-microvms/runtime/v1/run"
  std::string content_type = "application/json";
  std::string body;
};

// Sends `request` over `socket`, a connected stream socket that is borrowed and used up (it carries one exchange and stays
// open), and returns the answer as soon as its status is known; its body, as far as it follows quickly, up to
// kBodyBytesMax. An answer that comes before the whole request was sent counts.
//
// The peer is not trusted: memory is bounded, and time by `context`. Blocks; non-blocking sockets are expected, others work.
// kInvalidArgument: the answer is not HTTP, or the request's fields hold control characters. kUnavailable: the connection
// ended before the answer's head did. kDeadlineExceeded, kCancelled.
Result<HttpAnswer> http_post(int socket, const HttpRequest& request, const os::Context& context);

}  // namespace dormouse::http_client
