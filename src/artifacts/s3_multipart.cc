// SPDX-License-Identifier: Apache-2.0

#include <algorithm>
#include <utility>

#include <fmt/core.h>
#include <pugixml.hpp>

#include "artifacts/s3_operations.h"
#include "artifacts/xml.h"
#include "aws/digest.h"
#include "aws/encoding.h"
#include "aws/time.h"

namespace dormouse::artifacts {

namespace {

constexpr int kListMax = 1000;
constexpr std::uint64_t kPartBytesMin = 5U << 20U;  // of all parts but the last

void write_checksum(XmlWriter& xml, const std::optional<StoredChecksum>& checksum) {
  if (checksum) {
    xml.text(checksum_element(checksum->algorithm), checksum->value);
  }
}

// One <Part> of a completion.
struct ClaimedPart {
  int number = 0;
  std::string etag;
  std::vector<std::pair<std::string, std::string>> checksums;  // element, value
};

S3Result<std::vector<ClaimedPart>> parse_completion(std::string_view body) {
  pugi::xml_document document;
  std::vector<ClaimedPart> parts;
  if (document.load_buffer(body.data(), body.size())) {
    for (const pugi::xml_node node : document.child("CompleteMultipartUpload").children("Part")) {
      ClaimedPart part;
      part.number = node.child("PartNumber").text().as_int();
      part.etag = unquote_etag(node.child_value("ETag"));
      for (const ChecksumAlgorithm algorithm : kChecksumAlgorithms) {
        if (const pugi::xml_node checksum = node.child(checksum_element(algorithm).c_str())) {
          part.checksums.emplace_back(checksum.name(), checksum.child_value());
        }
      }
      parts.push_back(std::move(part));
    }
  }
  if (parts.empty() || parts.size() > static_cast<std::size_t>(kPartNumberMax)) {
    return refuse(400,
                  "MalformedXML",
                  "The XML you provided was not well-formed or did not validate against our published schema");
  }
  return parts;
}

// The stored part that is meant, if it is what the client thinks it is.
S3Result<Part> match_part(const std::vector<Part>& stored, const ClaimedPart& claimed) {
  for (const Part& part : stored) {
    if (part.number != claimed.number || part.etag != claimed.etag) {
      continue;
    }
    for (const auto& [element, value] : claimed.checksums) {
      if (!part.checksum || checksum_element(part.checksum->algorithm) != element || part.checksum->value != value) {
        return refuse(400, "InvalidPart", fmt::format("The {} of part {} does not match.", element, claimed.number));
      }
    }
    return part;
  }
  return tl::unexpected<S3Error>(
      S3Error{400,
              "InvalidPart",
              "One or more of the specified parts could not be found. The part may not have been uploaded, or the "
              "specified entity tag may not match the part's entity tag.",
              {{"PartNumber", std::to_string(claimed.number)}, {"ETag", claimed.etag}}});
}

S3Result<std::vector<Part>> match_parts(const std::vector<Part>& stored, const std::vector<ClaimedPart>& claimed) {
  std::vector<Part> parts;
  std::uint64_t size = 0;
  for (const ClaimedPart& claim : claimed) {
    if (!parts.empty() && claim.number <= parts.back().number) {
      return refuse(400,
                    "InvalidPartOrder",
                    "The list of parts was not in ascending order. Parts must be ordered by part number.");
    }
    if (!parts.empty() && parts.back().size < kPartBytesMin) {
      return tl::unexpected<S3Error>(S3Error{400,
                                             "EntityTooSmall",
                                             "Your proposed upload is smaller than the minimum allowed size",
                                             {{"ProposedSize", std::to_string(parts.back().size)},
                                              {"MinSizeAllowed", std::to_string(kPartBytesMin)},
                                              {"PartNumber", std::to_string(parts.back().number)}}});
    }
    DM_S3_ASSIGN(Part part, match_part(stored, claim));
    size += part.size;
    parts.push_back(std::move(part));
  }
  if (size > kObjectBytesMax) {
    return refuse(400,
                  "EntityTooLarge",
                  fmt::format("Your proposed upload of {} bytes exceeds the maximum allowed object size of {} bytes",
                              size,
                              kObjectBytesMax));
  }
  return parts;
}

// The checksum of the parts' checksums, where every part has one.
std::optional<StoredChecksum> composite_checksum(ChecksumAlgorithm algorithm, const std::vector<Part>& parts) {
  Checksum checksum(algorithm);
  for (const Part& part : parts) {
    const auto bytes = part.checksum ? aws::from_base64(part.checksum->value) : std::nullopt;
    if (!bytes || part.checksum->algorithm != algorithm) {
      return std::nullopt;
    }
    checksum.update(std::as_bytes(std::span(*bytes)));
  }
  return StoredChecksum{.algorithm = algorithm,
                        .value = fmt::format("{}-{}", aws::to_base64(checksum.finish()), parts.size()),
                        .full_object = false};
}

std::string multipart_etag(const std::vector<Part>& parts) {
  aws::Digest md5(aws::DigestAlgorithm::kMd5);
  for (const Part& part : parts) {
    const std::string bytes = aws::from_hex(part.etag).value_or("");
    md5.update(bytes);
  }
  return fmt::format("{}-{}", aws::to_hex(md5.finish()), parts.size());
}

}  // namespace

S3Result<int> part_number(const S3Request& request) {
  DM_S3_ASSIGN(const int number, request.number("partNumber", 0, kPartNumberMax + 1));
  if (number < 1 || number > kPartNumberMax) {
    return refuse(400,
                  "InvalidArgument",
                  fmt::format("Part number must be an integer between 1 and {}, inclusive", kPartNumberMax));
  }
  return number;
}

S3Answer create_multipart_upload(const S3Context& context, const S3Request& request, std::string_view) {
  Upload upload;
  DM_S3_ASSIGN(upload.headers, stored_headers(request));
  const std::string algorithm = request.header("x-amz-checksum-algorithm");
  const std::string type = request.header("x-amz-checksum-type");
  if (!algorithm.empty()) {
    upload.checksum_algorithm = parse_checksum_algorithm(algorithm);
    if (!upload.checksum_algorithm) {
      return refuse(
          400,
          "InvalidRequest",
          fmt::format("Checksum algorithm '{}' is not supported; use CRC32, CRC32C, CRC64NVME, SHA1 or SHA256",
                      algorithm));
    }
    const bool composite_possible = *upload.checksum_algorithm != ChecksumAlgorithm::kCrc64Nvme;
    upload.checksum_full_object = type == "FULL_OBJECT" || !composite_possible;
    if ((upload.checksum_full_object && !is_crc(*upload.checksum_algorithm)) ||
        (type == "COMPOSITE" && !composite_possible)) {
      return refuse(400,
                    "InvalidRequest",
                    fmt::format("The {} checksum type cannot be used with the {} checksum algorithm.",
                                type,
                                to_string(*upload.checksum_algorithm)));
    }
  }
  DM_S3_ASSIGN(const std::string id, context.store.begin_upload(request.name(), upload));
  XmlWriter xml;
  xml.open("InitiateMultipartUploadResult", kS3Namespace).text("Bucket", request.bucket());
  xml.text("Key", request.key()).text("UploadId", id).close("InitiateMultipartUploadResult");
  net::Response response = xml_response(200, std::move(xml));
  if (upload.checksum_algorithm) {
    response.headers.add("x-amz-checksum-algorithm", std::string(to_string(*upload.checksum_algorithm)));
    response.headers.add("x-amz-checksum-type", upload.checksum_full_object ? "FULL_OBJECT" : "COMPOSITE");
  }
  return response;
}

S3Answer upload_part(const S3Context& context,
                     const S3Request& request,
                     const BodyReader::Verified& body,
                     BlobWriter& blob) {
  Part part;
  DM_S3_ASSIGN(part.number, part_number(request));
  part.etag = aws::to_hex(body.md5);
  part.checksum = body.checksum;
  DM_S3_ASSIGN(const Part stored, context.store.put_part(request.name(), request.parameter("uploadId"), part, blob));
  net::Response response;
  response.headers.add("ETag", quote_etag(stored.etag));
  if (stored.checksum) {
    response.headers.add(checksum_header(stored.checksum->algorithm), stored.checksum->value);
  }
  return response;
}

S3Answer upload_part_copy(const S3Context& context, const S3Request& request, std::string_view) {
  Part part;
  DM_S3_ASSIGN(part.number, part_number(request));
  DM_S3_TRY(context.store.upload(request.name(), request.parameter("uploadId")));
  DM_S3_ASSIGN(const CopiedSource copied, copy_source(context, request));
  part.etag = aws::to_hex(copied.md5);
  DM_S3_ASSIGN(const Part stored,
               context.store.put_part(request.name(), request.parameter("uploadId"), part, *copied.blob));
  XmlWriter xml;
  xml.open("CopyPartResult", kS3Namespace);
  xml.text("LastModified", aws::to_iso8601_milliseconds(stored.modified)).text("ETag", quote_etag(stored.etag));
  xml.close("CopyPartResult");
  return xml_response(200, std::move(xml));
}

S3Answer complete_multipart_upload(const S3Context& context, const S3Request& request, std::string_view body) {
  const std::string id = request.parameter("uploadId");
  DM_S3_ASSIGN(const std::vector<ClaimedPart> claimed, parse_completion(body));
  DM_S3_ASSIGN(const PutCondition condition, put_condition(request));
  DM_S3_ASSIGN(Upload upload, context.store.upload(request.name(), id));
  DM_S3_ASSIGN(const std::vector<Part> stored, context.store.list_parts(request.name(), id, 0, kPartNumberMax));
  DM_S3_ASSIGN(const std::vector<Part> parts, match_parts(stored, claimed));

  Object object;
  object.headers = std::move(upload.headers);
  object.etag = multipart_etag(parts);
  std::vector<int> numbers;
  for (const Part& part : parts) {
    numbers.push_back(part.number);
  }
  std::optional<Checksum> whole;
  if (upload.checksum_algorithm && upload.checksum_full_object) {
    whole.emplace(*upload.checksum_algorithm);
  }
  DM_S3_ASSIGN(const auto blob, context.store.new_blob());
  DM_S3_TRY(context.store.concatenate(request.name(), id, numbers, *blob, whole ? &*whole : nullptr));
  if (whole) {
    object.checksum =
        StoredChecksum{.algorithm = whole->algorithm(), .value = aws::to_base64(whole->finish()), .full_object = true};
  } else if (upload.checksum_algorithm) {
    object.checksum = composite_checksum(*upload.checksum_algorithm, parts);
  }
  for (const ChecksumAlgorithm algorithm : kChecksumAlgorithms) {
    const std::string expected = request.header(checksum_header(algorithm));
    if (!expected.empty() &&
        (!object.checksum || object.checksum->algorithm != algorithm || object.checksum->value != expected)) {
      return refuse(400,
                    "BadDigest",
                    fmt::format("The {} you specified did not match the calculated checksum.", to_string(algorithm)));
    }
  }
  DM_S3_ASSIGN(const Object completed,
               context.store.complete_upload(request.name(), id, std::move(object), *blob, condition));
  XmlWriter xml;
  xml.open("CompleteMultipartUploadResult", kS3Namespace);
  xml.text("Location", fmt::format("/{}/{}", request.bucket(), request.key()));
  xml.text("Bucket", request.bucket()).text("Key", request.key()).text("ETag", quote_etag(completed.etag));
  write_checksum(xml, completed.checksum);
  if (completed.checksum) {
    xml.text("ChecksumType", completed.checksum->full_object ? "FULL_OBJECT" : "COMPOSITE");
  }
  xml.close("CompleteMultipartUploadResult");
  return xml_response(200, std::move(xml));
}

S3Answer abort_multipart_upload(const S3Context& context, const S3Request& request, std::string_view) {
  DM_S3_TRY(context.store.abort_upload(request.name(), request.parameter("uploadId")));
  net::Response response;
  response.status = 204;
  return response;
}

S3Answer list_parts(const S3Context& context, const S3Request& request, std::string_view) {
  const std::string id = request.parameter("uploadId");
  DM_S3_ASSIGN(const int limit, request.number("max-parts", kListMax, kListMax));
  DM_S3_ASSIGN(const int after, request.number("part-number-marker", 0, kPartNumberMax));
  DM_S3_ASSIGN(const Upload upload, context.store.upload(request.name(), id));
  DM_S3_ASSIGN(std::vector<Part> parts,
               context.store.list_parts(request.name(), id, after, static_cast<std::size_t>(limit) + 1));
  const bool truncated = parts.size() > static_cast<std::size_t>(limit);
  parts.resize(std::min(parts.size(), static_cast<std::size_t>(limit)));
  XmlWriter xml;
  xml.open("ListPartsResult", kS3Namespace).text("Bucket", request.bucket()).text("Key", request.key());
  xml.text("UploadId", id).text("StorageClass", "STANDARD").text("PartNumberMarker", std::to_string(after));
  xml.text("NextPartNumberMarker", std::to_string(parts.empty() ? after : parts.back().number));
  xml.text("MaxParts", std::to_string(limit)).boolean("IsTruncated", truncated);
  if (upload.checksum_algorithm) {
    xml.text("ChecksumAlgorithm", to_string(*upload.checksum_algorithm));
    xml.text("ChecksumType", upload.checksum_full_object ? "FULL_OBJECT" : "COMPOSITE");
  }
  for (const Part& part : parts) {
    xml.open("Part").text("PartNumber", std::to_string(part.number));
    xml.text("LastModified", aws::to_iso8601_milliseconds(part.modified)).text("ETag", quote_etag(part.etag));
    xml.number("Size", part.size);
    write_checksum(xml, part.checksum);
    xml.close("Part");
  }
  xml.close("ListPartsResult");
  return xml_response(200, std::move(xml));
}

S3Answer list_multipart_uploads(const S3Context& context, const S3Request& request, std::string_view) {
  if (request.has("delimiter")) {
    return refuse(501, "NotImplemented", "ListMultipartUploads with a delimiter is not implemented.");
  }
  const bool encode = request.parameter("encoding-type") == "url";
  const std::string prefix = request.parameter("prefix");
  const std::string after_key = request.parameter("key-marker"), after_id = request.parameter("upload-id-marker");
  DM_S3_ASSIGN(const int limit, request.number("max-uploads", kListMax, kListMax));
  // With a key marker alone all uploads of that key are left out.
  const std::string after = after_id.empty() && !after_key.empty() ? "\xff" : after_id;
  DM_S3_ASSIGN(std::vector<Upload> uploads,
               context.store.list_uploads(
                   request.account(), request.bucket(), after_key, after, static_cast<std::size_t>(limit) + 1));
  const bool truncated = uploads.size() > static_cast<std::size_t>(limit);
  uploads.resize(std::min(uploads.size(), static_cast<std::size_t>(limit)));
  const auto key_text = [encode](const std::string& key) {
    return encode ? aws::percent_encode(key, aws::Slash::kKeep) : key;
  };
  XmlWriter xml;
  xml.open("ListMultipartUploadsResult", kS3Namespace).text("Bucket", request.bucket());
  xml.text("KeyMarker", key_text(after_key)).text("UploadIdMarker", after_id).text("Prefix", key_text(prefix));
  if (truncated && !uploads.empty()) {
    xml.text("NextKeyMarker", key_text(uploads.back().key)).text("NextUploadIdMarker", uploads.back().id);
  }
  if (encode) {
    xml.text("EncodingType", "url");
  }
  xml.text("MaxUploads", std::to_string(limit)).boolean("IsTruncated", truncated);
  for (const Upload& upload : uploads) {
    if (upload.key.starts_with(prefix)) {
      xml.open("Upload").text("Key", key_text(upload.key)).text("UploadId", upload.id).text("StorageClass", "STANDARD");
      xml.text("Initiated", aws::to_iso8601_milliseconds(upload.started)).close("Upload");
    }
  }
  xml.close("ListMultipartUploadsResult");
  return xml_response(200, std::move(xml));
}

}  // namespace dormouse::artifacts
