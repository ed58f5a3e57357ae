// SPDX-License-Identifier: Apache-2.0

#include "managed_base/managed_base.h"

#include <archive.h>
#include <archive_entry.h>
#include <fcntl.h>
#include <unistd.h>

#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "managed_base/file_lock.h"
#include "managed_base/manifest.h"
#include "os/command.h"
#include "os/file.h"

namespace dormouse::managed_base {
namespace {

namespace fs = std::filesystem;

os::Context minute() { return os::Context::with_timeout(std::chrono::minutes(1)); }

std::vector<std::string> names_in(const fs::path& path) {
  std::vector<std::string> names;
  const std::unique_ptr<archive, decltype(&::archive_read_free)> reader(::archive_read_new(), &::archive_read_free);
  ::archive_read_support_format_cpio(reader.get());
  ::archive_read_open_filename(reader.get(), path.c_str(), 65536);
  for (archive_entry* entry = nullptr; ::archive_read_next_header(reader.get(), &entry) == ARCHIVE_OK;) {
    names.emplace_back(::archive_entry_pathname(entry));
  }
  return names;
}

class NoProgress final : public ProgressObserver {
 public:
  void step(std::string_view, int, int) override {}
  void log(std::string_view) override {}
};

class ManagedBases : public testing::Test {
 protected:
  void SetUp() override {
    std::string name = (fs::temp_directory_path() / "managed-base-XXXXXX").string();
    ASSERT_NE(::mkdtemp(name.data()), nullptr);
    cache_ = name;
  }
  void TearDown() override { fs::remove_all(cache_); }

  void put(const fs::path& path, const std::string& content) {
    ASSERT_TRUE(os::make_directories((cache_ / path).parent_path()));
    ASSERT_TRUE(os::publish_file(cache_ / path, content, 0644, os::Durability::kVolatile));
  }

  // A base with this digit as its key, made so many seconds after the epoch.
  std::string put_base(char digit, int created) {
    ManagedBase base;
    base.key = std::string(64, digit);
    base.recipe = "r";
    base.created_at = WallTime(std::chrono::seconds(created));
    base.versions["crun"] = "1.8";
    put(fs::path("bases") / base.key / "base.json", write_manifest(base));
    put(fs::path("bases") / base.key / "modules" / "order", "a.ko\nb.ko\n");
    put(fs::path("bases") / base.key / "modules" / "a.ko", "module a");
    put(fs::path("bases") / base.key / "modules" / "b.ko", "module b");
    return base.key;
  }

  fs::path cache_;
};

TEST_F(ManagedBases, AreListedNewestFirstAndUnfinishedOnesNotAtAll) {
  put_base('1', 100);
  put_base('2', 300);
  put_base('3', 200);
  put("bases/unfinished-0000/base/base.json", "{}");
  put("bases/" + std::string(64, '4') + "/vmlinuz", "no manifest");
  put("bases/" + std::string(64, '5') + "/base.json", "{\"format\":2}");
  const auto bases = ManagedBaseStore(cache_).list();
  ASSERT_TRUE(bases) << bases.error().message();
  ASSERT_EQ(bases->size(), 3U);
  EXPECT_EQ((*bases)[0].key.front(), '2');
  EXPECT_EQ((*bases)[1].key.front(), '3');
  EXPECT_EQ((*bases)[2].key.front(), '1');
  EXPECT_EQ((*bases)[0].versions.at("crun"), "1.8");
  EXPECT_GT((*bases)[0].size_bytes, 0U);
  EXPECT_EQ((*bases)[0].kernel, (*bases)[0].directory / "vmlinuz");
}

TEST_F(ManagedBases, NoneAreListedWhereThereIsNoCache) {
  const auto bases = ManagedBaseStore(cache_ / "absent").list();
  ASSERT_TRUE(bases) << bases.error().message();
  EXPECT_TRUE(bases->empty());
}

TEST_F(ManagedBases, AreNotFoundByAnythingButAKey) {
  put("base.json", "{}");
  const auto found = ManagedBaseStore(cache_).find("..");
  ASSERT_FALSE(found);
  EXPECT_EQ(found.error().kind(), ErrorKind::kNotFound);
}

TEST_F(ManagedBases, UnderAWrongNameAreRefused) {
  const std::string key = put_base('1', 100);
  const std::string other(64, '9');
  fs::rename(cache_ / "bases" / key, cache_ / "bases" / other);
  const auto found = ManagedBaseStore(cache_).find(other);
  ASSERT_FALSE(found);
  EXPECT_EQ(found.error().kind(), ErrorKind::kDataLoss);
}

TEST_F(ManagedBases, RefuseAFileThatIsNoKernel) {
  put("text", "this is no kernel");
  BuildOptions options;
  options.kernel = cache_ / "text";
  NoProgress progress;
  const auto base = ManagedBaseStore(cache_).ensure(options, progress, minute());
  ASSERT_FALSE(base);
  EXPECT_EQ(base.error().kind(), ErrorKind::kInvalidArgument);
  EXPECT_EQ(base.error().message(),
            "managed base: kernel " + (cache_ / "text").string() +
                ": is no bootable kernel image; give the file that /boot holds (vmlinuz-*)");
}

TEST_F(ManagedBases, WaitForTheLockUpToTheDeadline) {
  const auto lock = FileLock::acquire(cache_ / "lock", minute());
  ASSERT_TRUE(lock);
  const auto second = FileLock::acquire(cache_ / "lock", os::Context::with_timeout(std::chrono::milliseconds(20)));
  ASSERT_FALSE(second);
  EXPECT_EQ(second.error().kind(), ErrorKind::kDeadlineExceeded);
}

TEST_F(ManagedBases, RoundTripThroughTheirManifest) {
  ManagedBase base;
  base.key = std::string(64, 'a');
  base.recipe = "recipe";
  base.created_at = WallTime(std::chrono::seconds(1234));
  base.versions = {{"a", "1"}, {"b", "2~x"}};
  base.own_kernel = "/boot/vmlinuz";
  const auto read = parse_manifest(write_manifest(base));
  ASSERT_TRUE(read) << read.error().message();
  EXPECT_EQ(read->key, base.key);
  EXPECT_EQ(read->recipe, base.recipe);
  EXPECT_EQ(read->created_at, base.created_at);
  EXPECT_EQ(read->versions, base.versions);
  EXPECT_EQ(read->own_kernel, base.own_kernel);
  EXPECT_FALSE(read->users_known) << "as of one that says nothing about it";
  base.users_known = true;
  EXPECT_TRUE(parse_manifest(write_manifest(base))->users_known);
}

TEST_F(ManagedBases, OfAnotherFormatAreRefusedByName) {
  const auto read = parse_manifest(R"({"format":2})");
  ASSERT_FALSE(read);
  EXPECT_EQ(read.error().message(), "base.json: \"format\" is not 1, the only one this version reads");
}

TEST_F(ManagedBases, InitramfsHoldsAgentAndModulesInOrderAndIsMadeOncePerAgent) {
  const std::string key = put_base('1', 100);
  const ManagedBaseStore store(cache_);
  const auto base = store.find(key);
  ASSERT_TRUE(base);
  // A static executable: this is checked by its ELF header.
  const auto compiled = os::run_for_output(
      os::Command{
          {"/bin/sh", "-c", "echo 'int main(void){return 0;}' | cc -static -x c - -o " + (cache_ / "agent").string()},
          {"PATH=/usr/bin:/bin"}},
      65536,
      minute());
  ASSERT_TRUE(compiled) << compiled.error().message();
  const auto first = store.initramfs(*base, cache_ / "agent");
  ASSERT_TRUE(first) << first.error().message();
  EXPECT_EQ(names_in(*first),
            (std::vector<std::string>{
                "dev", "dev/console", "init", "modules", "modules/order", "modules/a.ko", "modules/b.ko"}));
  const auto time = fs::last_write_time(*first);
  const auto second = store.initramfs(*base, cache_ / "agent");
  ASSERT_TRUE(second);
  EXPECT_EQ(*second, *first);
  EXPECT_EQ(fs::last_write_time(*second), time);
}

TEST_F(ManagedBases, InitramfsRefusesAnAgentThatNeedsALoader) {
  const std::string key = put_base('1', 100);
  const ManagedBaseStore store(cache_);
  const auto made = store.initramfs(*store.find(key), "/bin/true");
  ASSERT_FALSE(made);
  EXPECT_EQ(made.error().kind(), ErrorKind::kInvalidArgument);
  EXPECT_EQ(made.error().message(),
            "initramfs: agent /bin/true: is linked dynamically: a guest's first program must be static");
}

TEST_F(ManagedBases, InitramfsRefusesAnAgentThatIsNoProgram) {
  const std::string key = put_base('1', 100);
  put("agent", std::string(1000, 'x'));
  const ManagedBaseStore store(cache_);
  const auto made = store.initramfs(*store.find(key), cache_ / "agent");
  ASSERT_FALSE(made);
  EXPECT_EQ(made.error().message(), "initramfs: agent " + (cache_ / "agent").string() + ": is no ELF file of 64 bits");
}

TEST_F(ManagedBases, BlankDiskIsSparseWholeAndWithoutJournal) {
  const ManagedBaseStore store(cache_);
  const auto disk = store.blank_disk(1U << 30U, minute());
  ASSERT_TRUE(disk) << disk.error().message();
  const auto file = os::open_file(*disk, O_RDONLY);
  ASSERT_TRUE(file);
  EXPECT_EQ(os::size_of(file->get()), 1U << 30U);
  EXPECT_LT(os::allocated_bytes_of(file->get()), 1U << 20U);
  const auto features = os::run_for_output(
      os::Command{{"/bin/sh", "-c", "e2fsck -f -n " + disk->string() + " && dumpe2fs " + disk->string()},
                  {"PATH=/usr/sbin:/usr/bin:/sbin:/bin"}},
      1U << 20U,
      minute());
  ASSERT_TRUE(features) << features.error().message();
  EXPECT_EQ(features->find("has_journal"), std::string::npos);
  const auto again = store.blank_disk(1U << 30U, minute());
  ASSERT_TRUE(again);
  EXPECT_EQ(*again, *disk);
}

TEST_F(ManagedBases, BlankDiskRefusesASizeThatIsNoWholeNumberOfBlocks) {
  const auto disk = ManagedBaseStore(cache_).blank_disk((1U << 30U) + 1U, minute());
  ASSERT_FALSE(disk);
  EXPECT_EQ(disk.error().message(), "blank disk of 1073741825 bytes: must be a multiple of 4096 and at least 16777216");
}

}  // namespace
}  // namespace dormouse::managed_base
