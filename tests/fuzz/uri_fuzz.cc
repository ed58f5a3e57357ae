// SPDX-License-Identifier: Apache-2.0
//
// Paths, query strings and page tokens of any bytes. What decodes is UTF-8 and comes back from its own encoding; a page token
// opens to what it was issued for, and nothing else opens.

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "api/operations.h"
#include "api/page_tokens.h"
#include "api/uri.h"
#include "api/utf8.h"
#include "aws/encoding.h"
#include "support/fake_clock.h"

namespace {

using namespace dormouse;

void require(bool condition) {
  if (!condition) {
    std::abort();
  }
}

void check_label(std::string_view segment) {
  const auto decoded = api::decode_label(segment);
  if (decoded) {
    require(api::is_utf8(*decoded));
    require(api::decode_label(aws::percent_encode(*decoded, aws::Slash::kEncode)) == decoded);
  }
}

void check_query(std::string_view query) {
  const auto parameters = api::parse_query(query);
  if (!parameters) {
    return;
  }
  for (const api::Parameter& parameter : *parameters) {
    require(api::is_utf8(parameter.name) && api::is_utf8(parameter.value));
    const std::string again = aws::percent_encode(parameter.name, aws::Slash::kEncode) + "=" +
                              aws::percent_encode(parameter.value, aws::Slash::kEncode);
    const auto reread = api::parse_query(again);
    require(reread && reread->size() == 1 && reread->front().name == parameter.name &&
            reread->front().value == parameter.value && !reread->front().raw_equals_in_value);
  }
}

// Whatever finds an operation fills each of its labels.
void check_route(std::string_view path) {
  for (const std::string_view method : {"GET", "POST", "PUT", "PATCH", "DELETE"}) {
    const auto route = api::route(method, path);
    if (route) {
      std::size_t labels = 0;
      for (const api::Member& member : route->operation->input->members) {
        labels += member.location == api::Location::kLabel ? 1U : 0U;
      }
      require(route->operation->method == method && route->labels.size() == labels);
    }
  }
}

void check_token(std::string_view text) {
  static const test::FakeClock clock;
  static const api::PageTokens tokens("key", clock);
  require(!tokens.open("scope", text));
  const std::string issued = tokens.issue("scope", text);
  require(tokens.open("scope", issued) == std::string(text));
  require(!tokens.open("another scope", issued));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  check_label(text);
  check_query(text);
  check_route(text.substr(0, text.find('?')));
  check_token(text);
  return 0;
}
