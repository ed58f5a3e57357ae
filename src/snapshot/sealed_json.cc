// SPDX-License-Identifier: Apache-2.0

#include "snapshot/sealed_json.h"

#include <xxhash.h>

#include <utility>

#include <boost/json.hpp>
#include <fmt/format.h>

namespace dormouse::snapshot {
namespace json = boost::json;
namespace {

constexpr char kChecksum[] = "checksum";

}  // namespace

std::string seal(json::object object) {
  const std::string text = json::serialize(object);
  object[kChecksum] = XXH3_64bits(text.data(), text.size());
  return json::serialize(object) + "\n";
}

Result<json::object> unseal(std::string_view text, Formats formats, std::string_view what) {
  boost::system::error_code error;
  json::value value = json::parse(text, error);
  if (error || !value.is_object()) {
    return fail(ErrorKind::kDataLoss, fmt::format("{} is no JSON object", what));
  }
  json::object object = std::move(value.as_object());
  object.erase(kChecksum);
  const json::value* const format = object.if_contains("format");
  if (text != seal(object) || format == nullptr || !format->is_int64()) {
    return fail(ErrorKind::kDataLoss, fmt::format("{} does not verify: it is not what was written", what));
  }
  // What another version wrote is sound, though not for this one.
  if (format->get_int64() < formats.oldest || format->get_int64() > formats.newest) {
    return fail(ErrorKind::kInvalidArgument,
                fmt::format("{} has format {}: this version reads formats {} to {}",
                            what,
                            format->get_int64(),
                            formats.oldest,
                            formats.newest));
  }
  return object;
}

}  // namespace dormouse::snapshot
