// SPDX-License-Identifier: Apache-2.0

#pragma once

#include <optional>
#include <string>

#include "artifacts/object_store.h"
#include "aws/credentials.h"
#include "control/world.h"

namespace dormouse::artifacts {

// An S3 elsewhere, for artifacts in buckets that are not here.
struct ForeignS3 {
  std::string url;  // "https://s3.example.com": path-style addresses are used
  std::string region;
  aws::Credential credential;
};

// Fetches build archives: from the local store, and when it has no such bucket, from the foreign S3, if there is one.
// Thread-safe; `store` outlives it.
class ArtifactFetcher final : public control::ArtifactSource {
 public:
  ArtifactFetcher(const ObjectStore& store, std::optional<ForeignS3> foreign)
      : store_(store), foreign_(std::move(foreign)) {}

  tl::expected<void, Failure> fetch(const std::string& account,
                                    const std::string& uri,
                                    const std::filesystem::path& target,
                                    std::uint64_t size_bytes_max,
                                    const os::Context& context) override;

 private:
  tl::expected<void, Failure> fetch_local(const ObjectStore::Opened& opened,
                                          const std::string& uri,
                                          const std::filesystem::path& target,
                                          std::uint64_t size_bytes_max,
                                          const os::Context& context) const;
  tl::expected<void, Failure> fetch_foreign(const std::string& uri,
                                            const std::string& bucket,
                                            const std::string& key,
                                            const std::filesystem::path& target,
                                            std::uint64_t size_bytes_max,
                                            const os::Context& context) const;

  const ObjectStore& store_;
  const std::optional<ForeignS3> foreign_;
};

}  // namespace dormouse::artifacts
