// SPDX-License-Identifier: Apache-2.0
//
// Requests of any form through routing, decoding, the constraint layer and the conversions behind it. The input is
// "METHOD path?query\nbody". What is accepted must convert, and its digest must not depend on how it was spelled.

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include <boost/json.hpp>

#include "api/constraints.h"
#include "api/decode.h"
#include "api/encode.h"
#include "api/input.h"
#include "api/operations.h"
#include "api/page_tokens.h"
#include "api/query_form.h"

namespace {

using namespace dormouse;

void require(bool condition) {
  if (!condition) {
    std::abort();
  }
}

void convert(const api::Operation& operation, const boost::json::object& input) {
  if (operation.name == "CreateMicrovmImage") {
    const control::ImageSpecification specification = api::image_specification(input);
    require(!specification.code_artifact_uri.empty());
  } else if (operation.name == "RunMicrovm") {
    const control::RunRequest request = api::run_request(input);
    require(!request.image_identifier.empty() && request.run_hook_payload.value_or("").size() <= 4096);
  }
  require(api::request_digest(input).size() == 64);
  require(!api::page_scope("0123456789ab", operation.name, input).empty());
}

// An answer of any members encodes to JSON text, whether they fit the output's shape by name or not at all.
void encode(const api::Operation& operation) {
  const std::string text = api::encode_output(operation, boost::json::object());
  require(text.empty() || boost::json::parse(text).is_object());
}

// The same bytes as a form of the query protocol, for every operation of it: what keeps the constraints encodes.
void forms(const api::Constraints& constraints, std::string_view query, std::string_view body) {
  const auto form = api::parse_form(query, body);
  if (!form) {
    require(!form.error().empty());
    return;
  }
  for (const api::Operation* operation : api::query_operations()) {
    const auto input = api::decode_form(*operation->input, *form);
    if (!input) {
      require(!input.error().empty());
      continue;
    }
    const auto violations = constraints.check(*operation->input, *input);
    require(!violations || violations->find("validation error") != std::string::npos);
  }
}

void run(std::string_view text) {
  static const api::Constraints constraints;
  const std::size_t line_end = text.find('\n');
  const std::string_view line = text.substr(0, line_end);
  const std::string_view body = line_end == std::string_view::npos ? "" : text.substr(line_end + 1);
  const std::size_t space = line.find(' ');
  const std::string_view target = space == std::string_view::npos ? "" : line.substr(space + 1);
  const std::size_t mark = target.find('?');
  const std::string_view query = mark == std::string_view::npos ? "" : target.substr(mark + 1);

  forms(constraints, query, body);
  const auto route = api::route(line.substr(0, space), target.substr(0, mark));
  if (!route) {
    require(boost::json::parse(route.error().body).is_object());
    return;
  }
  encode(*route->operation);
  const auto input = api::decode_input(*route, query, body);
  if (!input) {
    require(boost::json::parse(input.error().body).is_object());
    return;
  }
  const auto violations = constraints.check(*route->operation->input, *input);
  if (violations) {
    require(violations->find("validation error") != std::string::npos);
    return;
  }
  convert(*route->operation, *input);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  run(std::string_view(reinterpret_cast<const char*>(data), size));
  return 0;
}
