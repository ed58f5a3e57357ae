// SPDX-License-Identifier: Apache-2.0

#include <cerrno>
#include <filesystem>

#include <fmt/format.h>

#include "cli/checks.h"
#include "cli/terminal.h"
#include "engine/current_engine.h"
#include "engine/engine.h"

namespace dormouse::cli {
namespace {

namespace fs = std::filesystem;
using Verdict = Check::Verdict;

std::size_t count_engines(const fs::path& directory) {
  std::error_code error;
  std::size_t count = 0;
  for (auto entry = fs::directory_iterator(directory, error); !error && entry != fs::directory_iterator();
       entry.increment(error)) {
    if (engine::is_digest(entry->path().filename().string())) {
      ++count;
    }
  }
  return count;
}

}  // namespace

Check check_engine(const Profile& profile) {
  Check check{.name = "engine",
              .verdict = Verdict::kNote,
              .found = "none yet",
              .remedy = "the daemon makes one of the system's QEMU when it starts"};
  const fs::path directory = profile.data_directory / "engines";
  const auto current = engine::read_current(directory);
  if (!current) {
    if (current.error().errno_value() != ENOENT) {
      check.found = current.error().message();
    }
    return check;
  }
  const auto opened = engine::open_engine(directory / current->digest);
  if (!opened) {
    check.found = fmt::format("{}: {}", engine::short_digest(current->digest), opened.error().message());
    check.remedy = "restart dormoused: it makes the engine again";
    check.verdict = Verdict::kBad;
    return check;
  }
  check.found = fmt::format("{}, QEMU {}, {}; {} kept",
                            engine::short_digest(opened->digest),
                            opened->qemu_version,
                            size_text(static_cast<double>(opened->bytes)),
                            count_engines(directory));
  if (engine::is_up_to_date(*current)) {
    check.verdict = Verdict::kGood;
    check.remedy.clear();
  } else {
    check.found += "; the system's files have changed since";
    check.remedy = "new guests get the system's QEMU of now once dormoused is restarted";
  }
  return check;
}

}  // namespace dormouse::cli
