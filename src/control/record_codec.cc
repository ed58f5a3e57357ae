// SPDX-License-Identifier: Apache-2.0

#include "control/record_codec.h"

#include <charconv>
#include <chrono>
#include <utility>

#include <boost/json.hpp>
#include <fmt/core.h>

#include "control/document.h"
#include "control/lifecycle.h"
#include "control/record_members.h"

namespace dormouse::control {

namespace json = boost::json;

namespace {

// The value that is spelled so; kDataLoss for none.
template <typename Enumeration, std::size_t kCount>
Status parse(const std::array<Enumeration, kCount>& all, const std::string& text, Enumeration& target) {
  for (const Enumeration value : all) {
    if (to_string(value) == text) {
      target = value;
      return {};
    }
  }
  return fail(ErrorKind::kDataLoss, "a column or member has a value that is none of ours");
}

// What the answers of CreateMicrovmImage and UpdateMicrovmImage were made from.
struct CreatedRows {
  store::ImageRow image;
  store::VersionRow version;
};

}  // namespace

template <typename Document>
void members(Document& document, typename Document::template As<CreatedRows>& rows) {
  document("image", rows.image);
  document("version", rows.version);
}

store::ImageRow encode(const Image& image) {
  return {.account = image.account,
          .id = image.id,
          .arn = image.arn,
          .name = image.name,
          .state = std::string(to_string(image.state)),
          .created_at = image.created_at,
          .document = to_document(image)};
}

Result<Image> decode(const store::ImageRow& row) {
  Image image;
  image.account = row.account;
  image.id = row.id;
  image.arn = row.arn;
  image.name = row.name;
  image.created_at = row.created_at;
  DM_TRY(parse(kAllImageStates, row.state, image.state), "image " + row.arn);
  DM_TRY(from_document(row.document, image), "image " + row.arn);
  return image;
}

store::VersionRow encode(const ImageVersion& version) {
  return {.image_arn = version.image_arn,
          .version = version.version,
          .ordinal = version_ordinal(version.version),
          .account = version.account,
          .state = std::string(to_string(version.state)),
          .status = std::string(to_string(version.status)),
          .created_at = version.created_at,
          .document = to_document(version)};
}

Result<ImageVersion> decode(const store::VersionRow& row) {
  const std::string context = fmt::format("version {} {}", row.image_arn, row.version);
  ImageVersion version;
  version.account = row.account;
  version.image_arn = row.image_arn;
  version.version = row.version;
  version.created_at = row.created_at;
  DM_TRY(parse(kAllVersionStates, row.state, version.state), context);
  DM_TRY(parse(kAllVersionStatuses, row.status, version.status), context);
  DM_TRY(from_document(row.document, version), context);
  return version;
}

store::BuildRow encode(const Build& build) {
  return {.build_id = build.build_id,
          .account = build.account,
          .image_arn = build.image_arn,
          .version = build.version,
          .state = std::string(to_string(build.state)),
          .created_at = build.created_at,
          .document = to_document(build)};
}

Result<Build> decode(const store::BuildRow& row) {
  Build build;
  build.account = row.account;
  build.image_arn = row.image_arn;
  build.version = row.version;
  build.build_id = row.build_id;
  build.created_at = row.created_at;
  DM_TRY(parse(kAllBuildStates, row.state, build.state), "build " + row.build_id);
  DM_TRY(from_document(row.document, build), "build " + row.build_id);
  return build;
}

store::ConnectorRow encode(const NetworkConnector& connector) {
  return {.id = connector.id,
          .account = connector.account,
          .name = connector.name,
          .arn = connector.arn,
          .state = std::string(to_string(connector.state)),
          .created_at = connector.created_at,
          .deleted_at = connector.deleted_at,
          .document = to_document(connector)};
}

Result<NetworkConnector> decode(const store::ConnectorRow& row) {
  NetworkConnector connector;
  connector.account = row.account;
  connector.id = row.id;
  connector.arn = row.arn;
  connector.name = row.name;
  connector.created_at = row.created_at;
  connector.deleted_at = row.deleted_at;
  connector.last_modified = row.created_at;  // unless the document says otherwise
  DM_TRY(parse(kAllConnectorStates, row.state, connector.state), "connector " + row.id);
  DM_TRY(from_document(row.document, connector), "connector " + row.id);
  return connector;
}

store::MicrovmRow encode(const Microvm& microvm) {
  return {.microvm_id = microvm.microvm_id,
          .account = microvm.account,
          .endpoint_id = microvm.endpoint_id,
          .image_arn = microvm.image_arn,
          .image_version = microvm.image_version,
          .state = std::string(to_string(microvm.state)),
          .terminated = microvm.state == MicrovmState::kTerminated,
          .created_at = microvm.started_at,
          .terminated_at = microvm.terminated_at,
          .document = to_document(microvm)};
}

Result<Microvm> decode(const store::MicrovmRow& row) {
  Microvm microvm;
  microvm.account = row.account;
  microvm.microvm_id = row.microvm_id;
  microvm.endpoint_id = row.endpoint_id;
  microvm.image_arn = row.image_arn;
  microvm.image_version = row.image_version;
  microvm.started_at = row.created_at;
  microvm.terminated_at = row.terminated_at;
  DM_TRY(parse(kAllMicrovmStates, row.state, microvm.state), "microvm " + row.microvm_id);
  DM_TRY(from_document(row.document, microvm), "microvm " + row.microvm_id);
  return microvm;
}

std::string encode_answer(const Images::Created& created) {
  return to_document(CreatedRows{encode(created.image), encode(created.version)});
}

Result<Images::Created> decode_created(const std::string& document) {
  CreatedRows rows;
  DM_TRY(from_document(document, rows), "answer");
  Images::Created created;
  DM_ASSIGN(created.image, decode(rows.image), "");
  DM_ASSIGN(created.version, decode(rows.version), "");
  return created;
}

std::string encode_answer(const Microvm& microvm) { return to_document(encode(microvm)); }

Result<Microvm> decode_microvm_answer(const std::string& document) {
  store::MicrovmRow row;
  DM_TRY(from_document(document, row), "answer");
  return decode(row);
}

std::string printable(std::string_view bytes) {
  json::error_code error;
  std::string quoted = json::serialize(json::string_view(bytes.data(), bytes.size()));
  if (json::parse(quoted, error); !error) {
    return std::string(bytes);
  }
  std::string text;
  for (const char byte : bytes) {
    text += static_cast<unsigned char>(byte) < 0x80 ? byte : '?';
  }
  return text;
}

std::int64_t version_ordinal(const std::string& version) {
  constexpr std::int64_t kMinorsMax = 1'000'000;
  std::int64_t major = 0;
  std::int64_t minor = 0;
  const char* const end = version.data() + version.size();
  const auto [dot, major_error] = std::from_chars(version.data(), end, major);
  if (major_error != std::errc() || dot == end || *dot != '.') {
    return 0;
  }
  const auto [rest, minor_error] = std::from_chars(dot + 1, end, minor);
  if (minor_error != std::errc() || rest != end || minor < 0 || minor >= kMinorsMax || major > 1'000'000'000) {
    return 0;
  }
  return major * kMinorsMax + minor;
}

WallTime rounded(WallTime time) { return std::chrono::floor<std::chrono::microseconds>(time); }

}  // namespace dormouse::control
