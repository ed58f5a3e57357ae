// SPDX-License-Identifier: Apache-2.0

#include <utility>

#include <fmt/core.h>
#include <pugixml.hpp>

#include "artifacts/listing.h"
#include "artifacts/s3_operations.h"
#include "artifacts/xml.h"
#include "aws/encoding.h"
#include "aws/time.h"

namespace dormouse::artifacts {

namespace {

constexpr int kListMax = 1000;
constexpr int kDeleteMax = 1000;

tl::unexpected<S3Error> malformed_xml() {
  return refuse(
      400, "MalformedXML", "The XML you provided was not well-formed or did not validate against our published schema");
}

void write_owner(XmlWriter& xml, const std::string& account) {
  xml.open("Owner").text("ID", account).text("DisplayName", account).close("Owner");
}

// Keys as the client asked for them: percent-encoded with encoding-type=url, else as they are.
std::string wire_key(bool encode, const std::string& key) {
  return encode ? aws::percent_encode(key, aws::Slash::kKeep) : key;
}

void write_entries(XmlWriter& xml, const Listing& listing, bool encode, const std::string& owner) {
  for (const Object& object : listing.objects) {
    xml.open("Contents").text("Key", wire_key(encode, object.key));
    xml.text("LastModified", aws::to_iso8601_milliseconds(object.modified)).text("ETag", quote_etag(object.etag));
    if (object.checksum) {
      xml.text("ChecksumAlgorithm", to_string(object.checksum->algorithm));
      xml.text("ChecksumType", object.checksum->full_object ? "FULL_OBJECT" : "COMPOSITE");
    }
    xml.number("Size", object.size).text("StorageClass", "STANDARD");
    if (!owner.empty()) {
      write_owner(xml, owner);
    }
    xml.close("Contents");
  }
  for (const std::string& prefix : listing.common_prefixes) {
    xml.open("CommonPrefixes").text("Prefix", wire_key(encode, prefix)).close("CommonPrefixes");
  }
}

}  // namespace

S3Answer list_buckets(const S3Context& context, const S3Request& request, std::string_view) {
  DM_S3_ASSIGN(const std::vector<Bucket> buckets, context.store.list_buckets(request.account()));
  const std::string prefix = request.parameter("prefix");
  XmlWriter xml;
  xml.open("ListAllMyBucketsResult", kS3Namespace);
  write_owner(xml, request.account());
  xml.open("Buckets");
  for (const Bucket& bucket : buckets) {
    if (bucket.name.starts_with(prefix)) {
      xml.open("Bucket").text("Name", bucket.name).text("CreationDate", aws::to_iso8601_milliseconds(bucket.created));
      xml.text("BucketRegion", context.region).close("Bucket");
    }
  }
  xml.close("Buckets").close("ListAllMyBucketsResult");
  return xml_response(200, std::move(xml));
}

S3Answer create_bucket(const S3Context& context, const S3Request& request, std::string_view body) {
  if (!is_bucket_name(request.bucket())) {
    return tl::unexpected<S3Error>(
        S3Error{400, "InvalidBucketName", "The specified bucket is not valid.", {{"BucketName", request.bucket()}}});
  }
  if (!body.empty()) {
    pugi::xml_document document;
    if (!document.load_buffer(body.data(), body.size())) {
      return malformed_xml();
    }
    const std::string region = document.child("CreateBucketConfiguration").child_value("LocationConstraint");
    if (!region.empty() && region != context.region) {
      return refuse(
          400,
          "IllegalLocationConstraintException",
          fmt::format("The {} location constraint is incompatible for the region specific endpoint this request "
                      "was sent to.",
                      region));
    }
  }
  if (const Status created = context.store.create_bucket(request.account(), request.bucket()); !created) {
    if (created.error().kind() == ErrorKind::kConflict) {
      return tl::unexpected<S3Error>(
          S3Error{409,
                  "BucketAlreadyOwnedByYou",
                  "Your previous request to create the named bucket succeeded and you already own it.",
                  {{"BucketName", request.bucket()}}});
    }
    return tl::unexpected<S3Error>(to_s3_error(created.error()));
  }
  net::Response response;
  response.headers.add("Location", "/" + request.bucket());
  return response;
}

S3Answer head_bucket(const S3Context& context, const S3Request& request, std::string_view) {
  DM_S3_TRY(context.store.bucket(request.account(), request.bucket()));
  net::Response response;
  response.headers.add("x-amz-bucket-region", context.region);
  return response;
}

S3Answer delete_bucket(const S3Context& context, const S3Request& request, std::string_view) {
  if (const Status removed = context.store.remove_bucket(request.account(), request.bucket()); !removed) {
    if (removed.error().kind() == ErrorKind::kConflict) {
      return tl::unexpected<S3Error>(S3Error{
          409, "BucketNotEmpty", "The bucket you tried to delete is not empty", {{"BucketName", request.bucket()}}});
    }
    return tl::unexpected<S3Error>(to_s3_error(removed.error()));
  }
  net::Response response;
  response.status = 204;
  return response;
}

S3Answer get_bucket_location(const S3Context& context, const S3Request& request, std::string_view) {
  DM_S3_TRY(context.store.bucket(request.account(), request.bucket()));
  XmlWriter xml;
  xml.open("LocationConstraint", kS3Namespace).content(context.region == "us-east-1" ? "" : context.region);
  xml.close("LocationConstraint");
  return xml_response(200, std::move(xml));
}

S3Answer list_objects(const S3Context& context, const S3Request& request, std::string_view) {
  const bool second = request.parameter("list-type") == "2";
  const std::string encoding = request.parameter("encoding-type");
  if (!encoding.empty() && encoding != "url") {
    return refuse(400, "InvalidArgument", "Invalid Encoding Method specified in Request");
  }
  const bool encode = !encoding.empty();
  DM_S3_ASSIGN(const int max_keys, request.number("max-keys", kListMax, kListMax));
  ListingQuery query{.prefix = request.parameter("prefix"),
                     .delimiter = request.parameter("delimiter"),
                     .after = request.parameter(second ? "start-after" : "marker"),
                     .limit = static_cast<std::size_t>(max_keys)};
  const std::string* token = second ? request.find("continuation-token") : nullptr;
  if (token != nullptr) {
    const auto after = aws::from_base64(*token);
    if (!after || after->empty()) {
      return refuse(400, "InvalidArgument", "The continuation token provided is incorrect");
    }
    query.after = *after;
  }
  Listing listing;
  if (max_keys > 0) {
    DM_S3_ASSIGN(listing, list(context.store, request.account(), request.bucket(), query));
  } else {
    DM_S3_TRY(context.store.bucket(request.account(), request.bucket()));
  }
  XmlWriter xml;
  xml.open("ListBucketResult", kS3Namespace).text("Name", request.bucket());
  xml.text("Prefix", wire_key(encode, query.prefix));
  if (!query.delimiter.empty()) {
    xml.text("Delimiter", wire_key(encode, query.delimiter));
  }
  xml.number("MaxKeys", query.limit);
  if (encode) {
    xml.text("EncodingType", "url");
  }
  xml.boolean("IsTruncated", listing.truncated);
  if (second) {
    xml.number("KeyCount", listing.objects.size() + listing.common_prefixes.size());
    if (token != nullptr) {
      xml.text("ContinuationToken", *token);
    }
    if (listing.truncated) {
      xml.text("NextContinuationToken", aws::to_base64(listing.last));
    }
    if (request.has("start-after")) {
      xml.text("StartAfter", wire_key(encode, request.parameter("start-after")));
    }
  } else {
    xml.text("Marker", wire_key(encode, query.after));
    if (listing.truncated && !query.delimiter.empty()) {
      xml.text("NextMarker", wire_key(encode, listing.last));
    }
  }
  const bool owner = !second || request.parameter("fetch-owner") == "true";
  write_entries(xml, listing, encode, owner ? request.account() : "");
  xml.close("ListBucketResult");
  return xml_response(200, std::move(xml));
}

S3Answer delete_objects(const S3Context& context, const S3Request& request, std::string_view body) {
  pugi::xml_document document;
  if (!document.load_buffer(body.data(), body.size(), pugi::parse_default | pugi::parse_ws_pcdata)) {
    return malformed_xml();
  }
  const pugi::xml_node root = document.child("Delete");
  const bool quiet = std::string_view(root.child_value("Quiet")) == "true";
  std::vector<std::string> keys;
  for (const pugi::xml_node object : root.children("Object")) {
    keys.emplace_back(object.child_value("Key"));
  }
  if (keys.empty() || keys.size() > kDeleteMax) {
    return malformed_xml();
  }
  DM_S3_TRY(context.store.bucket(request.account(), request.bucket()));
  XmlWriter xml;
  xml.open("DeleteResult", kS3Namespace);
  for (const std::string& key : keys) {
    const Status removed = context.store.remove({request.account(), request.bucket(), key});
    if (!removed) {
      const S3Error error = to_s3_error(removed.error());
      xml.open("Error").text("Key", key).text("Code", error.code).text("Message", error.message).close("Error");
    } else if (!quiet) {
      xml.open("Deleted").text("Key", key).close("Deleted");
    }
  }
  xml.close("DeleteResult");
  return xml_response(200, std::move(xml));
}

}  // namespace dormouse::artifacts
