// SPDX-License-Identifier: Apache-2.0

#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace dormouse::aws {

std::string to_hex(std::string_view bytes);                  // lower case
std::optional<std::string> from_hex(std::string_view text);  // either case

std::string to_base64(std::string_view bytes);
std::optional<std::string> from_base64(std::string_view text);  // with padding; nothing else

// Percent-encoding as SigV4 defines it: all but A-Z a-z 0-9 - . _ ~ and, where kept, '/'; hexadecimal digits upper case.
enum class Slash { kKeep, kEncode };
std::string percent_encode(std::string_view text, Slash slash);

// None for '%' without two hexadecimal digits.
std::optional<std::string> percent_decode(std::string_view text);

// The parameters of a query, decoded ('+' is a space), in their order; one without '=' has an empty value. None when
// one cannot be decoded.
std::optional<std::vector<std::pair<std::string, std::string>>> parse_query(std::string_view query);

}  // namespace dormouse::aws
