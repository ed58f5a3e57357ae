// SPDX-License-Identifier: Apache-2.0

#include "proxy/token.h"

#include <sys/stat.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>

#include <gtest/gtest.h>

#include "proxy/base64url.h"

namespace dormouse::proxy {
namespace {

using std::chrono::seconds;

const WallTime kNow{seconds(1'790'000'000)};

std::string read(const std::filesystem::path& file) {
  std::ifstream stream(file);
  return {std::istreambuf_iterator<char>(stream), {}};
}

class TokenKeyringTest : public ::testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = (std::filesystem::temp_directory_path() / "token_test.XXXXXX").string();
    ASSERT_NE(::mkdtemp(pattern.data()), nullptr);
    directory_ = pattern;
    file_ = directory_ / "token.key";
  }
  void TearDown() override { std::filesystem::remove_all(directory_); }

  TokenKeyring keyring() const {
    auto result = TokenKeyring::open(file_);
    EXPECT_TRUE(result.has_value()) << result.error().message();
    return std::move(result).value();
  }
  static TokenClaims claims() {
    return {TokenKind::kHttp,
            "000000000000",
            "microvm-6f1c5c1e-55f4-4b6a-9f57-3a1f0f2f7c11",
            {{8080, 8080}, {9000, 9010}},
            kNow + seconds(60)};
  }

  std::filesystem::path directory_;
  std::filesystem::path file_;
};

TEST_F(TokenKeyringTest, OpensWhatItIssued) {
  const TokenKeyring ring = keyring();
  const auto verified = ring.verify(*ring.issue(claims()), kNow);
  ASSERT_TRUE(verified.has_value());
  EXPECT_EQ(*verified, claims());
  TokenClaims shell = claims();
  shell.kind = TokenKind::kShell;
  shell.ports.clear();
  EXPECT_EQ(*ring.verify(*ring.issue(shell), kNow), shell);
}

TEST_F(TokenKeyringTest, TokensLookLikeTheServices) {
  const TokenKeyring ring = keyring();
  for (const std::vector<PortRange>& ports :
       {std::vector<PortRange>{PortRange{}}, std::vector<PortRange>(20, {60'000, 65'535})}) {
    TokenClaims some = claims();
    some.ports = ports;
    const std::string token = *ring.issue(some);
    EXPECT_EQ(std::count(token.begin(), token.end(), '.'), 4);
    EXPECT_GE(token.size(), 767U);
    EXPECT_LE(token.size(), 868U);
    const std::string header = *from_base64url(token.substr(0, token.find('.')));
    EXPECT_EQ(header.substr(0, 8), R"({"kid":")");
    EXPECT_EQ(header.substr(8 + 36), R"(","alg":"dir","enc":"A256GCM"})");
    EXPECT_EQ(token.substr(token.find('.'), 2), "..");
    EXPECT_EQ(token.find("microvm"), std::string::npos);
  }
  EXPECT_NE(*ring.issue(claims()), *ring.issue(claims()));
}

TEST_F(TokenKeyringTest, RefusesAnExpiredTokenFromItsExpiryOn) {
  const TokenKeyring ring = keyring();
  const std::string token = *ring.issue(claims());
  EXPECT_TRUE(ring.verify(token, kNow + seconds(59)).has_value());
  EXPECT_EQ(ring.verify(token, kNow + seconds(60)).error(), TokenRefusal::kExpired);
}

TEST_F(TokenKeyringTest, EveryChangedCharacterIsRefused) {
  const TokenKeyring ring = keyring();
  const std::string token = *ring.issue(claims());
  for (std::size_t i = 0; i < token.size(); ++i) {
    for (const char other : {'A', 'z', '.', '=', '\0'}) {
      std::string changed = token;
      changed[i] = changed[i] == other ? '-' : other;
      EXPECT_FALSE(ring.verify(changed, kNow).has_value()) << i << other;
    }
  }
}

TEST_F(TokenKeyringTest, EveryPrefixAndEveryAdditionIsRefused) {
  const TokenKeyring ring = keyring();
  const std::string token = *ring.issue(claims());
  for (std::size_t length = 0; length < token.size(); ++length) {
    EXPECT_FALSE(ring.verify(token.substr(0, length), kNow).has_value()) << length;
  }
  for (const char* addition : {"A", "=", ".", "AAAA", " "}) {
    EXPECT_FALSE(ring.verify(token + addition, kNow).has_value()) << addition;
    EXPECT_FALSE(ring.verify(addition + token, kNow).has_value()) << addition;
  }
}

TEST_F(TokenKeyringTest, TellsWhatIsNoTokenFromWhatIsNotOurs) {
  const TokenKeyring ring = keyring();
  const std::string token = *ring.issue(claims());
  const auto refusal = [&](const std::string& text) { return ring.verify(text, kNow).error(); };
  const auto with_header = [&](std::string_view header) {
    return to_base64url(header) + token.substr(token.find('.'));
  };
  for (const std::string& text : {std::string(),
                                  std::string("nonsense"),
                                  std::string("...."),
                                  std::string("a.b.c"),
                                  token + ".x",
                                  std::string(TokenKeyring::kTokenBytesMax + 1, 'A'),
                                  with_header("not json"),
                                  with_header("[]"),
                                  with_header("{}"),
                                  with_header(R"({"kid":"x","alg":"RSA-OAEP","enc":"A256GCM"})"),
                                  with_header(R"({"kid":1,"alg":"dir","enc":"A256GCM"})"),
                                  with_header(R"({"kid":"x","alg":"dir","enc":"A128GCM"})")}) {
    EXPECT_EQ(refusal(text), TokenRefusal::kUnparsable) << text;
  }
  EXPECT_EQ(refusal(with_header(R"({"kid":"x","alg":"dir","enc":"A256GCM"})")), TokenRefusal::kNotOurs);
  std::filesystem::remove(file_);
  const TokenKeyring stranger = keyring();
  EXPECT_EQ(stranger.verify(token, kNow).error(), TokenRefusal::kNotOurs);
  std::string forged = token;
  forged[forged.size() - 30] = forged[forged.size() - 30] == 'A' ? 'B' : 'A';
  EXPECT_EQ(refusal(forged), TokenRefusal::kNotOurs);
}

TEST_F(TokenKeyringTest, TokensSurviveARestart) {
  const std::string token = *keyring().issue(claims());
  EXPECT_TRUE(keyring().verify(token, kNow).has_value());
}

TEST_F(TokenKeyringTest, TokensSurviveRotationUntilTheirKeyIsDropped) {
  TokenKeyring ring = keyring();
  const std::string token = *ring.issue(claims());
  const std::string header = token.substr(0, token.find('.'));
  for (std::size_t i = 1; i < TokenKeyring::kKeysMax; ++i) {
    ASSERT_TRUE(ring.rotate().has_value());
    EXPECT_TRUE(ring.verify(token, kNow).has_value());
    EXPECT_TRUE(keyring().verify(token, kNow).has_value());
  }
  const std::string newest = *ring.issue(claims());
  EXPECT_NE(newest.substr(0, newest.find('.')), header);
  EXPECT_TRUE(keyring().verify(newest, kNow).has_value());
  ASSERT_TRUE(ring.rotate().has_value());
  EXPECT_EQ(ring.verify(token, kNow).error(), TokenRefusal::kNotOurs);
  EXPECT_TRUE(ring.verify(newest, kNow).has_value());
}

TEST_F(TokenKeyringTest, TheKeyFileIsForItsOwnerAlone) {
  const TokenKeyring ring = keyring();
  struct stat status{};
  ASSERT_EQ(::stat(file_.c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 07777, 0600U);
  ASSERT_EQ(::chmod(file_.c_str(), 0640), 0);
  const auto opened = TokenKeyring::open(file_);
  ASSERT_FALSE(opened.has_value());
  EXPECT_EQ(
      opened.error().message(),
      "token key " + file_.string() + ": others than its owner can use it; remove it, or: chmod 600 " + file_.string());
}

TEST_F(TokenKeyringTest, RefusesADamagedKeyFileAndLeavesItAlone) {
  {
    const TokenKeyring ring = keyring();
  }
  const std::string good = read(file_);
  for (const std::string& text : {std::string(),
                                  std::string("{}"),
                                  std::string(R"({"keys":[]})"),
                                  good.substr(0, good.size() / 2),
                                  std::string(R"({"keys":[{"kid":"a","k":"AAAA"}]})")}) {
    std::ofstream(file_) << text;
    const auto opened = TokenKeyring::open(file_);
    ASSERT_FALSE(opened.has_value()) << text;
    EXPECT_EQ(opened.error().kind(), ErrorKind::kDataLoss);
    EXPECT_NE(opened.error().message().find("; restore it, or remove it to make a new one"), std::string::npos);
    EXPECT_EQ(read(file_), text);
  }
}

TEST_F(TokenKeyringTest, OpensWhatAnotherImplementationOfJweMade) {  // jwcrypto
  std::ofstream(file_) << R"({"keys":[{"kty":"oct","kid":"0b0f2a10-6a1f-4f0e-9a11-3c77a1d2f001",)"
                       << R"("k":"AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8"}]})";
  std::filesystem::permissions(file_, std::filesystem::perms::owner_read | std::filesystem::perms::owner_write);
  const auto verified = keyring().verify(
      "eyJraWQiOiIwYjBmMmExMC02YTFmLTRmMGUtOWExMS0zYzc3YTFkMmYwMDEiLCJhbGciOiJkaXIiLCJlbmMiOiJBMjU2R0NNIn0.."
      "QUvixbmgmQNEz8Ue."
      "bOfFZNh3hO8STThVSrrtxxpYckTk59XvCoGO-35BH8osrjlZrGq3TvvaiJ6RVoqrcbZ6a2YNeznfk1IlanHDPYOHvRlDVIEvQfV0PU3-"
      "ChUPnEXBZJTV"
      "Woffa4mshg3LNAeC0ZGT.Dxo-xbhQ_ArkkDv-S4b30g",
      kNow);
  ASSERT_TRUE(verified.has_value());
  EXPECT_EQ(*verified,
            (TokenClaims{TokenKind::kHttp, "000000000000", "microvm-x", {{80, 90}}, WallTime(seconds(1'790'000'060))}));
}

TEST_F(TokenKeyringTest, RefusesToIssueATokenThatIsTooLong) {
  TokenClaims many = claims();
  many.ports.assign(2'000, {1, 1});
  const auto token = keyring().issue(many);
  ASSERT_FALSE(token.has_value());
  EXPECT_EQ(token.error().message(),
            "token with 2000 port specifications: longer than 8000 characters; name ranges of ports");
}

TEST(TokenClaimsTest, GrantsThePortsOfItsRangesAlone) {
  TokenClaims claims;
  EXPECT_FALSE(claims.grants_port(8080));
  claims.ports = {{80, 80}, {1000, 2000}};
  EXPECT_TRUE(claims.grants_port(80));
  EXPECT_FALSE(claims.grants_port(81));
  EXPECT_FALSE(claims.grants_port(999));
  EXPECT_TRUE(claims.grants_port(1000));
  EXPECT_TRUE(claims.grants_port(2000));
  EXPECT_FALSE(claims.grants_port(2001));
  claims.ports = {PortRange{}};
  EXPECT_TRUE(claims.grants_port(1));
  EXPECT_TRUE(claims.grants_port(65'535));
}

TEST(Base64url, RoundTripsAndHasOneFormOnly) {
  std::string bytes;
  for (int i = 0; i < 300; ++i) {
    const std::string text = to_base64url(bytes);
    EXPECT_EQ(from_base64url(text), bytes);
    bytes.push_back(static_cast<char>(i * 37));
  }
  EXPECT_EQ(to_base64url("\xfb\xff\xfe"), "-__-");
  EXPECT_EQ(to_base64url("f"), "Zg");
  EXPECT_EQ(from_base64url("Zg"), "f");
  for (const char* text : {"Zh", "Z", "Zg==", "Zm9+", "Zm9/", "Zm 9", "AAAAA"}) {
    EXPECT_EQ(from_base64url(text), std::nullopt) << text;
  }
}

}  // namespace
}  // namespace dormouse::proxy
