// SPDX-License-Identifier: Apache-2.0

#pragma once

#include <cstddef>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "store/rows.h"

namespace dormouse::store {

// Changes that happen together or not at all, in the order of the members: first the conditions are checked, then rows
// go, then rows are put.
struct Changes {
  // Condition: the image exists and its state is one of `states`.
  struct ImageIn {
    std::string arn;
    std::vector<std::string> states;
  };
  std::optional<ImageIn> image_in;
  // Condition: the image with this ARN has no VM that is not terminated.
  std::optional<std::string> image_unused;
  // Condition: the version exists and is SUCCESSFUL and ACTIVE.
  std::optional<VersionKey> version_active;
  // Condition: the version has no VM that is not terminated.
  std::optional<VersionKey> version_unused;

  std::vector<std::string> remove_images;   // by ARN, with their versions, builds and tokens
  std::vector<VersionKey> remove_versions;  // with their builds and tokens

  std::vector<ImageRow> images;          // inserted, or replaced when the id is there already
  std::vector<VersionRow> versions;      // likewise by image and version
  std::vector<BuildRow> builds;          // likewise by build id
  std::vector<ConnectorRow> connectors;  // likewise by id; the tokens of one that is deleted go
  std::vector<MicrovmRow> microvms;      // likewise by microvm id
  std::vector<TokenRow> tokens;          // inserted; one that expired is replaced
};

// The records of images, versions, builds, connectors, VMs and client tokens, durable when a call returns.
//
// Invariants: apply() is atomic, also in a crash; reads see every apply() that has returned. The cost of a call does not
// grow with the number of rows, only with the rows it returns.
//
// Thread-safe; every call blocks on the disk. Errors: kConflict for a condition that does not hold or a unique column that
// is taken, kInvalidArgument for a page position that is none, kDataLoss for a damaged database, kResourceExhausted for a
// full disk, kInternal otherwise.
class MetadataStore {
 public:
  virtual ~MetadataStore() = default;

  virtual Status apply(const Changes& changes) = 0;

  virtual Result<std::optional<ImageRow>> image_by_arn(std::string_view arn) const = 0;
  virtual Result<std::optional<ImageRow>> image_by_name(std::string_view account, std::string_view name) const = 0;
  virtual Result<std::size_t> count_images(std::string_view account) const = 0;  // the cost grows with what is counted
  virtual Result<RowPage<ImageRow>> list_images(std::string_view account, const PageRequest& page) const = 0;
  // All of one state, of every account: for what an earlier daemon left. At most `limit`.
  virtual Result<std::vector<ImageRow>> images_in_state(std::string_view state, std::size_t limit) const = 0;

  virtual Result<std::optional<VersionRow>> version(std::string_view image_arn, std::string_view version) const = 0;
  virtual Result<std::size_t> count_versions(std::string_view image_arn) const = 0;  // likewise
  virtual Result<RowPage<VersionRow>> list_versions(std::string_view image_arn, const PageRequest& page) const = 0;

  virtual Result<std::optional<BuildRow>> build(std::string_view build_id) const = 0;
  virtual Result<RowPage<BuildRow>> list_builds(std::string_view image_arn,
                                                std::string_view version,
                                                const PageRequest& page) const = 0;
  virtual Result<std::vector<BuildRow>> builds_in_state(std::string_view state, std::size_t limit) const = 0;

  // Deleted ones too.
  virtual Result<std::optional<ConnectorRow>> connector(std::string_view id) const = 0;
  // The rest leaves deleted ones out.
  virtual Result<std::optional<ConnectorRow>> connector_by_name(std::string_view account,
                                                                std::string_view name) const = 0;
  virtual Result<RowPage<ConnectorRow>> list_connectors(std::string_view account, const PageRequest& page) const = 0;
  virtual Result<std::vector<ConnectorRow>> connectors_in_state(std::string_view state, std::size_t limit) const = 0;
  // Returns how many, at most `limit`.
  virtual Result<std::size_t> remove_connectors_deleted_before(WallTime when, std::size_t limit) = 0;

  virtual Result<std::optional<MicrovmRow>> microvm(std::string_view microvm_id) const = 0;
  virtual Result<std::optional<MicrovmRow>> microvm_by_endpoint(std::string_view endpoint_id) const = 0;
  struct MicrovmFilter {
    std::optional<std::string> image_arn;
    std::optional<std::string> image_version;
  };
  virtual Result<RowPage<MicrovmRow>> list_microvms(std::string_view account,
                                                    const MicrovmFilter& filter,
                                                    const PageRequest& page) const = 0;
  // All that are not terminated, of every account.
  virtual Result<std::vector<MicrovmRow>> live_microvms() const = 0;
  // Removes VMs that were terminated before `when`, at most `limit`, with their tokens. Returns how many.
  virtual Result<std::size_t> remove_terminated_before(WallTime when, std::size_t limit) = 0;

  // Nothing when there is none or it expired before `now`.
  virtual Result<std::optional<TokenRow>> token(std::string_view account,
                                                std::string_view operation,
                                                std::string_view token,
                                                WallTime now) const = 0;
  // Returns how many, at most `limit`.
  virtual Result<std::size_t> remove_tokens_expired_before(WallTime when, std::size_t limit) = 0;
};

}  // namespace dormouse::store
