// SPDX-License-Identifier: Apache-2.0
//
// JSON bodies of any form for each operation that takes one: the first byte chooses the operation, the rest is the body. What
// the constraint layer lets through keeps every constraint of the model, checked here once more by other means, and is the same
// input after it was written out and read again.

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>
#include <vector>

#include <boost/json.hpp>

#include "api/constraints.h"
#include "api/decode.h"
#include "api/input.h"
#include "api/operations.h"
#include "api/schema_examples.h"
#include "api/utf8.h"

namespace {

using namespace dormouse;
namespace json = boost::json;

void require(bool condition) {
  if (!condition) {
    std::abort();
  }
}

const std::vector<const api::Operation*>& operations_with_body() {
  static const std::vector<const api::Operation*> found = [] {
    std::vector<const api::Operation*> operations;
    for (const api::Operation* operation : api::all_operations()) {
      for (const api::Member& member : operation->input->members) {
        if (member.location == api::Location::kBody) {
          operations.push_back(operation);
          break;
        }
      }
    }
    return operations;
  }();
  return found;
}

void require_kept(const api::Shape& shape, const json::value& value) {
  std::int64_t size = 0;
  if (value.is_string()) {
    const std::string_view text = value.get_string();
    size = static_cast<std::int64_t>(shape.unit == api::LengthUnit::kBytes ? text.size() : api::count_characters(text));
  } else if (value.is_array()) {
    size = static_cast<std::int64_t>(value.get_array().size());
    for (const json::value& element : value.get_array()) {
      require(!element.is_null());
      require_kept(*shape.element, element);
    }
  } else if (value.is_int64()) {
    size = value.get_int64();
  } else if (value.is_object() && shape.type == api::Type::kMap) {
    size = static_cast<std::int64_t>(value.get_object().size());
    for (const auto& [key, entry] : value.get_object()) {
      require_kept(*shape.key, json::value(json::string(key)));
      require_kept(*shape.element, entry);
    }
  }
  if (value.is_object() && shape.type != api::Type::kMap) {
    for (const api::Member& member : shape.members) {
      const json::value* part = value.get_object().if_contains(member.name);
      require(part != nullptr || member.presence == api::Presence::kOptional);
      if (part != nullptr) {
        require_kept(*member.shape, *part);
      }
    }
    return;
  }
  require(shape.minimum == api::kNoMinimum || size >= shape.minimum);
  require(shape.maximum == api::kNoMaximum || size <= shape.maximum);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const api::Constraints constraints;
  if (size == 0) {
    return 0;
  }
  const auto& operations = operations_with_body();
  const api::Operation& operation = *operations[data[0] % operations.size()];
  const std::string_view body(reinterpret_cast<const char*>(data) + 1, size - 1);
  const std::string path = api::place_input(operation, api::example(*operation.input).as_object()).path;
  const auto route = api::route(operation.method, path);
  require(route.has_value());
  const auto input = api::decode_input(*route, "", body);
  if (!input) {
    require(json::parse(input.error().body).is_object());
    return 0;
  }
  if (const auto violations = constraints.check(*operation.input, *input)) {
    require(violations->find("validation error") != std::string::npos);
    return 0;
  }
  require_kept(*operation.input, *input);
  const auto again = api::decode_input(*route, "", json::serialize(*input));
  require(again && api::request_digest(*again) == api::request_digest(*input));
  return 0;
}
