// SPDX-License-Identifier: Apache-2.0
//
// For resources_property_test.cc: what can be done to images, versions, connectors and VMs, and what the model keeps of them.

#pragma once

#include <map>
#include <ostream>
#include <string>

#include <fmt/format.h>
#include <rapidcheck/gtest.h>

#include "control/records.h"

namespace dormouse::control {

inline constexpr int kNames = 3;
inline constexpr const char* kOperatorRole = "arn:aws:iam::000000000000:role/operator";

enum class Act {
  kCreate,
  kUpdate,
  kHoldBuild,  // creates or updates; the build ends with kRelease
  kRelease,
  kDelete,
  kFailDeletion,  // of an image or, with the flag, a version
  kHoldDeletion,  // of an image; it and those after it end with kReleaseDeletions
  kReleaseDeletions,
  kSetStatus,
  kDeleteVersion,
  kTag,
  kUntag,
  kRun,
  kTerminate,
  kStrangerCreates,  // another account, with the same names and tokens
  kStrangerMeddles,  // with what is not its own
  kConnect,
  kDisconnect,
  kReconnect,  // an update
  kTagConnector,
  kSettleConnectors,
  kListOn,
};

struct Step {
  Act act;
  int name;     // which image or connector
  int version;  // its major number
  int token;    // 0: none
  bool flag;    // fails; INACTIVE; pinned; of a version
};

inline std::ostream& operator<<(std::ostream& out, const Step& step) {
  return out << fmt::format("{{{} name {} version {} token {} {}}}",
                            static_cast<int>(step.act),
                            step.name,
                            step.version,
                            step.token,
                            step.flag);
}

inline rc::Gen<Step> any_step() {
  const auto act = rc::gen::weightedElement<Act>({
      {10, Act::kCreate},
      {8, Act::kUpdate},
      {4, Act::kHoldBuild},
      {5, Act::kRelease},
      {4, Act::kDelete},
      {4, Act::kFailDeletion},
      {3, Act::kHoldDeletion},
      {5, Act::kReleaseDeletions},
      {8, Act::kSetStatus},
      {6, Act::kDeleteVersion},
      {3, Act::kTag},
      {3, Act::kUntag},
      {7, Act::kRun},
      {4, Act::kTerminate},
      {3, Act::kStrangerCreates},
      {3, Act::kStrangerMeddles},
      {6, Act::kConnect},
      {4, Act::kDisconnect},
      {4, Act::kReconnect},
      {3, Act::kTagConnector},
      {4, Act::kSettleConnectors},
      {12, Act::kListOn},
  });
  return rc::gen::build<Step>(rc::gen::set(&Step::act, act),
                              rc::gen::set(&Step::name, rc::gen::inRange(0, kNames)),
                              rc::gen::set(&Step::version, rc::gen::inRange(1, 4)),
                              rc::gen::set(&Step::token, rc::gen::inRange(0, 2)),
                              rc::gen::set(&Step::flag, rc::gen::arbitrary<bool>()));
}

struct ModelVersion {
  VersionState state = VersionState::kInProgress;
  bool active = false;
  bool operator==(const ModelVersion&) const = default;
};

struct ModelImage {
  ImageState state = ImageState::kCreating;
  std::map<int, ModelVersion> versions;  // by major number
  int last_major = 1;
  Tags tags;
};

struct ModelConnector {
  std::string id;
  ConnectorState state = ConnectorState::kPending;
  std::string role = kOperatorRole;
  Tags tags;
};

struct ModelToken {
  std::string digest;
  std::string made;   // name of the image and version, or id of the VM or connector
  std::string bound;  // what it ends with: the name of the image, or as `made`
};

}  // namespace dormouse::control
