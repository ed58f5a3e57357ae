// SPDX-License-Identifier: Apache-2.0

#include "api/constraints.h"

#include <map>
#include <stdexcept>
#include <string_view>
#include <vector>

#include <boost/json.hpp>
#include <fmt/format.h>
#include <re2/re2.h>

#include "api/operations.h"
#include "api/utf8.h"

namespace dormouse::api {
namespace {

namespace json = boost::json;

bool has_sensitive(const Shape& shape) {
  if (shape.sensitive || (shape.element != nullptr && has_sensitive(*shape.element))) {
    return true;
  }
  for (const Member& member : shape.members) {
    if (has_sensitive(*member.shape)) {
      return true;
    }
  }
  return false;
}

std::string joined(const std::vector<std::string>& texts, std::string_view separator) {
  return fmt::format("{}", fmt::join(texts, separator));
}

// A value as the service prints it: strings bare, lists [a, b], maps {k=v}, structures Name(member=value).
std::string shown(const Shape& shape, const json::value& value) {
  if (value.is_null()) {
    return "null";
  }
  if (value.is_string()) {
    return std::string(value.get_string());
  }
  std::vector<std::string> pieces;
  if (value.is_array()) {
    for (const json::value& element : value.get_array()) {
      pieces.push_back(shown(*shape.element, element));
    }
    return fmt::format("[{}]", joined(pieces, ", "));
  }
  if (value.is_object() && shape.type == Type::kMap) {
    for (const auto& [key, entry] : value.get_object()) {
      pieces.push_back(fmt::format("{}={}", std::string_view(key), shown(*shape.element, entry)));
    }
    return fmt::format("{{{}}}", joined(pieces, ", "));
  }
  if (value.is_object()) {
    for (const Member& member : shape.members) {
      if (const json::value* part = value.get_object().if_contains(member.name)) {
        pieces.push_back(fmt::format("{}={}", member.name, shown(*member.shape, *part)));
      }
    }
    return fmt::format("{}({})", shape.name, joined(pieces, ", "));
  }
  return json::serialize(value);
}

// The models write a code point as \u000A, RE2 as \x{000A}.
std::string re2_syntax(std::string_view pattern) {
  std::string text;
  for (std::size_t at = 0; at < pattern.size(); ++at) {
    if (pattern.substr(at, 2) != "\\u") {
      text += pattern[at];
      continue;
    }
    std::size_t digits = 0;
    while (digits < 6 && at + 2 + digits < pattern.size() &&
           std::string_view("0123456789ABCDEF").find(pattern[at + 2 + digits]) != std::string_view::npos) {
      ++digits;
    }
    text += fmt::format("\\x{{{}}}", pattern.substr(at + 2, digits));
    at += 1 + digits;
  }
  return text;
}

std::string path_of(const std::string& parent, std::string_view name) {
  std::string path = parent.empty() ? "" : parent + ".";
  path += static_cast<char>(name.front() >= 'A' && name.front() <= 'Z' ? name.front() | 0x20 : name.front());
  path += name.substr(1);
  return path;
}

std::int64_t size_of(const Shape& shape, const json::value& value) {
  if (value.is_string()) {
    const std::string_view text = value.get_string();
    return static_cast<std::int64_t>(shape.unit == LengthUnit::kBytes ? text.size() : count_characters(text));
  }
  return static_cast<std::int64_t>(value.is_array() ? value.get_array().size() : value.get_object().size());
}

bool is_number(const Shape& shape) { return shape.type == Type::kInteger || shape.type == Type::kLong; }
bool is_plain(const Shape& shape) { return shape.type != Type::kStructure && shape.type != Type::kUnion; }

std::string maximum_sentence(const Shape& shape) {
  return fmt::format(
      "Member must have {} less than or equal to {}", is_number(shape) ? "value" : "length", shape.maximum);
}
std::string minimum_sentence(const Shape& shape) {
  return fmt::format(
      "Member must have {} greater than or equal to {}", is_number(shape) ? "value" : "length", shape.minimum);
}
std::string pattern_sentence(const Shape& shape) {
  return fmt::format("Member must satisfy regular expression pattern: {}", shape.pattern);
}
std::string enumeration_sentence(const Shape& shape) {
  return fmt::format("Member must satisfy enum value set: [{}]", fmt::join(shape.values, ", "));
}

// All constraints of a plain shape, as a list's or map's violation quotes them.
std::string all_sentences(const Shape& shape) {
  std::vector<std::string> sentences;
  if (shape.maximum != kNoMaximum) {
    sentences.push_back(maximum_sentence(shape));
  }
  if (shape.minimum != kNoMinimum) {
    sentences.push_back(minimum_sentence(shape));
  }
  if (!shape.pattern.empty()) {
    sentences.push_back(pattern_sentence(shape));
  }
  if (!shape.values.empty()) {
    sentences.push_back(enumeration_sentence(shape));
  }
  return joined(sentences, ", ");
}

}  // namespace

// The compiled patterns of all shapes, by their text.
class Constraints::Patterns {
 public:
  Patterns() {
    for (const Operation* operation : all_operations()) {
      add(*operation->input);
    }
    for (const Operation& operation : log_operations()) {
      add(*operation.input);
    }
    for (const Operation* operation : query_operations()) {
      add(*operation->input);
    }
  }

  bool matches(std::string_view pattern, std::string_view text) const {
    const auto found = compiled_.find(pattern);
    return found == compiled_.end() || RE2::FullMatch(re2::StringPiece(text.data(), text.size()), *found->second);
  }

 private:
  void add(const Shape& shape) {
    if (!shape.pattern.empty() && !compiled_.contains(shape.pattern)) {
      auto expression = std::make_unique<RE2>(re2_syntax(shape.pattern), RE2::Quiet);
      if (!expression->ok()) {
        throw std::logic_error(fmt::format("pattern of {}: {}", shape.name, expression->error()));
      }
      compiled_.emplace(shape.pattern, std::move(expression));
    }
    for (const Shape* part : {shape.key, shape.element}) {
      if (part != nullptr) {
        add(*part);
      }
    }
    for (const Member& member : shape.members) {
      add(*member.shape);
    }
  }

  std::map<std::string_view, std::unique_ptr<const RE2>, std::less<>> compiled_;
};

// One check of one input.
class Constraints::Walk {
 public:
  Walk(const Patterns& patterns, const Maxima& maxima) : patterns_(patterns), maxima_(maxima) {}

  void structure(const Shape& shape, const json::object& object, const std::string& path) {
    for (const Member& member : shape.members) {
      const json::value* value = object.if_contains(member.name);
      const std::string member_path = path_of(path, member.name);
      if (value != nullptr) {
        this->value(*member.shape, *value, member_path);
      } else if (member.presence == Presence::kRequired) {
        violated(*member.shape, nullptr, member_path, "Member must not be null");
      }
    }
  }

  std::optional<std::string> message() const {
    if (violations_.empty()) {
      return std::nullopt;
    }
    return fmt::format("{} validation error{} detected: {}",
                       violations_.size(),
                       violations_.size() == 1 ? "" : "s",
                       joined(violations_, "; "));
  }

 private:
  void violated(const Shape& shape, const json::value* value, const std::string& path, std::string_view constraint) {
    if (violations_.size() >= kViolationsMax) {
      return;
    }
    const std::string quoted = value == nullptr       ? " null"
                               : has_sensitive(shape) ? ""
                                                      : fmt::format(" '{}'", shown(shape, *value));
    violations_.push_back(fmt::format("Value{} at '{}' failed to satisfy constraint: {}", quoted, path, constraint));
  }

  // The constraints of the shape itself that `value` breaks.
  std::vector<std::string> broken(const Shape& declared, const json::value& value) const {
    Shape shape = declared;
    if (const auto maximum = maxima_.find(declared.name); maximum != maxima_.end()) {
      shape.maximum = maximum->second;
    }
    std::vector<std::string> sentences;
    if (shape.maximum != kNoMaximum || shape.minimum != kNoMinimum) {
      const std::int64_t size = is_number(shape) ? value.get_int64() : size_of(shape, value);
      if (size > shape.maximum) {
        sentences.push_back(maximum_sentence(shape));
      }
      if (size < shape.minimum) {
        sentences.push_back(minimum_sentence(shape));
      }
    }
    if (!shape.pattern.empty() && !patterns_.matches(shape.pattern, value.get_string())) {
      sentences.push_back(pattern_sentence(shape));
    }
    if (!shape.values.empty()) {
      const std::string_view text = value.get_string();
      if (std::find(shape.values.begin(), shape.values.end(), text) == shape.values.end()) {
        sentences.push_back(enumeration_sentence(shape));
      }
    }
    return sentences;
  }

  void value(const Shape& shape, const json::value& value, const std::string& path) {
    for (const std::string& sentence : broken(shape, value)) {
      violated(shape, &value, path, sentence);
    }
    switch (shape.type) {
      case Type::kList: elements(shape, value, path); break;
      case Type::kMap: entries(shape, value, path); break;
      case Type::kUnion:
        one_member(shape, value, path);
        structure(shape, value.get_object(), path);
        break;
      case Type::kStructure: structure(shape, value.get_object(), path); break;
      default: break;
    }
  }

  void elements(const Shape& shape, const json::value& list, const std::string& path) {
    bool bad = false;
    for (std::size_t index = 0; index < list.get_array().size(); ++index) {
      const json::value& element = list.get_array()[index];
      const std::string element_path = fmt::format("{}.{}.member", path, index + 1);
      if (element.is_null()) {
        violated(*shape.element, nullptr, element_path, "Member must not be null");
      } else if (!is_plain(*shape.element)) {
        value(*shape.element, element, element_path);
      } else {
        bad = bad || !broken(*shape.element, element).empty();
      }
    }
    if (bad) {
      violated(shape, &list, path, fmt::format("Member must satisfy constraint: [{}]", all_sentences(*shape.element)));
    }
  }

  void entries(const Shape& shape, const json::value& map, const std::string& path) {
    bool bad_key = false;
    bool bad_value = false;
    for (const auto& [key, entry] : map.get_object()) {
      bad_key = bad_key || !broken(*shape.key, json::value(json::string(key))).empty();
      if (entry.is_null()) {
        violated(*shape.element,
                 nullptr,
                 fmt::format("{}.{}.member", path, std::string_view(key)),
                 "Member must not be null");
      } else {
        bad_value = bad_value || !broken(*shape.element, entry).empty();
      }
    }
    if (bad_key) {
      violated(shape, &map, path, fmt::format("Map keys must satisfy constraint: [{}]", all_sentences(*shape.key)));
    }
    if (bad_value) {
      violated(
          shape, &map, path, fmt::format("Map value must satisfy constraint: [{}]", all_sentences(*shape.element)));
    }
  }

  void one_member(const Shape& shape, const json::value& value, const std::string& path) {
    if (value.get_object().size() == 1) {
      return;
    }
    std::vector<std::string> names;
    for (const Member& member : shape.members) {
      names.emplace_back(member.name);
    }
    violated(shape,
             &value,
             path,
             fmt::format("Member must have exactly one of these members set: [{}]", joined(names, ", ")));
  }

  const Patterns& patterns_;
  const Maxima& maxima_;
  std::vector<std::string> violations_;
};

Constraints::Constraints(Maxima maxima) : patterns_(std::make_unique<Patterns>()), maxima_(std::move(maxima)) {}
Constraints::~Constraints() = default;

std::optional<std::string> Constraints::check(const Shape& shape, const json::object& input) const {
  Walk walk(*patterns_, maxima_);
  walk.structure(shape, input, "");
  return walk.message();
}

}  // namespace dormouse::api
