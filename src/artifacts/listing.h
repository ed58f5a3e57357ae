// SPDX-License-Identifier: Apache-2.0

#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "artifacts/object_store.h"

namespace dormouse::artifacts {

struct ListingQuery {
  std::string prefix;
  std::string delimiter;  // empty: none
  std::string after;      // entries up to and including this one are left out
  std::size_t limit = 1000;
};

// One page of a bucket: keys, and the common prefixes that stand for all keys with the same text up to the delimiter. Both
// count as entries and are ordered by their bytes.
struct Listing {
  std::vector<Object> objects;
  std::vector<std::string> common_prefixes;
  bool truncated = false;
  std::string last;  // the last entry: `after` of the next page
};

Result<Listing> list(const ObjectStore& store,
                     const std::string& account,
                     const std::string& bucket,
                     const ListingQuery& query);

}  // namespace dormouse::artifacts
