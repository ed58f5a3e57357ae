// SPDX-License-Identifier: Apache-2.0
//
// Base64 with padding (RFC 4648 section 4): how bytes travel inside the JSON of control messages.

#pragma once

#include <string>
#include <string_view>

#include "base/error.h"

namespace dormouse::protocol {

std::string encode_base64(std::string_view bytes);

// kInvalidArgument for anything but the one canonical spelling: wrong length, foreign characters, stray bits.
Result<std::string> decode_base64(std::string_view text);

}  // namespace dormouse::protocol
