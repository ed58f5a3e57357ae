// SPDX-License-Identifier: Apache-2.0

#include "artifacts/s3_service.h"

#include <algorithm>
#include <array>
#include <iterator>
#include <new>
#include <optional>
#include <string_view>
#include <utility>

#include <fmt/core.h>
#include <openssl/rand.h>

#include "artifacts/s3_operations.h"
#include "aws/encoding.h"

namespace dormouse::artifacts {

namespace {

constexpr std::uint64_t kDocumentBytesMax = 4U << 20U;  // XML bodies: 10,000 parts, 1,000 keys

using DocumentOperation = S3Answer (*)(const S3Context&, const S3Request&, std::string_view);
using UploadOperation = S3Answer (*)(const S3Context&, const S3Request&, const BodyReader::Verified&, BlobWriter&);

enum class Target { kService, kBucket, kObject };

// One row per operation; the first that fits is meant. An operation fits when `required` is among the query's parameters
// (and `header` among the headers) and every other parameter is in `optional`.
struct Operation {
  std::string_view method;
  Target target;
  std::string_view required;  // "": none
  std::string_view header;    // "": none
  std::array<std::string_view, 8> optional;
  DocumentOperation document;
  UploadOperation upload;
};

constexpr Operation kOperations[] = {
    {"GET",
     Target::kService,
     "",
     "",
     {"max-buckets", "continuation-token", "prefix", "bucket-region"},
     list_buckets,
     nullptr},
    {"PUT", Target::kBucket, "", "", {}, create_bucket, nullptr},
    {"HEAD", Target::kBucket, "", "", {}, head_bucket, nullptr},
    {"DELETE", Target::kBucket, "", "", {}, delete_bucket, nullptr},
    {"GET", Target::kBucket, "location", "", {}, get_bucket_location, nullptr},
    {"GET",
     Target::kBucket,
     "uploads",
     "",
     {"delimiter", "encoding-type", "key-marker", "max-uploads", "prefix", "upload-id-marker"},
     list_multipart_uploads,
     nullptr},
    {"GET",
     Target::kBucket,
     "list-type",
     "",
     {"continuation-token", "delimiter", "encoding-type", "fetch-owner", "max-keys", "prefix", "start-after"},
     list_objects,
     nullptr},
    {"GET",
     Target::kBucket,
     "",
     "",
     {"delimiter", "encoding-type", "marker", "max-keys", "prefix"},
     list_objects,
     nullptr},
    {"POST", Target::kBucket, "delete", "", {}, delete_objects, nullptr},
    {"GET", Target::kObject, "uploadId", "", {"max-parts", "part-number-marker"}, list_parts, nullptr},
    {"GET", Target::kObject, "", "", {"partNumber"}, get_object, nullptr},
    {"HEAD", Target::kObject, "", "", {"partNumber"}, get_object, nullptr},
    {"PUT", Target::kObject, "uploadId", "x-amz-copy-source", {"partNumber"}, upload_part_copy, nullptr},
    {"PUT", Target::kObject, "uploadId", "", {"partNumber"}, nullptr, upload_part},
    {"PUT", Target::kObject, "", "x-amz-copy-source", {}, copy_object, nullptr},
    {"PUT", Target::kObject, "", "", {}, nullptr, put_object},
    {"DELETE", Target::kObject, "uploadId", "", {}, abort_multipart_upload, nullptr},
    {"DELETE", Target::kObject, "", "", {}, delete_object, nullptr},
    {"POST", Target::kObject, "uploads", "", {}, create_multipart_upload, nullptr},
    {"POST", Target::kObject, "uploadId", "", {}, complete_multipart_upload, nullptr},
};

// Parameters that say nothing about the operation. content-*: presigned URLs of version 2 repeat these headers.
bool is_neutral(std::string_view name, std::string_view value) {
  constexpr std::string_view kNeutral[] = {
      "x-id", "AWSAccessKeyId", "Signature", "Expires", "content-type", "content-md5"};
  return std::find(std::begin(kNeutral), std::end(kNeutral), name) != std::end(kNeutral) ||
         name.starts_with("X-Amz-") || name.starts_with("response-") || (name == "versionId" && value == "null");
}

Target target_of(const S3Request& request) {
  if (request.bucket().empty()) {
    return Target::kService;
  }
  return request.key().empty() ? Target::kBucket : Target::kObject;
}

bool fits(const Operation& operation, const S3Request& request) {
  if (operation.method != request.head().method || operation.target != target_of(request) ||
      (!operation.required.empty() && !request.has(operation.required)) ||
      (!operation.header.empty() && !request.head().headers.contains(operation.header))) {
    return false;
  }
  return std::all_of(request.parameters().begin(), request.parameters().end(), [&operation](const auto& parameter) {
    const auto& [name, value] = parameter;
    return name == operation.required || is_neutral(name, value) ||
           std::find(operation.optional.begin(), operation.optional.end(), name) != operation.optional.end();
  });
}

S3Result<const Operation*> find_operation(const S3Request& request) {
  for (const Operation& operation : kOperations) {
    if (fits(operation, request)) {
      return &operation;
    }
  }
  std::string parameters;
  for (const auto& [name, value] : request.parameters()) {
    if (!is_neutral(name, value)) {
      parameters += (parameters.empty() ? "" : ", ") + name;
    }
  }
  return refuse(501,
                "NotImplemented",
                fmt::format("{} of a {} with the parameters ({}) is not implemented.",
                            request.head().method,
                            std::array{"service", "bucket", "object"}[static_cast<std::size_t>(target_of(request))],
                            parameters));
}

// Headers that ask for something which is not done here: better refused than ignored.
S3Result<void> check_headers(const net::Headers& headers) {
  for (const auto& [field, value] : headers) {
    const std::string name = aws::to_lower(field);
    const bool unknown = name.starts_with("x-amz-server-side-encryption") || name.starts_with("x-amz-object-lock") ||
                         name.starts_with("x-amz-grant-") || name == "x-amz-tagging" || name == "x-amz-mfa" ||
                         name == "x-amz-website-redirect-location" ||
                         (name == "x-amz-storage-class" && value != "STANDARD") ||
                         (name == "x-amz-acl" && value != "private" && value != "bucket-owner-full-control");
    if (unknown) {
      return tl::unexpected<S3Error>(S3Error{501,
                                             "NotImplemented",
                                             "A header you provided implies functionality that is not implemented",
                                             {{"Header", name}}});
    }
  }
  return {};
}

net::Response with_request_id(net::Response response) {
  std::string id(8, '\0');
  if (RAND_bytes(reinterpret_cast<unsigned char*>(id.data()), static_cast<int>(id.size())) != 1) {
    throw std::bad_alloc();
  }
  response.headers.add("x-amz-request-id", aws::to_hex(id));
  return response;
}

net::Response to_wire(const S3Request& request, S3Answer answer) {
  return with_request_id(answer ? *std::move(answer) : to_response(answer.error(), request.head().path));
}

// An operation whose body, if any, is a small document.
class DocumentExchange final : public net::Exchange {
 public:
  DocumentExchange(S3Context context, S3Request request, DocumentOperation operation, BodyReader reader)
      : context_(context), request_(std::move(request)), operation_(operation), reader_(std::move(reader)) {}

  tl::expected<void, net::Response> on_body(std::span<const std::byte> piece) override {
    const auto append = [this](std::span<const std::byte> bytes) -> Status {
      body_.append(reinterpret_cast<const char*>(bytes.data()), bytes.size());
      return {};
    };
    if (auto taken = reader_.take(piece, append); !taken) {
      return net::refuse(to_wire(request_, tl::unexpected<S3Error>(std::move(taken).error())));
    }
    return {};
  }

  net::Response finish() override {
    const auto verified = reader_.finish();
    return to_wire(request_,
                   verified ? operation_(context_, request_, body_) : tl::unexpected<S3Error>(verified.error()));
  }

 private:
  const S3Context context_;
  const S3Request request_;
  const DocumentOperation operation_;
  BodyReader reader_;
  std::string body_;
};

// An operation whose body becomes a blob.
class UploadExchange final : public net::Exchange {
 public:
  UploadExchange(S3Context context,
                 S3Request request,
                 UploadOperation operation,
                 BodyReader reader,
                 std::unique_ptr<BlobWriter> blob)
      : context_(context),
        request_(std::move(request)),
        operation_(operation),
        reader_(std::move(reader)),
        blob_(std::move(blob)) {}

  tl::expected<void, net::Response> on_body(std::span<const std::byte> piece) override {
    const auto write = [this](std::span<const std::byte> bytes) { return blob_->write(bytes); };
    if (auto taken = reader_.take(piece, write); !taken) {
      return net::refuse(to_wire(request_, tl::unexpected<S3Error>(std::move(taken).error())));
    }
    return {};
  }

  net::Response finish() override {
    const auto verified = reader_.finish();
    return to_wire(
        request_,
        verified ? operation_(context_, request_, *verified, *blob_) : tl::unexpected<S3Error>(verified.error()));
  }

 private:
  const S3Context context_;
  const S3Request request_;
  const UploadOperation operation_;
  BodyReader reader_;
  const std::unique_ptr<BlobWriter> blob_;
};

// What can be refused before the client sends the bytes.
S3Result<std::optional<ChecksumAlgorithm>> prepare_upload(const S3Context& context, const S3Request& request) {
  if (!request.has("uploadId")) {
    DM_S3_TRY(context.store.bucket(request.account(), request.bucket()));
    DM_S3_TRY(stored_headers(request));
    return std::nullopt;
  }
  DM_S3_TRY(part_number(request));
  DM_S3_ASSIGN(const Upload upload, context.store.upload(request.name(), request.parameter("uploadId")));
  return upload.checksum_algorithm;
}

S3Result<std::unique_ptr<net::Exchange>> begin_exchange(const S3Context& context,
                                                        const S3Request& request,
                                                        aws::SignatureCheck signature) {
  DM_S3_ASSIGN(const Operation* const operation, find_operation(request));
  DM_S3_TRY(check_headers(request.head().headers));
  if (operation->document != nullptr) {
    // The checksum headers of a completion are about the object, not about the document.
    net::RequestHead head = request.head();
    if (operation->document == complete_multipart_upload) {
      for (const ChecksumAlgorithm algorithm : kChecksumAlgorithms) {
        head.headers.remove(checksum_header(algorithm));
      }
    }
    DM_S3_ASSIGN(BodyReader reader, BodyReader::create(head, std::move(signature), kDocumentBytesMax));
    return std::make_unique<DocumentExchange>(context, request, operation->document, std::move(reader));
  }
  DM_S3_ASSIGN(const std::optional<ChecksumAlgorithm> checksum, prepare_upload(context, request));
  DM_S3_ASSIGN(BodyReader reader, BodyReader::create(request.head(), std::move(signature), kPutBytesMax, checksum));
  DM_S3_ASSIGN(std::unique_ptr<BlobWriter> blob, context.store.new_blob());
  return std::make_unique<UploadExchange>(context, request, operation->upload, std::move(reader), std::move(blob));
}

}  // namespace

S3Service::S3Service(ObjectStore& store, Options options) : store_(store), options_(std::move(options)) {}

tl::expected<std::unique_ptr<net::Exchange>, net::Response> S3Service::begin(const net::RequestHead& head,
                                                                             aws::SignatureCheck signature) {
  auto request = S3Request::parse(head, signature.account(), options_.host_names);
  if (!request) {
    return net::refuse(with_request_id(to_response(request.error(), head.path)));
  }
  auto exchange = begin_exchange(S3Context{store_, options_.region}, *request, std::move(signature));
  if (!exchange) {
    return net::refuse(with_request_id(to_response(exchange.error(), head.path)));
  }
  return *std::move(exchange);
}

net::Response S3Service::refusal(const net::RequestHead& head, const aws::AuthFailure& failure) {
  return with_request_id(to_response(from_auth_failure(failure), head.path));
}

}  // namespace dormouse::artifacts
