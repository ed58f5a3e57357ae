// SPDX-License-Identifier: Apache-2.0

#pragma once

#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "aws/credentials.h"
#include "base/error.h"

namespace dormouse::aws {

// The keys of a file in the format of AWS shared credentials: INI sections (profiles) with aws_access_key_id and
// aws_secret_access_key. Other members are for clients and are ignored here. Constant after construction.
class CredentialsFile final : public CredentialStore {
 public:
  // Reads `path`; makes it first, readable by its owner alone and with one random key under profile `default`, if there is
  // none. Every key acts for `account`. kInvalidArgument names the line of a file that is none or of a profile without key.
  static Result<CredentialsFile> open_or_create(const std::filesystem::path& path, const std::string& account);

  // `text` is the file's content, `name` its name for errors.
  static Result<CredentialsFile> parse(std::string_view text, std::string_view name, const std::string& account);

  tl::expected<Credential, AuthFailureKind> find(std::string_view access_key,
                                                 std::string_view session_token,
                                                 WallTime now) const override;
  std::vector<Credential> all() const;
  // The key of a profile, for clients on this machine.
  std::optional<Credential> profile(std::string_view profile) const;

 private:
  std::map<std::string, Credential, std::less<>> by_profile_;
};

}  // namespace dormouse::aws
