// SPDX-License-Identifier: Apache-2.0
//
// Whatever a client sends as a token is refused without harm. The input is the token; if it starts with "keyed.", the rest
// replaces what follows the protected header of a genuine token, so that decryption is reached, too.

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <string>
#include <string_view>

#include "proxy/token.h"

namespace {

using dormouse::proxy::TokenClaims;
using dormouse::proxy::TokenKeyring;
using dormouse::proxy::TokenKind;

TokenKeyring make_keyring() {
  std::string pattern = (std::filesystem::temp_directory_path() / "token_fuzz.XXXXXX").string();
  if (::mkdtemp(pattern.data()) == nullptr) {
    std::abort();
  }
  auto keyring = TokenKeyring::open(std::filesystem::path(pattern) / "token.key");
  std::filesystem::remove_all(pattern);
  if (!keyring) {
    std::abort();
  }
  return std::move(*keyring);
}

const dormouse::WallTime kNow{std::chrono::seconds(1'790'000'000)};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const TokenKeyring keyring = make_keyring();
  static const std::string genuine = *keyring.issue(
      TokenClaims{TokenKind::kHttp, "000000000000", "microvm-x", {{1, 65'535}}, kNow + std::chrono::hours(1)});
  constexpr std::string_view kKeyed = "keyed.";
  const std::string_view input(reinterpret_cast<const char*>(data), size);
  std::string token(input);
  if (input.starts_with(kKeyed)) {
    token = genuine.substr(0, genuine.find('.') + 1) + std::string(input.substr(kKeyed.size()));
  }
  if (keyring.verify(token, kNow).has_value() && token != genuine) {
    std::abort();  // a forgery
  }
  return 0;
}
