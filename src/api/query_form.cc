// SPDX-License-Identifier: Apache-2.0

#include "api/query_form.h"

#include <charconv>
#include <cstdint>
#include <set>
#include <utility>

#include <boost/json.hpp>
#include <fmt/format.h>

#include "api/uri.h"

namespace dormouse::api {
namespace {

namespace json = boost::json;

using Decoded = tl::expected<json::value, std::string>;

Decoded decode(const Shape& shape, const QueryForm& form, const std::string& name);

// Whether the form has `name` itself or something below it.
bool has(const QueryForm& form, const std::string& name) {
  return form.contains(name) || form.lower_bound(name + ".") != form.lower_bound(name + "/");  // '/' comes after '.'
}

// The numbers N of all "<name>.<N>" and "<name>.<N>.<...>".
std::set<std::int64_t> numbers_below(const QueryForm& form, const std::string& name) {
  std::set<std::int64_t> numbers;
  const std::string prefix = name + ".";
  for (auto each = form.lower_bound(prefix); each != form.end() && each->first.starts_with(prefix); ++each) {
    std::int64_t number = 0;
    const char* const begin = each->first.data() + prefix.size();
    const char* const end = each->first.data() + each->first.size();
    const auto [rest, error] = std::from_chars(begin, end, number);
    if (error == std::errc() && number > 0 && (rest == end || *rest == '.')) {
      numbers.insert(number);
    }
  }
  return numbers;
}

tl::expected<json::object, std::string> decode_members(const Shape& shape,
                                                       const QueryForm& form,
                                                       const std::string& prefix) {
  json::object members;
  for (const Member& member : shape.members) {
    const std::string name = prefix + std::string(member.on_wire());
    if (!has(form, name)) {
      if (!member.fallback.empty()) {
        members[member.name] = json::parse(json::string_view(member.fallback.data(), member.fallback.size()));
      }
      continue;
    }
    auto value = decode(*member.shape, form, name);
    if (!value) {
      return tl::unexpected(std::move(value).error());
    }
    members[member.name] = *std::move(value);
  }
  return members;
}

Decoded decode_list(const Shape& shape, const QueryForm& form, const std::string& name) {
  json::array array;
  for (const std::int64_t number : numbers_below(form, name + ".member")) {
    auto element = decode(*shape.element, form, fmt::format("{}.member.{}", name, number));
    if (!element) {
      return element;
    }
    array.push_back(*std::move(element));
  }
  return array;
}

Decoded decode_map(const Shape& shape, const QueryForm& form, const std::string& name) {
  json::object object;
  for (const std::int64_t number : numbers_below(form, name + ".entry")) {
    const std::string entry = fmt::format("{}.entry.{}", name, number);
    const auto key = form.find(entry + ".key");
    if (key == form.end()) {
      return tl::unexpected(fmt::format("{}.key is missing", entry));
    }
    auto value = decode(*shape.element, form, entry + ".value");
    if (!value) {
      return value;
    }
    object[key->second] = *std::move(value);
  }
  return object;
}

Decoded decode_plain(const Shape& shape, const std::string& name, const std::string& text) {
  if (shape.type == Type::kBoolean) {
    if (text == "true" || text == "false") {
      return json::value(text == "true");
    }
    return tl::unexpected(fmt::format("'{}' at '{}' is neither true nor false", text, name));
  }
  if (shape.type == Type::kInteger || shape.type == Type::kLong) {
    std::int64_t number = 0;
    const auto [rest, error] = std::from_chars(text.data(), text.data() + text.size(), number);
    const bool narrow = shape.type == Type::kInteger && (number != static_cast<std::int32_t>(number));
    if (error != std::errc() || rest != text.data() + text.size() || narrow) {
      return tl::unexpected(fmt::format("'{}' at '{}' is no integer", text, name));
    }
    return json::value(number);
  }
  return json::value(text);
}

Decoded decode(const Shape& shape, const QueryForm& form, const std::string& name) {
  switch (shape.type) {
    case Type::kList: return decode_list(shape, form, name);
    case Type::kMap: return decode_map(shape, form, name);
    case Type::kStructure:
    case Type::kUnion:
      return decode_members(shape, form, name + ".").map([](json::object members) {
        return json::value(std::move(members));
      });
    default: break;
  }
  const auto found = form.find(name);
  return decode_plain(shape, name, found == form.end() ? "" : found->second);
}

}  // namespace

tl::expected<QueryForm, std::string> parse_form(std::string_view query, std::string_view body) {
  QueryForm form;
  for (const std::string_view text : {query, body}) {
    auto parameters = parse_query(text);
    if (!parameters) {
      return tl::unexpected<std::string>("The form is not percent-encoded UTF-8");
    }
    for (Parameter& parameter : *parameters) {
      form.emplace(std::move(parameter.name), std::move(parameter.value));
    }
  }
  return form;
}

tl::expected<json::object, std::string> decode_form(const Shape& shape, const QueryForm& form) {
  return decode_members(shape, form, "");
}

}  // namespace dormouse::api
