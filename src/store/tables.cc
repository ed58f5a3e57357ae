// SPDX-License-Identifier: Apache-2.0

#include <chrono>

#include "store/table.h"

namespace dormouse::store {

template <>
const Table<ImageRow>& table<ImageRow>() {
  static const Table<ImageRow> kTable{.name = "images",
                                      .columns = {{"id", Use::kKey, &ImageRow::id},
                                                  {"account", Use::kFixed, &ImageRow::account},
                                                  {"arn", Use::kFixed, &ImageRow::arn},
                                                  {"name", Use::kFixed, &ImageRow::name},
                                                  {"state", Use::kChanging, &ImageRow::state},
                                                  {"created_at", Use::kFixed, &ImageRow::created_at},
                                                  {"document", Use::kChanging, &ImageRow::document}},
                                      .listed_by = &ImageRow::id};
  return kTable;
}

template <>
const Table<VersionRow>& table<VersionRow>() {
  static const Table<VersionRow> kTable{.name = "versions",
                                        .columns = {{"image_arn", Use::kKey, &VersionRow::image_arn},
                                                    {"version", Use::kKey, &VersionRow::version},
                                                    {"ordinal", Use::kFixed, &VersionRow::ordinal},
                                                    {"account", Use::kFixed, &VersionRow::account},
                                                    {"state", Use::kChanging, &VersionRow::state},
                                                    {"status", Use::kChanging, &VersionRow::status},
                                                    {"created_at", Use::kFixed, &VersionRow::created_at},
                                                    {"document", Use::kChanging, &VersionRow::document}},
                                        .listed_by = &VersionRow::version};
  return kTable;
}

template <>
const Table<BuildRow>& table<BuildRow>() {
  static const Table<BuildRow> kTable{.name = "builds",
                                      .columns = {{"build_id", Use::kKey, &BuildRow::build_id},
                                                  {"account", Use::kFixed, &BuildRow::account},
                                                  {"image_arn", Use::kFixed, &BuildRow::image_arn},
                                                  {"version", Use::kFixed, &BuildRow::version},
                                                  {"state", Use::kChanging, &BuildRow::state},
                                                  {"created_at", Use::kFixed, &BuildRow::created_at},
                                                  {"document", Use::kChanging, &BuildRow::document}},
                                      .listed_by = &BuildRow::build_id};
  return kTable;
}

template <>
const Table<ConnectorRow>& table<ConnectorRow>() {
  static const Table<ConnectorRow> kTable{.name = "connectors",
                                          .columns = {{"id", Use::kKey, &ConnectorRow::id},
                                                      {"account", Use::kFixed, &ConnectorRow::account},
                                                      {"name", Use::kFixed, &ConnectorRow::name},
                                                      {"arn", Use::kFixed, &ConnectorRow::arn},
                                                      {"state", Use::kChanging, &ConnectorRow::state},
                                                      {"created_at", Use::kFixed, &ConnectorRow::created_at},
                                                      {"deleted_at", Use::kChanging, &ConnectorRow::deleted_at},
                                                      {"document", Use::kChanging, &ConnectorRow::document}},
                                          .listed_by = &ConnectorRow::id};
  return kTable;
}

template <>
const Table<MicrovmRow>& table<MicrovmRow>() {
  static const Table<MicrovmRow> kTable{.name = "microvms",
                                        .columns = {{"microvm_id", Use::kKey, &MicrovmRow::microvm_id},
                                                    {"account", Use::kFixed, &MicrovmRow::account},
                                                    {"endpoint_id", Use::kFixed, &MicrovmRow::endpoint_id},
                                                    {"image_arn", Use::kFixed, &MicrovmRow::image_arn},
                                                    {"image_version", Use::kFixed, &MicrovmRow::image_version},
                                                    {"state", Use::kChanging, &MicrovmRow::state},
                                                    {"terminated", Use::kChanging, &MicrovmRow::terminated},
                                                    {"created_at", Use::kFixed, &MicrovmRow::created_at},
                                                    {"terminated_at", Use::kChanging, &MicrovmRow::terminated_at},
                                                    {"document", Use::kChanging, &MicrovmRow::document}},
                                        .listed_by = &MicrovmRow::microvm_id};
  return kTable;
}

template <>
const Table<TokenRow>& table<TokenRow>() {
  static const Table<TokenRow> kTable{.name = "tokens",
                                      .columns = {{"account", Use::kKey, &TokenRow::account},
                                                  {"operation", Use::kKey, &TokenRow::operation},
                                                  {"token", Use::kKey, &TokenRow::token},
                                                  {"digest", Use::kChanging, &TokenRow::digest},
                                                  {"resource", Use::kChanging, &TokenRow::resource},
                                                  {"document", Use::kChanging, &TokenRow::document},
                                                  {"created_at", Use::kChanging, &TokenRow::created_at},
                                                  {"expires_at", Use::kChanging, &TokenRow::expires_at}},
                                      .listed_by = &TokenRow::token,
                                      .replaced_only_if = "tokens.expires_at <= excluded.created_at"};
  return kTable;
}

template <>
const Table<AccountRow>& table<AccountRow>() {
  static const Table<AccountRow> kTable{.name = "accounts",
                                        .columns = {{"id", Use::kKey, &AccountRow::id},
                                                    {"created_at", Use::kFixed, &AccountRow::created_at},
                                                    {"document", Use::kChanging, &AccountRow::document}},
                                        .listed_by = &AccountRow::id};
  return kTable;
}

template <>
const Table<AccessKeyRow>& table<AccessKeyRow>() {
  static const Table<AccessKeyRow> kTable{.name = "access_keys",
                                          .columns = {{"access_key", Use::kKey, &AccessKeyRow::access_key},
                                                      {"account", Use::kFixed, &AccessKeyRow::account},
                                                      {"secret", Use::kFixed, &AccessKeyRow::secret},
                                                      {"created_at", Use::kFixed, &AccessKeyRow::created_at},
                                                      {"expires_at", Use::kChanging, &AccessKeyRow::expires_at}},
                                          .listed_by = &AccessKeyRow::access_key};
  return kTable;
}

template <>
const Table<RoleRow>& table<RoleRow>() {
  static const Table<RoleRow> kTable{.name = "roles",
                                     .columns = {{"account", Use::kKey, &RoleRow::account},
                                                 {"name", Use::kKey, &RoleRow::name},
                                                 {"role_id", Use::kFixed, &RoleRow::role_id},
                                                 {"created_at", Use::kFixed, &RoleRow::created_at},
                                                 {"document", Use::kChanging, &RoleRow::document}},
                                     .listed_by = &RoleRow::name};
  return kTable;
}

std::int64_t to_number(WallTime time) {
  return std::chrono::duration_cast<std::chrono::microseconds>(time.time_since_epoch()).count();
}

WallTime to_time(std::int64_t microseconds) { return WallTime(std::chrono::microseconds(microseconds)); }

}  // namespace dormouse::store
