// SPDX-License-Identifier: Apache-2.0

#pragma once

#include <cstddef>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "store/database.h"
#include "store/rows.h"

namespace dormouse::store {

// The records of accounts, access keys and roles, durable when a call returns. Thread-safe; every call blocks on the disk.
// Errors: kConflict where said, kInvalidArgument for a page position that is none, otherwise those of MetadataStore.
class IdentityStore {
 public:
  explicit IdentityStore(Database& database) : database_(database) {}  // which outlives this

  Status put_account(const AccountRow& row);     // inserts, or replaces the document
  Status insert_account(const AccountRow& row);  // kConflict: there is one
  Result<std::optional<AccountRow>> account(std::string_view id) const;
  Result<RowPage<AccountRow>> list_accounts(const PageRequest& page) const;
  Result<std::vector<AccountRow>> all_accounts() const;

  // What an account has, by kind: "images", "microvms" (those not TERMINATED), "connectors", "roles", ...; kinds without
  // any are left out. The cost grows with what it has.
  using Counts = std::map<std::string, std::size_t>;
  Result<Counts> resources(std::string_view account) const;
  // Removes the account with its keys and with what is left of ended resources. kConflict while resources() has any.
  Status remove_account(std::string_view id);

  Status insert_key(const AccessKeyRow& row);
  Status set_key_expiry(std::string_view access_key, WallTime expires_at);
  Result<std::optional<AccessKeyRow>> key(std::string_view access_key) const;
  Result<std::vector<AccessKeyRow>> keys_of(std::string_view account) const;  // oldest first
  Result<std::size_t> remove_key(std::string_view account, std::string_view access_key);

  Status insert_role(const RoleRow& row);  // kConflict: there is one of that name
  Status put_role(const RoleRow& row);
  Result<std::optional<RoleRow>> role(std::string_view account, std::string_view name) const;
  // By name, those after `after`, at most `limit`.
  Result<std::vector<RoleRow>> list_roles(std::string_view account, std::string_view after, std::size_t limit) const;
  Result<std::size_t> remove_role(std::string_view account, std::string_view name);

 private:
  Database& database_;
};

}  // namespace dormouse::store
