// SPDX-License-Identifier: Apache-2.0

#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace dormouse::api {

// A path segment, percent-decoded. Nothing if a percent sign has not two hexadecimal digits behind it, or the result is not
// UTF-8.
std::optional<std::string> decode_label(std::string_view segment);

// The pieces between the separators, empty ones too.
std::vector<std::string_view> split(std::string_view text, char separator);

struct Parameter {
  std::string name;
  std::string value;
  bool raw_equals_in_value = false;  // the value had an unencoded '='
};

// The parameters of a query string or form, in order. Nothing if one does not decode.
std::optional<std::vector<Parameter>> parse_query(std::string_view query);

}  // namespace dormouse::api
