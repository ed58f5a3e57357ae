// SPDX-License-Identifier: Apache-2.0

#include "aws/credentials_file.h"

#include <unistd.h>

#include <cstddef>
#include <new>

#include <fmt/core.h>
#include <openssl/rand.h>

#include "os/file.h"

namespace dormouse::aws {

namespace {

constexpr std::size_t kFileBytesMax = 1 << 20;

// `size` characters, each with equal probability; alphabets have a power of two of characters.
std::string random_text(std::size_t size, std::string_view alphabet) {
  std::string text(size, '\0');
  if (RAND_bytes(reinterpret_cast<unsigned char*>(text.data()), static_cast<int>(size)) != 1) {
    throw std::bad_alloc();  // the kernel's generator does not fail once the machine is up
  }
  for (char& c : text) {
    c = alphabet[static_cast<unsigned char>(c) % alphabet.size()];
  }
  return text;
}

std::string new_file() {
  return fmt::format(
      "[default]\naws_access_key_id = {}\naws_secret_access_key = {}\n", new_access_key("AKIA"), new_secret());
}

std::string_view trim(std::string_view text) {
  constexpr std::string_view kSpace = " \t\r";
  const std::size_t begin = text.find_first_not_of(kSpace);
  if (begin == std::string_view::npos) {
    return {};
  }
  return text.substr(begin, text.find_last_not_of(kSpace) - begin + 1);
}

}  // namespace

std::string new_access_key(std::string_view prefix) {
  return std::string(prefix) + random_text(16, "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567");
}

std::string new_secret() { return random_text(40, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"); }

Result<CredentialsFile> CredentialsFile::open_or_create(const std::filesystem::path& path, const std::string& account) {
  if (::access(path.c_str(), F_OK) != 0) {
    DM_TRY(os::publish_file(path, new_file(), 0600, os::Durability::kDurable), "make the credentials");
  }
  DM_ASSIGN(const std::string text, os::read_file(path, kFileBytesMax), "");
  return parse(text, path.native(), account);
}

Result<CredentialsFile> CredentialsFile::parse(std::string_view text,
                                               std::string_view name,
                                               const std::string& account) {
  CredentialsFile file;
  Credential* current = nullptr;
  int line_number = 0;
  while (!text.empty()) {
    ++line_number;
    const std::size_t end = text.find('\n');
    const std::string_view line = trim(text.substr(0, end));
    text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
    if (line.empty() || line.front() == '#' || line.front() == ';') {
      continue;
    }
    if (line.front() == '[' && line.back() == ']') {
      current = &file.by_profile_[std::string(trim(line.substr(1, line.size() - 2)))];
      current->account = account;
      continue;
    }
    const std::size_t equals = line.find('=');
    if (equals == std::string_view::npos || current == nullptr) {
      return fail(
          ErrorKind::kInvalidArgument,
          fmt::format("{}:{}: expected [profile] and then aws_access_key_id = KEY, aws_secret_access_key = SECRET",
                      name,
                      line_number));
    }
    const std::string_view key = trim(line.substr(0, equals));
    if (key == "aws_access_key_id") {
      current->access_key = trim(line.substr(equals + 1));
    } else if (key == "aws_secret_access_key") {
      current->secret = trim(line.substr(equals + 1));
    }
  }
  for (const auto& [profile, credential] : file.by_profile_) {
    if (credential.access_key.empty() || credential.secret.empty()) {
      return fail(ErrorKind::kInvalidArgument,
                  fmt::format("{}: profile '{}' lacks aws_access_key_id or aws_secret_access_key", name, profile));
    }
  }
  if (file.by_profile_.empty()) {
    return fail(ErrorKind::kInvalidArgument,
                fmt::format("{}: there is no profile; remove the file to have one made", name));
  }
  return file;
}

tl::expected<Credential, AuthFailureKind> CredentialsFile::find(std::string_view access_key,
                                                                std::string_view session_token,
                                                                WallTime /*now*/) const {
  const Credential* found = nullptr;
  for (const auto& [profile, credential] : by_profile_) {
    found = credential.access_key == access_key ? &credential : found;
  }
  return lasting_credential(found, session_token);
}

std::vector<Credential> CredentialsFile::all() const {
  std::vector<Credential> credentials;
  for (const auto& [profile, credential] : by_profile_) {
    credentials.push_back(credential);
  }
  return credentials;
}

std::optional<Credential> CredentialsFile::profile(std::string_view profile) const {
  const auto found = by_profile_.find(profile);
  return found == by_profile_.end() ? std::nullopt : std::optional<Credential>(found->second);
}

}  // namespace dormouse::aws
