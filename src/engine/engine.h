// SPDX-License-Identifier: Apache-2.0
//
// An engine: QEMU with all that it loads and reads for our machine, kept as a directory that is named by what is in it
// (docs/formats/engine.md, docs/decisions/0006-engines.md).

#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "base/unique_fd.h"

namespace dormouse::engine {

inline constexpr char kManifestFile[] = "engine.json";

struct EngineFile {
  std::string path;  // below the engine's directory
  std::uint64_t bytes = 0;
  std::string sha256;  // hexadecimal
};

// engine.json. The SHA-256 of its text is the engine's digest, and its directory's name.
struct EngineManifest {
  static constexpr int kFormat = 1;
  std::string qemu_version;
  std::vector<EngineFile> files;  // in the order of their paths
};

std::string encode(const EngineManifest& manifest);
Result<EngineManifest> decode_engine(const std::string& text);

// Whether a name is that of an engine's directory: 64 lower-case hexadecimal digits.
bool is_digest(std::string_view name);
// For messages: the digest's beginning.
std::string short_digest(const std::string& digest);

// An engine that was found to be whole. What VMMs are started from; stays usable when its directory is removed.
struct Engine {
  std::string digest;
  std::string qemu_version;
  std::uint64_t bytes = 0;
  std::filesystem::path path;
  UniqueFd directory;  // O_PATH
};

// Reads every byte of it. ENOENT when there is no such directory; kDataLoss, naming the file, when one is missing, too many
// or not what was written, or when the manifest is not the one that the directory is named after.
Result<Engine> open_engine(const std::filesystem::path& directory);

}  // namespace dormouse::engine
