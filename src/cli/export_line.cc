// SPDX-License-Identifier: Apache-2.0

#include "cli/export_line.h"

namespace dormouse::cli {

std::string export_line(std::string_view name, std::string_view value) {
  std::string line = "export " + std::string(name) + "='";
  for (const char character : value) {  // within single quotes nothing has a meaning but the quote
    line += character == '\'' ? std::string("'\\''") : std::string(1, character);
  }
  return line + "'";
}

}  // namespace dormouse::cli
