// SPDX-License-Identifier: Apache-2.0

#include "control/records.h"

namespace dormouse::control {

std::string_view to_string(ImageState state) {
  switch (state) {
    case ImageState::kCreating: return "CREATING";
    case ImageState::kCreated: return "CREATED";
    case ImageState::kCreateFailed: return "CREATE_FAILED";
    case ImageState::kUpdating: return "UPDATING";
    case ImageState::kUpdated: return "UPDATED";
    case ImageState::kUpdateFailed: return "UPDATE_FAILED";
    case ImageState::kDeleting: return "DELETING";
    case ImageState::kDeleteFailed: return "DELETE_FAILED";
    case ImageState::kDeleted: return "DELETED";
  }
  return "?";
}

std::string_view to_string(VersionState state) {
  switch (state) {
    case VersionState::kPending: return "PENDING";
    case VersionState::kInProgress: return "IN_PROGRESS";
    case VersionState::kSuccessful: return "SUCCESSFUL";
    case VersionState::kFailed: return "FAILED";
    case VersionState::kDeleting: return "DELETING";
    case VersionState::kDeleted: return "DELETED";
    case VersionState::kDeleteFailed: return "DELETE_FAILED";
  }
  return "?";
}

std::string_view to_string(VersionStatus status) {
  switch (status) {
    case VersionStatus::kActive: return "ACTIVE";
    case VersionStatus::kInactive: return "INACTIVE";
  }
  return "?";
}

std::string_view to_string(BuildState state) {
  switch (state) {
    case BuildState::kPending: return "PENDING";
    case BuildState::kInProgress: return "IN_PROGRESS";
    case BuildState::kSuccessful: return "SUCCESSFUL";
    case BuildState::kFailed: return "FAILED";
  }
  return "?";
}

std::string_view to_string(ConnectorState state) {
  switch (state) {
    case ConnectorState::kPending: return "PENDING";
    case ConnectorState::kActive: return "ACTIVE";
    case ConnectorState::kInactive: return "INACTIVE";
    case ConnectorState::kFailed: return "FAILED";
    case ConnectorState::kDeleting: return "DELETING";
    case ConnectorState::kDeleteFailed: return "DELETE_FAILED";
  }
  return "?";
}

std::string_view to_string(MicrovmState state) {
  switch (state) {
    case MicrovmState::kPending: return "PENDING";
    case MicrovmState::kRunning: return "RUNNING";
    case MicrovmState::kSuspending: return "SUSPENDING";
    case MicrovmState::kSuspended: return "SUSPENDED";
    case MicrovmState::kTerminating: return "TERMINATING";
    case MicrovmState::kTerminated: return "TERMINATED";
  }
  return "?";
}

}  // namespace dormouse::control
