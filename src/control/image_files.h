// SPDX-License-Identifier: Apache-2.0

#pragma once

#include <filesystem>
#include <string>

namespace dormouse::control {

// Where things of images are, in the data directory.
inline std::filesystem::path image_directory(const std::filesystem::path& data, const std::string& image_id) {
  return data / "images" / image_id;
}
inline std::filesystem::path snapshot_directory(const std::filesystem::path& data,
                                                const std::string& image_id,
                                                const std::string& version) {
  return image_directory(data, image_id) / version;
}
inline std::filesystem::path build_directory(const std::filesystem::path& data, const std::string& build_id) {
  return data / "builds" / build_id;
}
inline std::filesystem::path checkpoints_directory(const std::filesystem::path& data) { return data / "checkpoints"; }
inline std::filesystem::path build_log_file(const std::filesystem::path& data, const std::string& build_id) {
  return data / "build-logs" / (build_id + ".log");
}

}  // namespace dormouse::control
