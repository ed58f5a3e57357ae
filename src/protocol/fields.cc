// SPDX-License-Identifier: Apache-2.0

#include "protocol/fields.h"

#include <boost/json.hpp>
#include <fmt/core.h>

#include "protocol/limits.h"

namespace dormouse::protocol {

namespace json = boost::json;

Fields Fields::parse(std::string_view text, std::string_view what) {
  Fields fields(what);
  json::error_code error;
  json::value value = json::parse({text.data(), text.size()}, error);
  if (error) {
    fields.reject("not JSON");
  } else if (!value.is_object()) {
    fields.reject("not a JSON object");
  } else {
    fields.members_ = std::move(value.get_object());
  }
  return fields;
}

void Fields::reject(std::string message) {
  if (wrong_.empty()) {
    wrong_ = std::move(message);
  }
}

Status Fields::finish() const {
  if (!wrong_.empty()) {
    return fail(ErrorKind::kInvalidArgument, what_ + ": " + wrong_);
  }
  if (!members_.empty()) {
    const auto name = members_.begin()->key();
    return fail(
        ErrorKind::kInvalidArgument,
        fmt::format("{}: unknown member \"{}\"", what_, std::string_view(name.data(), name.size()).substr(0, 64)));
  }
  return {};
}

std::optional<json::value> Fields::take(std::string_view name) {
  const auto found = members_.find({name.data(), name.size()});
  if (found == members_.end()) {
    return std::nullopt;
  }
  json::value value = std::move(found->value());
  members_.erase(found);
  return value;
}

json::value Fields::need(std::string_view name) {
  auto value = take(name);
  if (!value) {
    reject(fmt::format("\"{}\" is missing", name));
  }
  return value.value_or(json::value());
}

std::string Fields::check_text(const json::value& value, std::string_view name, std::size_t bytes_max) {
  if (!value.is_string()) {
    reject(fmt::format("\"{}\" is not a string", name));
    return {};
  }
  const auto& string = value.get_string();
  if (string.size() > bytes_max) {
    reject(fmt::format("\"{}\" has {} bytes, the limit is {}", name, string.size(), bytes_max));
    return {};
  }
  if (string.find('\0') != json::string::npos) {
    reject(fmt::format("\"{}\" holds a NUL byte", name));
    return {};
  }
  return std::string(string.data(), string.size());
}

std::string Fields::text(std::string_view name, std::size_t bytes_max) {
  return check_text(need(name), name, bytes_max);
}

std::optional<std::string> Fields::maybe_text(std::string_view name, std::size_t bytes_max) {
  const auto value = take(name);
  return value ? std::optional(check_text(*value, name, bytes_max)) : std::nullopt;
}

std::optional<std::uint64_t> Fields::maybe_number(std::string_view name, std::uint64_t least, std::uint64_t most) {
  const auto value = take(name);
  if (!value) {
    return std::nullopt;
  }
  json::error_code error;
  const auto number = value->is_number() ? value->to_number<std::uint64_t>(error) : 0;
  if (!value->is_number() || value->is_double() || error) {
    reject(fmt::format("\"{}\" is not a whole number", name));
    return least;
  }
  if (number < least || number > most) {
    reject(fmt::format("\"{}\" is {}, must be from {} to {}", name, number, least, most));
    return least;
  }
  return number;
}

std::uint64_t Fields::number(std::string_view name, std::uint64_t least, std::uint64_t most) {
  const auto value = maybe_number(name, least, most);
  if (!value) {
    reject(fmt::format("\"{}\" is missing", name));
  }
  return value.value_or(least);
}

std::optional<bool> Fields::maybe_boolean(std::string_view name) {
  const auto value = take(name);
  if (!value) {
    return std::nullopt;
  }
  if (!value->is_bool()) {
    reject(fmt::format("\"{}\" is not true or false", name));
    return false;
  }
  return value->get_bool();
}

bool Fields::boolean(std::string_view name) {
  const auto value = maybe_boolean(name);
  if (!value) {
    reject(fmt::format("\"{}\" is missing", name));
  }
  return value.value_or(false);
}

std::vector<std::string> Fields::texts(std::string_view name, std::size_t count_max, std::size_t bytes_max) {
  const json::value value = need(name);
  if (!value.is_array()) {
    reject(fmt::format("\"{}\" is not an array", name));
    return {};
  }
  if (value.get_array().size() > count_max) {
    reject(fmt::format("\"{}\" has {} elements, the limit is {}", name, value.get_array().size(), count_max));
    return {};
  }
  std::vector<std::string> texts;
  for (const json::value& element : value.get_array()) {
    texts.push_back(check_text(element, name, bytes_max));
  }
  return texts;
}

std::map<std::string, std::string> Fields::environment(std::string_view name) {
  const json::value value = need(name);
  if (!value.is_object()) {
    reject(fmt::format("\"{}\" is not an object", name));
    return {};
  }
  const auto& object = value.get_object();
  if (object.size() > kEnvironmentEntriesMax) {
    reject(fmt::format("\"{}\" has {} members, the limit is {}", name, object.size(), kEnvironmentEntriesMax));
    return {};
  }
  std::map<std::string, std::string> environment;
  for (const auto& member : object) {
    const std::string_view key(member.key().data(), member.key().size());
    if (key.empty() || key.size() > kEnvironmentNameBytesMax || key.find('=') != key.npos ||
        key.find('\0') != key.npos) {
      reject(fmt::format("\"{}\" has a name of {} bytes that is no variable's: 1 to {}, without '=' and NUL",
                         name,
                         key.size(),
                         kEnvironmentNameBytesMax));
      return {};
    }
    environment.emplace(key, check_text(member.value(), name, kEnvironmentValueBytesMax));
  }
  return environment;
}

}  // namespace dormouse::protocol
