// SPDX-License-Identifier: Apache-2.0
//
// The lifecycles of the four resources, as pure policy: which state follows which event (specification section 4).
//
//   image    CREATING --built--> CREATED --update--> UPDATING --built--> UPDATED
//                 \--failed--> CREATE_FAILED              \--failed--> UPDATE_FAILED
//            any that is not changing --delete--> DELETING --deleted--> DELETED, --failed--> DELETE_FAILED
//
//   version  PENDING --start--> IN_PROGRESS --succeed--> SUCCESSFUL, --fail--> FAILED (also from PENDING)
//            SUCCESSFUL, FAILED --delete--> DELETING --deleted--> DELETED, --fail--> DELETE_FAILED
//
//   build    PENDING --start--> IN_PROGRESS --succeed--> SUCCESSFUL, --fail--> FAILED (also from PENDING)
//
//   microvm  PENDING --launched--> RUNNING --suspend--> SUSPENDING --suspended--> SUSPENDED --resumed--> RUNNING
//            SUSPENDING --not suspended--> RUNNING
//            any but the last --terminate--> TERMINATING --terminated--> TERMINATED
//
// A MicroVM that resumes stays SUSPENDED until its application has agreed (specification section 4.3). There is no I/O here
// and no lock: whoever owns a resource feeds events in order and does what a transition asks for.

#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string_view>

#include "control/records.h"

namespace dormouse::control {

enum class ImageEvent : std::uint8_t { kUpdate, kBuilt, kFailed, kDelete, kDeleted };
enum class VersionEvent : std::uint8_t { kStart, kSucceed, kFail, kDelete, kDeleted };
enum class BuildEvent : std::uint8_t { kStart, kSucceed, kFail };
enum class MicrovmEvent : std::uint8_t {
  kLaunched,
  kSuspend,
  kSuspended,
  kNotSuspended,
  kResumed,
  kTerminate,
  kTerminated,
};

inline constexpr std::array kAllImageStates = {
    ImageState::kCreating,
    ImageState::kCreated,
    ImageState::kCreateFailed,
    ImageState::kUpdating,
    ImageState::kUpdated,
    ImageState::kUpdateFailed,
    ImageState::kDeleting,
    ImageState::kDeleteFailed,
    ImageState::kDeleted,
};
inline constexpr std::array kAllVersionStates = {
    VersionState::kPending,
    VersionState::kInProgress,
    VersionState::kSuccessful,
    VersionState::kFailed,
    VersionState::kDeleting,
    VersionState::kDeleted,
    VersionState::kDeleteFailed,
};
inline constexpr std::array kAllVersionStatuses = {VersionStatus::kActive, VersionStatus::kInactive};
inline constexpr std::array kAllBuildStates = {
    BuildState::kPending,
    BuildState::kInProgress,
    BuildState::kSuccessful,
    BuildState::kFailed,
};
inline constexpr std::array kAllConnectorStates = {
    ConnectorState::kPending,
    ConnectorState::kActive,
    ConnectorState::kInactive,
    ConnectorState::kFailed,
    ConnectorState::kDeleting,
    ConnectorState::kDeleteFailed,
};
inline constexpr std::array kAllMicrovmStates = {
    MicrovmState::kPending,
    MicrovmState::kRunning,
    MicrovmState::kSuspending,
    MicrovmState::kSuspended,
    MicrovmState::kTerminating,
    MicrovmState::kTerminated,
};
inline constexpr std::array kAllImageEvents = {
    ImageEvent::kUpdate,
    ImageEvent::kBuilt,
    ImageEvent::kFailed,
    ImageEvent::kDelete,
    ImageEvent::kDeleted,
};
inline constexpr std::array kAllVersionEvents = {
    VersionEvent::kStart,
    VersionEvent::kSucceed,
    VersionEvent::kFail,
    VersionEvent::kDelete,
    VersionEvent::kDeleted,
};
inline constexpr std::array kAllBuildEvents = {BuildEvent::kStart, BuildEvent::kSucceed, BuildEvent::kFail};
inline constexpr std::array kAllMicrovmEvents = {
    MicrovmEvent::kLaunched,
    MicrovmEvent::kSuspend,
    MicrovmEvent::kSuspended,
    MicrovmEvent::kNotSuspended,
    MicrovmEvent::kResumed,
    MicrovmEvent::kTerminate,
    MicrovmEvent::kTerminated,
};

// The state that `event` leads to from `from`, or nothing if it is not allowed there.
std::optional<ImageState> next_state(ImageState from, ImageEvent event);
std::optional<VersionState> next_state(VersionState from, VersionEvent event);
std::optional<BuildState> next_state(BuildState from, BuildEvent event);
std::optional<MicrovmState> next_state(MicrovmState from, MicrovmEvent event);

std::string_view to_string(MicrovmEvent event);

}  // namespace dormouse::control
