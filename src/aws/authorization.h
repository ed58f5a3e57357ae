// SPDX-License-Identifier: Apache-2.0

#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <tl/expected.hpp>

#include "aws/auth_failure.h"
#include "aws/sigv4.h"

namespace dormouse::aws {

// Parts of an Authorization header or of a presigned query.
struct Authorization {
  std::string access_key;
  CredentialScope scope;
  std::vector<std::string> signed_headers;  // in the client's order
  std::string signature;
  std::string timestamp;                              // "20260102T030405Z"
  std::optional<std::chrono::seconds> presigned_for;  // none: header form
  std::string session_token;
  bool version_2 = false;  // query_signature_v2.h; timestamp is then the time it expires, in seconds since the epoch
};

// Reads them without judging them: kMissingToken, kMalformed.
tl::expected<Authorization, AuthFailure> parse_authorization(const WireRequest& request);

// The first field of that name (given in lower case), or null.
const std::string* find_header(const WireRequest& request, std::string_view lower_name);

using QueryParameters = std::vector<std::pair<std::string, std::string>>;
const std::string* find_parameter(const QueryParameters& parameters, std::string_view name);

}  // namespace dormouse::aws
