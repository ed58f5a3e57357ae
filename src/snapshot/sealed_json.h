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

// Which values of an object's member "format" are read.
struct Formats {
  int oldest = 0;
  int newest = 0;  // the one that is written
};

// The object of such a text, without that member. kDataLoss, naming `what`, when it does not verify; kInvalidArgument when it does
// and its member "format" is another. So every format, those to come too, is sealed like this: a changed byte in the number
// must not pass for another version's.
Result<boost::json::object> unseal(std::string_view text, Formats formats, std::string_view what);

}  // namespace dormouse::snapshot
