// SPDX-License-Identifier: Apache-2.0

#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <unordered_map>

#include "build_context/archive_failure.h"
#include "build_context/limits.h"
#include "os/context.h"

namespace dormouse::build_context {

enum class EntryKind : std::uint8_t { kRegularFile, kDirectory, kSymbolicLink };

// The names of an archive as the file system that unpacking it would make.
//
// Invariants: a path has one kind; whatever has something below it is a directory; no more than Limits::entries_max paths,
// the directories that are only implied included, so that deep paths cannot fill the memory.
class ArchiveTree {
 public:
  explicit ArchiveTree(const Limits& limits) : limits_(limits) {}

  // Adds the entry at `path` (of normalized_path(), not empty). `link_target` is that of a link, else empty.
  ArchiveResult<void> add(const std::string& path, EntryKind kind, std::string_view link_target = "");

  bool is_regular_file(const std::string& path) const;

  // Refuses links that lead out of the archive when the other links are followed too, or through too many links: to be
  // called once everything is added. Takes time that an archive can make long, therefore the context.
  ArchiveResult<void> check_links(const os::Context& context) const;

 private:
  struct Node {
    EntryKind kind;
    std::string link_target;
  };

  ArchiveResult<void> insert(const std::string& path, EntryKind kind, std::string_view link_target);
  ArchiveResult<void> check_link(const std::string& path, const Node& link) const;

  const Limits limits_;
  std::unordered_map<std::string, Node> nodes_;
};

}  // namespace dormouse::build_context
