// SPDX-License-Identifier: Apache-2.0

#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <utility>

#include <fmt/core.h>

#include "artifacts/s3_operations.h"
#include "artifacts/xml.h"
#include "aws/encoding.h"
#include "aws/time.h"

namespace dormouse::artifacts {

namespace {

constexpr std::size_t kMetadataBytesMax = 2048;  // names and values of x-amz-meta-*
constexpr std::size_t kCopyBytes = 1 << 20;
constexpr std::array<std::string_view, 5> kStoredHeaders = {
    "cache-control", "content-disposition", "content-language", "content-type", "expires"};
// Query parameters that replace stored headers in the answer.
constexpr std::array<std::pair<std::string_view, std::string_view>, 6> kOverrides = {{
    {"response-cache-control", "Cache-Control"},
    {"response-content-disposition", "Content-Disposition"},
    {"response-content-encoding", "Content-Encoding"},
    {"response-content-language", "Content-Language"},
    {"response-content-type", "Content-Type"},
    {"response-expires", "Expires"},
}};

tl::unexpected<S3Error> precondition_failed(std::string_view condition) {
  return tl::unexpected<S3Error>(S3Error{412,
                                         "PreconditionFailed",
                                         "At least one of the pre-conditions you specified did not hold",
                                         {{"Condition", std::string(condition)}}});
}

// "a, b" of If-Match and If-None-Match.
bool names_etag(std::string_view list, std::string_view etag) {
  while (!list.empty()) {
    const std::size_t comma = list.find(',');
    std::string entry = aws::canonical_value(list.substr(0, comma));
    if (entry.starts_with("W/")) {
      entry.erase(0, 2);
    }
    if (entry == "*" || unquote_etag(entry) == etag) {
      return true;
    }
    list.remove_prefix(comma == std::string_view::npos ? list.size() : comma + 1);
  }
  return false;
}

// HTTP dates have no fractions.
WallTime whole_seconds(WallTime time) { return std::chrono::floor<std::chrono::seconds>(time); }

// RFC 9110 section 13.2.2, with `prefix` before the names of the fields. True: not modified.
S3Result<bool> check_conditions(const S3Request& request, const Object& object, const std::string& prefix) {
  const std::string match = request.header(prefix + "If-Match");
  const auto unmodified_since = aws::from_http_date(request.header(prefix + "If-Unmodified-Since"));
  if (!match.empty() && !names_etag(match, object.etag)) {
    return precondition_failed("If-Match");
  }
  if (match.empty() && unmodified_since && whole_seconds(object.modified) > *unmodified_since) {
    return precondition_failed("If-Unmodified-Since");
  }
  const std::string none_match = request.header(prefix + "If-None-Match");
  if (!none_match.empty()) {
    return names_etag(none_match, object.etag);
  }
  const auto modified_since = aws::from_http_date(request.header(prefix + "If-Modified-Since"));
  return modified_since && whole_seconds(object.modified) <= *modified_since;
}

net::Response describe(const Object& object) {
  net::Response response;
  for (const auto& [name, value] : object.headers) {
    response.headers.add(name, value);
  }
  response.headers.add("ETag", quote_etag(object.etag));
  response.headers.add("Last-Modified", aws::to_http_date(object.modified));
  response.headers.add("Accept-Ranges", "bytes");
  return response;
}

}  // namespace

std::string quote_etag(std::string_view etag) { return fmt::format("\"{}\"", etag); }

std::string unquote_etag(std::string_view etag) {
  if (etag.size() >= 2 && etag.starts_with('"') && etag.ends_with('"')) {
    etag = etag.substr(1, etag.size() - 2);
  }
  return std::string(etag);
}

void add_checksum(net::Headers& headers, const std::optional<StoredChecksum>& checksum) {
  if (checksum) {
    headers.add(checksum_header(checksum->algorithm), checksum->value);
    headers.add("x-amz-checksum-type", checksum->full_object ? "FULL_OBJECT" : "COMPOSITE");
  }
}

S3Result<std::vector<std::pair<std::string, std::string>>> stored_headers(const S3Request& request) {
  std::vector<std::pair<std::string, std::string>> stored;
  std::size_t metadata_bytes = 0;
  bool has_type = false;
  for (const auto& [field, value] : request.head().headers) {
    const std::string name = aws::to_lower(field);
    if (name == "content-encoding") {
      std::string rest;  // aws-chunked is undone on arrival
      std::string_view list = value;
      while (!list.empty()) {
        const std::size_t comma = list.find(',');
        const std::string entry = aws::canonical_value(list.substr(0, comma));
        list.remove_prefix(comma == std::string_view::npos ? list.size() : comma + 1);
        if (!entry.empty() && aws::to_lower(entry) != "aws-chunked") {
          rest += (rest.empty() ? "" : ", ") + entry;
        }
      }
      if (!rest.empty()) {
        stored.emplace_back("Content-Encoding", rest);
      }
    } else if (name.starts_with("x-amz-meta-")) {
      metadata_bytes += name.size() - std::string_view("x-amz-meta-").size() + value.size();
      stored.emplace_back(name, value);
    } else if (std::find(kStoredHeaders.begin(), kStoredHeaders.end(), name) != kStoredHeaders.end()) {
      stored.emplace_back(field, value);
      has_type = has_type || name == "content-type";
    }
  }
  if (metadata_bytes > kMetadataBytesMax) {
    return tl::unexpected<S3Error>(
        S3Error{400,
                "MetadataTooLarge",
                "Your metadata headers exceed the maximum allowed metadata size",
                {{"Size", std::to_string(metadata_bytes)}, {"MaxSizeAllowed", std::to_string(kMetadataBytesMax)}}});
  }
  if (!has_type) {
    stored.emplace_back("Content-Type", "binary/octet-stream");
  }
  return stored;
}

S3Result<PutCondition> put_condition(const S3Request& request) {
  PutCondition condition;
  const std::string none_match = request.header("If-None-Match");
  if (!none_match.empty() && none_match != "*") {
    return refuse(501, "NotImplemented", "If-None-Match of a put is implemented with the value * alone.");
  }
  condition.absent = none_match == "*";
  if (const std::string match = request.header("If-Match"); !match.empty()) {
    condition.etag = unquote_etag(match);
  }
  return condition;
}

S3Answer get_object(const S3Context& context, const S3Request& request, std::string_view) {
  DM_S3_ASSIGN(ObjectStore::Opened opened, context.store.read(request.name()));
  const Object& object = opened.object;
  DM_S3_ASSIGN(const bool not_modified, check_conditions(request, object, ""));
  if (const std::string part = request.parameter("partNumber"); !part.empty() && part != "1") {
    return refuse(501, "NotImplemented", "Parts of a completed object cannot be read; use a range.");
  }
  net::Response response = describe(object);
  if (not_modified) {
    response.status = 304;
    return response;
  }
  for (const auto& [parameter, header] : kOverrides) {
    if (request.has(parameter)) {
      response.headers.set(header, request.parameter(parameter));
    }
  }
  net::FileRange body{.file = std::move(opened.file), .offset = 0, .length = object.size};
  DM_S3_ASSIGN(const std::optional<ByteRange> range, parse_range(request.header("Range"), object.size));
  if (range) {
    response.status = 206;
    body.offset = range->first;
    body.length = range->length;
    response.headers.add("Content-Range",
                         fmt::format("bytes {}-{}/{}", range->first, range->first + range->length - 1, object.size));
  } else if (aws::to_lower(request.header("x-amz-checksum-mode")) == "enabled") {
    add_checksum(response.headers, object.checksum);
  }
  response.body = std::move(body);
  return response;
}

S3Answer delete_object(const S3Context& context, const S3Request& request, std::string_view) {
  DM_S3_TRY(context.store.remove(request.name()));
  net::Response response;
  response.status = 204;
  return response;
}

S3Answer put_object(const S3Context& context,
                    const S3Request& request,
                    const BodyReader::Verified& body,
                    BlobWriter& blob) {
  DM_S3_ASSIGN(const PutCondition condition, put_condition(request));
  Object object;
  DM_S3_ASSIGN(object.headers, stored_headers(request));
  object.etag = aws::to_hex(body.md5);
  object.checksum = body.checksum;
  DM_S3_ASSIGN(const Object stored, context.store.put(request.name(), std::move(object), blob, condition));
  net::Response response;
  response.headers.add("ETag", quote_etag(stored.etag));
  add_checksum(response.headers, stored.checksum);
  return response;
}

S3Result<CopiedSource> copy_source(const S3Context& context, const S3Request& request) {
  DM_S3_ASSIGN(const ObjectName name, parse_copy_source(request.header("x-amz-copy-source"), request.account()));
  DM_S3_ASSIGN(ObjectStore::Opened opened, context.store.read(name));
  DM_S3_ASSIGN(const bool unwanted, check_conditions(request, opened.object, "x-amz-copy-source-"));
  if (unwanted) {
    return precondition_failed("x-amz-copy-source-If-None-Match");
  }
  ByteRange range{.first = 0, .length = opened.object.size};
  if (const std::string text = request.header("x-amz-copy-source-range"); !text.empty()) {
    DM_S3_ASSIGN(const std::optional<ByteRange> wanted, parse_range(text, opened.object.size));
    if (!wanted) {
      return refuse(400, "InvalidArgument", "The x-amz-copy-source-range value must be of the form bytes=first-last");
    }
    range = *wanted;
  }
  if (range.length > kPutBytesMax) {
    return refuse(
        400,
        "InvalidRequest",
        fmt::format("The specified copy source is larger than the maximum allowable size for a copy source: {}",
                    kPutBytesMax));
  }
  CopiedSource copied;
  DM_S3_ASSIGN(copied.blob, context.store.new_blob());
  aws::Digest md5(aws::DigestAlgorithm::kMd5);
  std::vector<std::byte> piece(kCopyBytes);
  for (std::uint64_t done = 0; done < range.length;) {
    const auto wanted = static_cast<std::size_t>(std::min<std::uint64_t>(piece.size(), range.length - done));
    const ssize_t got = ::pread(opened.file.get(), piece.data(), wanted, static_cast<off_t>(range.first + done));
    if (got < 0 && errno == EINTR) {
      continue;
    }
    if (got <= 0) {
      return tl::unexpected<S3Error>(to_s3_error(fail_errno("read the source of a copy").value()));
    }
    const std::span<const std::byte> bytes(piece.data(), static_cast<std::size_t>(got));
    md5.update(bytes);
    DM_S3_TRY(copied.blob->write(bytes));
    done += bytes.size();
  }
  copied.md5 = md5.finish();
  copied.source = std::move(opened.object);
  return copied;
}

S3Answer copy_object(const S3Context& context, const S3Request& request, std::string_view) {
  const std::string directive = request.header("x-amz-metadata-directive");
  const bool replace = directive == "REPLACE";
  if (!directive.empty() && !replace && directive != "COPY") {
    return refuse(400, "InvalidArgument", "Unknown metadata directive.");
  }
  DM_S3_ASSIGN(const PutCondition condition, put_condition(request));
  DM_S3_ASSIGN(const ObjectName source, parse_copy_source(request.header("x-amz-copy-source"), request.account()));
  if (!replace && source.bucket == request.bucket() && source.key == request.key()) {
    return refuse(400,
                  "InvalidRequest",
                  "This copy request is illegal because it is trying to copy an object to itself without changing the "
                  "object's metadata, storage class, website redirect location or encryption attributes.");
  }
  DM_S3_TRY(context.store.bucket(request.account(), request.bucket()));
  DM_S3_ASSIGN(CopiedSource copied, copy_source(context, request));
  Object object;
  if (replace) {
    DM_S3_ASSIGN(object.headers, stored_headers(request));
  } else {
    object.headers = copied.source.headers;
  }
  object.etag = aws::to_hex(copied.md5);
  if (copied.source.checksum && copied.source.checksum->full_object) {
    object.checksum = copied.source.checksum;
  }
  DM_S3_ASSIGN(const Object stored, context.store.put(request.name(), std::move(object), *copied.blob, condition));
  XmlWriter xml;
  xml.open("CopyObjectResult", kS3Namespace);
  xml.text("LastModified", aws::to_iso8601_milliseconds(stored.modified)).text("ETag", quote_etag(stored.etag));
  if (stored.checksum) {
    xml.text(checksum_element(stored.checksum->algorithm), stored.checksum->value);
  }
  xml.close("CopyObjectResult");
  return xml_response(200, std::move(xml));
}

}  // namespace dormouse::artifacts
