// SPDX-License-Identifier: Apache-2.0

#pragma once

#include <string>
#include <string_view>

namespace dormouse::cli {

// "export NAME='value'" for `eval` in a shell, whatever the value is.
std::string export_line(std::string_view name, std::string_view value);

}  // namespace dormouse::cli
