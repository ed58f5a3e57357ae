// SPDX-License-Identifier: Apache-2.0

#include "store/sqlite_metadata_store.h"

#include <stdlib.h>

#include <atomic>
#include <chrono>
#include <filesystem>
#include <fstream>
#include <latch>
#include <string>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

#include "store/identity_store.h"
#include "store/schema.h"
#include "store/sqlite.h"

namespace dormouse::store {
namespace {

using std::chrono::seconds;

const WallTime kTime = WallTime(std::chrono::microseconds(1'780'000'000'123'456));

class SqliteMetadataStoreTest : public testing::Test {
 protected:
  SqliteMetadataStoreTest() {
    std::string name = (std::filesystem::temp_directory_path() / "dormouse-store-XXXXXX").native();
    EXPECT_NE(::mkdtemp(name.data()), nullptr);
    directory = name;
    reopen();
  }
  ~SqliteMetadataStoreTest() override {
    close();
    std::filesystem::remove_all(directory);
  }
  void reopen() {
    close();
    auto opened = Database::open(file());
    ASSERT_TRUE(opened) << opened.error().message();
    database = *std::move(opened);
    store = make_sqlite_metadata_store(*database);
  }
  void close() {
    store.reset();
    database.reset();
  }
  std::filesystem::path file() const { return directory / "metadata.sqlite"; }

  static ImageRow image(const std::string& name, const std::string& state = "CREATED") {
    return {.account = "1",
            .id = "id-" + name,
            .arn = "arn:" + name,
            .name = name,
            .state = state,
            .created_at = kTime,
            .document = "{\"a\":1}"};
  }
  static MicrovmRow microvm(const std::string& id, WallTime created_at = kTime) {
    MicrovmRow row;
    row.microvm_id = id;
    row.account = "1";
    row.endpoint_id = "endpoint-" + id;
    row.image_arn = "arn:i";
    row.image_version = "1.0";
    row.state = "RUNNING";
    row.created_at = created_at;
    row.document = "{}";
    return row;
  }
  static VersionRow version(const std::string& number) {
    return {.image_arn = "arn:i",
            .version = number,
            .ordinal = number.at(0),
            .account = "1",
            .state = "SUCCESSFUL",
            .status = "ACTIVE",
            .created_at = kTime,
            .document = "{}"};
  }
  static TokenRow token(const std::string& resource, WallTime created_at = kTime) {
    return {.account = "1",
            .operation = "Run",
            .token = "t",
            .digest = "d",
            .resource = resource,
            .document = "{}",
            .created_at = created_at,
            .expires_at = created_at + seconds(10)};
  }
  Status put(MicrovmRow row) {
    Changes changes;
    changes.microvms.push_back(std::move(row));
    return store->apply(changes);
  }

  static ConnectorRow connector(const std::string& id) {
    return {.id = id,
            .account = "1",
            .name = "net",
            .arn = "arn:" + id,
            .state = "PENDING",
            .created_at = kTime,
            .deleted_at = std::nullopt,
            .document = "{}"};
  }
  Status put(ConnectorRow row) {
    Changes changes;
    changes.connectors.push_back(std::move(row));
    return store->apply(changes);
  }

  std::filesystem::path directory;
  std::unique_ptr<Database> database;
  std::unique_ptr<MetadataStore> store;
};

TEST_F(SqliteMetadataStoreTest, RowsSurviveReopening) {
  Changes changes;
  changes.images.push_back(image("a"));
  MicrovmRow row = microvm("m");
  row.terminated_at = kTime + seconds(5);
  row.document = "{\"text\":\"ä\"}";
  changes.microvms.push_back(row);
  ASSERT_TRUE(store->apply(changes));
  reopen();
  const auto found_image = store->image_by_arn("arn:a");
  ASSERT_TRUE(found_image && *found_image);
  EXPECT_EQ((*found_image)->name, "a");
  EXPECT_EQ((*found_image)->created_at, kTime);
  const auto found = store->microvm("m");
  ASSERT_TRUE(found && *found);
  EXPECT_EQ((*found)->terminated_at, kTime + seconds(5));
  EXPECT_EQ((*found)->document, "{\"text\":\"ä\"}");
  EXPECT_FALSE(*store->microvm("none"));
  EXPECT_EQ((*store->microvm_by_endpoint("endpoint-m"))->microvm_id, "m");
}

TEST_F(SqliteMetadataStoreTest, ChangesHappenTogetherOrNotAtAll) {
  Changes changes;
  changes.images.push_back(image("a"));
  changes.images.push_back(image("b"));
  changes.images.back().name = "a";
  const Status refused = store->apply(changes);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().kind(), ErrorKind::kConflict);
  EXPECT_FALSE(*store->image_by_arn("arn:a"));
}

TEST_F(SqliteMetadataStoreTest, ConditionOnTheImagesStateIsChecked) {
  Changes setup;
  setup.images.push_back(image("i", "DELETING"));
  ASSERT_TRUE(store->apply(setup));
  Changes changes;
  changes.image_in = {"arn:i", {"CREATED", "UPDATED"}};
  changes.microvms.push_back(microvm("m"));
  const Status refused = store->apply(changes);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().kind(), ErrorKind::kConflict);
  EXPECT_EQ(refused.error().message(), "write metadata: image arn:i is DELETING");
  EXPECT_FALSE(*store->microvm("m"));
}

TEST_F(SqliteMetadataStoreTest, ConditionThatAnImageIsUnusedCountsLiveVmsOnly) {
  ASSERT_TRUE(put(microvm("m")));
  Changes changes;
  changes.image_unused = "arn:i";
  EXPECT_EQ(store->apply(changes).error().kind(), ErrorKind::kConflict);
  MicrovmRow ended = microvm("m");
  ended.terminated = true;
  ASSERT_TRUE(put(ended));
  EXPECT_TRUE(store->apply(changes));
}

TEST_F(SqliteMetadataStoreTest, ConditionThatAVersionIsActiveIsChecked) {
  Changes setup;
  setup.versions.push_back(version("1.0"));
  setup.versions.push_back(version("2.0"));
  setup.versions.back().status = "INACTIVE";
  ASSERT_TRUE(store->apply(setup));
  const auto outcome = [&](const std::string& number) {
    Changes changes;
    changes.version_active = VersionKey{"arn:i", number};
    const Status applied = store->apply(changes);
    return applied ? "applied" : applied.error().message();
  };
  EXPECT_EQ(outcome("1.0"), "applied");
  EXPECT_EQ(outcome("2.0"), "write metadata: version 2.0 of arn:i is SUCCESSFUL and INACTIVE");
  EXPECT_EQ(outcome("3.0"), "write metadata: version 3.0 of arn:i is gone");
}

TEST_F(SqliteMetadataStoreTest, ConditionThatAVersionIsUnusedCountsItsLiveVmsOnly) {
  MicrovmRow ended = microvm("m");
  ended.terminated = true;
  ASSERT_TRUE(put(ended));
  Changes changes;
  changes.version_unused = VersionKey{"arn:i", "1.0"};
  EXPECT_TRUE(store->apply(changes));
  ASSERT_TRUE(put(microvm("n")));
  const Status refused = store->apply(changes);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().kind(), ErrorKind::kConflict);
  EXPECT_EQ(refused.error().message(), "write metadata: version 1.0 of arn:i is used by n");
  changes.version_unused = VersionKey{"arn:i", "2.0"};
  EXPECT_TRUE(store->apply(changes));
}

TEST_F(SqliteMetadataStoreTest, RemovingAVersionTakesItsBuildsAndTokensAlone) {
  Changes setup;
  for (const char* number : {"1.0", "2.0"}) {
    setup.versions.push_back(version(number));
    setup.builds.push_back({.build_id = std::string("b") + number,
                            .account = "1",
                            .image_arn = "arn:i",
                            .version = number,
                            .state = "SUCCESSFUL",
                            .created_at = kTime,
                            .document = "{}"});
    setup.tokens.push_back(token(version_resource("arn:i", number)));
    setup.tokens.back().token = number;
  }
  ASSERT_TRUE(store->apply(setup));
  Changes changes;
  changes.remove_versions.push_back({"arn:i", "2.0"});
  ASSERT_TRUE(store->apply(changes));
  EXPECT_FALSE(*store->version("arn:i", "2.0"));
  EXPECT_FALSE(*store->build("b2.0"));
  EXPECT_FALSE(*store->token("1", "Run", "2.0", kTime));
  EXPECT_TRUE(*store->version("arn:i", "1.0"));
  EXPECT_TRUE(*store->build("b1.0"));
  EXPECT_TRUE(*store->token("1", "Run", "1.0", kTime));
  changes.remove_versions.clear();
  changes.remove_images.push_back("arn:i");
  ASSERT_TRUE(store->apply(changes));
  EXPECT_FALSE(*store->token("1", "Run", "1.0", kTime));
}

TEST_F(SqliteMetadataStoreTest, RemovingAnImageTakesWhatBelongsToItAndItsTokens) {
  Changes changes;
  changes.images.push_back(image("a"));
  changes.versions.push_back({"arn:a", "1.0", 1, "1", "SUCCESSFUL", "ACTIVE", kTime, "{}"});
  changes.builds.push_back({"b", "1", "arn:a", "1.0", "SUCCESSFUL", kTime, "{}"});
  changes.tokens.push_back(token("arn:a"));
  ASSERT_TRUE(store->apply(changes));
  Changes removal;
  removal.remove_images.push_back("arn:a");
  ASSERT_TRUE(store->apply(removal));
  EXPECT_FALSE(*store->image_by_arn("arn:a"));
  EXPECT_FALSE(*store->version("arn:a", "1.0"));
  EXPECT_FALSE(*store->build("b"));
  EXPECT_FALSE(*store->token("1", "Run", "t", kTime));
}

TEST_F(SqliteMetadataStoreTest, ConnectorsNameIsTakenUntilItIsDeleted) {
  ASSERT_TRUE(put(connector("nc-1")));
  const Status refused = put(connector("nc-2"));
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().kind(), ErrorKind::kConflict);
  ConnectorRow deleted = connector("nc-1");
  deleted.deleted_at = kTime + seconds(1);
  ASSERT_TRUE(put(deleted));
  EXPECT_FALSE(*store->connector_by_name("1", "net"));
  ASSERT_TRUE(put(connector("nc-2")));
  EXPECT_EQ((*store->connector_by_name("1", "net"))->id, "nc-2");
  EXPECT_EQ((*store->connector("nc-1"))->deleted_at, kTime + seconds(1));
  EXPECT_EQ(store->list_connectors("1", {10, std::nullopt})->rows.size(), 1U);
  EXPECT_EQ(store->connectors_in_state("PENDING", 10)->size(), 1U);
}

TEST_F(SqliteMetadataStoreTest, DeletedConnectorTakesItsTokensAndIsForgottenLater) {
  Changes changes;
  changes.connectors.push_back(connector("nc-1"));
  changes.tokens.push_back(token("nc-1"));
  ASSERT_TRUE(store->apply(changes));
  ConnectorRow deleted = connector("nc-1");
  deleted.deleted_at = kTime + seconds(1);
  ASSERT_TRUE(put(deleted));
  EXPECT_FALSE(*store->token("1", "Run", "t", kTime));
  EXPECT_EQ(store->remove_connectors_deleted_before(kTime + seconds(1), 10), 0U);
  EXPECT_EQ(store->remove_connectors_deleted_before(kTime + seconds(2), 10), 1U);
  EXPECT_FALSE(*store->connector("nc-1"));
}

TEST_F(SqliteMetadataStoreTest, TokenIsTakenUntilItExpires) {
  Changes changes;
  changes.tokens.push_back(token("r"));
  ASSERT_TRUE(store->apply(changes));
  EXPECT_EQ(store->apply(changes).error().kind(), ErrorKind::kConflict);
  EXPECT_TRUE(*store->token("1", "Run", "t", kTime + seconds(9)));
  EXPECT_FALSE(*store->token("1", "Run", "t", kTime + seconds(10)));
  EXPECT_FALSE(*store->token("2", "Run", "t", kTime)) << "another account's";
  Changes later;
  later.tokens.push_back(token("other", kTime + seconds(10)));
  ASSERT_TRUE(store->apply(later));
  EXPECT_EQ((*store->token("1", "Run", "t", kTime + seconds(11)))->resource, "other");
  EXPECT_EQ(*store->remove_tokens_expired_before(kTime + seconds(100), 10), 1U);
}

TEST_F(SqliteMetadataStoreTest, PagesHoldEachRowOnceNewestFirstAlsoAmongEqualTimes) {
  for (int i = 0; i < 7; ++i) {
    ASSERT_TRUE(put(microvm("m" + std::to_string(i), kTime + seconds(i / 3))));
  }
  std::vector<std::string> seen;
  PageRequest page{2, std::nullopt};
  int pages = 0;
  do {
    const auto result = store->list_microvms("1", {}, page);
    ASSERT_TRUE(result);
    for (const MicrovmRow& row : result->rows) {
      seen.push_back(row.microvm_id);
    }
    page.after = result->next;
    ++pages;
  } while (page.after);
  EXPECT_EQ(seen, (std::vector<std::string>{"m6", "m5", "m4", "m3", "m2", "m1", "m0"}));
  EXPECT_EQ(pages, 4);
  EXPECT_EQ(store->list_microvms("1", {}, {2, "no position"}).error().kind(), ErrorKind::kInvalidArgument);
  EXPECT_EQ(store->list_versions("arn:i", {2, "no position"}).error().kind(), ErrorKind::kInvalidArgument);
}

TEST_F(SqliteMetadataStoreTest, VersionsAreListedByNumber) {
  Changes changes;
  for (const int number : {1, 2, 10}) {
    changes.versions.push_back(
        {"arn:a", std::to_string(number) + ".0", number, "1", "SUCCESSFUL", "ACTIVE", kTime, "{}"});
  }
  ASSERT_TRUE(store->apply(changes));
  const auto first = store->list_versions("arn:a", {2, std::nullopt});
  ASSERT_TRUE(first);
  EXPECT_EQ(first->rows.at(0).version, "10.0");
  const auto second = store->list_versions("arn:a", {2, first->next});
  EXPECT_EQ(second->rows.at(0).version, "1.0");
  EXPECT_FALSE(second->next);
}

TEST_F(SqliteMetadataStoreTest, SweepRemovesOnlyWhatEndedLongAgo) {
  for (int i = 0; i < 3; ++i) {
    MicrovmRow row = microvm("m" + std::to_string(i));
    row.terminated = i < 2;
    row.terminated_at = kTime + seconds(i);
    ASSERT_TRUE(put(row));
  }
  EXPECT_EQ(*store->remove_terminated_before(kTime + seconds(1), 10), 1U);
  EXPECT_FALSE(*store->microvm("m0"));
  EXPECT_TRUE(*store->microvm("m1"));
  EXPECT_EQ(store->live_microvms()->size(), 1U);
}

TEST_F(SqliteMetadataStoreTest, FileThatIsNoDatabaseIsDataLoss) {
  std::ofstream(directory / "other") << std::string(8192, 'x');
  const auto refused = Database::open(directory / "other");
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().kind(), ErrorKind::kDataLoss) << refused.error().message();
}

TEST_F(SqliteMetadataStoreTest, DatabaseOfANewerProgramIsRefusedWithTheRemedy) {
  close();
  {
    auto connection = SqliteConnection::open(file(), SqliteConnection::Mode::kReadWriteCreate);
    ASSERT_TRUE(connection);
    ASSERT_TRUE((*connection)->execute("INSERT INTO schema_version (version) VALUES (99)"));
  }
  const auto refused = Database::open(file());
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().kind(), ErrorKind::kConflict);
  EXPECT_EQ(refused.error().message(),
            file().native() + ": the database has schema version 99, this program knows " +
                std::to_string(schema_version()) + " at most: use the newer program, or another data directory");
  store.reset();
}

// What the tables of accounts, keys and roles came after.
constexpr const char* kBackToVersion3 =
    "DROP TABLE accounts; DROP TABLE access_keys; DROP TABLE roles; DROP INDEX connectors_of_account; "
    "DELETE FROM schema_version WHERE version > 3";

TEST_F(SqliteMetadataStoreTest, DatabaseOfThePreviousFormatIsMigratedWithItsRecords) {
  Changes changes;
  changes.images.push_back(image("kept"));
  ASSERT_TRUE(store->apply(changes));
  close();
  {
    auto connection = SqliteConnection::open(file(), SqliteConnection::Mode::kReadWriteCreate);
    ASSERT_TRUE(connection);
    ASSERT_TRUE((*connection)->execute(kBackToVersion3));
  }
  reopen();
  EXPECT_TRUE(*store->image_by_arn("arn:kept"));
  IdentityStore identities(*database);
  ASSERT_TRUE(identities.insert_account({"111111111111", kTime, "{}"}));
  EXPECT_EQ(identities.insert_account({"111111111111", kTime, "{}"}).error().kind(), ErrorKind::kConflict);
  ASSERT_TRUE(identities.insert_key({"AKIA1", "111111111111", "secret", kTime, {}}));
  ASSERT_TRUE(identities.insert_role({"111111111111", "build", "AROA1", kTime, "{}"}));
  reopen();
  EXPECT_EQ((*IdentityStore(*database).key("AKIA1"))->secret, "secret");
  EXPECT_EQ((*IdentityStore(*database).role("111111111111", "build"))->role_id, "AROA1");
  EXPECT_EQ(IdentityStore(*database).remove_account("111111111111").error().message(),
            "write metadata: account 111111111111 has roles");
}

TEST_F(SqliteMetadataStoreTest, SecretsAreForTheOwnerAlone) {
  EXPECT_EQ(std::filesystem::status(file()).permissions() & std::filesystem::perms::all,
            std::filesystem::perms::owner_read | std::filesystem::perms::owner_write);
}

// Every query of a listing or a lookup goes through an index: the plan names no scan of a table.
TEST_F(SqliteMetadataStoreTest, LookupsUseIndexes) {
  auto connection = SqliteConnection::open(file(), SqliteConnection::Mode::kReadWriteCreate);
  ASSERT_TRUE(connection);
  for (const char* sql :
       {"EXPLAIN QUERY PLAN SELECT * FROM microvms WHERE account = '1' AND (created_at, microvm_id) < (5, 'x') "
        "ORDER BY created_at DESC, microvm_id DESC LIMIT 3",
        "EXPLAIN QUERY PLAN SELECT * FROM microvms WHERE account = '1' AND image_arn = 'a' AND image_version = '1.0' "
        "AND "
        "(created_at, microvm_id) < (5, 'x') ORDER BY created_at DESC, microvm_id DESC LIMIT 3",
        "EXPLAIN QUERY PLAN SELECT * FROM images WHERE account = '1' AND (created_at, id) < (5, 'x') "
        "ORDER BY created_at DESC, id DESC LIMIT 3",
        "EXPLAIN QUERY PLAN SELECT microvm_id FROM microvms WHERE image_arn = 'a' AND terminated = 0 LIMIT 1",
        "EXPLAIN QUERY PLAN SELECT microvm_id FROM microvms WHERE image_arn = 'a' AND image_version = '1.0' AND "
        "terminated = 0 LIMIT 1",
        "EXPLAIN QUERY PLAN SELECT microvm_id FROM microvms WHERE terminated = 1 AND terminated_at < 5 LIMIT 9",
        "EXPLAIN QUERY PLAN SELECT * FROM builds WHERE image_arn = 'a' AND version = '1' AND (created_at, build_id) < "
        "(5, 'x') ORDER BY created_at DESC, build_id DESC LIMIT 3",
        "EXPLAIN QUERY PLAN SELECT * FROM connectors WHERE account = '1' AND name = 'n' AND deleted_at IS NULL",
        "EXPLAIN QUERY PLAN SELECT * FROM connectors WHERE account = '1' AND deleted_at IS NULL AND "
        "(created_at, id) < (5, 'x') ORDER BY created_at DESC, id DESC LIMIT 9",
        "EXPLAIN QUERY PLAN SELECT * FROM connectors WHERE state = 'PENDING' AND deleted_at IS NULL LIMIT 9",
        "EXPLAIN QUERY PLAN SELECT id FROM connectors WHERE deleted_at IS NOT NULL AND deleted_at < 5 LIMIT 9",
        "EXPLAIN QUERY PLAN SELECT * FROM accounts WHERE (created_at, id) < (5, 'x') ORDER BY created_at DESC, id DESC "
        "LIMIT 9",
        "EXPLAIN QUERY PLAN SELECT * FROM access_keys WHERE account = '1' ORDER BY created_at, access_key",
        "EXPLAIN QUERY PLAN SELECT * FROM roles WHERE account = '1' AND name > 'n' ORDER BY name LIMIT 9",
        "EXPLAIN QUERY PLAN DELETE FROM tokens WHERE resource = 'r'"}) {
    auto statement = (*connection)->prepare(sql);
    ASSERT_TRUE(statement) << statement.error().message();
    while (*statement->step()) {
      statement->number();
      statement->number();
      statement->number();
      const std::string step = statement->text();
      EXPECT_EQ(step.find("SCAN"), std::string::npos) << sql << "\n" << step;
      EXPECT_EQ(step.find("TEMP B-TREE"), std::string::npos) << sql << "\n" << step;
    }
  }
}

// Each read but the last waits inside of itself for the last one: with fewer connections none would end.
TEST_F(SqliteMetadataStoreTest, ReadsDoNotWaitForEachOther) {
  std::latch all_read(Database::kReaders);
  std::vector<std::jthread> threads;
  std::atomic<std::size_t> done{0};
  for (std::size_t i = 0; i < Database::kReaders; ++i) {
    threads.emplace_back([&] {
      const Status read = database->read([&](SqliteConnection& connection) -> Status {
        all_read.arrive_and_wait();
        return connection.execute("SELECT count(*) FROM images");
      });
      done += read ? 1U : 0U;
    });
  }
  threads.clear();
  EXPECT_EQ(done, Database::kReaders);
}

TEST_F(SqliteMetadataStoreTest, ManyThreadsReadWhatTheyWrote) {
  std::vector<std::thread> threads;
  for (int thread = 0; thread < 4; ++thread) {
    threads.emplace_back([this, thread] {
      for (int i = 0; i < 20; ++i) {
        const std::string id = std::to_string(thread) + "-" + std::to_string(i);
        EXPECT_TRUE(put(microvm(id)));
        const auto found = store->microvm(id);
        EXPECT_TRUE(found && *found);
      }
    });
  }
  for (std::thread& thread : threads) {
    thread.join();
  }
  EXPECT_EQ(store->live_microvms()->size(), 80U);
}

}  // namespace
}  // namespace dormouse::store
