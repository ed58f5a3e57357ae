// SPDX-License-Identifier: Apache-2.0

#include "cli/programs.h"

#include <unistd.h>

#include <filesystem>
#include <initializer_list>
#include <system_error>
#include <vector>

namespace dormouse::cli {
namespace {

namespace fs = std::filesystem;

std::string first_executable(const std::string& name, const std::vector<fs::path>& directories) {
  for (const fs::path& directory : directories) {
    const fs::path path = directory / name;
    std::error_code error;
    if (fs::is_regular_file(path, error) && ::access(path.c_str(), X_OK) == 0) {
      return path.lexically_normal().string();
    }
  }
  return "";
}

}  // namespace

std::string find_program(const std::string& name) {
  return first_executable(name, {"/usr/bin", "/usr/sbin", "/bin", "/sbin", "/usr/local/bin", "/usr/local/sbin"});
}

std::string find_own_program(const std::string& name, const std::string& folder) {
  std::error_code error;
  const fs::path here = fs::read_symlink("/proc/self/exe", error).parent_path();
  return first_executable(name, {here, here / ".." / folder, "/usr/libexec/dormouse", "/usr/lib/dormouse"});
}

}  // namespace dormouse::cli
