// SPDX-License-Identifier: Apache-2.0
//
// Private to artifacts/: the operations of S3, each from a decoded request to an answer. S3Service chooses among them.
// Source: S3 API reference, API version 2006-03-01.

#pragma once

#include <string>
#include <string_view>

#include "artifacts/body_reader.h"
#include "artifacts/object_store.h"
#include "artifacts/s3_error.h"
#include "artifacts/s3_request.h"

namespace dormouse::artifacts {

struct S3Context {
  ObjectStore& store;
  const std::string& region;
};

using S3Answer = S3Result<net::Response>;

// s3_buckets.cc. `body` is the whole body, verified.
S3Answer list_buckets(const S3Context& context, const S3Request& request, std::string_view body);
S3Answer create_bucket(const S3Context& context, const S3Request& request, std::string_view body);
S3Answer head_bucket(const S3Context& context, const S3Request& request, std::string_view body);
S3Answer delete_bucket(const S3Context& context, const S3Request& request, std::string_view body);
S3Answer get_bucket_location(const S3Context& context, const S3Request& request, std::string_view body);
S3Answer list_objects(const S3Context& context, const S3Request& request, std::string_view body);  // V1 and V2
S3Answer delete_objects(const S3Context& context, const S3Request& request, std::string_view body);

// s3_objects.cc
S3Answer get_object(const S3Context& context, const S3Request& request, std::string_view body);  // and HeadObject
S3Answer delete_object(const S3Context& context, const S3Request& request, std::string_view body);
S3Answer copy_object(const S3Context& context, const S3Request& request, std::string_view body);
// The part of the body's work that is left once it is in `blob`.
S3Answer put_object(const S3Context& context,
                    const S3Request& request,
                    const BodyReader::Verified& body,
                    BlobWriter& blob);

// s3_multipart.cc
S3Answer create_multipart_upload(const S3Context& context, const S3Request& request, std::string_view body);
S3Answer upload_part(const S3Context& context,
                     const S3Request& request,
                     const BodyReader::Verified& body,
                     BlobWriter& blob);
S3Answer upload_part_copy(const S3Context& context, const S3Request& request, std::string_view body);
S3Answer complete_multipart_upload(const S3Context& context, const S3Request& request, std::string_view body);
S3Answer abort_multipart_upload(const S3Context& context, const S3Request& request, std::string_view body);
S3Answer list_parts(const S3Context& context, const S3Request& request, std::string_view body);
S3Answer list_multipart_uploads(const S3Context& context, const S3Request& request, std::string_view body);
S3Result<int> part_number(const S3Request& request);

// Shared.
S3Result<std::vector<std::pair<std::string, std::string>>> stored_headers(const S3Request& request);
S3Result<PutCondition> put_condition(const S3Request& request);
void add_checksum(net::Headers& headers, const std::optional<StoredChecksum>& checksum);
std::string quote_etag(std::string_view etag);
std::string unquote_etag(std::string_view etag);

// The bytes that x-amz-copy-source and its range and conditions mean, copied to a blob.
struct CopiedSource {
  Object source;
  std::string md5;  // raw bytes
  std::unique_ptr<BlobWriter> blob;
};
S3Result<CopiedSource> copy_source(const S3Context& context, const S3Request& request);

}  // namespace dormouse::artifacts

// Evaluates an S3Result or a Result and returns its error, as an S3Error, from the enclosing function.
#define DM_S3_ASSIGN(target, expression) DM_S3_ASSIGN_(DM_CONCATENATE(dm_result_, __LINE__), target, expression)
#define DM_S3_ASSIGN_(name, target, expression)                       \
  auto name = (expression);                                           \
  if (!name) {                                                        \
    return ::tl::unexpected<::dormouse::artifacts::S3Error>(          \
        ::dormouse::artifacts::as_s3_error(std::move(name).error())); \
  }                                                                   \
  target = *std::move(name)
#define DM_S3_TRY(expression)                                                \
  do {                                                                       \
    if (auto dm_result = (expression); !dm_result) {                         \
      return ::tl::unexpected<::dormouse::artifacts::S3Error>(               \
          ::dormouse::artifacts::as_s3_error(std::move(dm_result).error())); \
    }                                                                        \
  } while (false)

namespace dormouse::artifacts {
inline S3Error as_s3_error(S3Error error) { return error; }
inline S3Error as_s3_error(const Error& error) { return to_s3_error(error); }
}  // namespace dormouse::artifacts
