// SPDX-License-Identifier: Apache-2.0

#include "managed_base/users.h"

#include <unistd.h>

#include <cerrno>
#include <string>
#include <system_error>
#include <utility>

#include "base/log.h"
#include "hashing/digest.h"
#include "os/file.h"

namespace dormouse::managed_base {
namespace {

namespace fs = std::filesystem;

constexpr char kLock[] = "lock";
constexpr char kUnfinished[] = ".tmp";  // os::publish_file()'s

}  // namespace

Result<FileLock> Users::lock(const os::Context& context) const {
  DM_TRY(os::make_directories(directory_, 0755), "");
  return FileLock::acquire(directory_ / kLock, context);
}

Result<FileLock> Users::add(const fs::path& data_directory, const os::Context& context) const {
  DM_ASSIGN(const FileLock adding, lock(context), "");
  const std::string& path = data_directory.native();
  const fs::path registration = directory_ / hashing::digest_of(path);
  if (const auto known = os::read_file(registration); !known || *known != path) {
    DM_TRY(os::publish_file(registration, path, 0644, os::Durability::kDurable), "");
    DM_TRY(os::sync_directory(directory_.parent_path()), "");
  }
  return FileLock::share(registration, context);
}

Result<std::vector<Users::User>> Users::all() const {
  DM_ASSIGN(const std::vector<fs::path> entries, os::entries_of(directory_), "");
  std::vector<User> users;
  for (const fs::path& entry : entries) {
    if (entry.filename() == kLock || entry.extension() == kUnfinished) {
      continue;
    }
    DM_ASSIGN(std::string path, os::read_file(entry), "");
    if (hashing::digest_of(path) != entry.filename().native()) {
      return fail(
          ErrorKind::kDataLoss,
          entry.string() + " does not name the data directory that it is for: remove it, and restart the daemons");
    }
    User user{entry, std::move(path)};
    std::error_code error;
    const fs::file_status status = fs::status(user.data_directory, error);
    if (status.type() == fs::file_type::none) {
      return fail(Error::from_errno(error.value(), "look at " + user.data_directory.string()));
    }
    user.present = status.type() != fs::file_type::not_found;
    if (!user.present && !FileLock::try_acquire_existing(entry)) {
      return fail(ErrorKind::kUnavailable,
                  user.data_directory.string() +
                      " is not to be seen here, but its daemon runs: one in another container must "
                      "have a cache directory of its own");
    }
    users.push_back(std::move(user));
  }
  return users;
}

Result<std::vector<fs::path>> Users::present() const {
  DM_ASSIGN(std::vector<User> users, all(), "");
  std::vector<fs::path> directories;
  for (User& user : users) {
    if (user.present) {
      directories.push_back(std::move(user.data_directory));
    }
  }
  return directories;
}

Status Users::drop_gone() const {
  DM_ASSIGN(const std::vector<User> users, all(), "");
  for (const User& user : users) {
    if (!user.present) {
      log::info("a data directory is gone: what it needed of the managed bases is not kept for it",
                {{"data_directory", user.data_directory.string()}});
      DM_TRY(os::remove_tree(user.registration), "");
    }
  }
  return {};
}

}  // namespace dormouse::managed_base
