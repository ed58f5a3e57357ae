// SPDX-License-Identifier: Apache-2.0

#include "control/images.h"

#include <chrono>
#include <string>
#include <thread>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "control/build_log.h"
#include "control/image_files.h"
#include "support/control_fixture.h"

namespace dormouse::control {
namespace {

using test::ControlFixture;
using test::FakeHost;
using testing::ElementsAre;
using testing::HasSubstr;

constexpr const char* kAccount = ControlFixture::kAccount;
constexpr const char* kArn = ControlFixture::kImageArn;

class ImagesTest : public testing::Test {
 protected:
  Answer<Images::Created> create(const ImageSpecification& specification,
                                 const std::optional<std::string>& token = std::nullopt,
                                 const std::string& digest = "digest") {
    return fixture.images->create(kAccount, "demo", specification, std::nullopt, token, digest);
  }
  std::string refusal(const ImageSpecification& specification) {
    const auto created = create(specification);
    return created ? "accepted" : created.error().message;
  }
  Build only_build() {
    const auto builds = fixture.images->list_builds(kAccount, kArn, "1.0", 10, std::nullopt);
    EXPECT_TRUE(builds);
    EXPECT_EQ(builds->items.size(), 1U);
    return builds->items.at(0);
  }
  std::string whole_log() {
    std::string text;
    for (std::uint64_t offset = 0;;) {
      const auto piece = fixture.images->build_log(kAccount, kArn, "1.0", only_build().build_id, offset);
      EXPECT_TRUE(piece);
      text += piece->text;
      offset = piece->next_offset;
      if (piece->complete) {
        return text;
      }
    }
  }
  void wait_until_gone() {
    while (fixture.images->get(kAccount, kArn)) {
      std::this_thread::yield();
    }
  }

  ControlFixture fixture;
  FakeHost& host = fixture.host;
};

TEST_F(ImagesTest, CreateAnswersCreatingWithTheDefaultsAndTheBuildFollows) {
  host.hold(FakeHost::Call::kBuild);
  const auto created = create(ControlFixture::specification());
  ASSERT_TRUE(created);
  EXPECT_EQ(created->image.arn, kArn);
  EXPECT_EQ(created->image.state, ImageState::kCreating);
  EXPECT_EQ(created->version.version, "1.0");
  const ImageSpecification& resolved = created->version.specification;
  EXPECT_EQ(resolved.base_image_version, "1.0");
  EXPECT_THAT(*resolved.minimum_memory_in_mib, ElementsAre(2048));
  EXPECT_THAT(*resolved.egress_network_connectors,
              ElementsAre("arn:aws:lambda:us-east-1:aws:network-connector:aws-network-connector:INTERNET_EGRESS"));
  EXPECT_FALSE(resolved.hooks);
  ASSERT_TRUE(host.wait_for(FakeHost::Call::kBuild));
  EXPECT_EQ(only_build().state, BuildState::kInProgress);
  EXPECT_EQ(only_build().phase, "container");
  EXPECT_EQ(fixture.images->get_version(kAccount, kArn, "1")->state, VersionState::kInProgress);
  host.release(FakeHost::Call::kBuild);
  ASSERT_TRUE(fixture.wait_for_build(BuildState::kSuccessful));
  const auto image = fixture.images->get(kAccount, kArn);
  EXPECT_EQ(image->state, ImageState::kCreated);
  EXPECT_EQ(image->latest_active_version, "1.0");
  const auto version = fixture.images->get_version(kAccount, kArn, "1.0");
  EXPECT_EQ(version->state, VersionState::kSuccessful);
  EXPECT_EQ(version->status, VersionStatus::kActive);
  const Build build = only_build();
  EXPECT_EQ(build.architecture, "X86_64");
  EXPECT_EQ(build.memory_snapshot_bytes, 100U);
  EXPECT_EQ(build.phase, "");
}

TEST_F(ImagesTest, BuildGetsTheSizeTheHooksAndTheInjectedEnvironment) {
  auto specification = ControlFixture::specification();
  specification.minimum_memory_in_mib = {{512}};
  specification.hooks = ControlFixture::all_hooks();
  specification.environment_variables = {{{"COLOUR", "blue"}}};
  specification.additional_os_capabilities = {{"ALL"}};
  const auto created = fixture.create_image(specification);
  const auto request = host.builds().at(0);
  EXPECT_EQ(request.size.memory_mib, 2048U);
  EXPECT_EQ(request.size.vcpus, 1U);
  EXPECT_EQ(request.size.disk_bytes, std::uint64_t{8} << 30U);
  EXPECT_EQ(request.hooks.port, 9000);
  EXPECT_TRUE(request.hooks.ready.enabled);
  EXPECT_TRUE(request.hooks.run);
  EXPECT_TRUE(request.all_capabilities);
  EXPECT_EQ(request.destination, fixture.directory.path() / "images" / created.image.id / "1.0");
  EXPECT_THAT(request.environment,
              ElementsAre(testing::Pair("AWS_LAMBDA_MICROVM_IMAGE_ARN", kArn),
                          testing::Pair("AWS_LAMBDA_MICROVM_IMAGE_NAME", "demo"),
                          testing::Pair("AWS_LAMBDA_MICROVM_IMAGE_VERSION", "1.0"),
                          testing::Pair("AWS_REGION", "us-east-1"),
                          testing::Pair("COLOUR", "blue")));
  EXPECT_FALSE(std::filesystem::exists(fixture.directory.path() / "builds" / request.build_id));
}

TEST_F(ImagesTest, FailedBuildSaysWhyOnTheBuildAndOnTheVersion) {
  host.fail_next_build({"CONTAINER_BUILD_FAILED", "The container image build failed.", 17});
  ASSERT_TRUE(create(ControlFixture::specification()));
  ASSERT_TRUE(fixture.wait_for_build(BuildState::kFailed));
  EXPECT_EQ(only_build().state_reason, "The container image build failed.");
  EXPECT_EQ(only_build().termination_reason_code, "CONTAINER_BUILD_FAILED");
  EXPECT_EQ(only_build().code_install_bytes, 17U);
  const auto version = fixture.images->get_version(kAccount, kArn, "1.0");
  EXPECT_EQ(version->state, VersionState::kFailed);
  EXPECT_EQ(version->status, VersionStatus::kInactive);
  EXPECT_EQ(version->state_reason, "The container image build failed.");
  const auto image = fixture.images->get(kAccount, kArn);
  EXPECT_EQ(image->state, ImageState::kCreateFailed);
  EXPECT_EQ(image->latest_failed_version, "1.0");
  EXPECT_FALSE(image->latest_active_version);
  EXPECT_EQ(fixture.images->launchable(kAccount, kArn, std::nullopt).error().message,
            std::string("No active version found for MicroVM image ") + kArn);
  EXPECT_EQ(fixture.images->launchable(kAccount, kArn, "1.0").error().message,
            std::string("No active version found for MicroVM image ") + kArn + " and version 1.0");
}

TEST_F(ImagesTest, ArchiveThatCannotBeFetchedFailsTheBuildWithItsCode) {
  fixture.artifacts.failure = {"S3_NO_SUCH_KEY", "There is no object s3://bucket/code.zip."};
  ASSERT_TRUE(create(ControlFixture::specification()));
  ASSERT_TRUE(fixture.wait_for_build(BuildState::kFailed));
  EXPECT_EQ(only_build().termination_reason_code, "S3_NO_SUCH_KEY");
  EXPECT_EQ(only_build().state_reason, "There is no object s3://bucket/code.zip.");
  EXPECT_EQ(host.count(FakeHost::Call::kBuild), 0);
}

TEST_F(ImagesTest, ArmIsBuiltForTheHostAndTheRecordSaysSo) {
  auto specification = ControlFixture::specification();
  specification.cpu_architectures = {{"ARM_64"}};
  fixture.create_image(specification);
  EXPECT_EQ(only_build().architecture, "X86_64");
  EXPECT_THAT(
      only_build().notices,
      ElementsAre("ARM_64 was asked for; this host builds and runs X86_64, so the image was built for X86_64."));
  EXPECT_THAT(whole_log(), testing::StartsWith("ARM_64 was asked for;"));
}

// ---- refusals ----

TEST_F(ImagesTest, RefusesWhatTheSpecificationRefuses) {
  auto specification = ControlFixture::specification();
  specification.minimum_memory_in_mib = {{777}};
  EXPECT_EQ(
      refusal(specification),
      "The requested memory size of 777 MiB is not supported by base MicroVM image "
      "arn:aws:lambda:us-east-1:aws:microvm-image:debian12-1. Supported memory sizes in MiB are: [512, 1024, 2048, "
      "4096, 8192].");
  specification = ControlFixture::specification();
  specification.base_image_version = "999";
  EXPECT_EQ(
      refusal(specification),
      "No managed MicroVM Image with arn arn:aws:lambda:us-east-1:aws:microvm-image:debian12-1 and version 999 is "
      "available");
  specification = ControlFixture::specification();
  specification.base_image_arn = "arn:aws:lambda:us-east-1:aws:microvm-image:other-1";
  EXPECT_EQ(refusal(specification),
            "No managed MicroVM Image with arn arn:aws:lambda:us-east-1:aws:microvm-image:other-1 is available. "
            "Available: arn:aws:lambda:us-east-1:aws:microvm-image:debian12-1, "
            "arn:aws:lambda:us-east-1:aws:microvm-image:al2023-1");
  specification.base_image_arn = "debian12-1";
  EXPECT_EQ(refusal(specification), "Invalid ARN format: debian12-1");
  for (const char* uri : {"https://bucket/key", "s3://bucket", "s3://bucket/", "s3:///key", "bucket/key"}) {
    specification = ControlFixture::specification();
    specification.code_artifact_uri = uri;
    EXPECT_EQ(refusal(specification), "CodeArtifact URI must be a valid S3 URI in the format: s3://<bucket>/<key>")
        << uri;
  }
  specification = ControlFixture::specification();
  specification.hooks = Hooks();
  specification.hooks->run.enabled = true;
  specification.hooks->port = 9000;
  EXPECT_EQ(
      refusal(specification),
      "The ready (/ready) MicroVM image hook must be enabled when any MicroVM lifecycle hook (run, resume, suspend "
      "or terminate) is enabled");
  specification.hooks = Hooks();
  specification.hooks->ready.enabled = true;
  EXPECT_EQ(refusal(specification), "The hooks port must be specified when any hook is enabled");
  specification = ControlFixture::specification();
  specification.environment_variables = {{{"AWS_REGION", "x"}, {"AWS_LAMBDA_X", "y"}, {"OK", "z"}}};
  EXPECT_EQ(refusal(specification),
            "The environment variables contain reserved keys, which cannot be set: AWS_LAMBDA_X, AWS_REGION");
  specification = ControlFixture::specification();
  specification.cpu_architectures = {{"RISCV"}};
  EXPECT_EQ(refusal(specification),
            "The architecture 'RISCV' is not supported. Supported architectures are: [ARM_64, X86_64].");
  specification = ControlFixture::specification();
  specification.egress_network_connectors = {{"INTERNET_EGRESS"}};
  EXPECT_EQ(refusal(specification), "Malformed network connector ARN");
  specification.egress_network_connectors = {{"arn:aws:lambda:us-east-1:000000000000:network-connector:nc-1"}};
  EXPECT_EQ(refusal(specification),
            "Network connector not found for: arn:aws:lambda:us-east-1:000000000000:network-connector:nc-1");
  EXPECT_FALSE(fixture.images->get(kAccount, kArn)) << "nothing was made";
}

TEST_F(ImagesTest, BaseHasAnAliasAndItsVersionMayBeWrittenEitherWay) {
  auto specification = ControlFixture::specification();
  specification.base_image_arn = "arn:aws:lambda:us-east-1:aws:microvm-image:al2023-1";
  specification.base_image_version = "1";
  EXPECT_EQ(fixture.create_image(specification).version.specification.base_image_version, "1.0");
}

TEST_F(ImagesTest, NameIsTakenOnlyOnce) {
  fixture.create_image();
  const auto again = create(ControlFixture::specification());
  ASSERT_FALSE(again);
  EXPECT_EQ(again.error().kind, ServiceErrorKind::kValidation);
  EXPECT_EQ(again.error().message, "A MicroVM image with the name 'demo' already exists in this account");
}

TEST_F(ImagesTest, IdentifiersAreWholeArns) {
  const auto error_of = [&](const std::string& identifier) {
    return fixture.images->get(kAccount, identifier).error();
  };
  EXPECT_EQ(error_of("demo").message, "Invalid ARN format: demo");
  EXPECT_EQ(error_of("demo").kind, ServiceErrorKind::kValidation);
  EXPECT_EQ(error_of(kArn).message, std::string("MicroVMImage not found for MicroVMImageID: ") + kArn);
  EXPECT_EQ(error_of(kArn).kind, ServiceErrorKind::kResourceNotFound);
  EXPECT_EQ(error_of("arn:aws:lambda:us-east-1:000000000000:microvm-image/demo").kind, ServiceErrorKind::kAccessDenied);
  EXPECT_EQ(error_of("arn:aws:lambda:us-east-1:111111111111:microvm-image:demo").kind, ServiceErrorKind::kAccessDenied);
  EXPECT_EQ(error_of("arn:aws:lambda:us-east-1:000000000000:function:demo").kind, ServiceErrorKind::kValidation);
  fixture.create_image();
  EXPECT_EQ(fixture.images->get_version(kAccount, kArn, "2").error().message,
            std::string("MicroVMImage not found for MicroVMImage: ") + kArn + ", Version: 2.0");
  EXPECT_EQ(fixture.images->get_build(kAccount, kArn, "1.0", "none").error().kind, ServiceErrorKind::kResourceNotFound);
}

// ---- client tokens ----

TEST_F(ImagesTest, SameTokenAnswersAsTheFirstTimeUntilTheImageIsDeleted) {
  const auto first = create(ControlFixture::specification(), "token");
  ASSERT_TRUE(first);
  ASSERT_TRUE(fixture.wait_for_build(BuildState::kSuccessful));
  const auto again = create(ControlFixture::specification(), "token");
  ASSERT_TRUE(again);
  EXPECT_EQ(again->image.id, first->image.id);
  EXPECT_EQ(again->image.state, ImageState::kCreating);
  EXPECT_EQ(again->version.specification.code_artifact_uri, "s3://bucket/code.zip");
  EXPECT_EQ(again->image.created_at, first->image.created_at);
  const auto other = create(ControlFixture::specification(), "token", "other digest");
  ASSERT_FALSE(other);
  EXPECT_EQ(other.error().kind, ServiceErrorKind::kConflict);
  ASSERT_TRUE(fixture.images->remove(kAccount, kArn));
  wait_until_gone();
  const auto anew = create(ControlFixture::specification(), "token");
  ASSERT_TRUE(anew);
  EXPECT_NE(anew->image.id, first->image.id);
}

// ---- deletion ----

TEST_F(ImagesTest, DeletionReservesTheNameUntilTheSnapshotIsGone) {
  const auto created = fixture.create_image();
  host.hold(FakeHost::Call::kRemoveSnapshot);
  const auto deleting = fixture.images->remove(kAccount, kArn);
  ASSERT_TRUE(deleting);
  EXPECT_EQ(deleting->state, ImageState::kDeleting);
  EXPECT_EQ(refusal(ControlFixture::specification()),
            "A MicroVM image with the name 'demo' already exists in this account");
  const auto again = fixture.images->remove(kAccount, kArn);
  ASSERT_FALSE(again);
  EXPECT_EQ(again.error().message, std::string("Cannot delete MicroVM image in its current state: ") + kArn);
  EXPECT_EQ(fixture.microvms->run(kAccount, fixture.run_request(), "digest").error().message,
            std::string("No active version found for MicroVM image ") + kArn);
  host.release(FakeHost::Call::kRemoveSnapshot);
  wait_until_gone();
  EXPECT_THAT(host.removed_snapshots(), ElementsAre(fixture.directory.path() / "images" / created.image.id / "1.0"));
  EXPECT_EQ(refusal(ControlFixture::specification()), "accepted");
}

TEST_F(ImagesTest, DeletionIsRefusedWhileAVmLives) {
  fixture.create_image();
  const auto microvm = fixture.run_to_running(fixture.run_request());
  const auto refused = fixture.images->remove(kAccount, kArn);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().kind, ServiceErrorKind::kValidation);
  EXPECT_EQ(refused.error().message, "Cannot delete microvm image with running microvms.");
  EXPECT_EQ(fixture.images->get(kAccount, kArn)->state, ImageState::kCreated);
  ASSERT_TRUE(fixture.microvms->terminate(kAccount, microvm.microvm_id));
  ASSERT_TRUE(fixture.states.wait_for(microvm.microvm_id, MicrovmState::kTerminated));
  EXPECT_TRUE(fixture.images->remove(kAccount, kArn));
}

TEST_F(ImagesTest, DeletionIsRefusedDuringTheBuild) {
  host.hold(FakeHost::Call::kBuild);
  ASSERT_TRUE(create(ControlFixture::specification()));
  EXPECT_EQ(fixture.images->remove(kAccount, kArn).error().message,
            std::string("Cannot delete MicroVM image in its current state: ") + kArn);
  host.release(FakeHost::Call::kBuild);
}

TEST_F(ImagesTest, DeletionThatFailsCanBeTriedAgain) {
  fixture.create_image();
  host.fail_next(FakeHost::Call::kRemoveSnapshot, ErrorKind::kInternal);
  ASSERT_TRUE(fixture.images->remove(kAccount, kArn));
  while (fixture.images->get(kAccount, kArn)->state != ImageState::kDeleteFailed) {
    std::this_thread::yield();
  }
  ASSERT_TRUE(fixture.images->remove(kAccount, kArn));
  wait_until_gone();
}

// ---- the queue, restarts, logs ----

TEST_F(ImagesTest, TooManyBuildsOfAllAccountsAreRefused) {
  host.hold(FakeHost::Call::kBuild);
  for (int i = 0; i < 34; ++i) {
    ASSERT_TRUE(fixture.images->create(i % 2 == 0 ? kAccount : "111111111111",
                                       "image-" + std::to_string(i),
                                       ControlFixture::specification(),
                                       std::nullopt,
                                       std::nullopt,
                                       "digest"));
  }
  const auto refused = create(ControlFixture::specification());
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().kind, ServiceErrorKind::kServiceQuotaExceeded);
  EXPECT_EQ(
      refused.error().message,
      "The maximum number of concurrent builds (34) has been reached on this host. 34 of all accounts are waiting or "
      "under way. Whoever runs this Dormouse can raise it by --concurrent-builds, which is 2");
  host.release(FakeHost::Call::kBuild);
}

TEST_F(ImagesTest, StopRecordsBuildsUnderWayAsFailed) {
  host.hold(FakeHost::Call::kBuild);
  ASSERT_TRUE(create(ControlFixture::specification()));
  ASSERT_TRUE(host.wait_for(FakeHost::Call::kBuild));
  fixture.restart();
  EXPECT_EQ(only_build().state, BuildState::kFailed);
  EXPECT_EQ(only_build().termination_reason_code, "INTERNAL_PLATFORM_ERROR");
  EXPECT_EQ(only_build().state_reason, "The daemon stopped while the build was under way.");
  EXPECT_EQ(fixture.images->get(kAccount, kArn)->state, ImageState::kCreateFailed);
}

TEST_F(ImagesTest, LogIsReadInPiecesAndEndsWithTheBuild) {
  host.set_build_output(std::string(100'000, 'x') + "\n");
  fixture.create_image();
  const std::string log = whole_log();
  EXPECT_EQ(log, std::string(100'000, 'x') + "\nThe build succeeded.\n");
}

TEST_F(ImagesTest, LogIsCutOffAtItsLimitAndSaysSo) {
  host.set_build_output(std::string(kBuildLogBytesMax + 1000, 'x'));
  fixture.create_image();
  const std::string log = whole_log();
  EXPECT_LT(log.size(), kBuildLogBytesMax + 100);
  EXPECT_THAT(log.substr(log.size() - 70), HasSubstr("[the log is cut off here: it reached its limit of 4 MiB]"));
}

TEST_F(ImagesTest, ListingsPage) {
  for (const char* name : {"a", "b", "c"}) {
    ASSERT_TRUE(
        fixture.images->create(kAccount, name, ControlFixture::specification(), std::nullopt, std::nullopt, "digest"));
    fixture.clock.advance(std::chrono::milliseconds(1));
  }
  const auto first = fixture.images->list(kAccount, 2, std::nullopt);
  ASSERT_TRUE(first);
  ASSERT_EQ(first->items.size(), 2U);
  EXPECT_EQ(first->items[0].name, "c") << "newest first";
  ASSERT_TRUE(first->next);
  const auto second = fixture.images->list(kAccount, 2, first->next);
  ASSERT_EQ(second->items.size(), 1U);
  EXPECT_EQ(second->items[0].name, "a");
  EXPECT_FALSE(second->next);
  EXPECT_TRUE(fixture.images->list("111111111111", 2, std::nullopt)->items.empty());
}

}  // namespace
}  // namespace dormouse::control
