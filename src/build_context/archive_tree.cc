// SPDX-License-Identifier: Apache-2.0

#include "build_context/archive_tree.h"

#include <vector>

#include <fmt/format.h>

#include "build_context/entry_path.h"

namespace dormouse::build_context {

namespace {

std::string_view name_of(EntryKind kind) {
  switch (kind) {
    case EntryKind::kRegularFile: return "a regular file";
    case EntryKind::kDirectory: return "a directory";
    case EntryKind::kSymbolicLink: return "a symbolic link";
  }
  return "unknown";
}

// "" for what lies at the root.
std::string parent_of(std::string_view path) {
  const std::size_t slash = path.rfind('/');
  return std::string(slash == std::string_view::npos ? "" : path.substr(0, slash));
}

}  // namespace

ArchiveResult<void> ArchiveTree::insert(const std::string& path, EntryKind kind, std::string_view link_target) {
  nodes_.insert_or_assign(path, Node{kind, std::string(link_target)});
  if (nodes_.size() > limits_.entries_max) {
    return refuse(fmt::format("The archive has more than {} entries, directories included.", limits_.entries_max));
  }
  return {};
}

ArchiveResult<void> ArchiveTree::add(const std::string& path, EntryKind kind, std::string_view link_target) {
  if (kind == EntryKind::kSymbolicLink) {
    if (link_target.empty() || link_target.size() > limits_.path_bytes_max) {
      return refuse(fmt::format("The target of symbolic link {} is {} bytes long; it must have 1 to {}.",
                                quoted_name(path),
                                link_target.size(),
                                limits_.path_bytes_max));
    }
    if (link_target.front() == '/') {
      return refuse(fmt::format("Symbolic link {} leads to {}, an absolute path; links must be relative.",
                                quoted_name(path),
                                quoted_name(link_target)));
    }
  }
  for (std::string parent = parent_of(path); !parent.empty(); parent = parent_of(parent)) {
    const auto found = nodes_.find(parent);
    if (found != nodes_.end()) {
      if (found->second.kind != EntryKind::kDirectory) {
        return refuse(fmt::format("Archive entry {} lies below {}, which is {}.",
                                  quoted_name(path),
                                  quoted_name(parent),
                                  name_of(found->second.kind)));
      }
      break;  // and so are its parents
    }
    DM_REFUSE_TRY(insert(parent, EntryKind::kDirectory, ""));
  }
  const auto found = nodes_.find(path);
  if (found != nodes_.end() && found->second.kind != kind) {
    return refuse(fmt::format(
        "Archive entry {} occurs as {} and as {}.", quoted_name(path), name_of(found->second.kind), name_of(kind)));
  }
  return insert(path, kind, link_target);
}

bool ArchiveTree::is_regular_file(const std::string& path) const {
  const auto found = nodes_.find(path);
  return found != nodes_.end() && found->second.kind == EntryKind::kRegularFile;
}

// Follows the link as the kernel would (path_resolution(7)) in a tree whose root is the archive's.
ArchiveResult<void> ArchiveTree::check_link(const std::string& path, const Node& link) const {
  std::string current = parent_of(path);  // holds no links; "" is the root
  std::vector<std::string_view> pending;  // components left to go, the next one last
  const auto follow = [&pending](const Node& node) {
    const auto parts = components(node.link_target);
    pending.insert(pending.end(), parts.rbegin(), parts.rend());
  };
  follow(link);
  for (int hops = 1; !pending.empty();) {
    const std::string_view part = pending.back();
    pending.pop_back();
    if (part == "..") {
      if (current.empty()) {
        return refuse(fmt::format(
            "Symbolic link {} leads to {}, outside the archive.", quoted_name(path), quoted_name(link.link_target)));
      }
      current = parent_of(current);
      continue;
    }
    std::string next = current.empty() ? std::string(part) : fmt::format("{}/{}", current, part);
    const auto found = nodes_.find(next);
    if (found == nodes_.end() || found->second.kind != EntryKind::kSymbolicLink) {
      current = std::move(next);
      continue;
    }
    if (++hops > kLinkHopsMax) {
      return refuse(fmt::format("Symbolic link {} leads through more than {} links.", quoted_name(path), kLinkHopsMax));
    }
    follow(found->second);
  }
  return {};
}

ArchiveResult<void> ArchiveTree::check_links(const os::Context& context) const {
  for (const auto& [path, node] : nodes_) {
    if (node.kind == EntryKind::kSymbolicLink) {
      if (const Status status = context.check("check the links of the archive"); !status) {
        return fail_platform("check the archive's symbolic links", status.error());
      }
      DM_REFUSE_TRY(check_link(path, node));
    }
  }
  return {};
}

}  // namespace dormouse::build_context
