// SPDX-License-Identifier: Apache-2.0
//
// The `document` column of a record: JSON. What a record's members are called there is said once, by a function
//
//   template <typename Document>
//   void members(Document& document, typename Document::template As<Record>& record) {
//     document("name", record.name);
//     ...
//   }
//
// that DocumentWriter and DocumentReader both run. Members without a value are left out; a member that is not there keeps
// its default; one of the wrong type makes the document broken.

#pragma once

#include <chrono>
#include <concepts>
#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <boost/json.hpp>

#include "base/clock.h"
#include "base/error.h"

namespace dormouse::control {

template <typename Enumeration>
using Spelling = std::pair<Enumeration, std::string_view>;

class DocumentWriter {
 public:
  template <typename Record>
  using As = const Record;

  template <typename T>
  void operator()(const char* name, const T& value) {
    object_[name] = to_json(value);
  }
  template <typename T>
  void operator()(const char* name, const std::optional<T>& value) {
    if (value) {
      object_[name] = to_json(*value);
    }
  }
  template <typename Enumeration>
  void operator()(const char* name, const Enumeration& value, std::span<const Spelling<Enumeration>> spellings) {
    for (const auto& [each, spelling] : spellings) {
      if (each == value) {
        object_[name] = spelling;
      }
    }
  }
  template <typename Enumeration>
  void operator()(const char* name,
                  const std::optional<Enumeration>& value,
                  std::span<const Spelling<Enumeration>> spellings) {
    if (value) {
      (*this)(name, *value, spellings);
    }
  }

  boost::json::object take() { return std::move(object_); }

 private:
  template <typename T>
  static boost::json::value to_json(const T& value) {
    if constexpr (requires(DocumentWriter& writer) { members(writer, value); }) {
      DocumentWriter writer;
      members(writer, value);
      return writer.take();
    } else {
      return boost::json::value_from(value);
    }
  }
  static boost::json::value to_json(WallTime value) {
    return std::int64_t{std::chrono::duration_cast<std::chrono::microseconds>(value.time_since_epoch()).count()};
  }

  boost::json::object object_;
};

class DocumentReader {
 public:
  template <typename Record>
  using As = Record;

  explicit DocumentReader(const boost::json::object& object) : object_(object) {}

  template <typename T>
  void operator()(const char* name, T& target) {
    if (const boost::json::value* value = object_.if_contains(name)) {
      read(*value, target);
    }
  }
  template <typename T>
  void operator()(const char* name, std::optional<T>& target) {
    if (const boost::json::value* value = object_.if_contains(name)) {
      read(*value, target.emplace());
    }
  }
  template <typename Enumeration>
  void operator()(const char* name, Enumeration& target, std::span<const Spelling<Enumeration>> spellings) {
    std::optional<Enumeration> read;
    (*this)(name, read, spellings);
    target = read.value_or(target);
  }
  template <typename Enumeration>
  void operator()(const char* name,
                  std::optional<Enumeration>& target,
                  std::span<const Spelling<Enumeration>> spellings) {
    std::optional<std::string> text;
    (*this)(name, text);
    for (const auto& [value, spelling] : spellings) {
      if (text == spelling) {
        target = value;
      }
    }
    broken_ = broken_ || (text && !target);
  }

  bool broken() const { return broken_; }

 private:
  template <typename T>
  void read(const boost::json::value& value, T& target) {
    if constexpr (requires(DocumentReader& reader) { members(reader, target); }) {
      const boost::json::object* const object = value.if_object();
      if (object == nullptr) {
        broken_ = true;
        return;
      }
      DocumentReader reader(*object);
      members(reader, target);
      broken_ = broken_ || reader.broken();
    } else {
      auto read = boost::json::try_value_to<T>(value);
      broken_ = broken_ || !read;
      if (read) {
        target = *std::move(read);
      }
    }
  }
  void read(const boost::json::value& value, WallTime& target) {
    std::int64_t microseconds = 0;
    read(value, microseconds);
    target = WallTime(std::chrono::microseconds(microseconds));
  }

  const boost::json::object& object_;
  bool broken_ = false;
};

template <typename Record>
std::string to_document(const Record& record) {
  DocumentWriter writer;
  members(writer, record);
  return boost::json::serialize(writer.take());
}

// kDataLoss for what is no document of such a record.
template <typename Record>
Status from_document(std::string_view document, Record& record) {
  boost::json::error_code error;
  const boost::json::value value = boost::json::parse(document, error);
  if (error || !value.is_object()) {
    return fail(ErrorKind::kDataLoss, "the document is no JSON object");
  }
  DocumentReader reader(value.get_object());
  members(reader, record);
  if (reader.broken()) {
    return fail(ErrorKind::kDataLoss, "a column or member has a value that is none of ours");
  }
  return {};
}

}  // namespace dormouse::control
