// SPDX-License-Identifier: Apache-2.0

#include "support/control_fixture.h"

#include <fcntl.h>
#include <stdlib.h>

#include <chrono>
#include <stdexcept>
#include <utility>

#include "os/file.h"
#include "store/sqlite_metadata_store.h"

namespace dormouse::test {

namespace {

constexpr std::chrono::seconds kPatience{10};

}  // namespace

TemporaryDirectory::TemporaryDirectory() {
  std::string name = (std::filesystem::temp_directory_path() / "dormouse-test-XXXXXX").native();
  if (::mkdtemp(name.data()) == nullptr) {
    throw std::runtime_error("no temporary directory can be made");
  }
  path_ = name;
}

TemporaryDirectory::~TemporaryDirectory() { [[maybe_unused]] const Status removed = os::remove_tree(path_); }

tl::expected<void, control::ArtifactSource::Failure> FakeArtifacts::fetch(const std::string& /*account*/,
                                                                          const std::string& uri,
                                                                          const std::filesystem::path& target,
                                                                          std::uint64_t /*size_bytes_max*/,
                                                                          const os::Context& /*context*/) {
  if (failure) {
    return tl::unexpected(*failure);
  }
  if (uri == "s3://bucket/absent.zip") {
    return tl::unexpected(Failure{"S3_NO_SUCH_KEY", "There is no object s3://bucket/absent.zip."});
  }
  if (!os::open_file(target, O_WRONLY | O_CREAT | O_EXCL)) {
    return tl::unexpected(Failure{"S3_INVALID_OBJECT", "the target cannot be made"});
  }
  return {};
}

void StateLog::record(const control::Microvm& microvm) {
  const std::lock_guard lock(mutex_);
  auto& states = states_[microvm.microvm_id];
  if (states.empty() || states.back() != microvm.state) {
    states.push_back(microvm.state);
  }
  last_[microvm.microvm_id] = microvm;
  changed_.notify_all();
}

bool StateLog::wait_for(const std::string& microvm_id, control::MicrovmState state, int times) {
  std::unique_lock lock(mutex_);
  return changed_.wait_for(lock, kPatience, [&] {
    const auto& states = states_[microvm_id];
    return std::count(states.begin(), states.end(), state) >= times;
  });
}

std::vector<control::MicrovmState> StateLog::states(const std::string& microvm_id) const {
  const std::lock_guard lock(mutex_);
  const auto found = states_.find(microvm_id);
  return found == states_.end() ? std::vector<control::MicrovmState>() : found->second;
}

control::Microvm StateLog::last(const std::string& microvm_id) const {
  const std::lock_guard lock(mutex_);
  const auto found = last_.find(microvm_id);
  return found == last_.end() ? control::Microvm() : found->second;
}

ControlFixture::ControlFixture() { construct(); }

ControlFixture::~ControlFixture() {
  checkpoints.reset();
  microvms.reset();
  images.reset();
  connectors.reset();
}

void ControlFixture::construct() {
  auto opened = store::Database::open(directory.path() / "metadata.sqlite");
  if (!opened) {
    throw std::runtime_error(opened.error().message());
  }
  database = *std::move(opened);
  metadata = store::make_sqlite_metadata_store(*database);
  identities = std::make_unique<store::IdentityStore>(*database);
  world.reset(new control::World{clock, host, *metadata, artifacts, directory.path()});
  world->memory_budget_bytes = memory_budget_bytes;
  world->processor = "Processor of the Test";
  log_store = *logs::LogStore::open(directory.path() / "logs.sqlite", clock, {});
  log_writer = *logs::LogWriter::start(*log_store, clock, {});
  world->logs = log_writer.get();
  connectors = std::make_unique<control::NetworkConnectors>(*world);
  connectors->on_change([this](const control::NetworkConnector&) {
    const std::lock_guard lock(mutex_);
    ++settled_;
    build_changed_.notify_all();
  });
  images = std::make_unique<control::Images>(*world);
  images->on_change([this](const control::Build& build) {
    const std::lock_guard lock(mutex_);
    ++builds_[build.state];
    build_changed_.notify_all();
  });
  microvms = std::make_unique<control::Microvms>(*world, *images);
  microvms->on_change([this](const control::Microvm& microvm) { states.record(microvm); });
  control::Accounts::Parts parts{*identities,
                                 world->quotas,
                                 clock,
                                 [](const std::string&) { return store::IdentityStore::Counts(); },
                                 {{"AKIDEXAMPLE", "secret", kAccount}}};
  accounts = std::make_unique<control::Accounts>(std::move(parts), kAccount);
  roles = std::make_unique<control::Roles>(*identities, sessions, clock);
  checkpoints = std::make_unique<control::Checkpoints>(*world, *images, *microvms);
}

void ControlFixture::restart() {
  accounts.reset();
  roles.reset();
  checkpoints.reset();
  microvms.reset();
  images.reset();
  connectors.reset();
  world.reset();
  log_writer.reset();
  log_store.reset();
  identities.reset();
  metadata.reset();
  database.reset();
  construct();
}

void ControlFixture::start() {
  const auto found = host.recover(os::Context::with_timeout(kPatience));
  ASSERT_TRUE(found);
  ASSERT_TRUE(accounts->start());
  connectors->start();
  checkpoints->start();
  images->start();
  microvms->start(*found);
}

control::ImageSpecification ControlFixture::specification() {
  control::ImageSpecification specification;
  specification.base_image_arn = kBase;
  specification.build_role_arn = "arn:aws:iam::000000000000:role/build";
  specification.code_artifact_uri = "s3://bucket/code.zip";
  return specification;
}

control::Hooks ControlFixture::all_hooks() {
  control::Hooks hooks;
  hooks.port = 9000;
  for (control::HookSetting* setting :
       {&hooks.run, &hooks.resume, &hooks.suspend, &hooks.terminate, &hooks.ready, &hooks.validate}) {
    setting->enabled = true;
    setting->enabled_given = true;
    setting->timeout_seconds = 5;
  }
  hooks.microvm_hooks_given = true;
  hooks.image_hooks_given = true;
  return hooks;
}

control::Images::Created ControlFixture::create_image(control::ImageSpecification specification) {
  const auto created = images->create(kAccount, "demo", specification, std::nullopt, std::nullopt, "digest");
  if (!created) {
    throw std::runtime_error(created.error().message);
  }
  EXPECT_TRUE(wait_for_build(control::BuildState::kSuccessful));
  return *created;
}

std::vector<std::string> ControlFixture::logged(const std::string& group, const std::string& stream) {
  EXPECT_TRUE(log_writer->flush());
  std::vector<std::string> messages;
  const auto page = log_store->read(kAccount, group, stream, {}, logs::LogStore::Direction::kForward, std::nullopt);
  for (const logs::StoredEvent& event : page ? page->events : std::vector<logs::StoredEvent>()) {
    messages.push_back(event.message);
  }
  return messages;
}

bool ControlFixture::wait_for_connectors(int settled) {
  clock.advance(world->connector_settle_time);
  std::unique_lock lock(mutex_);
  return build_changed_.wait_for(lock, kPatience, [&] { return settled_ >= settled; });
}

bool ControlFixture::wait_for_build(control::BuildState state, int times) {
  std::unique_lock lock(mutex_);
  return build_changed_.wait_for(lock, kPatience, [&] { return builds_[state] >= times; });
}

control::RunRequest ControlFixture::run_request() const {
  control::RunRequest request;
  request.image_identifier = kImageArn;
  return request;
}

control::Microvm ControlFixture::run(const control::RunRequest& request) {
  const auto microvm = microvms->run(kAccount, request, "digest");
  if (!microvm) {
    throw std::runtime_error(microvm.error().message);
  }
  return *microvm;
}

control::Microvm ControlFixture::run_to_running(const control::RunRequest& request) {
  const control::Microvm microvm = run(request);
  EXPECT_TRUE(states.wait_for(microvm.microvm_id, control::MicrovmState::kRunning));
  return get(microvm.microvm_id);
}

control::Microvm ControlFixture::get(const std::string& microvm_id) {
  const auto microvm = microvms->get(kAccount, microvm_id);
  if (!microvm) {
    throw std::runtime_error(microvm.error().message);
  }
  return *microvm;
}

Request::Request(control::Microvms& microvms, const std::string& microvm_id) : state_(std::make_shared<State>()) {
  const auto revoked = [state = state_] {
    const std::lock_guard lock(state->mutex);
    state->revoked = true;
    state->changed.notify_all();
  };
  microvms.acquire(microvm_id,
                   revoked,
                   [state = state_](tl::expected<std::shared_ptr<control::Lease>, control::EndpointRefusal> answer) {
                     const std::lock_guard lock(state->mutex);
                     ++state->answers;
                     if (answer) {
                       state->lease = *std::move(answer);
                     } else {
                       state->refusal = answer.error();
                     }
                     state->changed.notify_all();
                   });
}

Request::~Request() { finish(); }

std::string Request::wait() {
  std::unique_lock lock(state_->mutex);
  if (!state_->changed.wait_for(lock, kPatience, [this] { return state_->answers > 0; })) {
    return "no answer";
  }
  return state_->answers > 1 ? "answered twice" : state_->refusal ? "refused" : "lease";
}

bool Request::answered() const {
  const std::lock_guard lock(state_->mutex);
  return state_->answers > 0;
}

std::optional<control::EndpointRefusal> Request::refusal() const {
  const std::lock_guard lock(state_->mutex);
  return state_->refusal;
}

bool Request::revoked() const {
  const std::lock_guard lock(state_->mutex);
  return state_->revoked;
}

bool Request::wait_revoked() {
  std::unique_lock lock(state_->mutex);
  return state_->changed.wait_for(lock, kPatience, [this] { return state_->revoked; });
}

void Request::finish() {
  std::shared_ptr<control::Lease> lease;
  {
    const std::lock_guard lock(state_->mutex);
    lease = std::move(state_->lease);
  }
}

void Request::activity() {
  const std::lock_guard lock(state_->mutex);
  if (state_->lease) {
    state_->lease->activity();
  }
}

}  // namespace dormouse::test
