// SPDX-License-Identifier: Apache-2.0
//
// What changes an image after its creation: new versions, their status, their deletion.

#include <string>
#include <thread>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "control/image_files.h"
#include "control/images.h"
#include "support/control_fixture.h"

namespace dormouse::control {
namespace {

using test::ControlFixture;
using test::FakeHost;
using testing::ElementsAre;

constexpr const char* kAccount = ControlFixture::kAccount;
constexpr const char* kArn = ControlFixture::kImageArn;

class ImageUpdatesTest : public testing::Test {
 protected:
  Answer<Images::Created> update(const ImageSpecification& specification = ControlFixture::specification(),
                                 const std::optional<std::string>& token = std::nullopt,
                                 const std::string& digest = "digest") {
    return fixture.images->update(kAccount, kArn, specification, token, digest);
  }
  // Creates version 1.0, then updates up to `count` versions.
  void create_versions(int count) {
    fixture.create_image();
    for (int version = 2; version <= count; ++version) {
      ASSERT_TRUE(update());
      ASSERT_TRUE(fixture.wait_for_build(BuildState::kSuccessful, version));
    }
  }
  void fail_update(int failures) {
    host.fail_next_build({"CONTAINER_BUILD_FAILED", "The container image build failed.", std::nullopt});
    ASSERT_TRUE(update());
    ASSERT_TRUE(fixture.wait_for_build(BuildState::kFailed, failures));
  }
  Image image() { return fixture.images->get(kAccount, kArn).value(); }
  Answer<ImageVersion> set_status(const std::string& version, VersionStatus status) {
    return fixture.images->set_status(kAccount, kArn, version, status);
  }
  Answer<ImageVersion> remove(const std::string& version) {
    return fixture.images->remove_version(kAccount, kArn, version);
  }
  void wait_until_gone(const std::string& version) {
    while (fixture.images->get_version(kAccount, kArn, version)) {
      std::this_thread::yield();
    }
  }
  std::string launch(const std::optional<std::string>& version = std::nullopt) {
    const auto found = fixture.images->launchable(kAccount, kArn, version);
    return found ? found->version : found.error().message;
  }
  static std::string refusal(const Answer<ImageVersion>& answer) {
    return answer ? "accepted" : std::string(answer.error().message);
  }

  ControlFixture fixture;
  FakeHost& host = fixture.host;
};

TEST_F(ImageUpdatesTest, NewVersionIsBuiltWhileTheOldOneServes) {
  fixture.create_image();
  host.hold(FakeHost::Call::kBuild);
  const auto updated = update();
  ASSERT_TRUE(updated);
  EXPECT_EQ(updated->image.state, ImageState::kUpdating);
  EXPECT_EQ(updated->version.version, "2.0");
  EXPECT_EQ(updated->image.latest_active_version, "1.0");
  EXPECT_EQ(launch(), "1.0");
  host.release(FakeHost::Call::kBuild);
  ASSERT_TRUE(fixture.wait_for_build(BuildState::kSuccessful, 2));
  EXPECT_EQ(image().state, ImageState::kUpdated);
  EXPECT_EQ(image().latest_active_version, "2.0");
  EXPECT_EQ(launch(), "2.0");
  EXPECT_EQ(launch("1"), "1.0");
}

TEST_F(ImageUpdatesTest, UpdateReplacesEverything) {
  ImageSpecification specification = ControlFixture::specification();
  specification.description = "first";
  specification.minimum_memory_in_mib = {512};
  fixture.create_image(specification);
  const auto updated = update();
  ASSERT_TRUE(updated);
  EXPECT_FALSE(updated->version.specification.description);
  EXPECT_THAT(*updated->version.specification.minimum_memory_in_mib, ElementsAre(2048));
}

TEST_F(ImageUpdatesTest, FailedUpdateLeavesTheOldVersionLaunchable) {
  fixture.create_image();
  fail_update(1);
  EXPECT_EQ(image().state, ImageState::kUpdateFailed);
  EXPECT_EQ(image().latest_active_version, "1.0");
  EXPECT_EQ(image().latest_failed_version, "2.0");
  EXPECT_EQ(launch(), "1.0");
  ASSERT_TRUE(update());
  ASSERT_TRUE(fixture.wait_for_build(BuildState::kSuccessful, 2));
  EXPECT_EQ(image().state, ImageState::kUpdated);
  EXPECT_EQ(image().latest_active_version, "3.0");
}

TEST_F(ImageUpdatesTest, ImageWhoseCreationFailedCanBeUpdated) {
  host.fail_next_build({"CONTAINER_BUILD_FAILED", "The container image build failed.", std::nullopt});
  ASSERT_TRUE(
      fixture.images->create(kAccount, "demo", ControlFixture::specification(), std::nullopt, std::nullopt, "digest"));
  ASSERT_TRUE(fixture.wait_for_build(BuildState::kFailed));
  ASSERT_TRUE(update());
  ASSERT_TRUE(fixture.wait_for_build(BuildState::kSuccessful));
  EXPECT_EQ(image().state, ImageState::kUpdated);
  EXPECT_EQ(launch(), "2.0");
}

TEST_F(ImageUpdatesTest, ImageThatChangesRefusesFurtherChanges) {
  fixture.create_image();
  host.hold(FakeHost::Call::kBuild);
  ASSERT_TRUE(update());
  const auto second = update();
  ASSERT_FALSE(second);
  EXPECT_EQ(second.error().kind, ServiceErrorKind::kConflict);
  EXPECT_EQ(second.error().message, "MicroVM Image is already in state: UPDATING");
  EXPECT_EQ(refusal(set_status("1.0", VersionStatus::kInactive)), "MicroVM Image is already in state: UPDATING");
  EXPECT_EQ(refusal(remove("1.0")), "MicroVM Image is already in state: UPDATING");
  host.release(FakeHost::Call::kBuild);
  ASSERT_TRUE(fixture.wait_for_build(BuildState::kSuccessful, 2));
  EXPECT_TRUE(update());
}

TEST_F(ImageUpdatesTest, ImageThatIsCreatedOrDeletedRefusesChanges) {
  host.hold(FakeHost::Call::kBuild);
  ASSERT_TRUE(
      fixture.images->create(kAccount, "demo", ControlFixture::specification(), std::nullopt, std::nullopt, "digest"));
  const auto early = update();
  ASSERT_FALSE(early);
  EXPECT_EQ(early.error().kind, ServiceErrorKind::kValidation);
  EXPECT_EQ(early.error().message, std::string("Cannot update MicroVM Image in its current state: ") + kArn);
  EXPECT_EQ(refusal(remove("1.0")), std::string("Cannot delete MicroVM Image in its current state: ") + kArn);
  host.release(FakeHost::Call::kBuild);
  ASSERT_TRUE(fixture.wait_for_build(BuildState::kSuccessful));
  host.hold(FakeHost::Call::kRemoveSnapshot);
  ASSERT_TRUE(fixture.images->remove(kAccount, kArn));
  EXPECT_EQ(refusal(set_status("1.0", VersionStatus::kInactive)),
            std::string("Cannot update MicroVM Image in its current state: ") + kArn);
  host.release(FakeHost::Call::kRemoveSnapshot);
}

TEST_F(ImageUpdatesTest, TokenOfTheCreationOutlivesTheFirstVersion) {
  const auto create = [&] {
    return fixture.images->create(
        kAccount, "demo", ControlFixture::specification(), std::nullopt, std::optional<std::string>("token"), "digest");
  };
  const auto first = create();
  ASSERT_TRUE(first);
  ASSERT_TRUE(fixture.wait_for_build(BuildState::kSuccessful));
  ASSERT_TRUE(update());
  ASSERT_TRUE(fixture.wait_for_build(BuildState::kSuccessful, 2));
  ASSERT_TRUE(remove("1.0"));
  wait_until_gone("1.0");
  const auto again = create();
  ASSERT_TRUE(again) << again.error().message;
  EXPECT_EQ(again->image.id, first->image.id);
  EXPECT_EQ(again->version.version, "1.0");
}

TEST_F(ImageUpdatesTest, SameTokenAnswersAsTheFirstTimeUntilTheVersionIsDeleted) {
  fixture.create_image();
  const auto first = update(ControlFixture::specification(), "token");
  ASSERT_TRUE(first);
  ASSERT_TRUE(fixture.wait_for_build(BuildState::kSuccessful, 2));
  const auto again = update(ControlFixture::specification(), "token");
  ASSERT_TRUE(again);
  EXPECT_EQ(again->version.version, "2.0");
  EXPECT_EQ(again->image.state, ImageState::kUpdating);
  EXPECT_EQ(host.count(FakeHost::Call::kBuild), 2);
  const auto other = update(ControlFixture::specification(), "token", "other digest");
  ASSERT_FALSE(other);
  EXPECT_EQ(other.error().kind, ServiceErrorKind::kConflict);
  ASSERT_TRUE(remove("2.0"));
  wait_until_gone("2.0");
  const auto anew = update(ControlFixture::specification(), "token");
  ASSERT_TRUE(anew);
  EXPECT_EQ(anew->version.version, "3.0");
}

TEST_F(ImageUpdatesTest, MissingImageAndBadSpecificationAreRefused) {
  const auto missing = update();
  ASSERT_FALSE(missing);
  EXPECT_EQ(missing.error().message, std::string("MicroVMImage not found for MicroVMImageID: ") + kArn);
  fixture.create_image();
  ImageSpecification specification = ControlFixture::specification();
  specification.code_artifact_uri = "https://host/key";
  EXPECT_EQ(update(specification).error().message,
            "CodeArtifact URI must be a valid S3 URI in the format: s3://<bucket>/<key>");
  EXPECT_EQ(image().state, ImageState::kCreated);
}

TEST_F(ImageUpdatesTest, BuildOfAnUpdateThatADaemonLeftFailsAndTheOldVersionServes) {
  fixture.create_image();
  host.hold(FakeHost::Call::kBuild);
  ASSERT_TRUE(update());
  fixture.images->stop();
  fixture.restart();
  fixture.start();
  EXPECT_EQ(image().state, ImageState::kUpdateFailed);
  EXPECT_EQ(launch(), "1.0");
}

// ---- status ----

TEST_F(ImageUpdatesTest, InactiveVersionIsNotLaunchedAndTheLatestActiveOneIsFoundAnew) {
  create_versions(3);
  ASSERT_TRUE(set_status("3.0", VersionStatus::kInactive));
  EXPECT_EQ(image().latest_active_version, "2.0");
  EXPECT_EQ(image().state, ImageState::kUpdated);
  EXPECT_EQ(launch(), "2.0");
  EXPECT_EQ(launch("3.0"), std::string("No active version found for MicroVM image ") + kArn + " and version 3.0");
  ASSERT_TRUE(set_status("2", VersionStatus::kInactive));
  ASSERT_TRUE(set_status("1.0", VersionStatus::kInactive));
  EXPECT_FALSE(image().latest_active_version);
  EXPECT_EQ(launch(), std::string("No active version found for MicroVM image ") + kArn);
  const auto back = set_status("3.0", VersionStatus::kActive);
  ASSERT_TRUE(back);
  EXPECT_EQ(back->status, VersionStatus::kActive);
  EXPECT_EQ(launch(), "3.0");
}

TEST_F(ImageUpdatesTest, InactiveVersionLeavesItsVmsAlone) {
  fixture.create_image();
  const Microvm vm = fixture.run_to_running(fixture.run_request());
  ASSERT_TRUE(set_status("1.0", VersionStatus::kInactive));
  EXPECT_EQ(fixture.get(vm.microvm_id).state, MicrovmState::kRunning);
  const auto refused = fixture.microvms->run(kAccount, fixture.run_request(), "digest");
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().kind, ServiceErrorKind::kResourceNotFound);
}

TEST_F(ImageUpdatesTest, FailedVersionCannotBeActive) {
  fixture.create_image();
  fail_update(1);
  EXPECT_EQ(refusal(set_status("2.0", VersionStatus::kInactive)), "accepted") << "that is its status already";
  EXPECT_EQ(refusal(set_status("2.0", VersionStatus::kActive)),
            std::string("Cannot update MicroVM Image version in its current state: ") + kArn +
                ", Version: 2.0, State: FAILED");
  EXPECT_EQ(refusal(set_status("9.0", VersionStatus::kActive)),
            std::string("MicroVMImage not found for MicroVMImage: ") + kArn + ", Version: 9.0");
}

// ---- deletion of a version ----

TEST_F(ImageUpdatesTest, DeletedVersionGoesInTheBackgroundWhileTheImageIsUpdating) {
  create_versions(2);
  host.hold(FakeHost::Call::kRemoveSnapshot);
  const auto removed = remove("2.0");
  ASSERT_TRUE(removed);
  EXPECT_EQ(removed->state, VersionState::kDeleting);
  EXPECT_EQ(removed->status, VersionStatus::kInactive);
  EXPECT_EQ(image().state, ImageState::kUpdating);
  EXPECT_EQ(image().latest_active_version, "1.0");
  EXPECT_EQ(launch(), "1.0");
  EXPECT_EQ(remove("2.0")->state, VersionState::kDeleting);
  host.release(FakeHost::Call::kRemoveSnapshot);
  wait_until_gone("2.0");
  EXPECT_EQ(image().state, ImageState::kUpdated);
  EXPECT_THAT(host.removed_snapshots(), ElementsAre(snapshot_directory(fixture.directory.path(), image().id, "2.0")));
  EXPECT_FALSE(fixture.images->list_builds(kAccount, kArn, "2.0", 10, std::nullopt));
}

TEST_F(ImageUpdatesTest, NumberOfADeletedVersionIsNotUsedAgain) {
  create_versions(2);
  ASSERT_TRUE(remove("2.0"));
  wait_until_gone("2.0");
  EXPECT_EQ(update()->version.version, "3.0");
}

TEST_F(ImageUpdatesTest, LastVersionIsNotDeleted) {
  create_versions(2);
  ASSERT_TRUE(remove("1.0"));
  wait_until_gone("1.0");
  const auto last = remove("2.0");
  ASSERT_FALSE(last);
  EXPECT_EQ(last.error().kind, ServiceErrorKind::kValidation);
  EXPECT_EQ(last.error().message, "This is the last version. Please delete the entire image");
}

TEST_F(ImageUpdatesTest, VersionWithALiveVmIsNotDeletedAndTheImageStaysAsItWas) {
  fixture.create_image();
  const Microvm vm = fixture.run_to_running(fixture.run_request());
  ASSERT_TRUE(update());
  ASSERT_TRUE(fixture.wait_for_build(BuildState::kSuccessful, 2));
  EXPECT_EQ(refusal(remove("1.0")),
            "Cannot delete microvm image version with running microvms. They are: " + vm.microvm_id +
                ". Terminate those first.");
  EXPECT_EQ(image().state, ImageState::kUpdated);
  ASSERT_TRUE(fixture.microvms->terminate(kAccount, vm.microvm_id));
  ASSERT_TRUE(fixture.states.wait_for(vm.microvm_id, MicrovmState::kTerminated));
  EXPECT_TRUE(remove("1.0"));
}

TEST_F(ImageUpdatesTest, FailedVersionIsDeletedAndForgottenByTheImage) {
  fixture.create_image();
  fail_update(1);
  ASSERT_TRUE(remove("2.0"));
  wait_until_gone("2.0");
  EXPECT_FALSE(image().latest_failed_version);
  EXPECT_EQ(image().latest_active_version, "1.0");
  EXPECT_EQ(image().state, ImageState::kUpdated);
}

TEST_F(ImageUpdatesTest, DeletionOfAVersionThatFailsCanBeTriedAgain) {
  create_versions(2);
  host.fail_next(FakeHost::Call::kRemoveSnapshot, ErrorKind::kInternal);
  ASSERT_TRUE(remove("2.0"));
  while (image().state == ImageState::kUpdating) {
    std::this_thread::yield();
  }
  EXPECT_EQ(image().state, ImageState::kUpdateFailed);
  EXPECT_EQ(fixture.images->get_version(kAccount, kArn, "2.0")->state, VersionState::kDeleteFailed);
  ASSERT_TRUE(remove("2.0"));
  wait_until_gone("2.0");
  EXPECT_EQ(image().state, ImageState::kUpdated);
}

TEST_F(ImageUpdatesTest, DeletionOfAVersionThatADaemonLeftIsTakenUp) {
  create_versions(2);
  store::ImageRow image_row = **fixture.metadata->image_by_arn(kArn);
  image_row.state = "UPDATING";
  store::VersionRow version_row = **fixture.metadata->version(kArn, "2.0");
  version_row.state = "DELETING";
  store::Changes changes;
  changes.images.push_back(image_row);
  changes.versions.push_back(version_row);
  ASSERT_TRUE(fixture.metadata->apply(changes));
  fixture.restart();
  fixture.start();
  wait_until_gone("2.0");
  EXPECT_EQ(image().state, ImageState::kUpdated);
  EXPECT_EQ(host.removed_snapshots().size(), 1U);
}

}  // namespace
}  // namespace dormouse::control
