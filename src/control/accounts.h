// SPDX-License-Identifier: Apache-2.0

#pragma once

#include <chrono>
#include <cstddef>
#include <functional>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "aws/credentials.h"
#include "base/clock.h"
#include "control/images.h"
#include "control/quotas.h"
#include "control/service_error.h"
#include "store/identity_store.h"

namespace dormouse::control {

struct Account {
  std::string id;    // 12 digits
  std::string name;  // what for, for people; may be empty
  bool administrator = false;
  QuotaSettings quotas;  // set for it in place of the defaults
  WallTime created_at;
};

// A key whose `secret` is empty everywhere but in the answer that made it.
struct AccessKey {
  std::string access_key;
  std::string account;
  std::string secret;
  std::optional<WallTime> created_at;  // none: it stands in the credentials file
  std::optional<WallTime> expires_at;  // from when on it is no longer taken
};

// The tenants of this server: everything else belongs to one of them. The administrator's account is always there; its
// holder manages the others.
//
// Invariants: a record is durable before a client hears of it; a key is taken as soon as it was answered, and no longer
// once it is revoked, expired, or its account gone. Thread-safe; calls block on the store.
class Accounts {
 public:
  static constexpr std::size_t kAccountsMax = 10'000;
  static constexpr std::size_t kKeysMax = 10;  // of one account, expired ones not counted
  static constexpr std::chrono::hours kOverlapMax{24 * 90};
  static constexpr std::size_t kNameMax = 128;  // bytes

  struct Parts {
    store::IdentityStore& store;
    AccountQuotas& quotas;  // gets what is set for each account
    const Clock& clock;
    // What an account has besides the records of the store (buckets, log groups, ...), by kind, without zeros.
    std::function<Result<store::IdentityStore::Counts>(const std::string& account)> resources;
    std::vector<aws::Credential> file_keys;  // of the credentials file
  };
  Accounts(Parts parts, std::string administrator)
      : parts_(std::move(parts)), administrator_(std::move(administrator)) {}

  // Records the administrator's account at the first start, and makes the quotas hold.
  Status start();

  // Without `id` it is a random one.
  Answer<Account> create(const std::optional<std::string>& id, const std::string& name);
  Answer<Account> get(const std::string& id) const;
  Answer<Page<Account>> list(std::size_t limit, const std::optional<std::string>& after) const;
  Answer<store::IdentityStore::Counts> resources(const std::string& id) const;
  // Refused for the administrator's, and while it has resources, which the refusal names.
  Answer<void> remove(const std::string& id);

  Answer<AccessKey> create_key(const std::string& account);
  Answer<std::vector<AccessKey>> list_keys(const std::string& account) const;
  Answer<void> revoke_key(const std::string& account, const std::string& access_key);
  struct Rotation {
    AccessKey created;
    AccessKey old;
  };
  // A new key; the old one is taken for `overlap` more.
  Answer<Rotation> rotate_key(const std::string& account, const std::string& access_key, std::chrono::seconds overlap);

  // Each of `settings` takes the place of what was set before; a name in `reset` gets the default again.
  Answer<Account> set_quotas(const std::string& account,
                             const QuotaSettings& settings,
                             const std::vector<std::string>& reset);

 private:
  Answer<AccessKey> new_key(const std::string& account);
  Answer<AccessKey> find_key(const std::string& account, const std::string& access_key) const;
  bool in_file(const std::string& access_key) const;

  const Parts parts_;
  const std::string administrator_;
  mutable std::mutex mutex_;  // held by everything that changes a record
};

// Whether an account number has the right form: 12 digits.
bool is_account_id(std::string_view text);

}  // namespace dormouse::control
