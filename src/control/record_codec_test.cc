// SPDX-License-Identifier: Apache-2.0

#include "control/record_codec.h"

#include <chrono>

#include <gtest/gtest.h>

#include "control/lifecycle.h"

namespace dormouse::control {
namespace {

const WallTime kTime = WallTime(std::chrono::microseconds(1'780'000'000'123'456));

ImageSpecification full_specification() {
  ImageSpecification specification;
  specification.base_image_arn = "arn:base";
  specification.base_image_version = "1.0";
  specification.build_role_arn = "arn:role";
  specification.code_artifact_uri = "s3://b/k";
  specification.description = "with \"quotes\" and ä";
  specification.logging = Logging{true, "group", "stream"};
  specification.egress_network_connectors = {{"arn:e"}};
  specification.cpu_architectures = std::vector<std::string>();
  specification.minimum_memory_in_mib = {{512}};
  specification.additional_os_capabilities = {{"ALL"}};
  Hooks hooks;
  hooks.port = 9000;
  hooks.run = {true, 7, true};
  hooks.image_hooks_given = true;
  hooks.validate = {false, std::nullopt, true};
  specification.hooks = hooks;
  specification.environment_variables = {{{"A", "1"}, {"B", ""}}};
  return specification;
}

Microvm full_microvm() {
  Microvm microvm;
  microvm.account = "1";
  microvm.microvm_id = "microvm-1";
  microvm.state = MicrovmState::kSuspended;
  microvm.endpoint_id = "e";
  microvm.endpoint = "e.example";
  microvm.image_arn = "arn:i";
  microvm.image_version = "1.0";
  microvm.maximum_duration_seconds = 7;
  microvm.started_at = kTime;
  microvm.suspended_at = kTime + std::chrono::seconds(1);
  microvm.terminated_at = kTime + std::chrono::seconds(2);
  microvm.state_reason = "because";
  microvm.termination_reason_code = "CODE";
  microvm.execution_role_arn = "arn:x";
  microvm.idle_policy = IdlePolicy{60, 0, true};
  microvm.ingress_network_connectors = {"a", "b"};
  microvm.egress_network_connectors = {"c"};
  microvm.hooks = *full_specification().hooks;
  microvm.isolation = host::Isolation::kKvm;
  microvm.isolation_reason = "it runs guests";
  host::VmExit exit;
  exit.cause = host::VmExit::Cause::kDiskFull;
  exit.exit_code = 1;
  exit.signal = 9;
  exit.out_of_memory = true;
  exit.last_output = "out\n";
  exit.sentence = "It ended.";
  microvm.exit = exit;
  microvm.last_output = "output\n";
  microvm.resumes = 3;
  return microvm;
}

// A document names every member that is not at its default, so equal rows mean equal records.
template <typename Row>
void expect_equal(const Row& a, const Row& b) {
  EXPECT_EQ(a.document, b.document);
  EXPECT_EQ(a.state, b.state);
  EXPECT_EQ(a.account, b.account);
  EXPECT_EQ(a.created_at, b.created_at);
}

TEST(RecordCodecTest, MicrovmComesBackAsItWas) {
  const store::MicrovmRow row = encode(full_microvm());
  const auto decoded = decode(row);
  ASSERT_TRUE(decoded);
  expect_equal(encode(*decoded), row);
  EXPECT_EQ(decoded->state, MicrovmState::kSuspended);
  EXPECT_EQ(decoded->started_at, kTime);
  EXPECT_EQ(decoded->suspended_at, kTime + std::chrono::seconds(1));
  EXPECT_EQ(decoded->idle_policy->max_idle_duration_seconds, 60);
  EXPECT_EQ(decoded->hooks.run.timeout_seconds, 7);
  EXPECT_EQ(decoded->isolation, host::Isolation::kKvm);
  EXPECT_EQ(decoded->exit->cause, host::VmExit::Cause::kDiskFull);
  EXPECT_EQ(decoded->exit->signal, 9);
  EXPECT_EQ(decoded->last_output, "output\n");
  EXPECT_EQ(decoded->resumes, 3);
}

TEST(RecordCodecTest, AbsentMembersStayAbsent) {
  const auto decoded = decode(encode(Microvm()));
  ASSERT_TRUE(decoded);
  EXPECT_FALSE(decoded->exit);
  EXPECT_FALSE(decoded->idle_policy);
  EXPECT_FALSE(decoded->state_reason);
  EXPECT_FALSE(decoded->isolation);
}

TEST(RecordCodecTest, VersionComesBackAsItWas) {
  ImageVersion version;
  version.account = "1";
  version.image_arn = "arn:i";
  version.version = "12.0";
  version.state = VersionState::kSuccessful;
  version.status = VersionStatus::kActive;
  version.specification = full_specification();
  version.state_reason = "r";
  version.created_at = kTime;
  version.updated_at = kTime;
  version.state_changed_at = kTime;
  const auto decoded = decode(encode(version));
  ASSERT_TRUE(decoded);
  expect_equal(encode(*decoded), encode(version));
  EXPECT_EQ(decoded->specification.description, "with \"quotes\" and ä");
  EXPECT_TRUE(decoded->specification.cpu_architectures->empty()) << "empty is not absent";
  EXPECT_EQ(decoded->specification.logging->log_stream, "stream");
  EXPECT_EQ(decoded->specification.environment_variables->at("B"), "");
  EXPECT_TRUE(decoded->specification.hooks->validate.enabled_given);
  EXPECT_EQ(decoded->status, VersionStatus::kActive);
}

TEST(RecordCodecTest, ImageAndBuildComeBackAsTheyWere) {
  Image image;
  image.arn = "arn:i";
  image.latest_failed_version = "2.0";
  image.tags = Tags{{"k", "v"}};
  image.updated_at = kTime;
  const auto decoded_image = decode(encode(image));
  ASSERT_TRUE(decoded_image);
  expect_equal(encode(*decoded_image), encode(image));
  EXPECT_EQ(decoded_image->tags->at("k"), "v");
  Build build;
  build.build_id = "b";
  build.state = BuildState::kFailed;
  build.state_reason = "r";
  build.memory_snapshot_bytes = std::uint64_t{1} << 40U;
  build.processor = "p";
  build.notices = {"n1", "n2"};
  build.phase = "container";
  const auto decoded_build = decode(encode(build));
  ASSERT_TRUE(decoded_build);
  expect_equal(encode(*decoded_build), encode(build));
  EXPECT_EQ(decoded_build->memory_snapshot_bytes, std::uint64_t{1} << 40U);
  EXPECT_EQ(decoded_build->processor, "p");
  EXPECT_EQ(decoded_build->notices.size(), 2U);
}

TEST(RecordCodecPropertyTest, EveryStateSurvives) {
  for (const MicrovmState state : kAllMicrovmStates) {
    Microvm microvm;
    microvm.state = state;
    EXPECT_EQ(decode(encode(microvm))->state, state) << to_string(state);
  }
  for (const ImageState state : kAllImageStates) {
    Image image;
    image.state = state;
    EXPECT_EQ(decode(encode(image))->state, state) << to_string(state);
  }
}

TEST(RecordCodecTest, RowsThatAreNotOursAreDataLoss) {
  store::MicrovmRow row = encode(full_microvm());
  row.state = "DREAMING";
  EXPECT_EQ(decode(row).error().kind(), ErrorKind::kDataLoss);
  row = encode(full_microvm());
  row.document = "[]";
  EXPECT_EQ(decode(row).error().message(), "microvm microvm-1: the document is no JSON object");
  row.document = R"({"resumes":"three"})";
  EXPECT_EQ(decode(row).error().message(), "microvm microvm-1: a column or member has a value that is none of ours");
}

TEST(RecordCodecTest, AnswersComeBackWithTheirState) {
  const auto microvm = decode_microvm_answer(encode_answer(full_microvm()));
  ASSERT_TRUE(microvm);
  expect_equal(encode(*microvm), encode(full_microvm()));
  EXPECT_FALSE(decode_microvm_answer("{"));
}

TEST(RecordCodecTest, VersionsSortByTheirNumbers) {
  EXPECT_LT(version_ordinal("2.0"), version_ordinal("10.0"));
  EXPECT_LT(version_ordinal("2.0"), version_ordinal("2.1"));
  for (const char* none : {"", "2", "x.0", "2.x", "2.0.1", ".0"}) {
    EXPECT_EQ(version_ordinal(none), 0) << none;
  }
}

TEST(RecordCodecTest, TextThatIsNotUtf8LosesItsBytes) {
  EXPECT_EQ(printable("schön"), "schön");
  EXPECT_EQ(printable("sch\xF6n"), "sch?n");
}

}  // namespace
}  // namespace dormouse::control
