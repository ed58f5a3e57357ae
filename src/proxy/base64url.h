// SPDX-License-Identifier: Apache-2.0

#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace dormouse::proxy {

// Base64 with the URL-safe alphabet and without padding (RFC 4648 section 5, as RFC 7515 section 2 uses it).
std::string to_base64url(std::string_view bytes);

// Nothing when `text` has a character outside the alphabet, an impossible length, or bits set that encode nothing: each
// byte string has exactly one form.
std::optional<std::string> from_base64url(std::string_view text);

}  // namespace dormouse::proxy
