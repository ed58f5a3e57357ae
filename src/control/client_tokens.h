// SPDX-License-Identifier: Apache-2.0
//
// Client tokens: a request that comes again with its token within a day is answered with what came of it the first time.

#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "base/clock.h"
#include "control/service_error.h"
#include "store/rows.h"

namespace dormouse::store {
class MetadataStore;
}

namespace dormouse::control {

// One request with a token.
struct TokenUse {
  const std::string& account;
  const char* operation;
  const std::string& token;
  const std::string& digest;  // of the request's content
};

// The row of the request that came before; nothing if none did. kConflict if it had other content. `member` is what the
// service calls the token.
Answer<std::optional<store::TokenRow>> find_token(const store::MetadataStore& metadata,
                                                  const TokenUse& use,
                                                  WallTime now,
                                                  std::string_view member = "clientToken");

// The row to store with what the request made.
store::TokenRow token_row(const TokenUse& use, std::string resource, std::string document, WallTime now);

}  // namespace dormouse::control
