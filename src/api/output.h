// SPDX-License-Identifier: Apache-2.0
//
// Records of the control layer as members of answers.

#pragma once

#include <string>

#include <boost/json/fwd.hpp>

#include "control/images.h"
#include "control/records.h"

namespace dormouse::api {

boost::json::object image_members(const control::Image& image);
boost::json::object created_members(const control::Images::Created& created);
boost::json::object version_members(const control::ImageVersion& version);
boost::json::object build_members(const control::Build& build);
boost::json::object connector_members(const control::NetworkConnector& connector);
boost::json::object microvm_members(const control::Microvm& microvm);
// The answer of an operation that tells no more than whether it was done.
control::Answer<boost::json::object> nothing(const control::Answer<void>& answer);

}  // namespace dormouse::api
