// SPDX-License-Identifier: Apache-2.0
//
// How the agent's own functions fail when the cause is the host's to handle: with the refusal that goes over the wire.

#pragma once

#include <string>
#include <utility>

#include "base/error.h"
#include "protocol/answers.h"

namespace dormouse::agent {

template <typename T>
using Answered = tl::expected<T, protocol::Refusal>;

inline tl::unexpected<protocol::Refusal> refuse(ErrorKind kind, std::string code, std::string message) {
  return tl::unexpected<protocol::Refusal>(protocol::Refusal{kind, std::move(code), std::move(message)});
}
inline tl::unexpected<protocol::Refusal> refuse(std::string code, const Error& error) {
  return refuse(error.kind(), std::move(code), error.message());
}

}  // namespace dormouse::agent
