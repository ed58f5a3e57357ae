// SPDX-License-Identifier: Apache-2.0
//
// A JSON object that carries the checksum of itself: a file that one byte of was changed is refused, not believed.

#pragma once

#include <string>
#include <string_view>

#include <boost/json/object.hpp>

#include "base/error.h"

namespace dormouse::snapshot {

// The object's text with a last member "checksum": XXH3-64 of the text without it. One line.
std::string seal(boost::json::object object);

// The object of such a text, without that member. kDataLoss, naming `what`, when it does not verify; kInvalidArgument when its
// member "format" is not `format`.
Result<boost::json::object> unseal(std::string_view text, int format, std::string_view what);

}  // namespace dormouse::snapshot
