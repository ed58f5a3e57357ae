// SPDX-License-Identifier: Apache-2.0

#include "agent/cgroup.h"

#include <fcntl.h>
#include <poll.h>
#include <unistd.h>

#include <array>
#include <charconv>

#include "base/clock.h"
#include "os/file.h"

namespace dormouse::agent {

std::uint64_t keyed_number(std::string_view text, std::string_view key, std::uint64_t absent) {
  while (!text.empty()) {
    const std::string_view line = text.substr(0, text.find('\n'));
    text.remove_prefix(std::min(text.size(), line.size() + 1));
    if (line.size() > key.size() && line.starts_with(key) && line[key.size()] == ' ') {
      std::uint64_t number = 0;
      const char* const end = line.data() + line.size();
      if (std::from_chars(line.data() + key.size() + 1, end, number).ec == std::errc()) {
        return number;
      }
    }
  }
  return absent;
}

Status write_kernel_file(const std::string& path, std::string_view text) {
  DM_ASSIGN(const UniqueFd file, os::open_file(path, O_WRONLY), "");
  return os::write_all(file.get(), text, "write " + path);
}

Status Cgroup::freeze(std::chrono::milliseconds timeout) const {
  auto frozen = set_frozen(true, timeout);
  if (!frozen) {
    const auto undone = write_kernel_file(directory_ + "/cgroup.freeze", "0");
    if (!undone) {
      return fail(std::move(frozen).error().with_context("not undone (" + undone.error().message() + ")"));
    }
  }
  return frozen;
}

Status Cgroup::thaw(std::chrono::milliseconds timeout) const { return set_frozen(false, timeout); }

Status Cgroup::set_frozen(bool frozen, std::chrono::milliseconds timeout) const {
  const SteadyTime deadline = SteadyTime::clock::now() + timeout;
  DM_ASSIGN(const UniqueFd events, os::open_file(directory_ + "/cgroup.events", O_RDONLY), "");
  DM_TRY(write_kernel_file(directory_ + "/cgroup.freeze", frozen ? "1" : "0"), "");
  for (;;) {
    std::array<char, 256> buffer;
    const ssize_t count = ::pread(events.get(), buffer.data(), buffer.size(), 0);
    if (count < 0) {
      return fail_errno("read cgroup.events");
    }
    if (keyed_number({buffer.data(), static_cast<std::size_t>(count)}, "frozen", 2) == (frozen ? 1U : 0U)) {
      return {};
    }
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(deadline - SteadyTime::clock::now());
    if (left.count() <= 0) {
      return fail(ErrorKind::kDeadlineExceeded,
                  std::string(frozen ? "freeze" : "thaw") + " the application: not done in " +
                      std::to_string(timeout.count()) + " ms");
    }
    pollfd entry{events.get(), POLLPRI, 0};
    ::poll(&entry, 1, static_cast<int>(left.count()));
  }
}

std::uint64_t Cgroup::out_of_memory_kills() const {
  const auto events = os::read_file(directory_ + "/memory.events", 4096);
  return events ? keyed_number(*events, "oom_kill", 0) : 0;
}

}  // namespace dormouse::agent
