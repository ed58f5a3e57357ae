// SPDX-License-Identifier: Apache-2.0

#include "build_context/entry_path.h"

#include <fmt/format.h>

namespace dormouse::build_context {

namespace {

constexpr std::size_t kQuotedBytesMax = 200;

}  // namespace

std::string quoted_name(std::string_view name) {
  std::string text = "\"";
  for (const char c : name.substr(0, kQuotedBytesMax)) {
    if (c == '"' || c == '\\') {
      text += '\\';
      text += c;
    } else if (c >= 0x20 && c < 0x7f) {
      text += c;
    } else {
      text += fmt::format("\\x{:02x}", static_cast<unsigned char>(c));
    }
  }
  text += name.size() > kQuotedBytesMax ? "...\"" : "\"";
  return text;
}

std::vector<std::string_view> components(std::string_view path) {
  std::vector<std::string_view> parts;
  while (!path.empty()) {
    const std::string_view part = path.substr(0, path.find('/'));
    path.remove_prefix(part.size() < path.size() ? part.size() + 1 : part.size());
    if (!part.empty() && part != ".") {
      parts.push_back(part);
    }
  }
  return parts;
}

ArchiveResult<std::string> normalized_path(std::string_view name, const Limits& limits) {
  if (name.empty()) {
    return refuse("The archive has an entry with an empty path.");
  }
  if (name.size() > limits.path_bytes_max) {
    return refuse(fmt::format("The path of archive entry {} is {} bytes long; the limit is {}.",
                              quoted_name(name),
                              name.size(),
                              limits.path_bytes_max));
  }
  if (name.front() == '/') {
    return refuse(fmt::format("The path of archive entry {} is absolute; paths must be relative.", quoted_name(name)));
  }
  if (name.find('\\') != std::string_view::npos) {
    return refuse(
        fmt::format("The path of archive entry {} has a backslash; separate directories by '/'.", quoted_name(name)));
  }
  if (name.find('\0') != std::string_view::npos) {
    return refuse(fmt::format("The path of archive entry {} has a NUL byte.", quoted_name(name)));
  }
  std::string path;
  path.reserve(name.size());
  for (const std::string_view part : components(name)) {
    if (part == "..") {
      return refuse(fmt::format("The path of archive entry {} has a '..' component.", quoted_name(name)));
    }
    if (!path.empty()) {
      path += '/';
    }
    path += part;
  }
  return path;
}

}  // namespace dormouse::build_context
