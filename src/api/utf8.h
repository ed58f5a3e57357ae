// SPDX-License-Identifier: Apache-2.0
//
// UTF-8 as RFC 3629 defines it: no surrogates, nothing longer than needed.

#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace dormouse::api {

bool is_utf8(std::string_view text);
std::size_t count_characters(std::string_view utf8);  // Unicode scalar values

// `bytes` with U+FFFD for each byte that is no part of a character: what a program printed, fit for JSON.
std::string to_utf8(std::string_view bytes);

// How many bytes at the end may be the beginning of a character whose rest is yet to come.
std::size_t unfinished_tail(std::string_view bytes);

}  // namespace dormouse::api
