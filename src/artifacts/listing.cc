// SPDX-License-Identifier: Apache-2.0

#include "artifacts/listing.h"

#include <algorithm>
#include <utility>

namespace dormouse::artifacts {

namespace {

// The least text that is greater than every text with this prefix.
std::string after_prefix(std::string prefix) {
  while (!prefix.empty() && prefix.back() == '\xff') {
    prefix.pop_back();
  }
  if (prefix.empty()) {
    return std::string(kKeyBytesMax + 1, '\xff');
  }
  prefix.back() = static_cast<char>(static_cast<unsigned char>(prefix.back()) + 1);
  return prefix;
}

}  // namespace

Result<Listing> list(const ObjectStore& store,
                     const std::string& account,
                     const std::string& bucket,
                     const ListingQuery& query) {
  Listing listing;
  const std::string until = after_prefix(query.prefix);
  std::string from = query.prefix;
  if (!query.after.empty() && query.after >= from) {
    from = query.after + '\0';
  }
  const auto entries = [&listing] { return listing.objects.size() + listing.common_prefixes.size(); };
  while (from < until) {
    const std::size_t wanted = query.limit - entries() + 1;
    DM_ASSIGN(std::vector<Object> batch, store.range(account, bucket, from, until, wanted), "");
    const bool more = batch.size() == wanted;
    if (!batch.empty()) {
      from = batch.back().key + '\0';
    }
    for (Object& object : batch) {
      const std::size_t position =
          query.delimiter.empty() ? std::string::npos : object.key.find(query.delimiter, query.prefix.size());
      std::string common = position == std::string::npos ? "" : object.key.substr(0, position + query.delimiter.size());
      if (!common.empty()) {
        from = std::max(from, after_prefix(common));
        if (common <= query.after || (!listing.common_prefixes.empty() && common == listing.common_prefixes.back())) {
          continue;
        }
      }
      if (entries() == query.limit) {
        listing.truncated = true;
        return listing;
      }
      listing.last = common.empty() ? object.key : common;
      if (common.empty()) {
        listing.objects.push_back(std::move(object));
      } else {
        listing.common_prefixes.push_back(std::move(common));
      }
    }
    if (!more) {
      break;
    }
  }
  return listing;
}

}  // namespace dormouse::artifacts
