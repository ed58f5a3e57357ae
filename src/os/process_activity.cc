// SPDX-License-Identifier: Apache-2.0

#include "os/process_activity.h"

#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <iterator>
#include <sstream>
#include <vector>

#include "os/file.h"

namespace dormouse::os {
namespace {

namespace fs = std::filesystem;
using std::chrono::milliseconds;

constexpr std::size_t kFileBytesMax = std::size_t{64} << 10U;

std::string text_of(const fs::path& path) { return read_file(path, kFileBytesMax).value_or(""); }
fs::path directory_of(pid_t pid) { return "/proc/" + std::to_string(pid); }

// Of a `stat` file: the fields from the third on. The second may hold anything, spaces and parentheses included.
std::vector<std::string> fields_of(const std::string& stat) {
  const std::size_t name_end = stat.rfind(')');
  std::istringstream rest(name_end == std::string::npos ? std::string() : stat.substr(name_end + 1));
  return {std::istream_iterator<std::string>(rest), {}};
}

// utime and stime, fields 14 and 15.
milliseconds processor_time(const std::vector<std::string>& fields) {
  constexpr std::size_t kUserTime = 14 - 3;
  std::uint64_t ticks = 0;
  for (std::size_t i = kUserTime; i < kUserTime + 2 && i < fields.size(); ++i) {
    ticks += std::strtoull(fields[i].c_str(), nullptr, 10);
  }
  return milliseconds(ticks * 1000 / static_cast<std::uint64_t>(::sysconf(_SC_CLK_TCK)));
}

std::vector<fs::path> threads_of(pid_t pid) {
  std::vector<fs::path> threads;
  std::error_code gone;
  for (fs::directory_iterator entry(directory_of(pid) / "task", gone), end; !gone && entry != end;
       entry.increment(gone)) {
    threads.push_back(entry->path());
  }
  return threads;
}

// Of net/dev: two lines of headings, then "name: <received bytes> ... <ninth: sent bytes> ...".
std::uint64_t network_bytes_of(pid_t pid) {
  std::istringstream lines(text_of(directory_of(pid) / "net/dev"));
  std::uint64_t bytes = 0;
  for (std::string line; std::getline(lines, line);) {
    std::istringstream columns(line);
    std::string name;
    columns >> name;
    std::uint64_t counter = 0;
    for (int column = 0; name.ends_with(':') && name != "lo:" && column < 9 && columns >> counter; ++column) {
      bytes += column == 0 || column == 8 ? counter : 0;
    }
  }
  return bytes;
}

}  // namespace

std::optional<ProcessActivity> activity_of(pid_t pid) {
  const auto stat = read_file(directory_of(pid) / "stat", kFileBytesMax);
  if (!stat) {
    return std::nullopt;
  }
  ProcessActivity activity;
  activity.ran = processor_time(fields_of(*stat));
  activity.network_bytes = network_bytes_of(pid);
  std::int64_t waited_ns = 0;
  for (const fs::path& thread : threads_of(pid)) {
    const auto fields = fields_of(text_of(thread / "stat"));
    activity.waits_for_disk |= !fields.empty() && fields.front() == "D";
    std::istringstream times(text_of(thread / "schedstat"));
    std::int64_t thread_ran_ns = 0;
    std::int64_t thread_waited_ns = 0;
    times >> thread_ran_ns >> thread_waited_ns;
    waited_ns += thread_waited_ns;
  }
  activity.waited = std::chrono::duration_cast<milliseconds>(std::chrono::nanoseconds(waited_ns));
  return activity;
}

std::string describe_threads(pid_t pid) {
  std::string text;
  for (const fs::path& thread : threads_of(pid)) {
    const std::string stat = text_of(thread / "stat");
    const auto fields = fields_of(stat);
    if (!fields.empty()) {
      text += stat.substr(0, stat.rfind(')') + 1) + " " + fields.front() + " " + text_of(thread / "wchan") + " " +
              std::to_string(processor_time(fields).count()) + " ms\n";
    }
  }
  return text;
}

}  // namespace dormouse::os
