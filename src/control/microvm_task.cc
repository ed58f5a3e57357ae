// SPDX-License-Identifier: Apache-2.0

#include "control/microvm_task.h"

#include <algorithm>
#include <chrono>
#include <future>
#include <utility>

#include <fmt/core.h>

#include "base/log.h"
#include "control/identifiers.h"
#include "control/policies.h"
#include "control/record_codec.h"
#include "control/service_failure.h"
#include "store/metadata_store.h"
#include "telemetry/telemetry.h"

namespace dormouse::control {

namespace {

constexpr std::chrono::seconds kEffectTimeout{180};       // for a launch, a suspension or a resumption, hooks included
constexpr std::chrono::milliseconds kRevokeGrace{1'000};  // for holders of revoked leases to close their streams
constexpr std::chrono::minutes kTimerMax{10};             // wall time may jump and the machine may sleep: look again
constexpr std::chrono::seconds kStoreRetry{1};
constexpr std::chrono::seconds kTerminateRetry{2};
constexpr int kTerminateAttempts = 5;
constexpr std::size_t kOutputBytesMax = 64U << 10U;
constexpr std::size_t kOutputBytesKept = 4U << 10U;  // of a VM that has ended
constexpr std::size_t kSavesMax = 16;                // that wait for one VM

}  // namespace

std::shared_ptr<MicrovmTask> MicrovmTask::create(MicrovmServices& services, Microvm record) {
  std::shared_ptr<MicrovmTask> task(new MicrovmTask(services, std::move(record)));
  task->gate_ = EndpointGate::create(services.world.clock, [weak = std::weak_ptr<MicrovmTask>(task)] {
    if (const auto self = weak.lock()) {
      self->post([] {});  // settle() sees that the gate is drained
    }
  });
  return task;
}

MicrovmTask::MicrovmTask(MicrovmServices& services, Microvm record)
    : services_(services),
      id_(record.microvm_id),
      queue_(SerialQueue::create(services.events)),
      record_(std::move(record)),
      published_(record_) {}

// ---- from outside ----

bool MicrovmTask::post(std::function<void()> event) {
  return queue_->post([self = shared_from_this(), event = std::move(event)] {
    event();
    self->settle();
  });
}

Answer<void> MicrovmTask::post_and_wait(std::function<Answer<void>()> event) {
  auto answer = std::make_shared<std::promise<Answer<void>>>();
  auto future = answer->get_future();
  // The answer is given after settle(), so that a read that follows sees what was decided.
  const bool posted = queue_->post([self = shared_from_this(), event = std::move(event), answer] {
    Answer<void> result = event();
    self->settle();
    answer->set_value(std::move(result));
  });
  if (!posted) {
    return refuse(ServiceErrorKind::kInternalServer, "The daemon is stopping; try again when it is back.");
  }
  return future.get();
}

tracing::Trace MicrovmTask::begin(const char* operation, const tracing::Cause& cause) const {
  const Microvm record = published();
  telemetry::Subject subject{operation, image_name_of(record.image_arn), record.account, id_};
  return telemetry::begin(services_.world.telemetry, std::move(subject), cause);
}

tracing::Trace MicrovmTask::begin_launch(const tracing::Cause& cause) {
  tracing::Trace trace = begin("launch", cause);
  if (cause.position) {
    trace.span("accept", cause.arrived).succeed();  // the call, up to here
  }
  return trace;
}

void MicrovmTask::launch(LaunchJob job) {
  post([this, job = std::move(job)] { start_launch(job); });
}

void MicrovmTask::adopt(host::RecoveredVm::State found, const std::string& reason) {
  post([this, found, reason] { adopt_now(found, reason); });
}

Answer<void> MicrovmTask::suspend(const tracing::Cause& cause) {
  return post_and_wait([this, cause]() -> Answer<void> {
    if (const auto refused = refuse_if_ended(); !refused) {
      return refused;
    }
    resume_wanted_ = false;
    suspend_cause_ = cause;
    suspend_wanted_ = record_.state == MicrovmState::kPending || record_.state == MicrovmState::kRunning ||
                      effect_ == Effect::kResume;
    return {};
  });
}

Answer<void> MicrovmTask::resume(const tracing::Cause& cause) {
  return post_and_wait([this, cause]() -> Answer<void> {
    if (const auto refused = refuse_if_ended(); !refused) {
      return refused;
    }
    suspend_wanted_ = false;
    resume_cause_ = cause;
    resume_wanted_ = record_.state == MicrovmState::kSuspending ||
                     (record_.state == MicrovmState::kSuspended && effect_ != Effect::kResume);
    return {};
  });
}

Answer<void> MicrovmTask::terminate(const tracing::Cause& cause) {
  return post_and_wait([this, cause]() -> Answer<void> {
    terminate_cause_ = cause;
    request_end({"", ""}, true);
    return {};
  });
}

std::optional<SteadyTime::duration> MicrovmTask::unused_for() const {
  {
    const std::lock_guard lock(published_mutex_);  // every VM is asked: no copies of its record
    if (published_.state != MicrovmState::kRunning || !resumes_on_request(published_)) {
      return std::nullopt;
    }
  }
  return yielding_ || gate_->leases() > 0 ? std::nullopt : std::optional(gate_->idle_for());
}

void MicrovmTask::yield() {
  yielding_ = true;
  const bool posted = post([this] {
    if (record_.state == MicrovmState::kRunning && effect_ == Effect::kNone && gate_->close_if_unused()) {
      begin_suspend();
    }
    yielding_ = false;
  });
  yielding_ = yielding_ && posted;
}

Answer<void> MicrovmTask::check_copyable() const {
  switch (published().state) {
    case MicrovmState::kPending:
      return refuse(ServiceErrorKind::kConflict,
                    fmt::format("The MicroVM {} is PENDING and has no state yet; try again when it is RUNNING.", id_));
    case MicrovmState::kTerminating:
    case MicrovmState::kTerminated: return refuse_ended(id_);
    default: return {};
  }
}

Answer<void> MicrovmTask::save(host::CheckpointRequest request, SaveHandler done) {
  return post_and_wait([this, request = std::move(request), done = std::move(done)]() -> Answer<void> {
    if (const auto refused = check_copyable(); !refused) {
      return refused;
    }
    if (saves_.size() >= kSavesMax) {
      return refuse(ServiceErrorKind::kThrottling,
                    fmt::format("{} forks and checkpoints of the MicroVM {} wait already; try again.", kSavesMax, id_));
    }
    saves_.push_back({request, done});
    return {};
  });
}

Answer<void> MicrovmTask::rollback(std::shared_ptr<const SavedState> checkpoint,
                                   std::function<void(const Status&)> done) {
  return post_and_wait([this, checkpoint = std::move(checkpoint), done = std::move(done)]() -> Answer<void> {
    if (const auto refused = check_copyable(); !refused) {
      return refused;
    }
    if (rollback_) {
      return refuse(ServiceErrorKind::kConflict, fmt::format("The MicroVM {} is being rolled back already.", id_));
    }
    rollback_ = Rollback{checkpoint, done};
    return {};
  });
}

void MicrovmTask::abandon(const Ending& ending) {
  post([this, ending] { request_end(ending, false); });
}

void MicrovmTask::acquire(std::function<void()> revoked, LeaseHandler handler, const tracing::Cause& cause) {
  if (!gate_->acquire(std::move(revoked), std::move(handler), cause) && !post([] {})) {
    gate_->refuse(EndpointRefusal::kTimeout);  // the daemon stops
  }
}

void MicrovmTask::exited(const host::VmExit& exit) {
  host::VmExit readable = exit;
  readable.last_output = printable(exit.last_output);
  readable.sentence = printable(exit.sentence);
  post([this, readable] { exited_now(readable); });
}

void MicrovmTask::exited_now(const host::VmExit& exit) {
  switch (record_.state) {
    case MicrovmState::kTerminating:
      if (!record_.exit && exit.cause != host::VmExit::Cause::kVmmDied) {  // that is what a termination does
        record_.exit = exit;
        record_changed();
      }
      return;
    case MicrovmState::kTerminated: return;
    default: break;
  }
  if (effect_ != Effect::kNone) {
    exit_ = exit;  // its outcome shows whether the VM is one that can have ended
    if (effect_ == Effect::kLaunch || ended_while_waking(effect_, exit)) {
      cancellation_->cancel();  // no hook answers any more
    }
  } else if (record_.state == MicrovmState::kSuspended) {
    log::warning("a suspended microvm was reported to have ended", {{"microvm", id_}});  // a late word on its last VMM
  } else {
    record_.exit = exit;
    ended_unexpectedly(exit);
  }
}

void MicrovmTask::output(const host::OutputPiece& piece) {
  const std::lock_guard lock(published_mutex_);
  // Without what was told before.
  output_.append(piece.bytes.substr(std::min(piece.bytes.size(), output_end_ - std::min(output_end_, piece.offset))));
  output_end_ = std::max(output_end_, piece.offset + piece.bytes.size());
  if (output_.size() > 2 * kOutputBytesMax) {  // not at each call: moving 64 KiB for a line would be dear
    output_.erase(0, output_.size() - kOutputBytesMax);
  }
}

std::string MicrovmTask::last_output() const {
  const std::lock_guard lock(published_mutex_);
  return printable(output_.substr(output_.size() - std::min(output_.size(), kOutputBytesMax)));
}

Answer<void> MicrovmTask::refuse_if_ended() const {
  if (record_.state == MicrovmState::kTerminating || record_.state == MicrovmState::kTerminated) {
    return refuse_ended(id_);
  }
  return {};
}

// ---- the record ----

void MicrovmTask::apply(MicrovmEvent event) {
  const auto to = next_state(record_.state, event);
  if (!to) {
    log::error(
        "a microvm's event was not allowed",
        {{"microvm", id_}, {"state", std::string(to_string(record_.state))}, {"event", std::string(to_string(event))}});
    return;
  }
  record_.state = *to;
  log::info("microvm",
            {{"id", id_}, {"state", std::string(to_string(*to))}, {"reason", record_.state_reason.value_or("")}});
  record_changed();
}

void MicrovmTask::record_changed() {
  store::Changes changes;
  changes.microvms.push_back(encode(record_));
  const Status stored = services_.world.metadata.apply(changes);
  unsaved_ = !stored;
  if (!stored) {
    log::error("a microvm's record could not be stored", {{"microvm", id_}, {"error", stored.error().message()}});
  }
  {
    const std::lock_guard lock(published_mutex_);
    published_ = record_;
  }
  services_.changed(record_);
}

// ---- after each event ----

void MicrovmTask::settle() {
  act_on_clock();
  proceed();
  set_timer();
}

void MicrovmTask::act_on_clock() {
  if (unsaved_) {
    record_changed();
  }
  const auto now = rounded(services_.world.clock.wall());
  const Due decision = due(record_, now, gate_->idle_for());
  switch (decision.action) {
    case DueAction::kNothing: break;
    case DueAction::kSuspendIdle:
      if (gate_->close_if_idle(std::chrono::seconds(record_.idle_policy->max_idle_duration_seconds))) {
        begin_suspend();
      }
      break;
    case DueAction::kTerminateSleepy:
      if (effect_ == Effect::kNone) {  // not one that is waking up
        request_end({sentence_for(decision.action, record_), "SUSPENDED_DURATION"}, false);
      }
      break;
    case DueAction::kTerminateOld:
      request_end({sentence_for(decision.action, record_), "MAXIMUM_DURATION"}, true);
      break;
  }
}

void MicrovmTask::proceed() {
  switch (record_.state) {
    case MicrovmState::kPending: break;
    case MicrovmState::kRunning:
      if (rollback_ || suspend_wanted_) {
        resume_wanted_ = rollback_.has_value() && !suspend_wanted_;
        gate_->close();
        begin_suspend();
        drain();
      } else if (!saves_.empty() && effect_ == Effect::kNone) {
        start_save();
      }
      break;
    case MicrovmState::kSuspending: drain(); break;
    case MicrovmState::kSuspended:
      if (effect_ != Effect::kNone) {
        break;
      }
      if (rollback_) {
        start_rollback();
      } else if (!saves_.empty()) {
        start_save();
      } else if (resume_wanted_ || (gate_->held() > 0 && resumes_on_request(record_))) {
        start_resume(true);
      } else {
        gate_->refuse(EndpointRefusal::kSuspended);
      }
      break;
    case MicrovmState::kTerminating:
    case MicrovmState::kTerminated:
      gate_->refuse(EndpointRefusal::kTerminated);
      if (record_.state == MicrovmState::kTerminating && effect_ == Effect::kNone &&
          (!terminate_again_at_ || *terminate_again_at_ <= services_.world.clock.steady())) {
        start_terminate();
      }
      break;
  }
}

void MicrovmTask::set_timer() {
  if (timer_) {
    services_.timers.cancel(*timer_);
    timer_.reset();
  }
  const auto now = services_.world.clock.steady();
  std::optional<SteadyTime> next;
  const auto consider = [&next](SteadyTime when) { next = next ? std::min(*next, when) : when; };
  const Due decision = due(record_, services_.world.clock.wall(), gate_->idle_for());
  if (decision.look_again_in) {
    consider(now + std::min<SteadyTime::duration>(*decision.look_again_in, kTimerMax));
  } else if (decision.action == DueAction::kTerminateOld ||
             (decision.action != DueAction::kNothing && effect_ == Effect::kNone)) {
    consider(now);  // it fell due since act_on_clock() looked
  }
  if (drain_ != Drain::kNone && effect_ == Effect::kNone) {
    consider(drain_until_);
  }
  if (terminate_again_at_ && effect_ == Effect::kNone) {
    consider(*terminate_again_at_);
  }
  if (unsaved_) {
    consider(now + kStoreRetry);
  }
  if (next) {
    timer_ = services_.timers.at(*next, [weak = weak_from_this()] {
      if (const auto self = weak.lock()) {
        self->post([] {});
      }
    });
  }
}

// ---- effects ----

template <typename Outcome>
void MicrovmTask::start(Effect effect,
                        std::function<Outcome(const os::Context&)> work,
                        std::function<void(Outcome)> done) {
  effect_ = effect;
  cancellation_.emplace();
  const auto deadline = std::chrono::steady_clock::now() + kEffectTimeout;
  const os::Context context = os::Context(*cancellation_, deadline).traced(trace_);
  const SteadyTime queued_at = services_.world.clock.steady();
  os::WorkerPool& pool =
      effect == Effect::kLaunch || effect == Effect::kResume ? services_.arrivals : services_.departures;
  const Status posted = pool.post([self = shared_from_this(), context, work = std::move(work), done, queued_at] {
    context.trace().span("queue", queued_at).succeed();
    Outcome outcome = work(context);
    const SteadyTime worked_at = self->services_.world.clock.steady();
    self->post([self, done, outcome = std::move(outcome), trace = context.trace(), worked_at] {
      done(outcome);
      trace.span("publish", worked_at).succeed();
      trace.finish(tracing::outcome_of(outcome));
    });
  });
  if (!posted) {
    // The daemon stops, or has thousands of jobs waiting: the record stays as it is, for the next daemon to reconcile.
    log::warning("no worker for a microvm", {{"microvm", id_}, {"error", posted.error().message()}});
  }
}

// Ends an effect. An exit that was reported meanwhile is acted on now, if the VM was alive after it.
void MicrovmTask::finished(Effect effect, bool alive) {
  effect_ = Effect::kNone;
  cancellation_.reset();
  up_ = alive;
  if (!alive) {
    services_.memory.freed();
  }
  const auto exit = std::exchange(exit_, std::nullopt);
  if (exit && (alive || effect == Effect::kLaunch || ended_while_waking(effect, *exit))) {
    record_.exit = exit;
    ended_unexpectedly(*exit);
  }
}

void MicrovmTask::start_launch(LaunchJob job) {
  if (record_.state != MicrovmState::kPending) {
    return;  // ended before it began
  }
  using Outcome = tl::expected<host::LaunchResult, Ending>;
  trace_ = job.trace ? job.trace : begin_launch({});  // a child's begins now
  start<Outcome>(
      Effect::kLaunch,
      [&host = services_.world.host, &memory = services_.memory, job = std::move(job)](const os::Context& context) {
        return launch_microvm(host, memory, job, context);
      },
      [this](const Outcome& outcome) {
        finished(Effect::kLaunch, outcome.has_value());
        if (outcome) {
          record_.isolation = outcome->isolation;
          record_.isolation_reason = outcome->isolation_reason;
        }
        if (record_.state != MicrovmState::kPending) {
          return;  // ended meanwhile
        }
        if (!outcome) {
          request_end(outcome.error(), false);
          return;
        }
        apply(MicrovmEvent::kLaunched);
        if (!suspend_wanted_ || gate_->held() > 0) {
          gate_->open(trace_);  // what was held is served first; a suspension waits for it
        }
      });
}

void MicrovmTask::begin_suspend() {
  suspend_wanted_ = false;
  suspend_trace_ = begin("suspend", std::exchange(suspend_cause_, {}));
  apply(MicrovmEvent::kSuspend);
  drain_ = Drain::kWaiting;
  drain_since_ = services_.world.clock.steady();
  drain_until_ = drain_since_ + services_.world.drain_timeout;
}

void MicrovmTask::drain() {
  if (drain_ == Drain::kNone || effect_ != Effect::kNone) {
    return;
  }
  if (gate_->leases() > 0) {
    const auto now = services_.world.clock.steady();
    if (now < drain_until_) {
      return;
    }
    if (drain_ == Drain::kWaiting) {
      drain_ = Drain::kRevoked;
      drain_until_ = now + kRevokeGrace;
      gate_->revoke();
      return;
    }
  }
  drain_ = Drain::kNone;
  suspend_trace_.span("drain", drain_since_).succeed();
  if (rollback_) {
    std::exchange(suspend_trace_, {}).finish("rolled_back");
    start_rollback();
    return;
  }
  if (ends_on_suspend(record_)) {
    std::exchange(suspend_trace_, {}).finish("terminated");
    request_end({"The MicroVM was suspended, and its suspendedDurationSeconds is 0.", "SUSPENDED_DURATION"}, true);
    proceed();
    return;
  }
  start_suspend();
}

void MicrovmTask::start_suspend() {
  using Outcome = tl::expected<void, SuspendFailure>;
  trace_ = std::exchange(suspend_trace_, {});
  start<Outcome>(
      Effect::kSuspend,
      [&world = services_.world, id = id_, hooks = record_.hooks](const os::Context& context) {
        return suspend_microvm(world, id, hooks, context);
      },
      [this](const Outcome& outcome) {
        finished(Effect::kSuspend, !outcome);
        if (record_.state != MicrovmState::kSuspending) {
          return;
        }
        if (outcome) {
          record_.suspended_at = rounded(services_.world.clock.wall());
          record_.state_reason.reset();
          apply(MicrovmEvent::kSuspended);
          return;
        }
        if (outcome.error().by_hook && services_.world.suspend_hook_failure == SuspendHookFailure::kTerminate) {
          request_end({outcome.error().sentence, "SUSPEND_HOOK_FAILED"}, true);
          return;
        }
        record_.state_reason = outcome.error().sentence;
        resume_wanted_ = false;
        apply(MicrovmEvent::kNotSuspended);
        gate_->open();
      });
}

void MicrovmTask::start_resume(bool at_host) {
  using Outcome = tl::expected<void, ResumeFailure>;
  // For a client, or for the first of the requests that wait.
  const bool by_client = std::exchange(resume_wanted_, false) || !at_host;
  trace_ = by_client ? begin("resume", std::exchange(resume_cause_, {})) : begin("wake", gate_->first_cause());
  start<Outcome>(
      Effect::kResume,
      [&host = services_.world.host, &memory = services_.memory, id = id_, hooks = record_.hooks, at_host](
          const os::Context& context) { return resume_microvm(host, memory, id, hooks, at_host, context); },
      [this](const Outcome& outcome) {
        finished(Effect::kResume, outcome.has_value());
        if (record_.state != MicrovmState::kSuspended) {
          return;
        }
        if (outcome) {
          record_.suspended_at.reset();
          record_.state_reason.reset();
          ++record_.resumes;
          apply(MicrovmEvent::kResumed);
          if (!suspend_wanted_ || gate_->held() > 0) {
            gate_->open(trace_);
          }
          return;
        }
        suspend_wanted_ = false;
        if (outcome.error().ending) {
          request_end(*outcome.error().ending, false);
          return;
        }
        record_.state_reason = outcome.error().sentence;
        record_changed();
        gate_->refuse(outcome.error().refusal);
      });
}

void MicrovmTask::start_save() {
  using Outcome = Result<host::CheckpointResult>;
  const Save save = std::move(saves_.front());
  saves_.pop_front();
  trace_ = begin("checkpoint", {});
  start<Outcome>(
      Effect::kSave,
      [&host = services_.world.host, request = save.request](const os::Context& context) {
        return host.checkpoint(request, context);
      },
      [this, done = save.done](const Outcome& outcome) {
        finished(Effect::kSave, up_);
        if (outcome) {
          log::info("a microvm was saved",
                    {{"microvm", id_},
                     {"bytes", std::to_string(outcome->bytes_written)},
                     {"stood_still_us", std::to_string(outcome->stood_still.count())}});
        } else {
          log::warning("a microvm could not be saved", {{"microvm", id_}, {"error", outcome.error().message()}});
        }
        done(outcome);
      });
}

void MicrovmTask::start_rollback() {
  trace_ = begin("rollback", {});
  start<Status>(
      Effect::kRollback,
      [&world = services_.world, id = id_, path = rollback_->checkpoint->directory()](const os::Context& context) {
        return rollback_microvm(world, id, path, context);
      },
      [this, was_up = up_](const Status& outcome) { rolled_back(outcome, was_up); });
}

void MicrovmTask::rolled_back(const Status& outcome, bool was_up) {
  const Rollback rollback = *std::exchange(rollback_, std::nullopt);
  finished(Effect::kRollback, outcome ? false : was_up);
  if (!outcome) {
    log::warning("a rollback failed", {{"microvm", id_}, {"error", outcome.error().message()}});
  } else {
    const std::lock_guard lock(published_mutex_);
    output_end_ = 0;  // what it writes next may have an offset that was there before
  }
  if (record_.state == MicrovmState::kSuspending && outcome) {
    record_.suspended_at = rounded(services_.world.clock.wall());
    record_.state_reason.reset();
    apply(MicrovmEvent::kSuspended);
    if (resume_wanted_) {
      start_resume(true);  // before the clock is looked at: it does not sleep
    }
  } else if (record_.state == MicrovmState::kSuspending) {
    resume_wanted_ = false;
    apply(MicrovmEvent::kNotSuspended);
    gate_->open();
  }
  rollback.done(outcome);
}

// Nothing more is saved of a VM that ends.
void MicrovmTask::drop_copies() {
  const auto ended = [this] { return fail(ErrorKind::kCancelled, id_ + " was ended"); };
  for (const Save& save : std::exchange(saves_, {})) {
    save.done(ended());
  }
  if (rollback_ && effect_ != Effect::kRollback) {
    std::exchange(rollback_, std::nullopt)->done(ended());
  }
}

void MicrovmTask::ended_unexpectedly(const host::VmExit& exit) {
  const Ending ending{sentence_for(exit), code_for(exit)};
  if (telemetry::Telemetry* const telemetry = services_.world.telemetry) {
    telemetry::Metrics& metrics = telemetry->metrics();
    metrics.unexpected_ends.add({ending.code, metrics.image_label(image_name_of(record_.image_arn))});
  }
  request_end(ending, false);
}

void MicrovmTask::request_end(Ending ending, bool tell_application) {
  if (record_.state == MicrovmState::kTerminating || record_.state == MicrovmState::kTerminated) {
    return;
  }
  record_.state_reason = ending.sentence.empty() ? std::nullopt : std::optional(ending.sentence);
  record_.termination_reason_code = ending.code.empty() ? std::nullopt : std::optional(ending.code);
  tell_application_ = tell_application;
  drain_ = Drain::kNone;
  gate_->close();
  apply(MicrovmEvent::kTerminate);
  gate_->refuse(EndpointRefusal::kTerminated);
  gate_->revoke();
  drop_copies();
  if (cancellation_) {
    cancellation_->cancel();
  }
}

void MicrovmTask::start_terminate() {
  terminate_again_at_.reset();
  ++terminate_attempts_;
  const bool tell = tell_application_ && up_ && terminate_attempts_ == 1;
  trace_ = begin("terminate", std::exchange(terminate_cause_, {}));
  start<Status>(
      Effect::kTerminate,
      [&host = services_.world.host, id = id_, hooks = record_.hooks, tell](const os::Context& context) {
        return terminate_microvm(host, id, hooks, tell, context);
      },
      [this](const Status& outcome) {
        finished(Effect::kTerminate, false);
        if (!outcome) {
          log::error("a microvm could not be ended", {{"microvm", id_}, {"error", outcome.error().message()}});
          if (terminate_attempts_ < kTerminateAttempts) {
            terminate_again_at_ = services_.world.clock.steady() + kTerminateRetry;
            return;
          }
        }
        record_.terminated_at = rounded(services_.world.clock.wall());
        if (!record_.state_reason) {
          record_.state_reason = "Success.";
        }
        const std::string output = last_output();
        record_.last_output = printable(output.substr(output.size() - std::min(output.size(), kOutputBytesKept)));
        apply(MicrovmEvent::kTerminated);
        services_.ended(record_);
      });
}

}  // namespace dormouse::control
