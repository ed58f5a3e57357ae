// SPDX-License-Identifier: Apache-2.0

#include "proxy/token.h"

#include <fcntl.h>
#include <sys/stat.h>

#include <algorithm>
#include <cassert>
#include <cstdio>
#include <memory>
#include <optional>
#include <span>
#include <stdexcept>

#include <boost/json.hpp>
#include <openssl/evp.h>
#include <openssl/rand.h>

#include "base/uuid.h"
#include "os/file.h"
#include "proxy/base64url.h"

namespace dormouse::proxy {

namespace json = boost::json;

namespace {

constexpr std::size_t kNonceBytes = 12;
constexpr std::size_t kTagBytes = 16;
// Claims are padded to a multiple of this: the length of a token says nothing about its ports, and is the service's.
constexpr std::size_t kPaddingBytes = 512;
constexpr std::int64_t kExpirySecondsMax = 9'000'000'000;  // in the year 2255; later does not fit WallTime
constexpr std::size_t kKeyFileBytesMax = 64 * 1024;

using CipherContext = std::unique_ptr<EVP_CIPHER_CTX, decltype(&EVP_CIPHER_CTX_free)>;

const unsigned char* bytes_of(std::string_view text) { return reinterpret_cast<const unsigned char*>(text.data()); }
unsigned char* bytes_of(std::string& text) { return reinterpret_cast<unsigned char*>(text.data()); }

void fill_random(std::span<unsigned char> bytes) {
  if (RAND_bytes(bytes.data(), static_cast<int>(bytes.size())) != 1) {
    throw std::runtime_error("OpenSSL has no randomness");
  }
}

void require(int openssl_result) {
  if (openssl_result != 1) {
    throw std::runtime_error("AES-256-GCM encryption");
  }
}

struct Sealed {
  std::string ciphertext;
  std::string tag;
};

Sealed seal(std::span<const std::uint8_t, 32> key,
            std::string_view nonce,
            std::string_view aad,
            std::string_view text) {
  const CipherContext context(EVP_CIPHER_CTX_new(), EVP_CIPHER_CTX_free);
  require(context ? 1 : 0);
  Sealed result{std::string(text.size(), '\0'), std::string(kTagBytes, '\0')};
  int length = 0;
  require(EVP_EncryptInit_ex(context.get(), EVP_aes_256_gcm(), nullptr, key.data(), bytes_of(nonce)));
  require(EVP_EncryptUpdate(context.get(), nullptr, &length, bytes_of(aad), static_cast<int>(aad.size())));
  require(EVP_EncryptUpdate(
      context.get(), bytes_of(result.ciphertext), &length, bytes_of(text), static_cast<int>(text.size())));
  require(EVP_EncryptFinal_ex(context.get(), bytes_of(result.ciphertext) + length, &length));
  require(EVP_CIPHER_CTX_ctrl(context.get(), EVP_CTRL_GCM_GET_TAG, static_cast<int>(kTagBytes), bytes_of(result.tag)));
  return result;
}

// Nothing when the tag does not fit.
std::optional<std::string> unseal(std::span<const std::uint8_t, 32> key,
                                  std::string_view nonce,
                                  std::string_view aad,
                                  const Sealed& sealed) {
  const CipherContext context(EVP_CIPHER_CTX_new(), EVP_CIPHER_CTX_free);
  std::string result(sealed.ciphertext.size(), '\0');
  std::string tag = sealed.tag;
  int length = 0;
  const bool authentic =
      context && EVP_DecryptInit_ex(context.get(), EVP_aes_256_gcm(), nullptr, key.data(), bytes_of(nonce)) == 1 &&
      EVP_DecryptUpdate(context.get(), nullptr, &length, bytes_of(aad), static_cast<int>(aad.size())) == 1 &&
      EVP_DecryptUpdate(context.get(),
                        bytes_of(result),
                        &length,
                        bytes_of(sealed.ciphertext),
                        static_cast<int>(sealed.ciphertext.size())) == 1 &&
      EVP_CIPHER_CTX_ctrl(context.get(), EVP_CTRL_GCM_SET_TAG, static_cast<int>(kTagBytes), bytes_of(tag)) == 1 &&
      EVP_DecryptFinal_ex(context.get(), bytes_of(result) + length, &length) == 1;
  return authentic ? std::optional(std::move(result)) : std::nullopt;
}

std::int64_t seconds_of(WallTime time) {
  return std::chrono::floor<std::chrono::seconds>(time.time_since_epoch()).count();
}

// {"vm":..,"account":..,"kind":"http","ports":[[1,65535]],"exp":seconds}, then spaces up to the padded length.
std::string to_json(const TokenClaims& claims) {
  json::array ports;
  for (const PortRange& range : claims.ports) {
    ports.push_back(json::array{range.first, range.last});
  }
  std::string text = json::serialize(json::object{{"vm", claims.microvm_id},
                                                  {"account", claims.account},
                                                  {"kind", claims.kind == TokenKind::kHttp ? "http" : "shell"},
                                                  {"ports", std::move(ports)},
                                                  {"exp", seconds_of(claims.expires_at)}});
  text.resize((text.size() + kPaddingBytes - 1) / kPaddingBytes * kPaddingBytes, ' ');
  return text;
}

const json::string* string_in(const json::object& object, std::string_view name) {
  const json::value* value = object.if_contains(name);
  return value == nullptr ? nullptr : value->if_string();
}

std::optional<json::object> parse_object(std::string_view text) {
  json::error_code error;
  json::parse_options options;
  options.max_depth = 4;
  json::value value = json::parse(text, error, {}, options);
  if (error || !value.is_object()) {
    return std::nullopt;
  }
  return std::move(value.as_object());
}

std::optional<PortRange> port_range_of(const json::value& value) {
  const json::array* pair = value.if_array();
  if (pair == nullptr || pair->size() != 2) {
    return std::nullopt;
  }
  const std::int64_t* first = (*pair)[0].if_int64();
  const std::int64_t* last = (*pair)[1].if_int64();
  if (first == nullptr || last == nullptr || *first < 1 || *last > 65'535 || *first > *last) {
    return std::nullopt;
  }
  return PortRange{static_cast<std::uint16_t>(*first), static_cast<std::uint16_t>(*last)};
}

std::optional<TokenClaims> claims_of(std::string_view text) {
  const auto object = parse_object(text);
  if (!object) {
    return std::nullopt;
  }
  const json::string* vm = string_in(*object, "vm");
  const json::string* account = string_in(*object, "account");
  const json::string* kind = string_in(*object, "kind");
  const json::value* ports = object->if_contains("ports");
  const json::value* expiry = object->if_contains("exp");
  if (vm == nullptr || account == nullptr || kind == nullptr || (*kind != "http" && *kind != "shell") ||
      ports == nullptr || !ports->is_array() || expiry == nullptr || !expiry->is_int64() || expiry->get_int64() < 0 ||
      expiry->get_int64() > kExpirySecondsMax) {
    return std::nullopt;
  }
  TokenClaims claims;
  claims.kind = *kind == "http" ? TokenKind::kHttp : TokenKind::kShell;
  claims.account = std::string(*account);
  claims.microvm_id = std::string(*vm);
  claims.expires_at = WallTime(std::chrono::seconds(expiry->get_int64()));
  for (const json::value& value : ports->get_array()) {
    const auto range = port_range_of(value);
    if (!range) {
      return std::nullopt;
    }
    claims.ports.push_back(*range);
  }
  return claims;
}

std::string protected_header(std::string_view key_id) {
  return R"({"kid":")" + std::string(key_id) + R"(","alg":"dir","enc":"A256GCM"})";
}

struct Parts {
  std::string_view header;  // still encoded: it is what is authenticated
  std::string key_id;
  std::string nonce;
  Sealed sealed;
};

// The five segments of a compact JWE (RFC 7516 section 3.1); nothing when it is not one that this keyring could have made.
std::optional<Parts> parts_of(std::string_view token) {
  if (token.size() > TokenKeyring::kTokenBytesMax) {
    return std::nullopt;
  }
  std::array<std::string_view, 5> segments;
  for (std::size_t i = 0; i < segments.size(); ++i) {
    const std::size_t dot = token.find('.');
    if ((dot == std::string_view::npos) != (i + 1 == segments.size())) {
      return std::nullopt;
    }
    segments[i] = token.substr(0, dot);
    token.remove_prefix(dot == std::string_view::npos ? token.size() : dot + 1);
  }
  const auto header = from_base64url(segments[0]);
  auto nonce = from_base64url(segments[2]);
  auto ciphertext = from_base64url(segments[3]);
  auto tag = from_base64url(segments[4]);
  if (!header || !segments[1].empty() || !nonce || nonce->size() != kNonceBytes || !ciphertext || ciphertext->empty() ||
      !tag || tag->size() != kTagBytes) {
    return std::nullopt;
  }
  const auto object = parse_object(*header);
  if (!object) {
    return std::nullopt;
  }
  const json::string* id = string_in(*object, "kid");
  const json::string* algorithm = string_in(*object, "alg");
  const json::string* encryption = string_in(*object, "enc");
  if (id == nullptr || algorithm == nullptr || *algorithm != "dir" || encryption == nullptr ||
      *encryption != "A256GCM") {
    return std::nullopt;
  }
  return Parts{segments[0], std::string(*id), std::move(*nonce), Sealed{std::move(*ciphertext), std::move(*tag)}};
}

}  // namespace

bool TokenClaims::grants_port(std::uint16_t port) const {
  return std::any_of(
      ports.begin(), ports.end(), [port](const PortRange& range) { return range.first <= port && port <= range.last; });
}

TokenKeyring::Key TokenKeyring::make_key() {
  Key key{make_uuid(), {}};
  fill_random(key.secret);
  return key;
}

Result<std::vector<TokenKeyring::Key>> TokenKeyring::parse(std::string_view text) {
  const auto corrupt = [](std::string_view why) {
    return fail(ErrorKind::kDataLoss,
                "not a token key file: " + std::string(why) +
                    "; restore it, or remove it to make a new one (tokens that were issued end)");
  };
  const auto object = parse_object(text);
  const json::value* list = object ? object->if_contains("keys") : nullptr;
  if (list == nullptr || !list->is_array() || list->get_array().empty() || list->get_array().size() > kKeysMax) {
    return corrupt("no JSON object with 1 to 4 \"keys\"");
  }
  std::vector<Key> keys;
  for (const json::value& value : list->get_array()) {
    const json::object* entry = value.if_object();
    const json::string* id = entry == nullptr ? nullptr : string_in(*entry, "kid");
    const json::string* secret = entry == nullptr ? nullptr : string_in(*entry, "k");
    const auto bytes = secret == nullptr ? std::nullopt : from_base64url(*secret);
    if (id == nullptr || id->empty() || !bytes || bytes->size() != Key{}.secret.size()) {
      return corrupt("an entry without \"kid\" or without a \"k\" of 32 bytes");
    }
    Key key{std::string(*id), {}};
    std::copy(bytes->begin(), bytes->end(), key.secret.begin());
    keys.push_back(std::move(key));
  }
  return keys;
}

// A JWK set (RFC 7517) of symmetric keys.
Status TokenKeyring::store(const std::filesystem::path& file, const std::vector<Key>& keys) {
  json::array list;
  for (const Key& key : keys) {
    const std::string secret(key.secret.begin(), key.secret.end());
    list.push_back(json::object{{"kty", "oct"}, {"alg", "dir"}, {"kid", key.id}, {"k", to_base64url(secret)}});
  }
  const std::string text = json::serialize(json::object{{"keys", std::move(list)}}) + "\n";
  return os::publish_file(file, text, 0600, os::Durability::kDurable);
}

Result<TokenKeyring> TokenKeyring::open(const std::filesystem::path& file) {
  auto opened = os::open_file(file, O_RDONLY);
  if (!opened && opened.error().errno_value() == ENOENT) {
    std::vector<Key> keys{make_key()};
    DM_TRY(store(file, keys), "make the token key");
    return TokenKeyring(file, std::move(keys));
  }
  if (!opened) {
    return fail(std::move(opened).error().with_context("token key"));
  }
  struct stat status{};
  if (::fstat(opened->get(), &status) != 0) {
    return fail_errno("stat " + file.string());
  }
  if ((status.st_mode & 077) != 0) {
    return fail(
        ErrorKind::kInvalidArgument,
        "token key " + file.string() + ": others than its owner can use it; remove it, or: chmod 600 " + file.string());
  }
  DM_ASSIGN(const std::string text, os::read_file(file, kKeyFileBytesMax), "token key");
  DM_ASSIGN(std::vector<Key> keys, parse(text), "token key " + file.string());
  return TokenKeyring(file, std::move(keys));
}

Status TokenKeyring::rotate() {
  std::vector<Key> keys = keys_;
  keys.push_back(make_key());
  if (keys.size() > kKeysMax) {
    keys.erase(keys.begin());
  }
  DM_TRY(store(file_, keys), "rotate the token key");
  keys_ = std::move(keys);
  return {};
}

Result<std::string> TokenKeyring::issue(const TokenClaims& claims) const {
  const Key& key = keys_.back();
  std::string nonce(kNonceBytes, '\0');
  fill_random({bytes_of(nonce), nonce.size()});
  const std::string header = to_base64url(protected_header(key.id));
  const Sealed sealed = seal(key.secret, nonce, header, to_json(claims));
  std::string token =
      header + ".." + to_base64url(nonce) + "." + to_base64url(sealed.ciphertext) + "." + to_base64url(sealed.tag);
  if (token.size() > kTokenBytesMax) {
    return fail(ErrorKind::kInvalidArgument,
                "token with " + std::to_string(claims.ports.size()) +
                    " port specifications: longer than 8000 characters; name ranges of ports");
  }
  return token;
}

tl::expected<TokenClaims, TokenRefusal> TokenKeyring::verify(std::string_view token, WallTime now) const {
  const auto parts = parts_of(token);
  if (!parts) {
    return tl::unexpected(TokenRefusal::kUnparsable);
  }
  const auto key =
      std::find_if(keys_.begin(), keys_.end(), [&](const Key& candidate) { return candidate.id == parts->key_id; });
  if (key == keys_.end()) {
    return tl::unexpected(TokenRefusal::kNotOurs);
  }
  const auto text = unseal(key->secret, parts->nonce, parts->header, parts->sealed);
  auto claims = text ? claims_of(*text) : std::nullopt;
  if (!claims) {
    return tl::unexpected(TokenRefusal::kNotOurs);
  }
  if (now >= claims->expires_at) {
    return tl::unexpected(TokenRefusal::kExpired);
  }
  return std::move(*claims);
}

}  // namespace dormouse::proxy
