// SPDX-License-Identifier: Apache-2.0

#include "host/image_builder.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <utility>

#include <boost/json.hpp>
#include <fmt/format.h>

#include "base/log.h"
#include "base/scope_exit.h"
#include "build_context/build_context.h"
#include "faults/fault_point.h"
#include "host/application_end.h"
#include "host/guest_boot.h"
#include "host/process_guard.h"
#include "http_client/http_call.h"
#include "managed_base/recipe.h"
#include "os/command.h"
#include "os/file.h"
#include "os/host_facts.h"
#include "os/sparse_copy.h"
#include "snapshot/checksum.h"

namespace dormouse::host {
namespace {

namespace fs = std::filesystem;
namespace json = boost::json;
using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr std::uint32_t kBuilderMemoryMib = 3072;
constexpr std::uint32_t kBuilderVcpus = 2;
constexpr int kContainerAttempts = 2;
constexpr seconds kShutdownTimeout{120};
constexpr seconds kSnapshotTimeout{120};
constexpr milliseconds kPollPause{50};
constexpr seconds kPollPauseMax{1};
// Without a /ready hook nothing says when the application has initialised: it is given until something listens on the
// default port, and this long at most.
// Of an application without the /ready hook that does not listen on kDefaultPort.
constexpr seconds kStartGrace{15};
constexpr seconds kStartMax{60};        // if it is still busy then
constexpr seconds kStartStandstill{3};  // of one that is not
constexpr milliseconds kLatePause{1'000};
constexpr std::uint16_t kDefaultPort = 8080;

constexpr char kHookPrefix[] = "/aws/lambda-microvms/runtime/v1/";

// A build writes the guest's memory and its disk; a page of memory that the disk has no room for would end QEMU.
constexpr std::uint64_t kBuildFreeBytes = 1ULL << 30U;
constexpr std::uint64_t kDiskFullBytes = 16ULL << 20U;
constexpr char kDiskFull[] = "The host's disk is full.";
constexpr char kVmmEnded[] = "The build's virtual machine ended unexpectedly.";

std::uint64_t free_bytes(const fs::path& directory) {
  const auto facts = os::read_file_system_facts(directory);
  return facts ? facts->available_bytes : UINT64_MAX;
}

BuildFailure failure(std::string code, std::string sentence) {
  return BuildFailure{std::move(code), std::move(sentence), std::nullopt};
}

// PT5M, PT1H30S: an ISO-8601 duration, as the service's sentences have it.
std::string iso_duration(seconds duration) {
  const auto total = duration.count();
  std::string text = "PT";
  if (total >= 3600) {
    text += fmt::format("{}H", total / 3600);
  }
  if (total % 3600 >= 60) {
    text += fmt::format("{}M", total % 3600 / 60);
  }
  if (total % 60 != 0 || total == 0) {
    text += fmt::format("{}S", total % 60);
  }
  return text;
}

std::string capitalised(std::string_view name) {
  std::string text(name);
  text[0] = static_cast<char>(text[0] - 'a' + 'A');
  return text;
}

// Makes a finished file of a snapshot unchangeable and durable.
Status seal(const fs::path& path) {
  DM_ASSIGN(const UniqueFd file, os::open_file(path, O_RDONLY), "");
  if (::fchown(file.get(), 0, 0) != 0 || ::fchmod(file.get(), 0444) != 0) {
    return fail_errno("seal " + path.string());
  }
  if (::fsync(file.get()) != 0) {
    return fail_errno("fsync " + path.string());
  }
  return {};
}

// A file in memory with this content, to be read from its beginning.
Result<UniqueFd> file_with(std::string_view content) {
  UniqueFd file(::memfd_create("script", MFD_CLOEXEC));
  if (!file) {
    return fail_errno("memfd_create");
  }
  DM_TRY(os::write_all(file.get(), content, "script"), "");
  if (::lseek(file.get(), 0, SEEK_SET) != 0) {
    return fail_errno("rewind the script");
  }
  return file;
}

std::uint64_t allocated(const fs::path& path) {
  const auto file = os::open_file(path, O_RDONLY);
  return file ? os::allocated_bytes_of(file->get()) : 0;
}

// Has the guest write its disk and end. A VMM that ended otherwise may have written half of it.
Status shut_down(Guest& guest, const os::Context& context) {
  const os::Context telling = context.within(kShutdownTimeout);
  const ProcessGuard guard(guest.vmm().process(), telling);
  const Status told = guard.told(guest.agent().shutdown(guard.context()));
  if (!told && told.error().kind() != ErrorKind::kUnavailable) {
    return told;
  }
  DM_ASSIGN(const os::ProcessEnd end, guest.vmm().process().wait(context.within(kEndTimeout)), "shut the guest down");
  return end.exit_code == 0 ? Status()
                            : fail(ErrorKind::kUnavailable,
                                   fmt::format("shut the guest down: its VMM ended meanwhile ({})", end.describe()));
}

}  // namespace

ImageBuilder::ImageBuilder(BuildSupport& support, const BuildRequest& request, fs::path work, BuildObserver& observer)
    : support_(support), request_(request), work_(std::move(work)), observer_(observer) {}

BuildFailure ImageBuilder::internal(const Error& error) const {
  log::error("a build failed", {{"build", request_.build_id}, {"error", error.message()}});
  if (error.errno_value() == ENOSPC || free_bytes(support_.vm.guest.data_directory) < kDiskFullBytes) {
    return failure("DISK_STORAGE_FULL", kDiskFull);
  }
  if (error.kind() == ErrorKind::kCancelled) {
    return failure("INTERNAL_PLATFORM_ERROR", "The build was cancelled.");
  }
  if (error.kind() == ErrorKind::kDeadlineExceeded && SteadyTime::clock::now() >= deadline_) {
    return failure("INTERNAL_PLATFORM_ERROR",
                   fmt::format("The build did not end within {}.", iso_duration(request_.timeout)));
  }
  if (error.kind() == ErrorKind::kDeadlineExceeded) {
    return failure("INTERNAL_PLATFORM_ERROR",
                   "The build's virtual machine did not answer in time; the daemon's log says what it was asked.");
  }
  return failure("INTERNAL_PLATFORM_ERROR", "The build failed on the platform's side; the daemon's log says why.");
}

tl::expected<BuildResult, BuildFailure> ImageBuilder::build(const os::Context& outer) {
  const os::Context context = outer.within(request_.timeout);
  deadline_ = context.deadline();
  const ScopeExit cleanup([&] {
    support_.vm.watcher.remove(snapshot_guest(request_.build_id));
    if (guest_) {
      (void)guest_->end(os::Context::with_timeout(kEndTimeout));
    }
    (void)os::remove_tree(work_);
    if (withdraw_on_failure_) {  // and then something failed
      (void)os::remove_tree(request_.destination);
    }
  });
  if (auto made = os::make_directories(work_); !made) {
    return tl::unexpected(internal(made.error()));
  }
  if (const std::uint64_t free = free_bytes(work_); free < kBuildFreeBytes) {
    return tl::unexpected(failure(
        "DISK_STORAGE_FULL",
        fmt::format(
            "The host's disk has {} MiB free, and a build needs {} MiB.", free >> 20U, kBuildFreeBytes >> 20U)));
  }
  auto lease = support_.vm.users.take();
  if (!lease) {
    return tl::unexpected(internal(lease.error()));
  }
  user_ = *std::move(lease);
  struct Phase {
    const char* name;
    Outcome (ImageBuilder::*run)(const os::Context&);
  };
  constexpr std::array kPhases = {Phase{"archive", &ImageBuilder::convert},
                                  Phase{"container", &ImageBuilder::run_dockerfile},
                                  Phase{"application", &ImageBuilder::start_application},
                                  Phase{"snapshot", &ImageBuilder::take_snapshot},
                                  Phase{"validate", &ImageBuilder::validate}};
  for (const Phase& phase : kPhases) {
    observer_.phase(phase.name);
    if (auto done = (this->*phase.run)(context); !done) {
      BuildFailure why = std::move(done).error();
      if (result_.code_install_bytes != 0) {
        why.code_install_bytes = result_.code_install_bytes;
      }
      return tl::unexpected(std::move(why));
    }
  }
  if (auto going_on = reached("build.validated"); !going_on) {
    return tl::unexpected(internal(going_on.error()));
  }
  withdraw_on_failure_ = false;
  result_.isolation = support_.vm.platform.acceleration == vmm::Acceleration::kKvm ? Isolation::kKvm : Isolation::kTcg;
  return result_;
}

Status ImageBuilder::reached(faults::Step step) const {
  return faults::reach(step,
                       {request_.build_id, guest_ ? std::optional<int>(guest_->vmm().process().pid()) : std::nullopt});
}

// --- archive ---

ImageBuilder::Outcome ImageBuilder::convert(const os::Context& context) {
  auto converted =
      build_context::convert_archive(request_.archive, work_ / "context.tar", build_context::Limits(), context);
  if (!converted) {
    return tl::unexpected(failure(converted.error().code, converted.error().sentence));
  }
  return {};
}

// --- container ---

ImageBuilder::Outcome ImageBuilder::run_dockerfile(const os::Context& context) {
  for (int attempt = 1;; ++attempt) {
    stood_still_ = false;
    auto built = run_builder(context);
    if (built || !stood_still_) {
      return built;
    }
    if (attempt == kContainerAttempts) {
      return tl::unexpected(failure("INTERNAL_PLATFORM_ERROR",
                                    "The build's virtual machine stood still more than once, which is not the "
                                    "Dockerfile's doing; the build's log says in what state it was."));
    }
    if (guest_) {
      (void)guest_->end(os::Context::with_timeout(kEndTimeout));
      guest_.reset();
    }
    observer_.log("dormouse: the container is built once more, in another virtual machine.\n");
  }
}

// Says in the build's log what can be told of a guest that is given up.
void ImageBuilder::log_state(const std::string& why, const std::string& state) {
  log::error("a build's guest does not get on", {{"build", request_.build_id}, {"reason", why}});
  observer_.log(fmt::format("\ndormouse: the build's virtual machine is given up: {}. Its state:\n{}", why, state));
}

ImageBuilder::Outcome ImageBuilder::run_builder(const os::Context& context) {
  ::unlink((work_ / "disk").c_str());  // of an attempt before
  auto blank = support_.bases.blank_disk(request_.size.disk_bytes, context);
  if (!blank) {
    return tl::unexpected(internal(blank.error()));
  }
  if (auto copied = os::copy_sparsely(*blank, work_ / "disk", context); !copied) {
    return tl::unexpected(internal(copied.error()));
  }
  const Boot wanted{"builder",
                    support_.base.builder_root,
                    {"root", "containers", "application", "context"},
                    [this] { return anonymous_memory(kBuilderMemoryMib, user_.id()); },
                    kBuilderMemoryMib,
                    kBuilderVcpus};
  auto booted = boot_guest(wanted, context);
  if (!booted) {
    return tl::unexpected(internal(booted.error()));
  }
  guest_ = *std::move(booted);

  if (auto built = with_guest(&ImageBuilder::run_build_script, context); !built) {
    return built;
  }
  if (auto going_on = reached("build.disk_made"); !going_on) {
    return tl::unexpected(internal(going_on.error()));
  }
  // A clean end, so that the disk is whole; a guest that does not manage it has failed.
  const Status stopped = shut_down(*guest_, context);
  if (!stopped && stopped.error().kind() == ErrorKind::kDeadlineExceeded && context.check("build")) {
    stood_still_ = true;
    log_state("it did not shut down", state_of(*guest_));
  }
  (void)guest_->end(os::Context::with_timeout(kEndTimeout));
  guest_.reset();
  if (!stopped) {
    return tl::unexpected(internal(stopped.error()));
  }
  ::unlink((work_ / "context.tar").c_str());
  result_.code_install_bytes = allocated(work_ / "disk");
  return {};
}

ImageBuilder::Outcome ImageBuilder::run_build_script(const os::Context& context) {
  StandstillGuard guard(*guest_, context, StandstillGuard::patience_of(request_.timeout));
  Outcome done = run_build_script(guard, guard.context());
  if (guard.stood_still()) {
    stood_still_ = true;
    log_state(guard.reason(), guard.state());
  } else if (!done && !context.check("build") && !context.cancellation().cancelled()) {
    log_state("it has had all the time that a build has", state_of(*guest_));
  }
  return done;
}

ImageBuilder::Outcome ImageBuilder::run_build_script(StandstillGuard& guard, const os::Context& context) {
  protocol::Exec exec;
  exec.argv = {"/bin/sh", "-s"};
  exec.environment = {{"DORMOUSE_SUBSTITUTE_BASE", support_.substitute_base}};
  std::string last;  // the end of the output, for the reason
  const auto output = [&](std::string_view text) {
    guard.heard(text.size());
    observer_.log(text);
    last.append(text);
    if (last.size() > 8192) {
      last.erase(0, last.size() - 4096);
    }
  };
  auto script = file_with(managed_base::build_image_script());
  if (!script) {
    return tl::unexpected(internal(script.error()));
  }
  auto ended = guest_->agent().exec(exec, ExecStreams{output, output, script->get()}, context);
  if (!ended) {
    return tl::unexpected(internal(ended.error()));
  }
  using managed_base::BuildImageExit;
  const int code = ended->status.exit_code.value_or(static_cast<int>(BuildImageExit::kInternal));
  if (code == static_cast<int>(BuildImageExit::kDiskFull)) {
    return tl::unexpected(failure("DISK_STORAGE_FULL", "The build's disk is full."));
  }
  if (code == static_cast<int>(BuildImageExit::kMemoryRanOut)) {
    return tl::unexpected(
        failure("CONTAINER_BUILD_FAILED",
                "The container image build failed: memory ran out. Last output: " + os::last_lines(last, 5)));
  }
  if (code == static_cast<int>(BuildImageExit::kDockerfileFailed) ||
      code == static_cast<int>(BuildImageExit::kBaseUnavailable)) {
    return tl::unexpected(
        failure("CONTAINER_BUILD_FAILED", "The container image build failed. Last output: " + os::last_lines(last, 5)));
  }
  if (code != 0) {
    return tl::unexpected(internal(Error(ErrorKind::kInternal, "build-image.sh: " + os::last_lines(last, 5))));
  }
  read_notices(context);
  return {};
}

void ImageBuilder::read_notices(const os::Context& context) {
  // What a user should know was written into the result by the script.
  std::string record;
  protocol::Exec show;
  show.argv = {"/bin/cat", "/var/lib/dormouse/application/application.json"};
  const auto collect = [&](std::string_view text) { record.append(text.substr(0, (1U << 20U) - record.size())); };
  if (!guest_->agent().exec(show, ExecStreams{collect, nullptr, -1}, context)) {
    record.clear();
  }
  boost::system::error_code ignored;
  if (const json::value parsed = json::parse(record, ignored); parsed.is_object()) {
    if (const json::value* const notices = parsed.get_object().if_contains("notices"); notices && notices->is_array()) {
      for (const json::value& notice : notices->get_array()) {
        if (notice.is_string() && result_.notices.size() < 16) {
          result_.notices.emplace_back(notice.get_string().subview(0, 1000));
        }
      }
    }
  }
}

ImageBuilder::Outcome ImageBuilder::with_guest(Outcome (ImageBuilder::*step)(const os::Context&),
                                               const os::Context& context) {
  const ProcessGuard guard(guest_->vmm().process(), context);
  Outcome done = (this->*step)(guard.context());
  // Also when the step went well: what the guest wrote without asking how that went is not on the disk.
  if (disk_ran_full()) {
    return tl::unexpected(failure("DISK_STORAGE_FULL", kDiskFull));
  }
  if (!done && guard.process_ended()) {
    log::error("a build's QEMU ended", {{"build", request_.build_id}, {"console", guest_->vmm().console()}});
    return tl::unexpected(failure("INTERNAL_PLATFORM_ERROR", kVmmEnded));
  }
  return done;
}

bool ImageBuilder::disk_ran_full() {
  const auto events = guest_->vmm().take_events();  // none from a QEMU that has ended: it may have found no room either
  return (events && std::any_of(events->begin(), events->end(), vmm::is_out_of_space)) ||
         free_bytes(work_) < kDiskFullBytes;
}

// --- application ---

ImageBuilder::Outcome ImageBuilder::start_application(const os::Context& context) {
  const auto memory = [this] {
    return create_memory(work_ / snapshot::kMemoryFile, request_.size.memory_mib, user_.id());
  };
  const Boot wanted{"application",
                    support_.base.root,
                    {"root", "containers", "application"},
                    memory,
                    request_.size.memory_mib,
                    request_.size.vcpus};
  auto booted = boot_guest(wanted, context);
  if (!booted) {
    return tl::unexpected(internal(booted.error()));
  }
  guest_ = *std::move(booted);
  return with_guest(&ImageBuilder::start_container, context);
}

ImageBuilder::Outcome ImageBuilder::start_container(const os::Context& context) {
  protocol::StartApplication start;
  start.environment = request_.environment;
  start.all_capabilities = request_.all_capabilities;
  if (auto started = guest_->agent().start_application(start, context.within(seconds(120))); !started) {
    if (started.error().error.kind() == ErrorKind::kDeadlineExceeded) {
      return tl::unexpected(internal(started.error().error));
    }
    return tl::unexpected(failure("CONTAINER_BUILD_FAILED",
                                  "The application could not be started: " + started.error().error.message() + "."));
  }
  // For the logs alone: what ends the application is found by check_alive().
  if (auto watched = support_.vm.watcher.add_output(snapshot_guest(request_.build_id), *guest_, context); !watched) {
    return tl::unexpected(internal(watched.error()));
  }
  return wait_until_ready(context);
}

ImageBuilder::Outcome ImageBuilder::wait_until_ready(const os::Context& context) {
  if (request_.hooks.ready.enabled) {
    return context.trace().step("hook_ready",
                                [&] { return poll_hook("ready", request_.hooks.ready, guest_->agent(), context); });
  }
  const os::Context grace = context.within(kStartGrace);
  const os::Context longest = context.within(kStartMax);
  StandstillJudge judge(kStartStandstill);
  while (longest.check("start")) {
    if (auto alive = check_alive(guest_->agent(), context); !alive) {
      return alive;
    }
    if (guest_->agent().connect(kDefaultPort, longest.within(seconds(5)))) {
      return {};
    }
    // A guest that is still starting, on a slow or busy host, is waited for.
    const auto activity = os::activity_of(guest_->vmm().process().pid());
    const bool still = !activity || judge.still({std::chrono::steady_clock::now(), *activity});
    const bool late = !grace.check("start");
    if (late && still) {
      return {};
    }
    (void)longest.pause(late ? kLatePause : milliseconds(200), "start");
  }
  return {};
}

ImageBuilder::Outcome ImageBuilder::check_alive(const AgentClient& agent, const os::Context& context) {
  const auto state = agent.hello(context.within(seconds(30)));
  if (!state) {
    return tl::unexpected(internal(state.error()));
  }
  if (state->application == protocol::ApplicationState::kRunning) {
    return {};
  }
  const auto end = application_end(agent, context.within(seconds(10)));
  if (!end) {
    return tl::unexpected(internal(end.error()));
  }
  observer_.log(end->output);
  const VmExit& exit = end->exit;
  const std::string how = exit.out_of_memory ? "was killed because memory ran out"
                          : exit.exit_code   ? fmt::format("ended with exit code {}", *exit.exit_code)
                                             : fmt::format("was ended by signal {}", exit.signal.value_or(0));
  return tl::unexpected(failure(
      "CONTAINER_BUILD_FAILED",
      fmt::format(
          "The application {} before the snapshot was taken. Last output: {}", how, os::last_lines(end->output, 5))));
}

ImageBuilder::Outcome ImageBuilder::poll_hook(const char* name,
                                              const Hook& hook,
                                              const AgentClient& agent,
                                              const os::Context& context) {
  const os::Context polling = context.within(hook.timeout);
  http_client::HttpRequest request;
  request.host = fmt::format("localhost:{}", request_.hooks.port);
  request.path = std::string(kHookPrefix) + name;
  for (milliseconds pause = kPollPause;; pause = std::min<milliseconds>(2 * pause, kPollPauseMax)) {
    if (auto connection = agent.connect(request_.hooks.port, polling)) {
      const auto answer = http_client::http_post(connection->get(), request, polling);
      if (answer && answer->status == 200) {
        return {};
      }
      if (answer && answer->status != 503 && answer->status >= 400) {
        return tl::unexpected(failure("CONTAINER_BUILD_FAILED",
                                      fmt::format("{} hook check failed: the application returned a {} error (HTTP {}) "
                                                  "response",
                                                  capitalised(name),
                                                  answer->status < 500 ? "client" : "server",
                                                  answer->status)));
      }
    }
    if (auto alive = check_alive(agent, context); !alive) {
      return alive;
    }
    if (polling.remaining().count() == 0) {
      return tl::unexpected(
          failure("CONTAINER_BUILD_FAILED",
                  fmt::format("{} hook invocation timed out after {}", capitalised(name), iso_duration(hook.timeout))));
    }
    (void)polling.pause(pause, "wait for the hook");
    if (auto going_on = context.check("build"); !going_on) {
      return tl::unexpected(internal(going_on.error()));
    }
  }
}

// --- snapshot ---

Result<snapshot::SnapshotManifest::Checksums> ImageBuilder::checksums_of(const fs::path& directory) const {
  snapshot::SnapshotManifest::Checksums checksums;
  for (const auto& [name, checksum] : {std::pair(snapshot::kMemoryFile, &checksums.memory),
                                       {snapshot::kStateFile, &checksums.state},
                                       {snapshot::kDiskFile, &checksums.disk}}) {
    DM_ASSIGN(const UniqueFd file, os::open_file(directory / name, O_RDONLY), "");
    DM_ASSIGN(*checksum, snapshot::checksum_of(file), name);
  }
  KnownChecksums& base = support_.vm.templates.base_checksums();
  DM_ASSIGN(checksums.root, base.of(support_.base.root), "");
  DM_ASSIGN(checksums.containers, base.of(support_.base.containers), "");
  return checksums;
}

// The part of the snapshot's manifest that says what it was made with.
snapshot::SnapshotManifest ImageBuilder::origin() const {
  const snapshot::Platform& platform = support_.vm.platform;
  const std::shared_ptr<const engine::Engine> engine = support_.vm.engines.current();
  snapshot::SnapshotManifest manifest;
  manifest.engine = engine->digest;
  manifest.qemu_version = engine->qemu_version;
  manifest.machine_type = vmm::kMachineType;
  manifest.model =
      new_machine(platform, request_.size.memory_mib, request_.size.vcpus, {"root", "containers", "application"});
  if (platform.acceleration == vmm::Acceleration::kKvm) {
    manifest.processor = platform.processor;
  }
  manifest.base_key = support_.base.key;
  manifest.kernel_sha256 = support_.kernel_sha256;
  manifest.agent_protocol = platform.agent_protocols.newest;
  if (request_.hooks.run) {
    manifest.run_hook_port = request_.hooks.port;
  }
  return manifest;
}

// Passes on what the frozen application wrote and nobody has seen yet; answers how much it ever wrote.
Result<std::uint64_t> ImageBuilder::report_output(const os::Context& context) {
  const std::string name = snapshot_guest(request_.build_id);
  const std::uint64_t seen = support_.vm.watcher.remove(name);
  DM_ASSIGN(const OutputSoFar rest, output_so_far(guest_->agent(), seen, context), "read the application's output");
  if (!rest.bytes.empty()) {
    support_.vm.watcher.report_output(name, {seen + rest.lost, rest.lost, rest.bytes, false});
  }
  return rest.end;
}

ImageBuilder::Outcome ImageBuilder::take_snapshot(const os::Context& outer) {
  const os::Context context = outer.within(kSnapshotTimeout);
  const auto taken = [&]() -> Status {
    DM_TRY(guest_->freeze({}, context), "");
    DM_ASSIGN(const std::uint64_t output_bytes, report_output(context), "");
    // Again, for what the clones are to have: nothing unwritten, and no connection of ours.
    protocol::Freeze freeze;
    freeze.sync = true;
    freeze.drop_caches = true;
    DM_TRY(guest_->freeze(freeze, context), "");
    if (disk_ran_full()) {
      return fail(Error::from_errno(ENOSPC, "write the guest's disk"));
    }
    DM_TRY(reached("build.frozen"), "");
    DM_TRY(guest_->vmm().stop(context), "");
    {
      DM_ASSIGN(const UniqueFd state, os::open_file(work_ / snapshot::kStateFile, O_WRONLY | O_CREAT | O_EXCL), "");
      DM_TRY(guest_->vmm().save_state(state, context), "");
    }
    DM_TRY(reached("build.state_written"), "");
    DM_TRY(guest_->end(context), "");
    guest_.reset();

    const fs::path staging = work_ / "snapshot";
    DM_TRY(os::make_directories(staging), "");
    for (const char* const name : {snapshot::kMemoryFile, snapshot::kStateFile, snapshot::kDiskFile}) {
      DM_TRY(seal(work_ / name), "");
      if (::rename((work_ / name).c_str(), (staging / name).c_str()) != 0) {
        return fail_errno(fmt::format("move {}", name));
      }
    }
    DM_TRY(reached("build.sealed"), "");
    snapshot::SnapshotManifest manifest = origin();
    manifest.all_capabilities = request_.all_capabilities;
    manifest.memory_bytes = allocated(staging / snapshot::kMemoryFile);
    manifest.state_bytes = fs::file_size(staging / snapshot::kStateFile);
    manifest.disk_bytes = allocated(staging / snapshot::kDiskFile);
    DM_ASSIGN(manifest.checksums, checksums_of(staging), "");
    manifest.output_bytes = output_bytes;
    DM_TRY(
        os::publish_file(staging / snapshot::kManifestFile, snapshot::encode(manifest), 0444, os::Durability::kDurable),
        "");
    DM_TRY(reached("build.manifest_written"), "");
    DM_TRY(os::make_directories(request_.destination.parent_path()), "");
    DM_TRY(os::rename_durably(staging, request_.destination), "");
    withdraw_on_failure_ = true;
    DM_TRY(reached("build.published"), "");
    result_.memory_snapshot_bytes = manifest.memory_bytes + manifest.state_bytes;
    result_.disk_snapshot_bytes = manifest.disk_bytes - std::min(manifest.disk_bytes, result_.code_install_bytes);
    return {};
  }();
  if (!taken) {
    return tl::unexpected(internal(taken.error()));
  }
  return {};
}

// --- validate ---

ImageBuilder::Outcome ImageBuilder::validate(const os::Context& context) {
  if (!request_.hooks.validate.enabled) {
    return {};
  }
  Vm clone(support_.vm, validation_guest(request_.build_id), work_ / "validate");
  const ScopeExit withdraw([&] { (void)clone.terminate(); });
  LaunchRequest launch;
  launch.snapshot = request_.destination;
  launch.egress = request_.egress;
  Outcome validated;
  if (auto launched = clone.launch(launch, context); !launched) {
    validated = tl::unexpected(internal(launched.error()));
  } else {
    const std::shared_ptr<Guest> guest = clone.guest();
    const ProcessGuard guard(guest->vmm().process(), context);
    validated = context.trace().step("hook_validate", [&] {
      return poll_hook("validate", request_.hooks.validate, guest->agent(), guard.context());
    });
    if (!validated && guard.process_ended()) {
      validated = tl::unexpected(failure("INTERNAL_PLATFORM_ERROR", kVmmEnded));
    }
  }
  return validated;
}

}  // namespace dormouse::host
