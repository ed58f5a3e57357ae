// SPDX-License-Identifier: Apache-2.0

#include "agent/root_directory.h"

#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <vector>

#include "os/file.h"

namespace dormouse::agent {

Result<RootDirectory> RootDirectory::open(const std::string& path) {
  DM_ASSIGN(UniqueFd directory, os::open_file(path, O_PATH | O_DIRECTORY), "");
  return RootDirectory(std::move(directory));
}

Result<UniqueFd> RootDirectory::open_in(const std::string& path, int flags) const {
  open_how how{};
  how.flags = static_cast<unsigned>(flags | O_CLOEXEC);
  how.resolve = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS;
  for (;;) {
    const long fd = ::syscall(SYS_openat2, directory_.get(), path.c_str(), &how, sizeof how);
    if (fd >= 0) {
      return UniqueFd(static_cast<int>(fd));
    }
    if (errno != EINTR && errno != EAGAIN) {
      return fail_errno("open " + path + " in the container");
    }
  }
}

Result<std::string> RootDirectory::read(const std::string& path, std::size_t bytes_max) const {
  auto file = open_in(path, O_RDONLY | O_NONBLOCK | O_NOCTTY);
  if (!file) {
    if (file.error().errno_value() == ENOENT || file.error().errno_value() == ENOTDIR) {
      return std::string();
    }
    return fail(std::move(file).error());
  }
  struct stat status{};
  if (::fstat(file->get(), &status) != 0 || !S_ISREG(status.st_mode)) {
    return fail(ErrorKind::kInvalidArgument, path + " in the container is not a regular file");
  }
  std::string content;
  std::array<char, 4096> buffer;
  for (;;) {
    const ssize_t count = ::read(file->get(), buffer.data(), buffer.size());
    if (count < 0) {
      return fail_errno("read " + path + " in the container");
    }
    if (count == 0) {
      return content;
    }
    content.append(buffer.data(), static_cast<std::size_t>(count));
    if (content.size() > bytes_max) {
      return fail(ErrorKind::kInvalidArgument,
                  path + " in the container has more than " + std::to_string(bytes_max) + " bytes");
    }
  }
}

Status RootDirectory::make_directories(const std::string& path) const {
  std::size_t end = 0;
  while (end != path.size()) {
    const std::size_t begin = end;
    end = std::min(path.find('/', begin + 1), path.size());
    if (open_in(path.substr(0, end), O_PATH | O_DIRECTORY)) {
      continue;
    }
    DM_ASSIGN(const UniqueFd parent, open_in(begin == 0 ? "/" : path.substr(0, begin), O_PATH | O_DIRECTORY), "");
    const std::string name = path.substr(begin + 1, end - begin - 1);
    if (!name.empty() && ::mkdirat(parent.get(), name.c_str(), 0755) != 0) {
      return fail_errno("make directory " + path.substr(0, end) + " in the container");
    }
  }
  return {};
}

Answered<void> RootDirectory::check_executable(const std::string& name,
                                               std::string_view path,
                                               const std::string& working_directory) const {
  std::vector<std::string> candidates;
  if (name.starts_with('/')) {
    candidates.push_back(name);
  } else if (name.find('/') != name.npos) {
    candidates.push_back(working_directory + "/" + name);
  } else {
    for (std::size_t begin = 0; begin <= path.size();) {
      const std::size_t end = std::min(path.find(':', begin), path.size());
      candidates.push_back(std::string(path.substr(begin, end - begin)) + "/" + name);
      begin = end + 1;
    }
  }
  bool found = false;
  for (const std::string& candidate : candidates) {
    const auto file = open_in(candidate, O_PATH);
    struct stat status{};
    if (!file || ::fstat(file->get(), &status) != 0 || S_ISDIR(status.st_mode)) {
      continue;
    }
    found = true;
    if (S_ISREG(status.st_mode) && (status.st_mode & 0111U) != 0) {
      return {};
    }
  }
  if (found) {
    return refuse(ErrorKind::kInvalidArgument,
                  "executable_not_permitted",
                  "\"" + name + "\" is not executable in the image; set its mode with RUN chmod +x");
  }
  const std::string where = candidates.size() == 1 ? "" : ", looked for in PATH " + std::string(path);
  return refuse(ErrorKind::kInvalidArgument,
                "executable_not_found",
                "the image has no executable \"" + name + "\"" + where + "; correct ENTRYPOINT or CMD");
}

}  // namespace dormouse::agent
