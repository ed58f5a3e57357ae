// SPDX-License-Identifier: Apache-2.0

#include "control/storage.h"

#include <algorithm>
#include <system_error>
#include <tuple>
#include <utility>

#include "control/checkpoints.h"
#include "control/garbage.h"
#include "control/identifiers.h"
#include "control/image_files.h"
#include "control/lifecycle.h"
#include "control/world.h"
#include "os/disk_usage.h"
#include "os/file.h"
#include "store/metadata_store.h"

namespace dormouse::control {

namespace {

namespace fs = std::filesystem;

constexpr std::size_t kImagesMax = 100'000;

// What of an item a file is part of, by its name; "other" for the rest.
std::string part_of(const fs::path& path) {
  static const std::map<std::string, std::string, std::less<>> kParts = {
      {"memory", "memory"}, {"state", "state"}, {"pages", "pages"}, {"disk", "disk"}, {"overlay.qcow2", "overlay"}};
  const auto known = kParts.find(path.filename().native());
  return known == kParts.end() ? "other" : known->second;
}

}  // namespace

const char* storage_kind_of(std::string_view name) {
  static const std::map<std::string, const char*, std::less<>> kKinds = {{"images", "image"},
                                                                         {"microvms", "microvm"},
                                                                         {"checkpoints", "checkpoint"},
                                                                         {"artifacts", "artifact"},
                                                                         {"builds", "build"},
                                                                         {"build-logs", "log"},
                                                                         {"engines", "engine"},
                                                                         {"warm", "warm"},
                                                                         {"prepared", "warm"}};
  if (const auto known = kKinds.find(name); known != kKinds.end()) {
    return known->second;
  }
  return name.starts_with("logs.sqlite") ? "log" : name.starts_with("metadata.sqlite") ? "record" : "other";
}

Result<DiskBudget::Bytes> count_by_kind(const fs::path& data_directory, const os::Context& context) {
  DiskBudget::Bytes bytes;
  for (const char* const kind : kStorageKinds) {
    bytes[kind] = 0;
  }
  bytes.erase("base");
  DM_TRY(os::DiskUsage().of(
             data_directory,
             context,
             [&](const fs::path& path, std::uint64_t own) { bytes[storage_kind_of(path.begin()->native())] += own; }),
         "");
  return bytes;
}

namespace {

// One report under way.
class Count {
 public:
  Count(const Storage::Parts& parts, const os::Context& context)
      : parts_(parts), data_(parts.world.data_directory), context_(context) {}

  Result<StorageReport> run();

 private:
  Result<StorageItem> item(const char* kind, std::string id, const fs::path& path);
  void note_foundations(const std::string& id, const fs::path& directory);
  void add(StorageItem item);
  Status read_records();
  Status add_images();
  Status add_each(const char* kind, const fs::path& directory);
  Status add_artifacts();
  Status add_bases();
  Status add_rest();

  const Storage::Parts& parts_;
  const fs::path data_;
  const os::Context& context_;
  os::DiskUsage usage_;
  StorageReport report_;
  std::map<std::string, store::ImageRow> images_;             // by id
  std::map<std::string, std::vector<std::string>> holders_;   // by version_resource() of the version
  std::map<std::string, std::vector<std::string>> standing_;  // on engines and bases, by digest and key: ids of items
  std::map<std::string, std::string> accounts_;               // by microvm or checkpoint id
  NamedFiles named_;
};

Result<StorageItem> Count::item(const char* kind, std::string id, const fs::path& path) {
  StorageItem counted;
  counted.kind = kind;
  counted.id = std::move(id);
  DM_ASSIGN(
      counted.bytes,
      usage_.of(
          path, context_, [&](const fs::path& file, std::uint64_t bytes) { counted.parts[part_of(file)] += bytes; }),
      "");
  return counted;
}

void Count::note_foundations(const std::string& id, const fs::path& directory) {
  const host::Foundations foundations = parts_.world.host.foundations(directory);
  for (const std::string& engine : foundations.engines) {
    standing_[engine].push_back(id);
  }
  for (const std::string& base : foundations.bases) {
    standing_[base].push_back(id);
  }
}

void Count::add(StorageItem item) {
  StorageKind& kind = report_.kinds[item.kind];
  kind.bytes += item.bytes;
  ++kind.items;
  if (item.kind != "base") {
    report_.data_bytes += item.bytes;
  }
  report_.items.push_back(std::move(item));
}

Status Count::read_records() {
  const store::MetadataStore& metadata = parts_.world.metadata;
  DM_ASSIGN(named_, read_named_files(metadata), "");
  for (const ImageState state : kAllImageStates) {
    DM_ASSIGN(const auto rows, metadata.images_in_state(to_string(state), kImagesMax), "list images");
    for (const store::ImageRow& row : rows) {
      images_.emplace(row.id, row);
    }
  }
  DM_ASSIGN(const auto microvms, metadata.live_microvms(), "list microvms");
  for (const store::MicrovmRow& row : microvms) {
    holders_[store::version_resource(row.image_arn, row.image_version)].push_back(row.microvm_id);
    accounts_[row.microvm_id] = row.account;
  }
  for (const Checkpoint& checkpoint : parts_.checkpoints.all()) {
    const Microvm& source = checkpoint.source;
    holders_[store::version_resource(source.image_arn, source.image_version)].push_back(checkpoint.checkpoint_id);
    accounts_[checkpoint.checkpoint_id] = source.account;
  }
  return {};
}

Status Count::add_images() {
  DM_ASSIGN(const auto images, os::entries_of(data_ / "images"), "");
  for (const fs::path& directory : images) {
    const std::string image_id = directory.filename().string();
    const auto image = images_.find(image_id);
    DM_ASSIGN(const auto version_directories, os::entries_of(directory), "");
    for (const fs::path& version_directory : version_directories) {
      const std::string version = version_directory.filename().string();
      const bool known = image != images_.end();
      DM_ASSIGN(StorageItem counted,
                item("image", (known ? image->second.name : image_id) + ":" + version, version_directory),
                "");
      const auto versions = named_.versions.find(image_id);
      counted.named = versions != named_.versions.end() && versions->second.contains(version);
      if (known) {
        counted.account = image->second.account;
        counted.held_by = holders_[store::version_resource(image->second.arn, version)];
      }
      note_foundations(counted.id, version_directory);
      add(std::move(counted));
    }
  }
  return {};
}

Status Count::add_each(const char* kind, const fs::path& directory) {
  DM_ASSIGN(const auto children, os::entries_of(directory), "");
  for (const fs::path& child : children) {
    DM_ASSIGN(StorageItem counted, item(kind, child.filename().string(), child), "");
    if (const auto account = accounts_.find(counted.id); account != accounts_.end()) {
      counted.account = account->second;
    } else if (counted.kind == "microvm" || counted.kind == "checkpoint") {
      counted.named = counted.id.starts_with("fork-");  // the children that are launched from it
    }
    if (counted.kind == "microvm" || counted.kind == "checkpoint") {
      note_foundations(counted.id, child);
    } else if (counted.kind == "engine" || counted.kind == "base") {
      counted.held_by = standing_[counted.id];
    }
    add(std::move(counted));
  }
  return {};
}

// A bucket has no directory of its own: its objects are counted by their sizes, and what the blobs take besides is nobody's.
Status Count::add_artifacts() {
  DM_ASSIGN(StorageItem rest, item("artifact", "artifacts", data_ / "artifacts"), "");
  DM_ASSIGN(const auto buckets, parts_.buckets(), "list buckets");
  for (const Storage::Bucket& bucket : buckets) {
    StorageItem counted;
    counted.kind = "artifact";
    counted.id = "s3://" + bucket.name;
    counted.account = bucket.account;
    counted.bytes = std::min(bucket.bytes, rest.bytes);
    rest.bytes -= counted.bytes;
    add(std::move(counted));
  }
  rest.id = "artifacts: index, unfinished uploads, ends of blocks";
  rest.parts.clear();
  if (rest.bytes != 0) {
    add(std::move(rest));
  }
  return {};
}

// What other data directories have on them is not known here.
Status Count::add_bases() {
  DM_TRY(add_each("base", parts_.cache_directory / "bases"), "");
  DM_ASSIGN(const auto children, os::entries_of(parts_.cache_directory), "");
  for (const fs::path& child : children) {
    if (child.filename() != "bases") {
      DM_ASSIGN(StorageItem counted, item("base", child.filename().string(), child), "");
      add(std::move(counted));
    }
  }
  return {};
}

// Whatever else there is, by its first name.
Status Count::add_rest() {
  DM_ASSIGN(const auto children, os::entries_of(data_), "");
  for (const fs::path& child : children) {
    const std::string name = child.filename().string();
    if (name == "images" || name == "microvms" || name == "checkpoints" || name == "artifacts" || name == "builds" ||
        name == "engines") {
      continue;
    }
    DM_ASSIGN(StorageItem counted, item(storage_kind_of(name), name, child), "");
    counted.parts.clear();
    add(std::move(counted));
  }
  return {};
}

Result<StorageReport> Count::run() {
  for (const char* const kind : kStorageKinds) {
    report_.kinds[kind];
  }
  DM_TRY(read_records(), "");
  DM_TRY(add_images(), "");
  DM_TRY(add_each("microvm", data_ / "microvms"), "");
  DM_TRY(add_each("checkpoint", checkpoints_directory(data_)), "");
  DM_TRY(add_each("build", data_ / "builds"), "");
  DM_TRY(add_each("engine", data_ / "engines"), "");
  DM_TRY(add_artifacts(), "");
  DM_TRY(add_rest(), "");
  DM_TRY(add_bases(), "");
  std::sort(report_.items.begin(), report_.items.end(), [](const StorageItem& one, const StorageItem& other) {
    return std::tie(other.bytes, one.kind, one.id) < std::tie(one.bytes, other.kind, other.id);
  });
  if (report_.items.size() > StorageReport::kItemsMax) {
    report_.items_left_out = report_.items.size() - StorageReport::kItemsMax;
    report_.items.resize(StorageReport::kItemsMax);
  }
  report_.room = parts_.budget.room();
  report_.room.held_bytes = report_.data_bytes;
  return std::move(report_);
}

}  // namespace

Result<StorageReport> Storage::report(const os::Context& context) const {
  auto report = Count(parts_, context).run();
  if (!report) {
    return fail(std::move(report).error().with_context("count what is stored"));
  }
  return report;
}

}  // namespace dormouse::control
