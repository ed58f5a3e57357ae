// SPDX-License-Identifier: Apache-2.0

#include "engine/current_engine.h"

#include <sys/stat.h>

#include <algorithm>
#include <utility>

#include <boost/json.hpp>
#include <fmt/format.h>

#include "os/file.h"

namespace dormouse::engine {
namespace {

namespace fs = std::filesystem;
namespace json = boost::json;

std::int64_t nanoseconds(const timespec& time) { return std::int64_t{time.tv_sec} * 1'000'000'000 + time.tv_nsec; }

}  // namespace

FileState state_of(const fs::path& path) {
  FileState state{.path = path};
  struct stat found{};
  if (::stat(path.c_str(), &found) == 0) {
    state.device = found.st_dev;
    state.inode = found.st_ino;
    state.bytes = static_cast<std::uint64_t>(found.st_size);
    state.modified_ns = nanoseconds(found.st_mtim);
    state.changed_ns = nanoseconds(found.st_ctim);
  }
  return state;
}

std::string encode(const CurrentEngine& current) {
  json::array sources;
  for (const FileState& source : current.sources) {
    sources.push_back(json::object{{"path", source.path.string()},
                                   {"device", source.device},
                                   {"inode", source.inode},
                                   {"bytes", source.bytes},
                                   {"modified_ns", source.modified_ns},
                                   {"changed_ns", source.changed_ns}});
  }
  return json::serialize(json::object{{"format", CurrentEngine::kFormat},
                                      {"engine", current.digest},
                                      {"program", current.program},
                                      {"acceleration", vmm::to_string(current.acceleration)},
                                      {"sources", std::move(sources)}}) +
         "\n";
}

Result<CurrentEngine> read_current(const fs::path& engines) {
  DM_ASSIGN(const std::string text, os::read_file(engines / CurrentEngine::kFile, 1U << 20U), "");
  try {
    const json::value value = json::parse(text);
    const json::object& object = value.as_object();
    if (object.at("format").to_number<int>() != CurrentEngine::kFormat) {
      throw std::runtime_error(fmt::format("this version reads format {}", CurrentEngine::kFormat));
    }
    CurrentEngine current;
    current.digest = json::value_to<std::string>(object.at("engine"));
    current.program = json::value_to<std::string>(object.at("program"));
    DM_ASSIGN(current.acceleration,
              vmm::acceleration_from(std::string_view(object.at("acceleration").as_string())),
              CurrentEngine::kFile);
    for (const json::value& entry : object.at("sources").as_array()) {
      const json::object& source = entry.as_object();
      current.sources.push_back({json::value_to<std::string>(source.at("path")),
                                 source.at("device").to_number<std::uint64_t>(),
                                 source.at("inode").to_number<std::uint64_t>(),
                                 source.at("bytes").to_number<std::uint64_t>(),
                                 source.at("modified_ns").to_number<std::int64_t>(),
                                 source.at("changed_ns").to_number<std::int64_t>()});
    }
    return current;
  } catch (const std::exception& error) {
    return fail(ErrorKind::kDataLoss, fmt::format("{}: {}", CurrentEngine::kFile, error.what()));
  }
}

bool is_up_to_date(const CurrentEngine& current) {
  return !current.sources.empty() &&
         std::all_of(current.sources.begin(), current.sources.end(), [](const FileState& source) {
           return state_of(source.path) == source;
         });
}

}  // namespace dormouse::engine
