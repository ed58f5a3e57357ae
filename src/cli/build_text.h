// SPDX-License-Identifier: Apache-2.0

#pragma once

#include <boost/json/fwd.hpp>

#include "cli/terminal.h"

namespace dormouse::cli {

// What DescribeBuild answered, for people: state, sizes, phase, why it failed, what one should know.
void show_build(Terminal& terminal, const boost::json::value& build);

}  // namespace dormouse::cli
