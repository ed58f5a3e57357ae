// SPDX-License-Identifier: Apache-2.0

#pragma once

#include <string>

#include <boost/json/fwd.hpp>

#include "api/model.h"

namespace dormouse::api {

// An operation's answer as JSON text: the members of its shape in the model's order, nothing else. Absent ones are null or
// left out as the protocol says, those of a union always left out; times are numbers or ISO 8601 text likewise. An
// operation without an output shape has an empty body. Text is made UTF-8.
std::string encode_output(const Operation& operation, const boost::json::object& output);

}  // namespace dormouse::api
