// SPDX-License-Identifier: Apache-2.0

#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <boost/json/object.hpp>

#include "base/error.h"

namespace dormouse::protocol {

// Takes the members out of one JSON object, checking type and range of each. The first thing wrong is remembered and
// told by finish(), as is a member that nobody took: so a decoder is a list of members and one check at the end. Until
// then what is returned for a wrong member is merely harmless. Errors are kInvalidArgument and name the member.
class Fields {
 public:
  // `what` names the object in errors.
  static Fields parse(std::string_view json, std::string_view what);

  std::string text(std::string_view name, std::size_t bytes_max);  // no NUL bytes
  std::uint64_t number(std::string_view name, std::uint64_t least, std::uint64_t most);
  bool boolean(std::string_view name);
  std::vector<std::string> texts(std::string_view name, std::size_t count_max, std::size_t bytes_max);
  // Environment variables: a name is not empty and holds no '='.
  std::map<std::string, std::string> environment(std::string_view name);

  // The same for members that may be absent.
  std::optional<std::string> maybe_text(std::string_view name, std::size_t bytes_max);
  std::optional<std::uint64_t> maybe_number(std::string_view name, std::uint64_t least, std::uint64_t most);
  std::optional<bool> maybe_boolean(std::string_view name);

  void reject(std::string message);  // what the decoder itself finds wrong
  Status finish() const;

 private:
  explicit Fields(std::string_view what) : what_(what) {}
  std::optional<boost::json::value> take(std::string_view name);
  boost::json::value need(std::string_view name);
  std::string check_text(const boost::json::value& value, std::string_view name, std::size_t bytes_max);

  std::string what_;
  boost::json::object members_;  // not taken yet
  std::string wrong_;            // the first error; empty: none
};

}  // namespace dormouse::protocol
