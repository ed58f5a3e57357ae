// SPDX-License-Identifier: Apache-2.0
//
// Signatures against those that botocore made (tests/golden/sigv4/generate.py), and every way to be refused.

#include "aws/sigv4.h"

#include <fstream>
#include <sstream>

#include <boost/json.hpp>
#include <gtest/gtest.h>

#include "aws/digest.h"
#include "aws/encoding.h"
#include "aws/signature_check.h"
#include "aws/time.h"

namespace dormouse::aws {
namespace {

namespace json = boost::json;

constexpr const char* kMismatch =
    "The request signature we calculated does not match the signature you provided. Check your AWS Secret Access Key "
    "and signing method. Consult the service documentation for details.";

class OneCredential final : public CredentialStore {
 public:
  explicit OneCredential(Credential credential) : credential_(std::move(credential)) {}
  tl::expected<Credential, AuthFailureKind> find(std::string_view access_key,
                                                 std::string_view session_token,
                                                 WallTime /*now*/) const override {
    return lasting_credential(access_key == credential_.access_key ? &credential_ : nullptr, session_token);
  }

 private:
  Credential credential_;
};

struct Vector {
  std::string name, form, service, region, method, path, query, unsigned_query, body;
  std::vector<HeaderField> headers, unsigned_headers;

  WireRequest request() const { return {method, path, query, headers}; }
  WireRequest unsigned_request() const { return {method, path, unsigned_query, unsigned_headers}; }
  std::string* header(std::string_view wanted) {
    for (auto& [key, value] : headers) {
      if (key == wanted) {
        return &value;
      }
    }
    return nullptr;
  }
};

struct Golden {
  Credential credential;
  WallTime time;
  std::vector<Vector> vectors;
  Vector version_2;

  const Vector& named(std::string_view name) const {
    for (const Vector& vector : vectors) {
      if (vector.name == name) {
        return vector;
      }
    }
    throw std::out_of_range(std::string(name));
  }
};

std::vector<HeaderField> to_fields(const json::value& value) {
  std::vector<HeaderField> fields;
  for (const json::value& pair : value.as_array()) {
    fields.emplace_back(json::value_to<std::string>(pair.at(0)), json::value_to<std::string>(pair.at(1)));
  }
  return fields;
}

Golden load() {
  std::ifstream file(DM_SOURCE_DIRECTORY "/tests/golden/sigv4/vectors.json");
  std::ostringstream text;
  text << file.rdbuf();
  const json::value document = json::parse(text.str());
  Golden golden;
  golden.credential = {.access_key = json::value_to<std::string>(document.at("access_key")),
                       .secret = json::value_to<std::string>(document.at("secret")),
                       .account = "000000000000"};
  golden.time = from_iso8601_basic(json::value_to<std::string>(document.at("time"))).value();
  for (const json::value& item : document.at("vectors").as_array()) {
    const auto text_of = [&item](const char* name) { return json::value_to<std::string>(item.at(name)); };
    golden.vectors.push_back({text_of("name"),
                              text_of("form"),
                              text_of("service"),
                              text_of("region"),
                              text_of("method"),
                              text_of("path"),
                              text_of("query"),
                              text_of("unsigned_query"),
                              text_of("body"),
                              to_fields(item.at("headers")),
                              to_fields(item.at("unsigned_headers"))});
  }
  const json::value& older = document.at("version_2");
  golden.version_2.method = json::value_to<std::string>(older.at("method"));
  golden.version_2.path = json::value_to<std::string>(older.at("path"));
  golden.version_2.query = json::value_to<std::string>(older.at("query"));
  golden.version_2.service = "s3";
  golden.version_2.headers = {{"Host", json::value_to<std::string>(older.at("host"))}};
  return golden;
}

class SigV4Test : public ::testing::Test {
 protected:
  // Takes a request through both steps.
  tl::expected<SignatureCheck, AuthFailure> check(const Vector& vector, WallTime now, std::string_view body) const {
    CheckOptions options;
    options.region = "us-east-1";
    auto check = SignatureCheck::begin(vector.request(), OneCredential(golden_.credential), options, now);
    if (check) {
      if (auto body_checked = check->check_body(sha256_hex(body)); !body_checked) {
        return tl::unexpected<AuthFailure>(body_checked.error());
      }
    }
    return check;
  }
  tl::expected<SignatureCheck, AuthFailure> check(const Vector& vector) const {
    return check(vector, golden_.time, vector.body);
  }

  void expect_refused(const Vector& vector, int status, std::string_view code, std::string_view message) const {
    const auto checked = check(vector);
    ASSERT_FALSE(checked);
    const WireError error = vector.service == "s3" ? to_s3_error(checked.error()) : to_rest_json_error(checked.error());
    EXPECT_EQ(error.status, status);
    EXPECT_EQ(error.code, code);
    EXPECT_EQ(error.message, message);
  }

  const Golden golden_ = load();
};

TEST_F(SigV4Test, WhatBotocoreSignedIsBelieved) {
  ASSERT_EQ(golden_.vectors.size(), 13u);
  for (const Vector& vector : golden_.vectors) {
    if (vector.region != "us-east-1") {
      continue;
    }
    const auto checked = check(vector);
    ASSERT_TRUE(checked) << vector.name << ": " << checked.error().message;
    EXPECT_TRUE(checked->signature_verified()) << vector.name;
    EXPECT_EQ(checked->service(), vector.service);
    EXPECT_EQ(checked->account(), "000000000000");
    EXPECT_EQ(checked->presigned(), vector.form == "presigned");
  }
}

TEST_F(SigV4Test, OurSignatureIsThatOfBotocore) {
  for (const Vector& vector : golden_.vectors) {
    const SigningOptions options{vector.region, vector.service, golden_.time, ""};
    if (vector.form == "presigned") {
      const std::string payload = vector.service == "s3" ? std::string(kUnsignedPayload) : sha256_hex(vector.body);
      const std::string query =
          presign(vector.unsigned_request(), golden_.credential, options, std::chrono::seconds(3600), payload);
      EXPECT_EQ(canonical_query(query), canonical_query(vector.query)) << vector.name;
      EXPECT_EQ(query.substr(query.size() - 64), vector.query.substr(vector.query.size() - 64)) << vector.name;
      continue;
    }
    const auto added = sign(vector.unsigned_request(), golden_.credential, options, sha256_hex(vector.body));
    Vector copy = vector;
    EXPECT_EQ(added.back().second, *copy.header("Authorization")) << vector.name;
  }
}

TEST_F(SigV4Test, EveryPartOfARequestIsCovered) {
  for (const Vector& vector : golden_.vectors) {
    if (vector.region != "us-east-1") {
      continue;
    }
    Vector method = vector, path = vector, query = vector, host = vector;
    method.method = "DELETE";
    path.path += "x";
    query.query += "&x=y";
    *host.header("Host") = "other";
    for (const Vector& changed : {method, path, query, host}) {
      const auto checked = check(changed);
      ASSERT_FALSE(checked) << vector.name;
      EXPECT_EQ(checked.error().kind, AuthFailureKind::kSignatureMismatch) << vector.name;
    }
  }
}

TEST_F(SigV4Test, BodyThatIsAnotherIsRefused) {
  const auto json_body = check(golden_.named("json body"), golden_.time, "other");
  ASSERT_FALSE(json_body);
  EXPECT_EQ(to_rest_json_error(json_body.error()).message, kMismatch);

  const auto s3_body = check(golden_.named("s3 put"), golden_.time, "other");
  ASSERT_FALSE(s3_body);
  EXPECT_EQ(to_s3_error(s3_body.error()).code, "XAmzContentSHA256Mismatch");
  EXPECT_EQ(to_s3_error(s3_body.error()).status, 400);
}

TEST_F(SigV4Test, HeadWithoutBodyHashIsNotBelievedBeforeTheBody) {
  CheckOptions options;
  options.region = "us-east-1";
  const auto check = SignatureCheck::begin(
      golden_.named("json body").request(), OneCredential(golden_.credential), options, golden_.time);
  ASSERT_TRUE(check);
  EXPECT_FALSE(check->signature_verified());
}

TEST_F(SigV4Test, RequestWithoutAuthorizationIsToldSo) {
  Vector vector = golden_.named("list images");
  vector.headers = vector.unsigned_headers;
  expect_refused(vector, 403, "MissingAuthenticationTokenException", "Missing Authentication Token");
  vector.service = "s3";
  expect_refused(vector, 403, "AccessDenied", "Access Denied");
}

TEST_F(SigV4Test, UnknownAccessKeyIsToldSo) {
  for (const auto& [name, code, message] :
       {std::tuple(
            "list images", "UnrecognizedClientException", "The security token included in the request is invalid."),
        std::tuple(
            "s3 put", "InvalidAccessKeyId", "The AWS Access Key Id you provided does not exist in our records.")}) {
    Vector vector = golden_.named(name);
    std::string& header = *vector.header("Authorization");
    header.replace(header.find("AKIAIOSFODNN7EXAMPLE"), 20, "AKIAUNKNOWNUNKNOWNXX");
    expect_refused(vector, 403, code, message);
  }
}

TEST_F(SigV4Test, WrongSignatureIsToldSo) {
  Vector vector = golden_.named("list images");
  vector.header("Authorization")->replace(vector.header("Authorization")->size() - 64, 64, std::string(64, '0'));
  expect_refused(vector, 403, "InvalidSignatureException", kMismatch);
  Vector s3 = golden_.named("s3 put");
  s3.header("Authorization")->pop_back();
  expect_refused(s3,
                 403,
                 "SignatureDoesNotMatch",
                 "The request signature we calculated does not match the signature you provided. Check your key and "
                 "signing method.");
}

TEST_F(SigV4Test, SessionTokenBesideAStaticKeyIsRefused) {
  Vector vector = golden_.named("list images");
  vector.headers.emplace_back("X-Amz-Security-Token", "x");
  expect_refused(vector, 403, "UnrecognizedClientException", "The security token included in the request is invalid.");
}

TEST_F(SigV4Test, ClocksMayDifferByAQuarterOfAnHourAndNoMore) {
  const Vector& vector = golden_.named("list images");
  EXPECT_TRUE(check(vector, golden_.time + std::chrono::minutes(15), ""));
  EXPECT_TRUE(check(vector, golden_.time - std::chrono::minutes(15), ""));

  const auto old = check(vector, golden_.time + std::chrono::seconds(901), "");
  ASSERT_FALSE(old);
  EXPECT_EQ(to_rest_json_error(old.error()).code, "InvalidSignatureException");
  EXPECT_EQ(to_rest_json_error(old.error()).message,
            "Signature expired: 20260102T030405Z is now earlier than 20260102T030406Z (20260102T031906Z - 15 min.)");
  const auto young = check(vector, golden_.time - std::chrono::seconds(901), "");
  ASSERT_FALSE(young);
  EXPECT_EQ(
      to_rest_json_error(young.error()).message,
      "Signature not yet current: 20260102T030405Z is still later than 20260102T030404Z (20260102T024904Z + 15 min.)");
  EXPECT_EQ(to_s3_error(young.error()).code, "RequestTimeTooSkewed");
}

TEST_F(SigV4Test, PresignedRequestIsGoodUntilItExpires) {
  const Vector& vector = golden_.named("s3 presigned get");
  EXPECT_TRUE(check(vector, golden_.time + std::chrono::seconds(3600), ""));
  const auto expired = check(vector, golden_.time + std::chrono::seconds(3601), "");
  ASSERT_FALSE(expired);
  EXPECT_EQ(to_s3_error(expired.error()).code, "AccessDenied");
  EXPECT_EQ(to_s3_error(expired.error()).message, "Request has expired");
}

TEST_F(SigV4Test, OtherRegionIsToldTheRightOne) {
  const Vector& vector = golden_.named("s3 in another region");
  expect_refused(vector,
                 400,
                 "AuthorizationHeaderMalformed",
                 "The authorization header is malformed; the region 'eu-west-1' is wrong; expecting 'us-east-1'");
  EXPECT_EQ(check(vector).error().expected_region, "us-east-1");
}

TEST_F(SigV4Test, IncompleteHeaderIsToldWhatIsMissing) {
  Vector vector = golden_.named("list images");
  *vector.header("Authorization") = "AWS4-HMAC-SHA256 Credential=a/20260102/us-east-1/lambda/aws4_request";
  expect_refused(vector,
                 403,
                 "IncompleteSignatureException",
                 "Authorization header requires 'Signature' parameter. Authorization header requires 'SignedHeaders' "
                 "parameter.");
  *vector.header("Authorization") = "AWS4-HMAC-SHA256 Credential=a/b, SignedHeaders=host, Signature=c";
  expect_refused(
      vector,
      403,
      "IncompleteSignatureException",
      "Credential must have exactly 5 slash-delimited elements, e.g. keyid/date/region/service/aws4_request, "
      "got 'a/b'");
  *vector.header("Authorization") = "Bearer abc";
  expect_refused(vector,
                 403,
                 "IncompleteSignatureException",
                 "Authorization header must begin with 'AWS4-HMAC-SHA256'; other algorithms are not supported");
}

TEST_F(SigV4Test, DateOfTheScopeMustBeThatOfTheRequest) {
  Vector vector = golden_.named("list images");
  std::string& header = *vector.header("Authorization");
  header.replace(header.find("/20260102/"), 10, "/20260101/");
  expect_refused(
      vector,
      403,
      "InvalidSignatureException",
      "Date in Credential scope does not match YYYYMMDD from ISO-8601 version of date from HTTP: '20260101' != "
      "'20260102', from '20260102T030405Z'.");
}

TEST_F(SigV4Test, AmazonHeaderThatIsNotSignedIsRefused) {
  Vector vector = golden_.named("s3 put");
  vector.headers.emplace_back("x-amz-copy-source", "/other/key");
  expect_refused(vector, 403, "AccessDenied", "There were headers present in the request which were not signed");
}

TEST_F(SigV4Test, QueryThatCannotBeDecodedIsRefused) {
  Vector vector = golden_.named("list images");
  vector.query = "a=%zz";
  expect_refused(vector, 403, "IncompleteSignatureException", "The query string is not percent-encoded correctly.");
}

TEST_F(SigV4Test, OlderPresignedUrlIsGoodUntilItExpiresAndForNothingElse) {
  const Vector& vector = golden_.version_2;
  const auto believed = check(vector, golden_.time + std::chrono::seconds(3600), "");
  ASSERT_TRUE(believed) << believed.error().message;
  EXPECT_EQ(believed->service(), "s3");
  EXPECT_TRUE(believed->presigned());

  const auto expired = check(vector, golden_.time + std::chrono::seconds(3601), "");
  ASSERT_FALSE(expired);
  EXPECT_EQ(to_s3_error(expired.error()).message, "Request has expired");

  Vector path = vector, method = vector, subresource = vector, header = vector, bucket = vector, later = vector;
  path.path += "x";
  method.method = "DELETE";
  subresource.query += "&uploads";
  header.headers.emplace_back("x-amz-acl", "private");
  bucket.headers[0].second = "other.localhost:9600";
  later.query.replace(later.query.find("Expires=1"), 9, "Expires=2");
  for (const Vector& changed : {path, method, subresource, header, bucket, later}) {
    const auto checked = check(changed);
    ASSERT_FALSE(checked) << changed.query;
    EXPECT_EQ(checked.error().kind, AuthFailureKind::kSignatureMismatch);
  }
}

// The example of the S3 API reference, "Transferring payload in multiple chunks".
TEST(ChunkSignaturesTest, ExampleOfTheReferenceIsVerified) {
  const CredentialScope scope{"20130524", "us-east-1", "s3"};
  const std::string key = signing_key("wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY", scope);
  ChunkSignatures chunks(
      key, "20130524T000000Z", scope, "4f232c4386841ef735655705268965c44a0e4690baa4adea153f7db9fa80a0a9");
  EXPECT_TRUE(chunks.check_chunk(sha256_hex(std::string(65536, 'a')),
                                 "ad80c730a21e5b8d04586a2213dd63b9a0e99e0e2307b0ade35a65485a288648"));
  EXPECT_TRUE(chunks.check_chunk(sha256_hex(std::string(1024, 'a')),
                                 "0055627c9e194cb4542bae2aa5492e3c1575bbb81b612b7d234b86a503ef5497"));
  EXPECT_TRUE(chunks.check_chunk(sha256_hex(""), "b6c6ea8a5354eaf15b3cb7646744f4275b71ea724fed81ceb9323e279d449df9"));
  EXPECT_FALSE(chunks.check_chunk(sha256_hex(""), "b6c6ea8a5354eaf15b3cb7646744f4275b71ea724fed81ceb9323e279d449df9"));
}

}  // namespace
}  // namespace dormouse::aws
