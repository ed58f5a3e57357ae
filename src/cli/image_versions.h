// SPDX-License-Identifier: Apache-2.0

#pragma once

#include <string>

#include <boost/json/fwd.hpp>

#include "base/error.h"
#include "cli/service.h"

namespace dormouse::cli {

// The record of the newest version of an image, whatever its state. kNotFound when it has none.
Result<boost::json::value> newest_version(Service& service, const std::string& image_arn, const os::Context& context);

// `wanted`, or the number of the newest version if it is empty.
Result<std::string> version_or_newest(Service& service,
                                      const std::string& image_arn,
                                      const std::string& wanted,
                                      const os::Context& context);

}  // namespace dormouse::cli
