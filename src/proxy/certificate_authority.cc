// SPDX-License-Identifier: Apache-2.0

#include "proxy/certificate_authority.h"

#include <array>
#include <chrono>
#include <ctime>
#include <optional>
#include <stdexcept>
#include <utility>
#include <vector>

#include <openssl/bio.h>
#include <openssl/bn.h>
#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include "base/log.h"
#include "os/file.h"

namespace dormouse::proxy {

namespace {

constexpr std::size_t kPemBytesMax = 1024 * 1024;
constexpr long kSecondsPerDay = 86'400;

struct Free {
  void operator()(X509* certificate) const { X509_free(certificate); }
  void operator()(EVP_PKEY* key) const { EVP_PKEY_free(key); }
  void operator()(BIO* bio) const { BIO_free_all(bio); }
  void operator()(X509_EXTENSION* extension) const { X509_EXTENSION_free(extension); }
  void operator()(BIGNUM* number) const { BN_free(number); }
  void operator()(GENERAL_NAMES* names) const { GENERAL_NAMES_free(names); }
  void operator()(ASN1_OCTET_STRING* text) const { ASN1_OCTET_STRING_free(text); }
};
template <typename T>
using Owned = std::unique_ptr<T, Free>;

// For calls that fail only for want of memory or randomness, or by a bug of ours: caught in this file.
void require(bool success, const char* action) {
  if (!success) {
    std::array<char, 256> reason{};
    ERR_error_string_n(ERR_get_error(), reason.data(), reason.size());
    throw std::runtime_error(std::string(action) + ": " + reason.data());
  }
}

Owned<BIO> memory_of(std::string_view text) {
  Owned<BIO> bio(BIO_new_mem_buf(text.data(), static_cast<int>(text.size())));
  require(bio != nullptr, "memory");
  return bio;
}

std::string text_of(BIO* bio) {
  char* data = nullptr;
  const long size = BIO_get_mem_data(bio, &data);
  return {data, static_cast<std::size_t>(size)};
}

Owned<X509> parse_certificate(std::string_view pem) {
  const auto bio = memory_of(pem);
  return Owned<X509>(PEM_read_bio_X509(bio.get(), nullptr, nullptr, nullptr));
}

int no_password(char*, int, int, void*) { return -1; }  // else OpenSSL asks on the terminal

Owned<EVP_PKEY> parse_private_key(std::string_view pem) {
  const auto bio = memory_of(pem);
  return Owned<EVP_PKEY>(PEM_read_bio_PrivateKey(bio.get(), nullptr, no_password, nullptr));
}

std::string to_pem(X509& certificate) {
  const Owned<BIO> bio(BIO_new(BIO_s_mem()));
  require(bio && PEM_write_bio_X509(bio.get(), &certificate) == 1, "write a certificate");
  return text_of(bio.get());
}

std::string to_pem(EVP_PKEY& key) {
  const Owned<BIO> bio(BIO_new(BIO_s_mem()));
  require(bio && PEM_write_bio_PKCS8PrivateKey(bio.get(), &key, nullptr, nullptr, 0, nullptr, nullptr) == 1,
          "write a key");
  return text_of(bio.get());
}

Owned<EVP_PKEY> make_key() {
  Owned<EVP_PKEY> key(EVP_EC_gen("P-256"));
  require(key != nullptr, "make a P-256 key");
  return key;
}

void add_extension(X509& certificate, X509& issuer, int nid, const std::string& value) {
  X509V3_CTX context;
  X509V3_set_ctx_nodb(&context);
  X509V3_set_ctx(&context, &issuer, &certificate, nullptr, nullptr, 0);
  const Owned<X509_EXTENSION> extension(X509V3_EXT_conf_nid(nullptr, &context, nid, value.c_str()));
  require(extension && X509_add_ext(&certificate, extension.get(), -1) == 1, "add a certificate extension");
}

void set_random_serial(X509& certificate) {
  std::array<unsigned char, 16> bytes{};
  require(RAND_bytes(bytes.data(), static_cast<int>(bytes.size())) == 1, "randomness");
  bytes[0] =
      static_cast<unsigned char>((bytes[0] & 0x7f) | 0x40);  // positive, of fixed length (RFC 5280 section 4.1.2.2)
  const Owned<BIGNUM> number(BN_bin2bn(bytes.data(), static_cast<int>(bytes.size()), nullptr));
  require(number && BN_to_ASN1_INTEGER(number.get(), X509_get_serialNumber(&certificate)) != nullptr,
          "set a serial number");
}

// A certificate for `key` with subject and times, without extensions and signature.
Owned<X509> make_certificate(EVP_PKEY& key, const std::string& common_name, WallTime now, int valid_days) {
  Owned<X509> certificate(X509_new());
  require(certificate != nullptr, "memory");
  X509* const raw = certificate.get();
  require(X509_set_version(raw, X509_VERSION_3) == 1 && X509_set_pubkey(raw, &key) == 1, "make a certificate");
  set_random_serial(*raw);
  const std::time_t start = std::chrono::system_clock::to_time_t(now) - kSecondsPerDay;  // for clocks that are behind
  const std::time_t end = std::chrono::system_clock::to_time_t(now) + valid_days * kSecondsPerDay - kSecondsPerDay;
  require(ASN1_TIME_set(X509_getm_notBefore(raw), start) != nullptr &&
              ASN1_TIME_set(X509_getm_notAfter(raw), end) != nullptr,
          "set a certificate's times");
  X509_NAME* const name = X509_get_subject_name(raw);
  const auto add = [name](const char* field, const std::string& value) {
    require(X509_NAME_add_entry_by_txt(name,
                                       field,
                                       MBSTRING_UTF8,
                                       reinterpret_cast<const unsigned char*>(value.data()),
                                       static_cast<int>(value.size()),
                                       -1,
                                       0) == 1,
            "set a certificate's subject");
  };
  add("O", "Dormouse");
  add("CN", common_name);
  return certificate;
}

std::string wildcard_host(const std::string& region, const std::string& domain) {
  return "*.lambda-microvm." + region + "." + domain;
}

bool expires_before(X509& certificate, WallTime time) {
  std::time_t seconds = std::chrono::system_clock::to_time_t(time);
  return X509_cmp_time(X509_get0_notAfter(&certificate), &seconds) < 0;
}

bool covers(X509& certificate, const std::string& host) {
  const std::string example = "x" + host.substr(1);  // in place of the wildcard
  return X509_check_host(&certificate, example.data(), example.size(), 0, nullptr) == 1 &&
         X509_check_host(&certificate, "localhost", 9, 0, nullptr) == 1 &&
         X509_check_ip_asc(&certificate, "127.0.0.1", 0) == 1 && X509_check_ip_asc(&certificate, "::1", 0) == 1;
}

Error openssl_failure(const std::exception& error) {
  return Error(ErrorKind::kInternal, std::string("certificate authority: ") + error.what());
}

}  // namespace

struct CertificateAuthority::Material {
  Owned<X509> certificate;
  Owned<EVP_PKEY> key;
};

CertificateAuthority::CertificateAuthority(std::filesystem::path directory, std::unique_ptr<Material> material)
    : directory_(std::move(directory)), certificate_file_(directory_ / "ca.pem"), material_(std::move(material)) {}
CertificateAuthority::~CertificateAuthority() = default;
CertificateAuthority::CertificateAuthority(CertificateAuthority&&) noexcept = default;

Result<ServerCertificate> load_certificate(const std::filesystem::path& chain,
                                           const std::filesystem::path& private_key) {
  ServerCertificate result;
  DM_ASSIGN(result.chain_pem, os::read_file(chain, kPemBytesMax), "endpoint certificate");
  DM_ASSIGN(result.private_key_pem, os::read_file(private_key, kPemBytesMax), "endpoint key");
  try {
    const auto certificate = parse_certificate(result.chain_pem);
    if (!certificate) {
      return fail(ErrorKind::kInvalidArgument,
                  "endpoint certificate " + chain.string() + ": not a certificate in PEM form");
    }
    const auto key = parse_private_key(result.private_key_pem);
    if (!key) {
      return fail(ErrorKind::kInvalidArgument,
                  "endpoint key " + private_key.string() + ": not a private key in PEM form without a password");
    }
    if (X509_check_private_key(certificate.get(), key.get()) != 1) {
      return fail(ErrorKind::kInvalidArgument,
                  "endpoint key " + private_key.string() + ": does not belong to the certificate " + chain.string());
    }
  } catch (const std::runtime_error& error) {
    return fail(openssl_failure(error));
  }
  return result;
}

namespace {

struct AuthorityPem {
  std::string certificate;
  std::string key;
};

AuthorityPem make_authority(WallTime now) {
  const auto key = make_key();
  const auto certificate = make_certificate(*key, "Dormouse CA", now, CertificateAuthority::kValidDays);
  require(X509_set_issuer_name(certificate.get(), X509_get_subject_name(certificate.get())) == 1, "set the issuer");
  add_extension(*certificate, *certificate, NID_basic_constraints, "critical,CA:TRUE,pathlen:0");
  add_extension(*certificate, *certificate, NID_key_usage, "critical,keyCertSign,cRLSign");
  add_extension(*certificate, *certificate, NID_subject_key_identifier, "hash");
  require(X509_sign(certificate.get(), key.get(), EVP_sha256()) > 0, "sign the CA's certificate");
  return {to_pem(*certificate), to_pem(*key)};
}

// The key goes first: a certificate without its key would be trusted by clients and never be usable.
Status store_authority(const std::filesystem::path& directory, WallTime now) {
  const AuthorityPem pem = make_authority(now);
  DM_TRY(os::publish_file(directory / "ca.key", pem.key, 0600, os::Durability::kDurable), "make the CA");
  return os::publish_file(directory / "ca.pem", pem.certificate, 0644, os::Durability::kDurable);
}

}  // namespace

Result<CertificateAuthority> CertificateAuthority::open(const std::filesystem::path& directory, WallTime now) {
  const std::filesystem::path certificate_file = directory / "ca.pem";
  const std::filesystem::path key_file = directory / "ca.key";
  try {
    std::error_code ignored;
    if (!std::filesystem::exists(certificate_file, ignored)) {
      DM_TRY(store_authority(directory, now),
             "");  // over a key left by a start that was cut short: nobody trusts it yet
    }
    DM_ASSIGN(const std::string certificate_pem, os::read_file(certificate_file, kPemBytesMax), "CA");
    DM_ASSIGN(const std::string key_pem, os::read_file(key_file, kPemBytesMax), "CA");
    auto material = std::make_unique<Material>();
    material->certificate = parse_certificate(certificate_pem);
    material->key = parse_private_key(key_pem);
    if (!material->certificate || !material->key ||
        X509_check_private_key(material->certificate.get(), material->key.get()) != 1) {
      return fail(ErrorKind::kDataLoss,
                  "CA: " + certificate_file.string() + " and " + key_file.string() +
                      " are no certificate with its key; restore them, or remove both to make new ones");
    }
    if (expires_before(*material->certificate, now)) {
      return fail(ErrorKind::kConflict,
                  "CA: " + certificate_file.string() + " has expired; remove it and " + key_file.string() +
                      " to make new ones, and have clients trust them");
    }
    return CertificateAuthority(directory, std::move(material));
  } catch (const std::runtime_error& error) {
    return fail(openssl_failure(error));
  }
}

Result<ServerCertificate> CertificateAuthority::endpoint_certificate(const std::string& region,
                                                                     const std::string& domain,
                                                                     WallTime now) const {
  const std::filesystem::path chain_file = directory_ / "endpoint.pem";
  const std::filesystem::path key_file = directory_ / "endpoint.key";
  const std::string host = wildcard_host(region, domain);
  X509& issuer = *material_->certificate;
  try {
    if (auto kept = load_certificate(chain_file, key_file)) {
      const auto certificate = parse_certificate(kept->chain_pem);
      const Owned<EVP_PKEY> issuer_key(X509_get_pubkey(&issuer));
      if (X509_verify(certificate.get(), issuer_key.get()) == 1 && covers(*certificate, host) &&
          !expires_before(*certificate, now + std::chrono::seconds(kEndpointRenewBeforeDays * kSecondsPerDay))) {
        return std::move(*kept);
      }
    }
    const auto key = make_key();
    const auto certificate = make_certificate(*key, "Dormouse endpoint", now, kEndpointValidDays);
    require(X509_set_issuer_name(certificate.get(), X509_get_subject_name(&issuer)) == 1, "set the issuer");
    add_extension(*certificate, issuer, NID_basic_constraints, "critical,CA:FALSE");
    add_extension(*certificate, issuer, NID_key_usage, "critical,digitalSignature");
    add_extension(*certificate, issuer, NID_ext_key_usage, "serverAuth");
    add_extension(*certificate, issuer, NID_subject_alt_name, "DNS:" + host + ",DNS:localhost,IP:127.0.0.1,IP:::1");
    add_extension(*certificate, issuer, NID_subject_key_identifier, "hash");
    add_extension(*certificate, issuer, NID_authority_key_identifier, "keyid:always");
    require(X509_sign(certificate.get(), material_->key.get(), EVP_sha256()) > 0, "sign the endpoint's certificate");
    ServerCertificate result{to_pem(*certificate), to_pem(*key)};
    DM_TRY(os::publish_file(key_file, result.private_key_pem, 0600, os::Durability::kDurable), "endpoint certificate");
    DM_TRY(os::publish_file(chain_file, result.chain_pem, 0600, os::Durability::kDurable), "endpoint certificate");
    log::info("made the endpoint's certificate", {{"host", host}});
    return result;
  } catch (const std::runtime_error& error) {
    return fail(openssl_failure(error));
  }
}

}  // namespace dormouse::proxy
