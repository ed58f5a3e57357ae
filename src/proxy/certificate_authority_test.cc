// SPDX-License-Identifier: Apache-2.0

#include "proxy/certificate_authority.h"

#include <sys/stat.h>

#include <fstream>
#include <iterator>
#include <string>

#include <gtest/gtest.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

namespace dormouse::proxy {
namespace {

using std::chrono::hours;

const WallTime kNow{std::chrono::seconds(1'790'000'000)};

std::string read(const std::filesystem::path& file) {
  std::ifstream stream(file);
  return {std::istreambuf_iterator<char>(stream), {}};
}

unsigned mode_of(const std::filesystem::path& file) {
  struct stat status{};
  EXPECT_EQ(::stat(file.c_str(), &status), 0) << file;
  return status.st_mode & 07777;
}

X509* parse(const std::string& pem) {
  BIO* bio = BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size()));
  X509* certificate = PEM_read_bio_X509(bio, nullptr, nullptr, nullptr);
  BIO_free(bio);
  return certificate;
}

// As a client does it: the whole chain, for a TLS server of that name, at a time. 0 or an X509_V_ERR_*.
int verify(const std::string& root_pem, const std::string& leaf_pem, const char* host, WallTime now) {
  X509* const root = parse(root_pem);
  X509* const leaf = parse(leaf_pem);
  X509_STORE* const store = X509_STORE_new();
  X509_STORE_add_cert(store, root);
  X509_STORE_CTX* const context = X509_STORE_CTX_new();
  X509_STORE_CTX_init(context, store, leaf, nullptr);
  X509_VERIFY_PARAM* const parameters = X509_STORE_CTX_get0_param(context);
  if (X509_VERIFY_PARAM_set1_ip_asc(parameters, host) != 1) {
    X509_VERIFY_PARAM_set1_host(parameters, host, 0);
  }
  X509_VERIFY_PARAM_set_time(parameters, std::chrono::system_clock::to_time_t(now));
  X509_VERIFY_PARAM_set_purpose(parameters, X509_PURPOSE_SSL_SERVER);
  X509_VERIFY_PARAM_set_flags(parameters, X509_V_FLAG_X509_STRICT);
  const int result = X509_verify_cert(context) == 1 ? X509_V_OK : X509_STORE_CTX_get_error(context);
  X509_STORE_CTX_free(context);
  X509_STORE_free(store);
  X509_free(leaf);
  X509_free(root);
  return result;
}

class CertificateAuthorityTest : public ::testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = (std::filesystem::temp_directory_path() / "certificate_test.XXXXXX").string();
    ASSERT_NE(::mkdtemp(pattern.data()), nullptr);
    directory_ = pattern;
  }
  void TearDown() override { std::filesystem::remove_all(directory_); }

  CertificateAuthority authority(WallTime now = kNow) const {
    auto result = CertificateAuthority::open(directory_, now);
    EXPECT_TRUE(result.has_value()) << result.error().message();
    return std::move(result).value();
  }
  ServerCertificate endpoint(WallTime now = kNow, const std::string& domain = "localhost") const {
    auto result = authority(now).endpoint_certificate("us-east-1", domain, now);
    EXPECT_TRUE(result.has_value()) << result.error().message();
    return std::move(result).value();
  }

  std::filesystem::path directory_;
};

TEST_F(CertificateAuthorityTest, SignsACertificateThatStrictClientsAcceptForTheEndpointsNames) {
  const ServerCertificate certificate = endpoint();
  const std::string root = read(authority().certificate_file());
  for (const char* host :
       {"6f1c5c1e-55f4-4b6a-9f57-3a1f0f2f7c11.lambda-microvm.us-east-1.localhost", "localhost", "127.0.0.1", "::1"}) {
    EXPECT_EQ(verify(root, certificate.chain_pem, host, kNow), X509_V_OK) << host;
  }
  EXPECT_EQ(verify(root, certificate.chain_pem, "x.lambda-microvm.eu-west-1.localhost", kNow),
            X509_V_ERR_HOSTNAME_MISMATCH);
  EXPECT_EQ(verify(root, certificate.chain_pem, "a.b.lambda-microvm.us-east-1.localhost", kNow),
            X509_V_ERR_HOSTNAME_MISMATCH);
  EXPECT_EQ(verify(root, certificate.chain_pem, "127.0.0.2", kNow), X509_V_ERR_IP_ADDRESS_MISMATCH);
  EXPECT_EQ(verify(root, certificate.chain_pem, "localhost", kNow + hours(24 * 400)), X509_V_ERR_CERT_HAS_EXPIRED);
}

TEST_F(CertificateAuthorityTest, KeepsRootAndCertificateOverARestart) {
  const ServerCertificate first = endpoint();
  const std::string root = read(directory_ / "ca.pem");
  const ServerCertificate second = endpoint(kNow + hours(24 * 300));
  EXPECT_EQ(first.chain_pem, second.chain_pem);
  EXPECT_EQ(first.private_key_pem, second.private_key_pem);
  EXPECT_EQ(read(directory_ / "ca.pem"), root);
}

TEST_F(CertificateAuthorityTest, RenewsTheCertificateNearItsEndUnderTheSameRoot) {
  const ServerCertificate first = endpoint();
  const std::string root = read(directory_ / "ca.pem");
  const WallTime later = kNow + hours(24 * 370);
  const ServerCertificate second = endpoint(later);
  EXPECT_NE(first.chain_pem, second.chain_pem);
  EXPECT_EQ(read(directory_ / "ca.pem"), root);
  EXPECT_EQ(verify(root, second.chain_pem, "localhost", later + hours(24 * 300)), X509_V_OK);
}

TEST_F(CertificateAuthorityTest, MakesAnotherCertificateForOtherNamesAndForAnotherRoot) {
  const ServerCertificate first = endpoint();
  const ServerCertificate other = endpoint(kNow, "example.org");
  EXPECT_EQ(verify(read(directory_ / "ca.pem"), other.chain_pem, "x.lambda-microvm.us-east-1.example.org", kNow),
            X509_V_OK);
  std::filesystem::remove(directory_ / "ca.pem");
  std::filesystem::remove(directory_ / "ca.key");
  const ServerCertificate under_new_root = endpoint(kNow, "example.org");
  EXPECT_NE(other.chain_pem, under_new_root.chain_pem);
  EXPECT_EQ(verify(read(directory_ / "ca.pem"), under_new_root.chain_pem, "localhost", kNow), X509_V_OK);
}

TEST_F(CertificateAuthorityTest, MakesTheCertificateAnewWhenItsFileIsDamaged) {
  endpoint();
  std::ofstream(directory_ / "endpoint.pem") << "damaged";
  EXPECT_EQ(verify(read(directory_ / "ca.pem"), endpoint().chain_pem, "localhost", kNow), X509_V_OK);
}

TEST_F(CertificateAuthorityTest, KeysAreForTheirOwnerAloneAndTheRootIsForAll) {
  endpoint();
  EXPECT_EQ(mode_of(directory_ / "ca.pem"), 0644U);
  EXPECT_EQ(mode_of(directory_ / "ca.key"), 0600U);
  EXPECT_EQ(mode_of(directory_ / "endpoint.pem"), 0600U);
  EXPECT_EQ(mode_of(directory_ / "endpoint.key"), 0600U);
}

TEST_F(CertificateAuthorityTest, RefusesARootWithoutItsKeyRatherThanReplaceWhatClientsTrust) {
  endpoint();
  const std::string root = read(directory_ / "ca.pem");
  std::filesystem::copy_file(
      directory_ / "endpoint.key", directory_ / "ca.key", std::filesystem::copy_options::overwrite_existing);
  const auto wrong = CertificateAuthority::open(directory_, kNow);
  ASSERT_FALSE(wrong.has_value());
  EXPECT_EQ(wrong.error().kind(), ErrorKind::kDataLoss);
  EXPECT_EQ(wrong.error().message(),
            "CA: " + (directory_ / "ca.pem").string() + " and " + (directory_ / "ca.key").string() +
                " are no certificate with its key; restore them, or remove both to make new ones");
  std::filesystem::remove(directory_ / "ca.key");
  EXPECT_FALSE(CertificateAuthority::open(directory_, kNow).has_value());
  EXPECT_EQ(read(directory_ / "ca.pem"), root);
}

TEST_F(CertificateAuthorityTest, RefusesAnExpiredRoot) {
  endpoint();
  const auto expired = CertificateAuthority::open(directory_, kNow + hours(24 * 7'400));
  ASSERT_FALSE(expired.has_value());
  EXPECT_EQ(expired.error().kind(), ErrorKind::kConflict);
}

TEST_F(CertificateAuthorityTest, LoadsACertificateOfTheUsersAndNamesWhatIsWrongWithIt) {
  const ServerCertificate made = endpoint();
  const auto chain = directory_ / "endpoint.pem";
  const auto key = directory_ / "endpoint.key";
  ASSERT_TRUE(load_certificate(chain, key).has_value());
  EXPECT_EQ(load_certificate(chain, key)->chain_pem, made.chain_pem);
  EXPECT_EQ(load_certificate(key, key).error().message(),
            "endpoint certificate " + key.string() + ": not a certificate in PEM form");
  EXPECT_EQ(load_certificate(chain, chain).error().message(),
            "endpoint key " + chain.string() + ": not a private key in PEM form without a password");
  EXPECT_EQ(
      load_certificate(chain, directory_ / "ca.key").error().message(),
      "endpoint key " + (directory_ / "ca.key").string() + ": does not belong to the certificate " + chain.string());
  EXPECT_EQ(load_certificate("/nonexistent", key).error().kind(), ErrorKind::kNotFound);
}

}  // namespace
}  // namespace dormouse::proxy
