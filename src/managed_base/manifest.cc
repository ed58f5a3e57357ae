// SPDX-License-Identifier: Apache-2.0

#include "managed_base/manifest.h"

#include <chrono>

#include <boost/json.hpp>

namespace dormouse::managed_base {
namespace {

namespace json = boost::json;
constexpr std::int64_t kFormat = 1;

Result<std::string> text_of(const json::object& object, std::string_view name) {
  const json::value* value = object.if_contains(name);
  if (value == nullptr || !value->is_string()) {
    return fail(ErrorKind::kDataLoss, "base.json: \"" + std::string(name) + "\" is no string");
  }
  return std::string(value->get_string());
}

}  // namespace

std::string write_manifest(const ManagedBase& base) {
  json::object object;
  object["format"] = kFormat;
  object["key"] = base.key;
  object["recipe"] = base.recipe;
  object["created"] = std::chrono::duration_cast<std::chrono::seconds>(base.created_at.time_since_epoch()).count();
  json::object versions;
  for (const auto& [package, version] : base.versions) {
    versions[package] = version;
  }
  object["versions"] = versions;
  if (base.own_kernel) {
    object["ownKernel"] = *base.own_kernel;
  }
  object["usersKnown"] = base.users_known;
  return json::serialize(object) + "\n";
}

Result<ManagedBase> parse_manifest(std::string_view text) {
  boost::system::error_code error;
  const json::value document = json::parse(json::string_view(text.data(), text.size()), error);
  if (error || !document.is_object()) {
    return fail(ErrorKind::kDataLoss, "base.json is no JSON object");
  }
  const json::object& object = document.get_object();
  const json::value* format = object.if_contains("format");
  if (format == nullptr || !format->is_int64() || format->get_int64() != kFormat) {
    return fail(ErrorKind::kDataLoss, "base.json: \"format\" is not 1, the only one this version reads");
  }
  ManagedBase base;
  DM_ASSIGN(base.key, text_of(object, "key"), "");
  DM_ASSIGN(base.recipe, text_of(object, "recipe"), "");
  const json::value* created = object.if_contains("created");
  if (created == nullptr || !created->is_int64()) {
    return fail(ErrorKind::kDataLoss, "base.json: \"created\" is no whole number");
  }
  base.created_at = WallTime(std::chrono::seconds(created->get_int64()));
  if (const json::value* versions = object.if_contains("versions"); versions != nullptr && versions->is_object()) {
    for (const auto& [package, version] : versions->get_object()) {
      if (version.is_string()) {
        base.versions[std::string(package)] = std::string(version.get_string());
      }
    }
  }
  const json::value* const users_known = object.if_contains("usersKnown");
  base.users_known = users_known != nullptr && users_known->is_bool() && users_known->get_bool();
  if (object.contains("ownKernel")) {
    DM_ASSIGN(base.own_kernel, text_of(object, "ownKernel"), "");
  }
  return base;
}

}  // namespace dormouse::managed_base
