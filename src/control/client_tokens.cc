// SPDX-License-Identifier: Apache-2.0

#include "control/client_tokens.h"

#include <chrono>
#include <utility>

#include <fmt/core.h>

#include "control/service_failure.h"
#include "store/metadata_store.h"

namespace dormouse::control {

namespace {

constexpr std::chrono::hours kTokenLife{24};

}  // namespace

Answer<std::optional<store::TokenRow>> find_token(const store::MetadataStore& metadata,
                                                  const TokenUse& use,
                                                  WallTime now,
                                                  std::string_view member) {
  auto row = answer_of(metadata.token(use.account, use.operation, use.token, now), "read a client token");
  if (row && *row && (*row)->digest != use.digest) {
    return refuse(
        ServiceErrorKind::kConflict,
        fmt::format("The {} was used before with different parameters; use another one for another request", member));
  }
  return row;
}

store::TokenRow token_row(const TokenUse& use, std::string resource, std::string document, WallTime now) {
  return {.account = use.account,
          .operation = use.operation,
          .token = use.token,
          .digest = use.digest,
          .resource = std::move(resource),
          .document = std::move(document),
          .created_at = now,
          .expires_at = now + kTokenLife};
}

}  // namespace dormouse::control
