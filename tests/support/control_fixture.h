// SPDX-License-Identifier: Apache-2.0
//
// The control layer on a fake host and a fake clock, with a real metadata store in a directory of its own.

#pragma once

#include <condition_variable>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "control/accounts.h"
#include "control/checkpoints.h"
#include "control/images.h"
#include "control/microvms.h"
#include "control/network_connectors.h"
#include "control/roles.h"
#include "control/sessions.h"
#include "control/world.h"
#include "logs/log_store.h"
#include "logs/log_writer.h"
#include "store/database.h"
#include "store/identity_store.h"
#include "store/metadata_store.h"
#include "support/fake_clock.h"
#include "support/fake_host.h"

namespace dormouse::test {

// A directory that goes with the object.
class TemporaryDirectory {
 public:
  TemporaryDirectory();
  ~TemporaryDirectory();
  TemporaryDirectory(const TemporaryDirectory&) = delete;
  TemporaryDirectory& operator=(const TemporaryDirectory&) = delete;
  const std::filesystem::path& path() const { return path_; }

 private:
  std::filesystem::path path_;
};

// Archives from nowhere: an empty file for each URI, unless told to fail; s3://bucket/absent.zip is never there.
class FakeArtifacts final : public control::ArtifactSource {
 public:
  tl::expected<void, Failure> fetch(const std::string& account,
                                    const std::string& uri,
                                    const std::filesystem::path& target,
                                    std::uint64_t size_bytes_max,
                                    const os::Context& context) override;
  std::optional<Failure> failure;  // set before the call
};

// Remembers the states of each VM in order, and waits for them.
class StateLog {
 public:
  void record(const control::Microvm& microvm);
  // False after ten seconds.
  bool wait_for(const std::string& microvm_id, control::MicrovmState state, int times = 1);
  // Without repetitions.
  std::vector<control::MicrovmState> states(const std::string& microvm_id) const;
  control::Microvm last(const std::string& microvm_id) const;

 private:
  mutable std::mutex mutex_;
  std::condition_variable changed_;
  std::map<std::string, std::vector<control::MicrovmState>> states_;  // guarded by mutex_
  std::map<std::string, control::Microvm> last_;                      // guarded by mutex_
};

class ControlFixture {
 public:
  static constexpr const char* kAccount = "000000000000";
  static constexpr const char* kBase = "arn:aws:lambda:us-east-1:aws:microvm-image:debian12-1";
  static constexpr const char* kImageArn = "arn:aws:lambda:us-east-1:000000000000:microvm-image:demo";

  ControlFixture();
  ~ControlFixture();

  // The daemon goes and another comes, on the same files and host; nothing is started.
  void restart();
  void start();  // as the daemon does: recover, images, VMs

  static control::ImageSpecification specification();
  static control::Hooks all_hooks();
  // Creates the image "demo" and waits until its build has ended.
  control::Images::Created create_image(control::ImageSpecification specification);
  control::Images::Created create_image() { return create_image(specification()); }
  control::RunRequest run_request() const;
  control::Microvm run(const control::RunRequest& request);  // must be accepted
  control::Microvm run_to_running(const control::RunRequest& request);
  control::Microvm get(const std::string& microvm_id);
  // What a stream of kAccount holds, once all that was written is stored.
  std::vector<std::string> logged(const std::string& group, const std::string& stream);
  // Until a connector is ACTIVE or gone, which it is once the clock has been moved on.
  bool wait_for_connectors(int settled);
  bool wait_for_build(control::BuildState state, int times = 1);

  std::optional<std::uint64_t> memory_budget_bytes;  // of the next daemon: restart() makes one

  TemporaryDirectory directory;
  FakeClock clock;
  FakeHost host;
  FakeArtifacts artifacts;
  StateLog states;
  std::unique_ptr<store::Database> database;
  std::unique_ptr<store::MetadataStore> metadata;
  std::unique_ptr<logs::LogStore> log_store;
  std::unique_ptr<logs::LogWriter> log_writer;
  std::unique_ptr<store::IdentityStore> identities;
  std::unique_ptr<control::World> world;
  control::Sessions sessions{"session key"};
  std::unique_ptr<control::Images> images;
  std::unique_ptr<control::NetworkConnectors> connectors;
  std::unique_ptr<control::Microvms> microvms;
  std::unique_ptr<control::Accounts> accounts;
  std::unique_ptr<control::Roles> roles;
  std::unique_ptr<control::Checkpoints> checkpoints;

 private:
  void construct();

  std::mutex mutex_;
  std::condition_variable build_changed_;
  std::map<control::BuildState, int> builds_;  // guarded by mutex_
  int settled_ = 0;                            // guarded by mutex_
};

// One request at the endpoint: what became of it.
class Request {
 public:
  Request(control::Microvms& microvms, const std::string& microvm_id);
  ~Request();  // gives the lease back: a lease refers to whom it would tell
  Request(const Request&) = delete;
  Request& operator=(const Request&) = delete;
  // Waits for the answer, ten seconds at most: "lease" or "refused".
  std::string wait();
  bool answered() const;
  std::optional<control::EndpointRefusal> refusal() const;
  bool revoked() const;
  bool wait_revoked();
  void finish();  // gives the lease back
  void activity();

 private:
  struct State {
    std::mutex mutex;
    std::condition_variable changed;
    int answers = 0;
    bool revoked = false;
    std::shared_ptr<control::Lease> lease;
    std::optional<control::EndpointRefusal> refusal;
  };
  std::shared_ptr<State> state_;
};

}  // namespace dormouse::test
