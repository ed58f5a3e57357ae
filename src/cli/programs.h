// SPDX-License-Identifier: Apache-2.0

#pragma once

#include <string>

namespace dormouse::cli {

// The path of a program in the directories where Debian puts them (PATH is not consulted: sbin is often not in it). Empty
// if there is none.
std::string find_program(const std::string& name);

// The path of a program of ours: beside this one, in the build tree's folder of it, or where the package puts it.
std::string find_own_program(const std::string& name, const std::string& folder);

}  // namespace dormouse::cli
