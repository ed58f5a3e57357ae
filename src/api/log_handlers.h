// SPDX-License-Identifier: Apache-2.0

#pragma once

#include <string_view>

#include <boost/json/fwd.hpp>

#include "api/log_service.h"
#include "control/service_error.h"

namespace dormouse::api {

struct LogCall {
  const Operation& operation;
  const std::string& account;
  const boost::json::object& input;
};
using LogHandler = control::Answer<boost::json::object> (*)(LogService::Backend& backend, const LogCall& call);

// The handler of an operation of log_operations().
LogHandler find_log_handler(std::string_view operation);

}  // namespace dormouse::api
