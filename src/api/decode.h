// SPDX-License-Identifier: Apache-2.0

#pragma once

#include <string_view>

#include <boost/json/fwd.hpp>
#include <tl/expected.hpp>

#include "api/operations.h"
#include "api/refusal.h"

namespace dormouse::api {

inline constexpr std::size_t kJsonDepthMax = 32;

// The members of an operation's input, from labels, query and body, by their names in the model: only members that the
// model knows, absent ones and nulls left out, fallbacks filled in, each value of the model's JSON type (integers as
// int64). What has another type is refused as SerializationException with the service's words; constraints are not
// looked at (see constraints.h).
tl::expected<boost::json::object, Refusal> decode_input(const Route& route,
                                                        std::string_view query,
                                                        std::string_view body);

}  // namespace dormouse::api
