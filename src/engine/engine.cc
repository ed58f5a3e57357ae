// SPDX-License-Identifier: Apache-2.0

#include "engine/engine.h"

#include <fcntl.h>

#include <algorithm>
#include <utility>

#include <boost/json.hpp>
#include <fmt/format.h>

#include "hashing/digest.h"
#include "os/file.h"

namespace dormouse::engine {
namespace {

namespace fs = std::filesystem;
namespace json = boost::json;

constexpr std::size_t kManifestBytesMax = 1U << 20U;
constexpr std::size_t kDigestLength = 64;
constexpr std::size_t kShortLength = 12;

// A path that leads to something below the directory it is looked up in.
bool leads_down(const std::string& text) {
  const fs::path path(text);
  return !path.empty() && path.is_relative() && path.lexically_normal().string() == text && *path.begin() != "..";
}

Status verify(const fs::path& directory, const EngineFile& expected) {
  const fs::path path = directory / expected.path;
  std::error_code error;
  const fs::file_status status = fs::symlink_status(path, error);
  if (!fs::is_regular_file(status)) {
    return fail(ErrorKind::kDataLoss, expected.path + (fs::exists(status) ? " is no file" : " is missing"));
  }
  if (fs::file_size(path, error) != expected.bytes || error) {
    return fail(ErrorKind::kDataLoss, fmt::format("{} has not its {} bytes", expected.path, expected.bytes));
  }
  DM_ASSIGN(const std::string found, hashing::digest_of_file(path), "");
  if (found != expected.sha256) {
    return fail(ErrorKind::kDataLoss, expected.path + " is not what was written");
  }
  return {};
}

// What is there without being named might be loaded in place of what is.
Status expect_nothing_else(const fs::path& directory, const EngineManifest& manifest) {
  std::error_code error;
  for (auto entry = fs::recursive_directory_iterator(directory, error);
       !error && entry != fs::recursive_directory_iterator();
       entry.increment(error)) {
    const std::string path = entry->path().lexically_relative(directory).string();
    const auto named = [&](const EngineFile& file) { return file.path == path; };
    if (!fs::is_directory(entry->symlink_status()) && path != kManifestFile &&
        std::none_of(manifest.files.begin(), manifest.files.end(), named)) {
      return fail(ErrorKind::kDataLoss, path + " is not part of it");
    }
  }
  if (error) {
    return fail(Error::from_errno(error.value(), "list " + directory.string()));
  }
  return {};
}

}  // namespace

std::string encode(const EngineManifest& manifest) {
  json::array files;
  for (const EngineFile& file : manifest.files) {
    files.push_back(json::object{{"path", file.path}, {"bytes", file.bytes}, {"sha256", file.sha256}});
  }
  return json::serialize(json::object{{"format", EngineManifest::kFormat},
                                      {"qemu_version", manifest.qemu_version},
                                      {"files", std::move(files)}}) +
         "\n";
}

Result<EngineManifest> decode_engine(const std::string& text) {
  try {
    const json::value value = json::parse(text);
    const json::object& object = value.as_object();
    if (const int format = object.at("format").to_number<int>(); format != EngineManifest::kFormat) {
      return fail(
          ErrorKind::kConflict,
          fmt::format(
              "{} has format {}: this version reads format {}", kManifestFile, format, EngineManifest::kFormat));
    }
    EngineManifest manifest;
    manifest.qemu_version = json::value_to<std::string>(object.at("qemu_version"));
    for (const json::value& entry : object.at("files").as_array()) {
      EngineFile file;
      file.path = json::value_to<std::string>(entry.as_object().at("path"));
      file.bytes = entry.as_object().at("bytes").to_number<std::uint64_t>();
      file.sha256 = json::value_to<std::string>(entry.as_object().at("sha256"));
      if (!leads_down(file.path)) {
        return fail(ErrorKind::kDataLoss, fmt::format("{}: '{}' is no path below it", kManifestFile, file.path));
      }
      manifest.files.push_back(std::move(file));
    }
    return manifest;
  } catch (const std::exception& error) {
    return fail(ErrorKind::kDataLoss, fmt::format("{}: {}", kManifestFile, error.what()));
  }
}

bool is_digest(std::string_view name) {
  return name.size() == kDigestLength && name.find_first_not_of("0123456789abcdef") == std::string_view::npos;
}

std::string short_digest(const std::string& digest) { return digest.substr(0, kShortLength); }

Result<Engine> open_engine(const fs::path& directory) {
  Engine engine;
  engine.path = directory;
  engine.digest = directory.filename().string();
  DM_ASSIGN(engine.directory, os::open_file(directory, O_PATH | O_DIRECTORY), "");
  auto text = os::read_file(directory / kManifestFile, kManifestBytesMax);
  if (!text) {
    return fail(ErrorKind::kDataLoss, text.error().message());
  }
  if (hashing::digest_of(*text) != engine.digest) {
    return fail(ErrorKind::kDataLoss, fmt::format("{} is not what was written", kManifestFile));
  }
  DM_ASSIGN(const EngineManifest manifest, decode_engine(*text), "");
  DM_TRY(expect_nothing_else(directory, manifest), "");
  for (const EngineFile& file : manifest.files) {
    DM_TRY(verify(directory, file), "");
    engine.bytes += file.bytes;
  }
  engine.qemu_version = manifest.qemu_version;
  return engine;
}

}  // namespace dormouse::engine
