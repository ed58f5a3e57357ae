// SPDX-License-Identifier: Apache-2.0

#include "control/lifecycle.h"

namespace dormouse::control {

namespace {

template <typename State, typename Event>
struct Edge {
  State from;
  Event event;
  State to;
};

// The whole policy. Keep it in step with the pictures in the header.
constexpr Edge<ImageState, ImageEvent> kImageEdges[] = {
    {ImageState::kCreating, ImageEvent::kBuilt, ImageState::kCreated},
    {ImageState::kCreating, ImageEvent::kFailed, ImageState::kCreateFailed},
    {ImageState::kCreated, ImageEvent::kUpdate, ImageState::kUpdating},
    {ImageState::kUpdated, ImageEvent::kUpdate, ImageState::kUpdating},
    {ImageState::kUpdateFailed, ImageEvent::kUpdate, ImageState::kUpdating},
    {ImageState::kCreateFailed, ImageEvent::kUpdate, ImageState::kUpdating},
    {ImageState::kUpdating, ImageEvent::kBuilt, ImageState::kUpdated},
    {ImageState::kUpdating, ImageEvent::kFailed, ImageState::kUpdateFailed},
    {ImageState::kCreated, ImageEvent::kDelete, ImageState::kDeleting},
    {ImageState::kCreateFailed, ImageEvent::kDelete, ImageState::kDeleting},
    {ImageState::kUpdated, ImageEvent::kDelete, ImageState::kDeleting},
    {ImageState::kUpdateFailed, ImageEvent::kDelete, ImageState::kDeleting},
    {ImageState::kDeleteFailed, ImageEvent::kDelete, ImageState::kDeleting},
    {ImageState::kDeleting, ImageEvent::kDeleted, ImageState::kDeleted},
    {ImageState::kDeleting, ImageEvent::kFailed, ImageState::kDeleteFailed},
};

constexpr Edge<VersionState, VersionEvent> kVersionEdges[] = {
    {VersionState::kPending, VersionEvent::kStart, VersionState::kInProgress},
    {VersionState::kPending, VersionEvent::kFail, VersionState::kFailed},
    {VersionState::kInProgress, VersionEvent::kSucceed, VersionState::kSuccessful},
    {VersionState::kInProgress, VersionEvent::kFail, VersionState::kFailed},
    {VersionState::kSuccessful, VersionEvent::kDelete, VersionState::kDeleting},
    {VersionState::kFailed, VersionEvent::kDelete, VersionState::kDeleting},
    {VersionState::kDeleteFailed, VersionEvent::kDelete, VersionState::kDeleting},
    {VersionState::kDeleting, VersionEvent::kDeleted, VersionState::kDeleted},
    {VersionState::kDeleting, VersionEvent::kFail, VersionState::kDeleteFailed},
};

constexpr Edge<BuildState, BuildEvent> kBuildEdges[] = {
    {BuildState::kPending, BuildEvent::kStart, BuildState::kInProgress},
    {BuildState::kPending, BuildEvent::kFail, BuildState::kFailed},
    {BuildState::kInProgress, BuildEvent::kSucceed, BuildState::kSuccessful},
    {BuildState::kInProgress, BuildEvent::kFail, BuildState::kFailed},
};

constexpr Edge<MicrovmState, MicrovmEvent> kMicrovmEdges[] = {
    {MicrovmState::kPending, MicrovmEvent::kLaunched, MicrovmState::kRunning},
    {MicrovmState::kRunning, MicrovmEvent::kSuspend, MicrovmState::kSuspending},
    {MicrovmState::kSuspending, MicrovmEvent::kSuspended, MicrovmState::kSuspended},
    {MicrovmState::kSuspending, MicrovmEvent::kNotSuspended, MicrovmState::kRunning},
    {MicrovmState::kSuspended, MicrovmEvent::kResumed, MicrovmState::kRunning},
    {MicrovmState::kPending, MicrovmEvent::kTerminate, MicrovmState::kTerminating},
    {MicrovmState::kRunning, MicrovmEvent::kTerminate, MicrovmState::kTerminating},
    {MicrovmState::kSuspending, MicrovmEvent::kTerminate, MicrovmState::kTerminating},
    {MicrovmState::kSuspended, MicrovmEvent::kTerminate, MicrovmState::kTerminating},
    {MicrovmState::kTerminating, MicrovmEvent::kTerminated, MicrovmState::kTerminated},
};

template <typename State, typename Event, std::size_t kCount>
std::optional<State> find(const Edge<State, Event> (&edges)[kCount], State from, Event event) {
  for (const auto& edge : edges) {
    if (edge.from == from && edge.event == event) {
      return edge.to;
    }
  }
  return std::nullopt;
}

}  // namespace

std::optional<ImageState> next_state(ImageState from, ImageEvent event) { return find(kImageEdges, from, event); }
std::optional<VersionState> next_state(VersionState from, VersionEvent event) {
  return find(kVersionEdges, from, event);
}
std::optional<BuildState> next_state(BuildState from, BuildEvent event) { return find(kBuildEdges, from, event); }
std::optional<MicrovmState> next_state(MicrovmState from, MicrovmEvent event) {
  return find(kMicrovmEdges, from, event);
}

std::string_view to_string(MicrovmEvent event) {
  switch (event) {
    case MicrovmEvent::kLaunched: return "launched";
    case MicrovmEvent::kSuspend: return "suspend";
    case MicrovmEvent::kSuspended: return "suspended";
    case MicrovmEvent::kNotSuspended: return "not suspended";
    case MicrovmEvent::kResumed: return "resumed";
    case MicrovmEvent::kTerminate: return "terminate";
    case MicrovmEvent::kTerminated: return "terminated";
  }
  return "?";
}

}  // namespace dormouse::control
