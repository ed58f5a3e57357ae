// SPDX-License-Identifier: Apache-2.0
//
// Endpoint tokens (specification section 7.3): compact JWE (RFC 7516), direct encryption with A256GCM. Clients cannot read
// the claims; only a keyring that holds the key can make or open a token.

#pragma once

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include <tl/expected.hpp>

#include "base/clock.h"
#include "base/error.h"

namespace dormouse::proxy {

struct PortRange {
  std::uint16_t first = 1;
  std::uint16_t last = 65'535;  // included
  bool operator==(const PortRange&) const = default;
};

enum class TokenKind { kHttp, kShell };

// What a token grants. All ports are PortRange{}; one port is {n, n}. Times have whole seconds.
struct TokenClaims {
  TokenKind kind = TokenKind::kHttp;
  std::string account;
  std::string microvm_id;
  std::vector<PortRange> ports;
  WallTime expires_at;

  bool grants_port(std::uint16_t port) const;
  bool operator==(const TokenClaims&) const = default;
};

// Why a token is not accepted; the first is "Request missing authentication" on the wire, the others "Token authentication
// failed" (specification section 7.4).
enum class TokenRefusal { kUnparsable, kNotOurs, kExpired };

// The keys that tokens are made with. The newest makes tokens; older ones still open theirs, so that a rotation refuses
// nobody. Constant after construction except for rotate(). Not thread-safe while rotate() runs, else safe from any thread.
class TokenKeyring {
 public:
  static constexpr std::size_t kKeysMax = 4;
  static constexpr std::size_t kTokenBytesMax = 8'000;  // of the wire's TokenParts

  // Reads `file` (DIR/token.key), or makes it with one random key, 0600, if there is none. kInvalidArgument when it is
  // readable by others than its owner, kDataLoss when it does not hold keys.
  static Result<TokenKeyring> open(const std::filesystem::path& file);

  // Adds a new key, drops the oldest beyond kKeysMax, and makes that durable before it is used.
  Status rotate();

  // 767 to 868 characters long for a few ports, as the service's are. Expiry is cut to whole seconds.
  // kInvalidArgument when the ports do not fit kTokenBytesMax.
  Result<std::string> issue(const TokenClaims& claims) const;

  // Says nothing about VM, account, port or kind: the caller compares. Expired from `expires_at` on.
  tl::expected<TokenClaims, TokenRefusal> verify(std::string_view token, WallTime now) const;

 private:
  struct Key {
    std::string id;  // UUID
    std::array<std::uint8_t, 32> secret{};
  };

  TokenKeyring(std::filesystem::path file, std::vector<Key> keys) : file_(std::move(file)), keys_(std::move(keys)) {}
  static Key make_key();
  static Result<std::vector<Key>> parse(std::string_view text);
  static Status store(const std::filesystem::path& file, const std::vector<Key>& keys);

  std::filesystem::path file_;
  std::vector<Key> keys_;  // the newest last; never empty
};

}  // namespace dormouse::proxy
