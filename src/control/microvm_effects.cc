// SPDX-License-Identifier: Apache-2.0

#include "control/microvm_effects.h"

#include <boost/json.hpp>
#include <fmt/core.h>

#include "base/log.h"
#include "base/scope_exit.h"
#include "control/disk_budget.h"
#include "control/image_rules.h"
#include "control/world.h"
#include "logs/log_writer.h"

namespace dormouse::control {

namespace {

constexpr int kResumeAttempts = 3;
constexpr std::chrono::seconds kLaunchRoomTimeout{10};  // to make room in memory: a client can try elsewhere
constexpr std::chrono::seconds kResumeRoomTimeout{45};  // a VM that sleeps can wake here only
constexpr const char* kPleaseCheck = "Please check your hook endpoint and application logs for more details.";

// A hook in sentences, as in "Run lifecycle hook ...", and as a step.
struct Hook {
  std::string_view name;
  const char* step;
  HookSetting Hooks::* setting;
};
constexpr Hook kRunHook{"Run", "hook_run", &Hooks::run};
constexpr Hook kSuspendHook{"Suspend", "hook_suspend", &Hooks::suspend};
constexpr Hook kResumeHook{"Resume", "hook_resume", &Hooks::resume};
constexpr Hook kTerminateHook{"Terminate", "hook_terminate", &Hooks::terminate};

// Calls one hook. The failure is a sentence.
tl::expected<void, std::string> call_hook(host::Host& host,
                                          const std::string& microvm_id,
                                          const Hooks& hooks,
                                          Hook hook,
                                          host::HookCall call,
                                          const os::Context& context) {
  const std::string_view name = hook.name;
  const auto timeout = runtime_hook_timeout(hooks.*hook.setting);
  call.port = static_cast<std::uint16_t>(hooks.port.value_or(0));
  tracing::Span calling = context.trace().span(hook.step);
  const auto answer = host.call_hook(microvm_id, call, context.within(timeout));
  if (answer && answer->status == 200) {
    calling.succeed();
    return {};
  }
  calling.end(answer ? tracing::kFailed : tracing::outcome_of(answer));
  if (answer) {
    return tl::unexpected(
        fmt::format("{} lifecycle hook returned HTTP status {}. {}", name, answer->status, kPleaseCheck));
  }
  log::warning("a lifecycle hook failed",
               {{"microvm", microvm_id}, {"hook", std::string(name)}, {"error", answer.error().message()}});
  switch (answer.error().kind()) {
    case ErrorKind::kDeadlineExceeded:
      return tl::unexpected(
          fmt::format("{} lifecycle hook timed out after {} seconds. {}", name, timeout.count(), kPleaseCheck));
    case ErrorKind::kUnavailable:
      return tl::unexpected(
          fmt::format("{} lifecycle hook could not be delivered: nothing accepts connections on port {}. {}",
                      name,
                      call.port,
                      kPleaseCheck));
    default: return tl::unexpected(fmt::format("{} lifecycle hook could not be delivered. {}", name, kPleaseCheck));
  }
}

host::HookCall hook_call(std::string_view name) {
  return {fmt::format("/aws/lambda-microvms/runtime/v1/{}", name), 0, ""};
}

host::HookCall run_hook_call(const LaunchJob& job) {
  namespace json = boost::json;
  json::object body;
  body["microvmId"] = job.request.microvm_id;
  body["runHookPayload"] = job.run_hook_payload ? json::value(*job.run_hook_payload) : json::value(nullptr);
  if (job.parent_microvm_id) {
    body["parentMicrovmId"] = *job.parent_microvm_id;
  }
  host::HookCall call = hook_call("run");
  call.body = json::serialize(body);
  return call;
}

Ending launch_ending(const Error& error, bool of_checkpoint) {
  switch (error.kind()) {
    case ErrorKind::kResourceExhausted:
      return {fmt::format("The host has not the capacity to launch the MicroVM: {}.", error.message()),
              "INSUFFICIENT_CAPACITY"};
    case ErrorKind::kConflict:
      return {fmt::format("The image version does not fit this host: {}.", error.message()), "SNAPSHOT_UNFIT"};
    case ErrorKind::kDataLoss:
      return {of_checkpoint ? "The checkpoint is damaged and cannot be launched from. Please make another."
                            : "The image version's snapshot is damaged and cannot be launched. Please create the "
                              "image again.",
              "SNAPSHOT_DAMAGED"};
    case ErrorKind::kDeadlineExceeded: return {"The MicroVM could not be launched in time.", "LAUNCH_TIMEOUT"};
    default:
      return {"The MicroVM could not be launched because of an internal error; the daemon's log has the details.",
              "INTERNAL_PLATFORM_ERROR"};
  }
}

ResumeFailure resume_failure(const Error& error) {
  ResumeFailure failure;
  failure.sentence =
      "The MicroVM could not be resumed because of an internal error; the daemon's log has the details. It is still "
      "suspended.";
  if (error.kind() == ErrorKind::kDataLoss) {
    failure.ending = Ending{"The MicroVM's suspended state was lost and it cannot be resumed.", "STATE_LOST"};
  } else if (error.kind() == ErrorKind::kDeadlineExceeded) {
    failure.sentence = "The MicroVM could not be resumed in time. It is still suspended.";
    failure.refusal = EndpointRefusal::kTimeout;
  } else if (error.kind() == ErrorKind::kResourceExhausted) {
    failure.sentence =
        fmt::format("The host has not the capacity to resume the MicroVM: {}. It is still suspended.", error.message());
  } else if (error.kind() == ErrorKind::kConflict) {
    failure.sentence =
        fmt::format("The MicroVM does not fit this host as it is now: {}. It is still suspended.", error.message());
  }
  return failure;
}

Status resume_at_host(host::Host& host, const std::string& microvm_id, const os::Context& context) {
  for (int attempt = 1;; ++attempt) {
    Status resumed = host.resume(microvm_id, context);
    if (resumed) {
      return resumed;
    }
    log::warning("a resume failed",
                 {{"microvm", microvm_id}, {"attempt", std::to_string(attempt)}, {"error", resumed.error().message()}});
    const bool again = resumed.error().kind() == ErrorKind::kUnavailable && attempt < kResumeAttempts;
    if (!again || !context.check("resume")) {
      return resumed;
    }
  }
}

}  // namespace

tl::expected<host::LaunchResult, Ending> launch_microvm(host::Host& host,
                                                        MemoryBudget& memory,
                                                        const LaunchJob& job,
                                                        const os::Context& context) {
  const ScopeExit give_back([&] { job.room->give_back(); });
  const auto room =
      context.trace().step("memory", [&] { return memory.wait(*job.room, context.within(kLaunchRoomTimeout)); });
  if (!room) {
    return tl::unexpected(launch_ending(room.error(), job.saved_state != nullptr));
  }
  auto launched = host.launch(job.request, context);
  if (!launched) {
    log::warning("a launch failed", {{"microvm", job.request.microvm_id}, {"error", launched.error().message()}});
    return tl::unexpected(launch_ending(launched.error(), job.saved_state != nullptr));
  }
  if (job.hooks.run.enabled) {
    const auto told = call_hook(host, job.request.microvm_id, job.hooks, kRunHook, run_hook_call(job), context);
    if (!told) {
      return tl::unexpected(Ending{told.error(), "RUN_HOOK_FAILED"});
    }
  }
  return *launched;
}

tl::expected<void, SuspendFailure> suspend_microvm(World& world,
                                                   const std::string& microvm_id,
                                                   const Hooks& hooks,
                                                   const os::Context& context) {
  host::Host& host = world.host;
  const auto room = take_disk_room(world.disk, DiskBudget::Use::kSuspension);
  if (!room) {
    return tl::unexpected(SuspendFailure{
        fmt::format("The MicroVM could not be suspended and runs on: {}.", room.error().message()), false});
  }
  if (hooks.suspend.enabled) {
    const auto told = call_hook(host, microvm_id, hooks, kSuspendHook, hook_call("suspend"), context);
    if (!told) {
      return tl::unexpected(SuspendFailure{told.error(), true});
    }
  }
  if (const auto suspended = host.suspend(microvm_id, context); !suspended) {
    log::warning("a suspension failed", {{"microvm", microvm_id}, {"error", suspended.error().message()}});
    const bool full = suspended.error().kind() == ErrorKind::kResourceExhausted;
    return tl::unexpected(
        SuspendFailure{full ? "The host's disk is full: the MicroVM could not be suspended and runs on."
                            : "The MicroVM could not be suspended because of an internal error; it runs on.",
                       false});
  }
  return {};
}

tl::expected<void, ResumeFailure> resume_microvm(host::Host& host,
                                                 MemoryBudget& memory,
                                                 const std::string& microvm_id,
                                                 const Hooks& hooks,
                                                 bool at_host,
                                                 const os::Context& context) {
  MemoryBudget::RoomPointer room;
  if (at_host) {
    auto taken = context.trace().step("memory", [&] { return memory.take(context.within(kResumeRoomTimeout)); });
    if (!taken) {
      return tl::unexpected(resume_failure(taken.error()));
    }
    room = *std::move(taken);
    if (const Status resumed = resume_at_host(host, microvm_id, context); !resumed) {
      return tl::unexpected(resume_failure(resumed.error()));
    }
  }
  if (!hooks.resume.enabled) {
    return {};
  }
  const auto told = call_hook(host, microvm_id, hooks, kResumeHook, hook_call("resume"), context);
  if (told) {
    return {};
  }
  ResumeFailure failure;
  failure.sentence = told.error() + " The MicroVM was suspended again.";
  if (const auto asleep = host.suspend(microvm_id, context); !asleep) {
    log::warning("a suspension after a failed resume hook failed",
                 {{"microvm", microvm_id}, {"error", asleep.error().message()}});
    failure.ending = Ending{told.error(), "RESUME_HOOK_FAILED"};
  }
  return tl::unexpected(std::move(failure));
}

Status rollback_microvm(World& world,
                        const std::string& microvm_id,
                        const std::filesystem::path& checkpoint,
                        const os::Context& context) {
  DM_TRY(world.host.rollback(microvm_id, checkpoint, context), "");
  if (world.logs != nullptr) {
    (void)world.logs->restart(microvm_id);  // it says itself what it cannot store
  }
  return {};
}

Status terminate_microvm(host::Host& host,
                         const std::string& microvm_id,
                         const Hooks& hooks,
                         bool tell_application,
                         const os::Context& context) {
  if (tell_application && hooks.terminate.enabled) {
    // Whatever it answers: the VM ends. The failure is logged where it happens.
    [[maybe_unused]] const auto told =
        call_hook(host, microvm_id, hooks, kTerminateHook, hook_call("terminate"), context);
  }
  return host.terminate(microvm_id);
}

}  // namespace dormouse::control
