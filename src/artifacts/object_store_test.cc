// SPDX-License-Identifier: Apache-2.0

#include "artifacts/object_store.h"

#include <stdlib.h>
#include <unistd.h>

#include <algorithm>
#include <fstream>
#include <random>
#include <set>

#include <gtest/gtest.h>

#include "artifacts/listing.h"
#include "aws/encoding.h"

namespace dormouse::artifacts {
namespace {

class SettableClock final : public Clock {
 public:
  SteadyTime steady() const override { return {}; }
  WallTime wall() const override { return now; }
  WallTime now{std::chrono::hours(24 * 365 * 56)};
};

class ObjectStoreTest : public ::testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = (std::filesystem::temp_directory_path() / "dormouse-artifacts-XXXXXX").native();
    ASSERT_NE(::mkdtemp(pattern.data()), nullptr);
    directory_ = pattern;
    reopen();
    ASSERT_TRUE(store_->create_bucket("a", "bucket"));
  }
  void TearDown() override {
    store_.reset();
    std::filesystem::remove_all(directory_);
  }

  void reopen() {
    store_.reset();
    auto opened = ObjectStore::open(directory_, clock_);
    ASSERT_TRUE(opened) << opened.error().message();
    store_ = *std::move(opened);
  }

  Result<Object> put(const std::string& key, std::string_view body, const PutCondition& condition = {}) {
    auto blob = store_->new_blob();
    EXPECT_TRUE(blob);
    EXPECT_TRUE((*blob)->write(std::as_bytes(std::span(body))));
    Object object;
    object.etag = "etag-of-" + std::string(body);
    object.headers = {{"Content-Type", "text/x"}, {"x-amz-meta-a", "b:c"}};
    object.checksum = StoredChecksum{ChecksumAlgorithm::kSha1, "value", true};
    return store_->put({"a", "bucket", key}, std::move(object), **blob, condition);
  }
  std::string get(const std::string& key) {
    const auto opened = store_->read({"a", "bucket", key});
    if (!opened) {
      return opened.error().message();
    }
    std::string body(opened->object.size, '\0');
    EXPECT_EQ(::pread(opened->file.get(), body.data(), body.size(), 0), static_cast<ssize_t>(body.size()));
    return body;
  }
  std::size_t blobs() const {
    return static_cast<std::size_t>(std::distance(std::filesystem::directory_iterator(directory_ / "blobs"), {}));
  }

  std::filesystem::path directory_;
  SettableClock clock_;
  std::unique_ptr<ObjectStore> store_;
};

TEST_F(ObjectStoreTest, ObjectsSurviveARestartWithAllThatIsKnownOfThem) {
  ASSERT_TRUE(put("k", "body"));
  reopen();
  const auto object = store_->find({"a", "bucket", "k"});
  ASSERT_TRUE(object);
  EXPECT_EQ(object->etag, "etag-of-body");
  EXPECT_EQ(object->modified, clock_.now);
  ASSERT_EQ(object->headers.size(), 2u);
  EXPECT_EQ(object->headers[1], std::pair(std::string("x-amz-meta-a"), std::string("b:c")));
  EXPECT_EQ(object->checksum->value, "value");
  EXPECT_EQ(get("k"), "body");
}

TEST_F(ObjectStoreTest, PutReplacesAndLeavesOneBlob) {
  ASSERT_TRUE(put("k", "1"));
  ASSERT_TRUE(put("k", "2"));
  EXPECT_EQ(get("k"), "2");
  EXPECT_EQ(blobs(), 1u);
}

TEST_F(ObjectStoreTest, PutWhoseConditionDoesNotHoldChangesNothing) {
  ASSERT_TRUE(put("k", "1"));
  const auto refused = put("k", "2", {.absent = true, .etag = std::nullopt});
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().kind(), ErrorKind::kConflict);
  EXPECT_EQ(get("k"), "1");
  EXPECT_EQ(blobs(), 1u);
}

TEST_F(ObjectStoreTest, WhatIsNotPutIsNeverSeenAndGoesAtTheNextStart) {
  {
    auto blob = store_->new_blob();
    ASSERT_TRUE((*blob)->write(std::as_bytes(std::span(std::string_view("x")))));
    ASSERT_TRUE((*blob)->publish());  // a crash before the index was written
  }
  std::ofstream(directory_ / "incoming" / "half") << "half";
  EXPECT_EQ(blobs(), 1u);
  reopen();
  EXPECT_EQ(blobs(), 0u);
  EXPECT_TRUE(std::filesystem::is_empty(directory_ / "incoming"));
}

TEST_F(ObjectStoreTest, AccountsSeeNothingOfOneAnother) {
  ASSERT_TRUE(put("k", "1"));
  const auto other = store_->read({"b", "bucket", "k"});
  ASSERT_FALSE(other);
  EXPECT_EQ(other.error().message(), "NoSuchBucket: there is no bucket 'bucket'");
  ASSERT_TRUE(store_->create_bucket("b", "bucket"));
  EXPECT_FALSE(store_->find({"b", "bucket", "k"}));
  EXPECT_EQ(store_->list_buckets("b")->size(), 1u);
}

TEST_F(ObjectStoreTest, ReaderKeepsItsBytesWhenTheObjectGoes) {
  ASSERT_TRUE(put("k", "body"));
  const auto opened = store_->read({"a", "bucket", "k"});
  ASSERT_TRUE(store_->remove({"a", "bucket", "k"}));
  char byte = 0;
  EXPECT_EQ(::pread(opened->file.get(), &byte, 1, 3), 1);
  EXPECT_EQ(byte, 'y');
  EXPECT_EQ(get("k"), "NoSuchKey: bucket 'bucket' has no key 'k'");
}

TEST_F(ObjectStoreTest, OldUploadsGoAtTheNextStart) {
  const ObjectName name{"a", "bucket", "k"};
  const auto id = store_->begin_upload(name, {});
  ASSERT_TRUE(id);
  auto blob = store_->new_blob();
  ASSERT_TRUE(
      store_->put_part(name, *id, {.number = 1, .size = 0, .etag = "e", .modified = {}, .checksum = {}}, **blob));
  clock_.now += ObjectStore::kUploadAgeMax;
  reopen();
  EXPECT_TRUE(store_->upload(name, *id));
  clock_.now += std::chrono::seconds(1);
  reopen();
  EXPECT_FALSE(store_->upload(name, *id));
  EXPECT_EQ(blobs(), 0u);
}

// A page after the other gives what one look at all keys gives, for every prefix, delimiter and page size.
TEST_F(ObjectStoreTest, PagesOfAListingAddUpToTheWhole) {
  std::mt19937 random(7);  // fixed: the test is the same each time
  std::set<std::string> keys;
  while (keys.size() < 60) {
    std::string key;
    for (std::size_t size = 1 + random() % 6; key.size() < size;) {
      key += "ab/\xff"[random() % 4];
    }
    keys.insert(key);
  }
  for (const std::string& key : keys) {
    ASSERT_TRUE(put(key, ""));
  }
  for (const std::string prefix : {"", "a", "a/", "\xff", "b/a"}) {
    for (const std::string delimiter : {"", "/", "a", "//"}) {
      std::vector<std::string> expected;
      for (const std::string& key : keys) {
        const std::size_t at = delimiter.empty() ? std::string::npos : key.find(delimiter, prefix.size());
        const std::string entry = at == std::string::npos ? key : key.substr(0, at + delimiter.size());
        if (key.starts_with(prefix) && (expected.empty() || expected.back() != entry)) {
          expected.push_back(entry);
        }
      }
      for (const std::size_t limit : {1U, 2U, 7U, 1000U}) {
        std::vector<std::string> entries;
        ListingQuery query{.prefix = prefix, .delimiter = delimiter, .after = "", .limit = limit};
        bool truncated = true;
        while (truncated) {
          const auto page = list(*store_, "a", "bucket", query);
          ASSERT_TRUE(page);
          std::vector<std::string> of_page = page->common_prefixes;
          for (const Object& object : page->objects) {
            of_page.push_back(object.key);
          }
          ASSERT_LE(of_page.size(), limit);
          std::sort(of_page.begin(), of_page.end());
          entries.insert(entries.end(), of_page.begin(), of_page.end());
          truncated = page->truncated;
          query.after = page->last;
        }
        EXPECT_EQ(entries, expected) << "prefix " << prefix << " delimiter " << delimiter << " limit " << limit;
      }
    }
  }
}

TEST(ChecksumTest, ChecksumsOfTheCheckString) {
  // The check values of the CRC catalogue, and RFC 3174/6234 digests, of "123456789".
  const std::pair<ChecksumAlgorithm, std::string> expected[] = {
      {ChecksumAlgorithm::kCrc32, "cbf43926"},
      {ChecksumAlgorithm::kCrc32c, "e3069283"},
      {ChecksumAlgorithm::kCrc64Nvme, "ae8b14860a799888"},
      {ChecksumAlgorithm::kSha1, "f7c3bc1d808e04732adf679965ccc34ca7ae3441"},
      {ChecksumAlgorithm::kSha256, "15e2b0d3c33891ebb0f1ef609ec419420c20e320ce94c65fbc8c3312448eb225"}};
  for (const auto& [algorithm, value] : expected) {
    Checksum checksum(algorithm);
    checksum.update(std::as_bytes(std::span(std::string_view("1234"))));
    checksum.update(std::as_bytes(std::span(std::string_view("56789"))));
    EXPECT_EQ(aws::to_hex(checksum.finish()), value) << to_string(algorithm);
  }
}

}  // namespace
}  // namespace dormouse::artifacts
