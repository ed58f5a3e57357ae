// SPDX-License-Identifier: Apache-2.0

#include <chrono>

#include <boost/json.hpp>

#include "api/handlers.h"
#include "control/service_failure.h"
#include "control/storage.h"

namespace dormouse::api {
namespace {

namespace json = boost::json;

constexpr std::chrono::seconds kCountTimeout{60};

json::object item_members(const control::StorageItem& item) {
  json::object members{{"kind", item.kind}, {"id", item.id}, {"bytes", item.bytes}, {"named", item.named}};
  if (!item.account.empty()) {
    members["account"] = item.account;
  }
  json::array& parts = members["parts"].emplace_array();
  for (const auto& [name, bytes] : item.parts) {
    parts.push_back(json::object{{"name", name}, {"bytes", bytes}});
  }
  members["heldBy"] = json::value_from(item.held_by);
  return members;
}

json::object report_members(const control::StorageReport& report) {
  json::object members;
  json::array& kinds = members["kinds"].emplace_array();
  for (const auto& [kind, held] : report.kinds) {
    kinds.push_back(json::object{{"kind", kind}, {"bytes", held.bytes}, {"items", held.items}});
  }
  json::array& items = members["items"].emplace_array();
  for (const control::StorageItem& item : report.items) {
    items.push_back(item_members(item));
  }
  members["itemsLeftOut"] = report.items_left_out;
  members["dataDirectoryBytes"] = report.data_bytes;
  if (report.room.budget_bytes) {
    members["budgetBytes"] = *report.room.budget_bytes;
  }
  members["leftBytes"] = report.room.left();
  members["fileSystemBytes"] = report.room.file_system_bytes;
  members["availableBytes"] = report.room.available_bytes;
  return members;
}

}  // namespace

control::Answer<json::object> describe_storage(Backend& backend, const Call& call) {
  if (const auto allowed = require_administrator(call); !allowed) {
    return tl::unexpected(allowed.error());
  }
  return control::answer_of(backend.storage(os::Context::with_timeout(kCountTimeout)), "describe the storage")
      .map(report_members);
}

}  // namespace dormouse::api
