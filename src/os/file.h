// SPDX-License-Identifier: Apache-2.0
//
// Files by path and descriptor: every call handles EINTR, sets O_CLOEXEC and names its operand in the error.

#pragma once

#include <sys/types.h>

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "base/unique_fd.h"

namespace dormouse::os {

Result<UniqueFd> open_file(const std::filesystem::path& path, int flags, mode_t mode = 0600);

// A file that cannot be modified through the descriptor's path any more: contents up to `size_bytes_max`.
Result<std::string> read_file(const std::filesystem::path& path, std::size_t size_bytes_max = 16U << 20U);

Status write_all(int fd, std::span<const std::byte> bytes, std::string_view what);
Status write_all(int fd, std::string_view text, std::string_view what);
// Reads exactly bytes.size() bytes from `offset`. kDataLoss when the file is shorter.
Status read_exactly(int fd, std::span<std::byte> bytes, std::uint64_t offset, std::string_view what);

enum class Durability { kDurable, kVolatile };

// Replaces `path` by `content` with one rename: readers see the old or the new content, also after a crash. kDurable
// also fsyncs the file and its directory before returning.
Status publish_file(const std::filesystem::path& path, std::string_view content, mode_t mode, Durability durability);

Status sync(int fd, std::string_view what);                // fdatasync
Status sync_file(const std::filesystem::path& path);       // the same, of a file that nobody here has open
Status sync_directory(const std::filesystem::path& path);  // makes renames in it durable
Status rename_durably(const std::filesystem::path& from, const std::filesystem::path& to);

Status make_directories(const std::filesystem::path& path, mode_t mode = 0700);
// What is in a directory, by name; nothing if it is not there.
Result<std::vector<std::filesystem::path>> entries_of(const std::filesystem::path& directory);
// Removes a tree; what is not there is fine. Does not follow links.
Status remove_tree(const std::filesystem::path& path);

// Gives the space of a file back, open for writing, whose last name is gone and that nobody else has open: a piece at a time,
// so that no one who syncs another file meanwhile waits for all of it. A file system that discards what it frees takes a
// second for a gigabyte (ext4 mounted with discard: 0.3 s for 265 MiB). A file that has a name is left as it is.
void give_back_space(const UniqueFd& file);

std::uint64_t size_of(int fd);             // bytes; 0 when it cannot be known
std::uint64_t allocated_bytes_of(int fd);  // bytes on disk, holes left out

}  // namespace dormouse::os
