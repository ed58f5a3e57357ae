// SPDX-License-Identifier: Apache-2.0

#include "control/accounts.h"

#include <algorithm>
#include <random>
#include <utility>

#include <fmt/core.h>

#include "control/decoded_page.h"
#include "control/document.h"
#include "control/record_codec.h"
#include "control/service_failure.h"

namespace dormouse::control {

template <typename Document>
void members(Document& document, typename Document::template As<Account>& account) {
  document("name", account.name);
  document("quotas", account.quotas);
}

namespace {

store::AccountRow encode(const Account& account) { return {account.id, account.created_at, to_document(account)}; }

Result<Account> decode(const store::AccountRow& row, const std::string& administrator) {
  Account account;
  account.id = row.id;
  account.created_at = row.created_at;
  account.administrator = row.id == administrator;
  DM_TRY(from_document(row.document, account), "account " + row.id);
  return account;
}

tl::unexpected<ServiceError> no_account(const std::string& id) {
  return refuse(ServiceErrorKind::kResourceNotFound,
                fmt::format("There is no account {}. `dormouse account list` shows those there are.", id));
}

std::string random_id() {
  std::random_device device;
  std::uniform_int_distribution<std::uint64_t> digits(100'000'000'000, 999'999'999'999);
  return std::to_string(digits(device));
}

std::string listed(const store::IdentityStore::Counts& counts) {
  std::string text;
  for (const auto& [kind, number] : counts) {
    text += fmt::format("{}{} {}", text.empty() ? "" : ", ", number, kind);
  }
  return text;
}

}  // namespace

bool is_account_id(std::string_view text) {
  return text.size() == 12 && text.find_first_not_of("0123456789") == std::string_view::npos;
}

Status Accounts::start() {
  const std::lock_guard lock(mutex_);
  DM_ASSIGN(const auto found, parts_.store.account(administrator_), "");
  if (!found) {
    Account account;
    account.id = administrator_;
    account.name = "administrator";
    account.created_at = rounded(parts_.clock.wall());
    DM_TRY(parts_.store.insert_account(encode(account)), "record the administrator's account");
  }
  DM_ASSIGN(const auto rows, parts_.store.all_accounts(), "read the accounts");
  for (const store::AccountRow& row : rows) {
    DM_ASSIGN(const Account account, decode(row, administrator_), "");
    parts_.quotas.set(account.id, account.quotas);
  }
  return {};
}

Answer<Account> Accounts::create(const std::optional<std::string>& id, const std::string& name) {
  if (id && !is_account_id(*id)) {
    return refuse(ServiceErrorKind::kValidation,
                  fmt::format("'{}' is no account number: it has 12 digits, like 123456789012", *id));
  }
  if (name.size() > kNameMax) {
    return refuse(ServiceErrorKind::kValidation,
                  fmt::format("The name has {} bytes, {} are allowed: choose a shorter one", name.size(), kNameMax));
  }
  const std::lock_guard lock(mutex_);
  const auto rows = parts_.store.all_accounts();
  if (!rows) {
    return refuse_internally("read the accounts", rows.error());
  }
  if (rows->size() >= kAccountsMax) {
    return refuse(ServiceErrorKind::kServiceQuotaExceeded,
                  fmt::format("There are {} accounts, {} are allowed: delete some", rows->size(), kAccountsMax));
  }
  Account account;
  account.id = id.value_or(random_id());
  account.name = printable(name);
  account.created_at = rounded(parts_.clock.wall());
  if (const Status stored = parts_.store.insert_account(encode(account)); !stored) {
    if (stored.error().kind() == ErrorKind::kConflict) {
      return refuse(ServiceErrorKind::kConflict, fmt::format("There is an account {} already", account.id));
    }
    return refuse_internally("store an account", stored.error());
  }
  return account;
}

Answer<Account> Accounts::get(const std::string& id) const {
  const auto row = parts_.store.account(id);
  if (!row) {
    return refuse_internally("read an account", row.error());
  }
  if (!*row) {
    return no_account(id);
  }
  return answer_of(decode(**row, administrator_), "read an account");
}

Answer<Page<Account>> Accounts::list(std::size_t limit, const std::optional<std::string>& after) const {
  return decoded_page(parts_.store.list_accounts({limit, after}), "list accounts", [&](const store::AccountRow& row) {
    return decode(row, administrator_);
  });
}

Answer<store::IdentityStore::Counts> Accounts::resources(const std::string& id) const {
  auto counts = parts_.store.resources(id);
  if (!counts) {
    return refuse_internally("count an account's resources", counts.error());
  }
  auto others = parts_.resources(id);
  if (!others) {
    return refuse_internally("count an account's resources", others.error());
  }
  counts->merge(*std::move(others));
  return *std::move(counts);
}

Answer<void> Accounts::remove(const std::string& id) {
  const std::lock_guard lock(mutex_);
  if (const auto account = get(id); !account) {
    return tl::unexpected(account.error());
  }
  if (id == administrator_) {
    return refuse(ServiceErrorKind::kConflict,
                  fmt::format("Account {} is the administrator's and cannot be deleted", id));
  }
  const auto counts = resources(id);
  if (!counts) {
    return tl::unexpected(counts.error());
  }
  if (!counts->empty()) {
    return refuse(
        ServiceErrorKind::kConflict,
        fmt::format("Account {} has {}. Delete these first, with the account's own keys.", id, listed(*counts)));
  }
  if (const Status removed = parts_.store.remove_account(id); !removed) {
    if (removed.error().kind() == ErrorKind::kConflict) {
      return refuse(ServiceErrorKind::kConflict, fmt::format("Account {} has resources again. Delete them first.", id));
    }
    return refuse_internally("remove an account", removed.error());
  }
  parts_.quotas.set(id, {});
  return {};
}

bool Accounts::in_file(const std::string& access_key) const {
  return std::any_of(parts_.file_keys.begin(), parts_.file_keys.end(), [&](const aws::Credential& credential) {
    return credential.access_key == access_key;
  });
}

Answer<AccessKey> Accounts::new_key(const std::string& account) {
  const WallTime now = parts_.clock.wall();
  const auto keys = parts_.store.keys_of(account);
  if (!keys) {
    return refuse_internally("read access keys", keys.error());
  }
  std::size_t alive = 0;
  for (const store::AccessKeyRow& key : *keys) {
    if (!key.expires_at || *key.expires_at > now) {
      ++alive;
    } else if (const auto removed = parts_.store.remove_key(account, key.access_key); !removed) {
      return refuse_internally("remove an expired key", removed.error());
    }
  }
  if (alive >= kKeysMax) {
    return refuse(ServiceErrorKind::kServiceQuotaExceeded,
                  fmt::format("Account {} has {} access keys, {} are allowed: revoke one", account, alive, kKeysMax));
  }
  AccessKey key;
  key.access_key = aws::new_access_key("AKIA");
  key.account = account;
  key.secret = aws::new_secret();
  key.created_at = rounded(now);
  if (const Status stored = parts_.store.insert_key({key.access_key, account, key.secret, *key.created_at, {}});
      !stored) {
    return refuse_internally("store an access key", stored.error());
  }
  return key;
}

Answer<AccessKey> Accounts::find_key(const std::string& account, const std::string& access_key) const {
  const auto row = parts_.store.key(access_key);
  if (!row) {
    return refuse_internally("read an access key", row.error());
  }
  if (*row && (*row)->account == account) {
    return AccessKey{access_key, account, "", (*row)->created_at, (*row)->expires_at};
  }
  if (account == administrator_ && in_file(access_key)) {
    return refuse(ServiceErrorKind::kValidation,
                  fmt::format("Access key {} stands in the file `credentials` of the data directory: take it out there "
                              "and start dormoused again",
                              access_key));
  }
  return refuse(ServiceErrorKind::kResourceNotFound,
                fmt::format("Account {} has no access key {}. `dormouse account key list {}` shows its keys.",
                            account,
                            access_key,
                            account));
}

Answer<AccessKey> Accounts::create_key(const std::string& account) {
  const std::lock_guard lock(mutex_);
  if (const auto found = get(account); !found) {
    return tl::unexpected(found.error());
  }
  return new_key(account);
}

Answer<std::vector<AccessKey>> Accounts::list_keys(const std::string& account) const {
  if (const auto found = get(account); !found) {
    return tl::unexpected(found.error());
  }
  const auto rows = parts_.store.keys_of(account);
  if (!rows) {
    return refuse_internally("read access keys", rows.error());
  }
  std::vector<AccessKey> keys;
  for (const aws::Credential& credential : parts_.file_keys) {
    if (credential.account == account) {
      keys.push_back({credential.access_key, account, "", std::nullopt, std::nullopt});
    }
  }
  for (const store::AccessKeyRow& row : *rows) {
    keys.push_back({row.access_key, account, "", row.created_at, row.expires_at});
  }
  return keys;
}

Answer<void> Accounts::revoke_key(const std::string& account, const std::string& access_key) {
  const std::lock_guard lock(mutex_);
  if (const auto key = find_key(account, access_key); !key) {
    return tl::unexpected(key.error());
  }
  if (const auto removed = parts_.store.remove_key(account, access_key); !removed) {
    return refuse_internally("remove an access key", removed.error());
  }
  return {};
}

Answer<Accounts::Rotation> Accounts::rotate_key(const std::string& account,
                                                const std::string& access_key,
                                                std::chrono::seconds overlap) {
  if (overlap < std::chrono::seconds(0) || overlap > kOverlapMax) {
    return refuse(ServiceErrorKind::kValidation,
                  fmt::format("The old key cannot go on for {} seconds: 0 to {} are allowed",
                              overlap.count(),
                              std::chrono::seconds(kOverlapMax).count()));
  }
  const std::lock_guard lock(mutex_);
  auto old = find_key(account, access_key);
  if (!old) {
    return tl::unexpected(old.error());
  }
  const WallTime now = parts_.clock.wall();
  if (old->expires_at && *old->expires_at <= now) {
    return refuse(
        ServiceErrorKind::kConflict,
        fmt::format("Access key {} has expired; `dormouse account key create {}` makes another", access_key, account));
  }
  auto created = new_key(account);
  if (!created) {
    return tl::unexpected(created.error());
  }
  const WallTime end = rounded(now + overlap);
  old->expires_at = old->expires_at ? std::min(*old->expires_at, end) : end;
  if (const Status stored = parts_.store.set_key_expiry(access_key, *old->expires_at); !stored) {
    return refuse_internally("store an access key", stored.error());
  }
  return Rotation{*std::move(created), *std::move(old)};
}

Answer<Account> Accounts::set_quotas(const std::string& account,
                                     const QuotaSettings& settings,
                                     const std::vector<std::string>& reset) {
  const std::lock_guard lock(mutex_);
  auto found = get(account);
  if (!found) {
    return found;
  }
  for (const auto& [name, value] : settings) {
    if (const auto reason = why_no_setting(name, value)) {
      return refuse(ServiceErrorKind::kValidation, *reason);
    }
    found->quotas.insert_or_assign(name, value);
  }
  for (const std::string& name : reset) {
    found->quotas.erase(name);
  }
  if (const Status stored = parts_.store.put_account(encode(*found)); !stored) {
    return refuse_internally("store an account", stored.error());
  }
  parts_.quotas.set(account, found->quotas);
  return found;
}

}  // namespace dormouse::control
