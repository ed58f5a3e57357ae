// SPDX-License-Identifier: Apache-2.0

#include "artifacts/aws_chunked.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace dormouse::artifacts {
namespace {

using ::testing::ElementsAre;
using ::testing::Pair;

// What came out, and how it ended.
struct Decoded {
  std::string bytes;
  Status status;
  AwsChunkedDecoder::Trailers trailers;
};

Decoded decode(AwsChunkedDecoder decoder, std::string_view body, std::size_t piece_size) {
  Decoded decoded;
  const auto sink = [&decoded](std::span<const std::byte> bytes) -> Status {
    decoded.bytes.append(reinterpret_cast<const char*>(bytes.data()), bytes.size());
    return {};
  };
  for (std::size_t i = 0; i < body.size() && decoded.status; i += piece_size) {
    decoded.status = decoder.decode(std::as_bytes(std::span(body.substr(i, piece_size))), sink);
  }
  if (decoded.status) {
    decoded.status = decoder.finish();
  }
  decoded.trailers = decoder.trailers();
  return decoded;
}

Decoded decode(std::string_view body, std::size_t piece_size = 1'000) {
  return decode(AwsChunkedDecoder(std::nullopt, false), body, piece_size);
}

TEST(AwsChunkedTest, BytesAndTrailersDoNotDependOnHowTheyAreCut) {
  const std::string body = "5\r\nhello\r\nA\r\n0123456789\r\n0\r\nx-amz-checksum-crc32:NhCmhg==\r\n\r\n";
  for (std::size_t piece_size = 1; piece_size <= body.size(); ++piece_size) {
    const Decoded decoded = decode(body, piece_size);
    ASSERT_TRUE(decoded.status) << piece_size << ": " << decoded.status.error().message();
    EXPECT_EQ(decoded.bytes, "hello0123456789");
    EXPECT_THAT(decoded.trailers, ElementsAre(Pair("x-amz-checksum-crc32", "NhCmhg==")));
  }
}

TEST(AwsChunkedTest, BodyThatEndsEarlyIsRefusedWhereverItEnds) {
  const std::string body = "5\r\nhello\r\n0\r\nx-amz-checksum-crc32:NhCmhg==\r\n\r\n";
  const std::size_t without_trailers = body.find("0\r\n") + 3;  // complete for clients that send no last line
  for (std::size_t size = 0; size < body.size(); ++size) {
    if (size != without_trailers) {
      const Decoded decoded = decode(std::string_view(body).substr(0, size));
      ASSERT_FALSE(decoded.status) << size;
      EXPECT_EQ(decoded.status.error().message(), "malformed aws-chunked body: it ended early");
    }
  }
}

TEST(AwsChunkedTest, MalformedBodiesAreRefused) {
  EXPECT_EQ(decode("x\r\n").status.error().message(), "malformed aws-chunked body: 'x' is no chunk size");
  EXPECT_EQ(decode("-1\r\n").status.error().message(), "malformed aws-chunked body: '-1' is no chunk size");
  EXPECT_EQ(decode("11111111111111111\r\n").status.error().message(),
            "malformed aws-chunked body: '11111111111111111' is no chunk size");
  EXPECT_EQ(decode("1\r\nab\r\n").status.error().message(),
            "malformed aws-chunked body: a chunk is longer than its size says");
  EXPECT_EQ(decode("0\r\n\r\nx").status.error().message(), "malformed aws-chunked body: there are bytes after its end");
  EXPECT_EQ(decode(std::string(5'000, '1')).status.error().message(),
            "malformed aws-chunked body: a line is longer than 4096 bytes, the limit");
}

// The example of the S3 API reference, "Transferring payload in multiple chunks".
class SignedChunksTest : public ::testing::Test {
 protected:
  static AwsChunkedDecoder decoder() {
    const aws::CredentialScope scope{"20130524", "us-east-1", "s3"};
    return AwsChunkedDecoder(aws::ChunkSignatures(aws::signing_key("wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY", scope),
                                                  "20130524T000000Z",
                                                  scope,
                                                  "4f232c4386841ef735655705268965c44a0e4690baa4adea153f7db9fa80a0a9"),
                             false);
  }
  const std::string body_ =
      "10000;chunk-signature=ad80c730a21e5b8d04586a2213dd63b9a0e99e0e2307b0ade35a65485a288648\r\n" +
      std::string(65'536, 'a') +
      "\r\n400;chunk-signature=0055627c9e194cb4542bae2aa5492e3c1575bbb81b612b7d234b86a503ef5497\r\n" +
      std::string(1'024, 'a') +
      "\r\n0;chunk-signature=b6c6ea8a5354eaf15b3cb7646744f4275b71ea724fed81ceb9323e279d449df9\r\n\r\n";
};

TEST_F(SignedChunksTest, ExampleOfTheReferenceIsTaken) {
  const Decoded decoded = decode(decoder(), body_, 1'000);
  ASSERT_TRUE(decoded.status) << decoded.status.error().message();
  EXPECT_EQ(decoded.bytes, std::string(66'560, 'a'));
}

TEST_F(SignedChunksTest, AnyChangedByteOrSignatureIsRefused) {
  std::string changed = body_;
  changed[100] = 'b';
  const Decoded byte = decode(decoder(), changed, 1'000);
  ASSERT_FALSE(byte.status);
  EXPECT_EQ(byte.status.error().kind(), ErrorKind::kPermissionDenied);
  EXPECT_EQ(byte.status.error().message(), "the signature of a chunk does not match");

  changed = body_;
  changed.replace(changed.find("b6c6"), 4, "b6c7");
  EXPECT_FALSE(decode(decoder(), changed, 1'000).status);
}

TEST_F(SignedChunksTest, UnsignedChunkAmongSignedOnesIsRefused) {
  EXPECT_FALSE(decode(decoder(), "5\r\nhello\r\n0\r\n\r\n", 1'000).status);
}

}  // namespace
}  // namespace dormouse::artifacts
