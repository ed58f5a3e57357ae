// SPDX-License-Identifier: Apache-2.0

#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "artifacts/object_store.h"
#include "artifacts/s3_error.h"
#include "net/http.h"

namespace dormouse::artifacts {

// What a request is about, decoded. Borrows the head.
class S3Request {
 public:
  // host_names: names of this server below which "<bucket>.<name>" means a bucket; else the path's first segment does.
  static S3Result<S3Request> parse(const net::RequestHead& head,
                                   const std::string& account,
                                   const std::vector<std::string>& host_names);

  const net::RequestHead& head() const { return *head_; }
  const ObjectName& name() const { return name_; }
  const std::string& account() const { return name_.account; }
  const std::string& bucket() const { return name_.bucket; }  // "": the service itself
  const std::string& key() const { return name_.key; }        // "": the bucket itself
  const std::vector<std::pair<std::string, std::string>>& parameters() const { return parameters_; }

  bool has(std::string_view parameter) const { return find(parameter) != nullptr; }
  const std::string* find(std::string_view parameter) const;
  std::string parameter(std::string_view name) const;  // "" if there is none
  // A number from 0 to `max`; `otherwise` if there is none; greater ones are `max`. InvalidArgument for what is no number.
  S3Result<int> number(std::string_view name, int otherwise, int max) const;
  std::string header(std::string_view name) const;  // "" if there is none

 private:
  const net::RequestHead* head_ = nullptr;
  ObjectName name_;
  std::vector<std::pair<std::string, std::string>> parameters_;
};

// "Bucket naming rules", S3 user guide: what can be created.
bool is_bucket_name(std::string_view name);

// x-amz-copy-source: "[/]bucket/key[?versionId=null]", percent-encoded.
S3Result<ObjectName> parse_copy_source(std::string_view text, const std::string& account);

// "bytes=first-last", "bytes=first-", "bytes=-count" against an object of `size` bytes. None for what is no range or more
// than one: then the whole object is meant. InvalidRange when it lies outside.
struct ByteRange {
  std::uint64_t first = 0;
  std::uint64_t length = 0;
};
S3Result<std::optional<ByteRange>> parse_range(std::string_view text, std::uint64_t size);

}  // namespace dormouse::artifacts
