// SPDX-License-Identifier: Apache-2.0
//
// Whatever is done to images, versions, connectors, their tags and VMs in whatever order: every answer is the one that a
// model of the state machines (specification sections 1.7 to 1.10, 4.1, 4.2, 9) gives, client tokens answer as the first
// time for as long as what they made is there, and a listing read by pages while all this happens shows each resource that
// was there throughout exactly once.

#include <chrono>
#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include <fmt/format.h>
#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include "control/network_connectors.h"
#include "control/resources_model.h"
#include "support/control_fixture.h"

namespace dormouse::control {
namespace {

using test::ControlFixture;
using test::FakeHost;

constexpr const char* kAccount = ControlFixture::kAccount;
constexpr const char* kRegion = "us-east-1";
constexpr std::size_t kWorkers = 2;  // World::concurrent_builds

std::string image_name(int index) { return "image-" + std::to_string(index); }
std::string arn_of(const std::string& name) { return image_arn({kAccount, kRegion}, name); }
std::string version_text(int major) { return fmt::format("{}.0", major); }

template <typename T>
std::string told(const Answer<T>& answer) {
  return answer ? "" : answer.error().message;
}

class Story {
 public:
  void tell(const Step& step) {
    switch (step.act) {
      case Act::kCreate: create(step, false); break;
      case Act::kUpdate: update(step, false); break;
      case Act::kHoldBuild: hold_build(step); break;
      case Act::kRelease: release(); break;
      case Act::kDelete: remove(step); break;
      case Act::kSetStatus: set_status(step); break;
      case Act::kDeleteVersion: remove_version(step); break;
      case Act::kTag: tag(step, {{{"key", std::to_string(step.version)}}, {}}); break;
      case Act::kUntag: tag(step, {{}, {"key"}}); break;
      case Act::kRun: run(step); break;
      case Act::kTerminate: terminate(); break;
      case Act::kConnect: connect(step); break;
      case Act::kDisconnect: disconnect(step); break;
      case Act::kReconnect: reconnect(step); break;
      case Act::kTagConnector: tag_connector(step); break;
      case Act::kSettleConnectors: settle_connectors(); break;
      case Act::kListOn: list_on(); break;
    }
  }

  void end() {
    release();
    compare_images();
    compare_connectors();
    while (listing_) {
      list_on();
    }
    for (const auto& vm : vms_) {
      RC_ASSERT(fixture_.microvms->terminate(kAccount, vm.second).has_value());
      RC_ASSERT(fixture_.states.wait_for(vm.second, MicrovmState::kTerminated));
    }
    RC_ASSERT(fixture_.host.broken_rules() == std::vector<std::string>());
  }

 private:
  // --- what the model says ---

  static std::string missing(const std::string& name) {
    return "MicroVMImage not found for MicroVMImageID: " + arn_of(name);
  }
  // Why `image` cannot be changed now; nothing if it can.
  static std::string unchangeable(const std::string& name, const ModelImage& image, const char* doing) {
    if (image.state == ImageState::kUpdating) {
      return "MicroVM Image is already in state: UPDATING";
    }
    return image.state == ImageState::kCreating
               ? fmt::format("Cannot {} MicroVM Image in its current state: {}", doing, arn_of(name))
               : "";
  }
  bool has_vm(const std::string& image, std::optional<int> major = std::nullopt) const {
    for (const auto& [key, id] : vms_) {
      if (key.first == image && (!major || key.second == *major)) {
        return true;
      }
    }
    return false;
  }
  static std::optional<int> latest(const ModelImage& image, VersionState state, bool active) {
    for (auto version = image.versions.rbegin(); version != image.versions.rend(); ++version) {
      if (version->second.state == state && version->second.active == active) {
        return version->first;
      }
    }
    return std::nullopt;
  }
  ModelImage* find(const std::string& name) {
    const auto found = images_.find(name);
    return found == images_.end() ? nullptr : &found->second;
  }
  void forget_tokens(const std::string& gone) {
    std::erase_if(tokens_, [&](const auto& token) { return token.second.bound == gone; });
  }

  // --- images ---

  // The URI makes the build fail before it begins, so that it does whether builds are held or not.
  ImageSpecification specification(bool fails) {
    ImageSpecification given = ControlFixture::specification();
    given.code_artifact_uri = fails ? "s3://bucket/absent.zip" : "s3://bucket/code.zip";
    return given;
  }
  static std::optional<std::string> token_of(const Step& step) {
    return step.token == 0 ? std::nullopt : std::optional(fmt::format("token-{}", step.token));
  }
  // What a token that was used before answers: a refusal or, with an empty text, what it made. Nothing for a new one.
  std::optional<std::pair<std::string, std::string>> replayed(const std::string& operation,
                                                              const std::optional<std::string>& token,
                                                              const std::string& digest,
                                                              const char* spelling) {
    const auto found = token ? tokens_.find(operation + *token) : tokens_.end();
    if (found == tokens_.end()) {
      return std::nullopt;
    }
    if (found->second.digest != digest) {
      return {{fmt::format("The {} was used before with different parameters; use another one for another request",
                           spelling),
               ""}};
    }
    return {{"", found->second.made}};
  }

  void create(const Step& step, bool held) {
    const std::string name = image_name(step.name);
    const auto token = token_of(step);
    const std::string digest = fmt::format("{} {}", name, step.flag);
    const auto answer =
        fixture_.images->create(kAccount, name, specification(step.flag && !held), Tags{{"made", "so"}}, token, digest);
    if (const auto again = replayed("create", token, digest, "clientToken")) {
      RC_ASSERT(told(answer) == again->first);
      if (answer) {
        RC_ASSERT(answer->image.name + " " + answer->version.version == again->second);
        RC_ASSERT(answer->image.state == ImageState::kCreating);
      }
      return;
    }
    if (find(name) != nullptr) {
      RC_ASSERT(told(answer) == fmt::format("A MicroVM image with the name '{}' already exists in this account", name));
      return;
    }
    RC_ASSERT(told(answer) == "");
    RC_ASSERT(answer->image.state == ImageState::kCreating);
    RC_ASSERT(answer->version.version == "1.0");
    ModelImage image;
    image.tags = {{"made", "so"}};
    image.versions[1] = {};
    images_[name] = image;
    if (token) {
      tokens_["create" + *token] = {digest, name + " 1.0", name};
    }
    begun(name, step.flag && !held, held);
  }

  void update(const Step& step, bool held) {
    const std::string name = image_name(step.name);
    const auto token = token_of(step);
    const std::string digest = fmt::format("{} {}", name, step.flag);
    const auto answer =
        fixture_.images->update(kAccount, arn_of(name), specification(step.flag && !held), token, digest);
    if (const auto again = replayed("update", token, digest, "clientToken")) {
      RC_ASSERT(told(answer) == again->first);
      if (answer) {
        RC_ASSERT(answer->image.name + " " + answer->version.version == again->second);
        RC_ASSERT(answer->image.state == ImageState::kUpdating);
      }
      return;
    }
    ModelImage* image = find(name);
    if (image == nullptr) {
      RC_ASSERT(told(answer) == missing(name));
      return;
    }
    RC_ASSERT(told(answer) == unchangeable(name, *image, "update"));
    if (!answer) {
      return;
    }
    image->state = ImageState::kUpdating;
    image->versions[++image->last_major] = {};
    RC_ASSERT(answer->version.version == version_text(image->last_major));
    if (token) {
      const std::string made = fmt::format("{} {}.0", name, image->last_major);
      tokens_["update" + *token] = {digest, made, made};
    }
    begun(name, step.flag && !held, held);
  }

  void hold_build(const Step& step) {
    if (building_) {
      return;  // one at a time
    }
    fixture_.host.hold(FakeHost::Call::kBuild);
    find(image_name(step.name)) == nullptr ? create(step, true) : update(step, true);
    if (!building_) {
      fixture_.host.release(FakeHost::Call::kBuild);
    }
  }

  // The image's newest version has a build now.
  void begun(const std::string& name, bool fails, bool held) {
    const bool waits = under_way_.size() >= kWorkers;  // behind builds that are held
    if (held || (building_ && !fails) || waits) {
      building_ = true;
      under_way_.emplace_back(name, fails);
      return;
    }
    ended(name, fails);
  }

  void ended(const std::string& name, bool failed) {
    const BuildState state = failed ? BuildState::kFailed : BuildState::kSuccessful;
    int& count = failed ? failed_ : built_;
    RC_ASSERT(fixture_.wait_for_build(state, ++count));
    note_end(name, failed);
    compare_image(name);
  }
  void note_end(const std::string& name, bool failed) {
    ModelImage& image = images_.at(name);
    image.versions[image.last_major] = {failed ? VersionState::kFailed : VersionState::kSuccessful, !failed};
    const bool first = image.state == ImageState::kCreating;
    image.state = failed ? (first ? ImageState::kCreateFailed : ImageState::kUpdateFailed)
                         : (first ? ImageState::kCreated : ImageState::kUpdated);
  }

  void release() {
    if (!building_) {
      return;
    }
    fixture_.host.release(FakeHost::Call::kBuild);
    building_ = false;
    for (const auto& [name, fails] : under_way_) {  // they end in any order
      ++(fails ? failed_ : built_);
    }
    RC_ASSERT(fixture_.wait_for_build(BuildState::kSuccessful, built_));
    RC_ASSERT(fixture_.wait_for_build(BuildState::kFailed, failed_));
    for (const auto& [name, fails] : std::exchange(under_way_, {})) {
      note_end(name, fails);
    }
    compare_images();
  }

  void remove(const Step& step) {
    const std::string name = image_name(step.name);
    const auto answer = fixture_.images->remove(kAccount, arn_of(name));
    const ModelImage* image = find(name);
    if (image == nullptr) {
      RC_ASSERT(told(answer) == missing(name));
      return;
    }
    if (image->state == ImageState::kCreating || image->state == ImageState::kUpdating) {
      RC_ASSERT(told(answer) == "Cannot delete MicroVM image in its current state: " + arn_of(name));
      return;
    }
    if (has_vm(name)) {
      RC_ASSERT(told(answer) == "Cannot delete microvm image with running microvms.");
      return;
    }
    RC_ASSERT(told(answer) == "");
    RC_ASSERT(answer->state == ImageState::kDeleting);
    await([&] { return told(fixture_.images->get(kAccount, arn_of(name))) == missing(name); });
    forget_tokens(name);
    for (const auto& [major, version] : image->versions) {
      forget_tokens(fmt::format("{} {}.0", name, major));
    }
    images_.erase(name);
    present_throughout_.erase(name);
  }

  void set_status(const Step& step) {
    const std::string name = image_name(step.name);
    const auto status = step.flag ? VersionStatus::kInactive : VersionStatus::kActive;
    const auto answer = fixture_.images->set_status(kAccount, arn_of(name), version_text(step.version), status);
    ModelImage* image = find(name);
    if (image == nullptr) {
      RC_ASSERT(told(answer) == missing(name));
      return;
    }
    if (const std::string reason = unchangeable(name, *image, "update"); !reason.empty()) {
      RC_ASSERT(told(answer) == reason);
      return;
    }
    const auto version = image->versions.find(step.version);
    if (version == image->versions.end()) {
      RC_ASSERT(told(answer) == no_version(name, step.version));
      return;
    }
    if (version->second.state == VersionState::kFailed && status == VersionStatus::kActive) {
      RC_ASSERT(told(answer).starts_with("Cannot update MicroVM Image version in its current state: "));
      return;
    }
    RC_ASSERT(told(answer) == "");
    RC_ASSERT(answer->status == status);
    version->second.active = status == VersionStatus::kActive;
    compare_image(name);
  }

  static std::string no_version(const std::string& name, int major) {
    return fmt::format("MicroVMImage not found for MicroVMImage: {}, Version: {}", arn_of(name), version_text(major));
  }

  void remove_version(const Step& step) {
    const std::string name = image_name(step.name);
    const auto answer = fixture_.images->remove_version(kAccount, arn_of(name), version_text(step.version));
    ModelImage* image = find(name);
    if (image == nullptr || !image->versions.contains(step.version)) {
      RC_ASSERT(told(answer) == (image == nullptr ? missing(name) : no_version(name, step.version)));
      return;
    }
    if (const std::string reason = unchangeable(name, *image, "delete"); !reason.empty()) {
      RC_ASSERT(told(answer) == reason);
      return;
    }
    if (image->versions.size() == 1) {
      RC_ASSERT(told(answer) == "This is the last version. Please delete the entire image");
      return;
    }
    if (has_vm(name, step.version)) {
      RC_ASSERT(told(answer).starts_with("Cannot delete microvm image version with running microvms. They are: "));
      return;
    }
    RC_ASSERT(told(answer) == "");
    RC_ASSERT(answer->state == VersionState::kDeleting);
    await([&] { return fixture_.images->get(kAccount, arn_of(name))->state == ImageState::kUpdated; });
    image->state = ImageState::kUpdated;
    image->versions.erase(step.version);
    forget_tokens(fmt::format("{} {}.0", name, step.version));
    compare_image(name);
  }

  void tag(const Step& step, const TagChange& change) {
    const std::string name = image_name(step.name);
    const auto answer = fixture_.images->change_tags(kAccount, arn_of(name), change);
    ModelImage* image = find(name);
    if (image == nullptr) {
      RC_ASSERT(told(answer) == missing(name));
      return;
    }
    RC_ASSERT(told(answer) == "");
    apply(change, image->tags);
    RC_ASSERT(fixture_.images->get(kAccount, arn_of(name))->tags.value_or(Tags()) == image->tags);
  }
  static void apply(const TagChange& change, Tags& tags) {
    for (const auto& [key, value] : change.put) {
      tags[key] = value;
    }
    for (const std::string& key : change.remove) {
      tags.erase(key);
    }
  }

  // --- VMs ---

  void run(const Step& step) {
    const std::string name = image_name(step.name);
    RunRequest request;
    request.image_identifier = arn_of(name);
    if (step.flag) {
      request.image_version = version_text(step.version);
    }
    const auto answer = fixture_.microvms->run(kAccount, request, "digest");
    const ModelImage* image = find(name);
    std::optional<int> major;
    if (image != nullptr && image->state != ImageState::kCreating && image->state != ImageState::kCreateFailed) {
      major = latest(*image, VersionState::kSuccessful, true);
      if (step.flag) {
        const auto pinned = image->versions.find(step.version);
        const bool launchable = pinned != image->versions.end() && pinned->second.active;
        major = launchable ? std::optional(step.version) : std::nullopt;
      }
    }
    if (!major) {
      RC_ASSERT(told(answer) == fmt::format("No active version found for MicroVM image {}{}",
                                            arn_of(name),
                                            step.flag ? " and version " + version_text(step.version) : ""));
      return;
    }
    RC_ASSERT(told(answer) == "");
    RC_ASSERT(answer->image_version == version_text(*major));
    RC_ASSERT(fixture_.states.wait_for(answer->microvm_id, MicrovmState::kRunning));
    vms_.insert({{name, *major}, answer->microvm_id});
  }

  void terminate() {
    if (vms_.empty()) {
      return;
    }
    const std::string id = vms_.begin()->second;
    RC_ASSERT(told(fixture_.microvms->terminate(kAccount, id)) == "");
    RC_ASSERT(fixture_.states.wait_for(id, MicrovmState::kTerminated));
    vms_.erase(vms_.begin());
  }

  // --- connectors ---

  static std::string connector_name(int index) { return "connector-" + std::to_string(index); }
  ModelConnector* find_connector(const std::string& name) {
    const auto found = connectors_.find(name);
    return found == connectors_.end() ? nullptr : &found->second;
  }
  static std::string no_connector(const std::string& name) {
    return "Network connector not found for: " + connector_arn({kAccount, kRegion}, name);
  }

  void connect(const Step& step) {
    const std::string name = connector_name(step.name);
    NetworkConnectors::Creation creation;
    creation.name = name;
    creation.configuration = {{"subnet-1"}, std::nullopt, "IPv4", {"MicroVm"}};
    creation.operator_role = kOperatorRole;
    creation.client_token = token_of(step);
    const auto answer = fixture_.connectors->create(kAccount, creation, name);
    if (!creation.client_token) {
      RC_ASSERT(told(answer) == "ClientToken is a required field");
      return;
    }
    if (const auto again = replayed("connect", creation.client_token, name, "ClientToken")) {
      RC_ASSERT(told(answer) == again->first);
      RC_ASSERT(!answer || answer->id == again->second);
      return;
    }
    if (find_connector(name) != nullptr) {
      RC_ASSERT(told(answer).starts_with(
          fmt::format("A network connector with the name '{}' already exists in this account", name)));
      return;
    }
    RC_ASSERT(told(answer) == "");
    RC_ASSERT(answer->state == ConnectorState::kPending);
    connectors_[name] = {answer->id, ConnectorState::kPending, kOperatorRole, {}};
    tokens_["connect" + *creation.client_token] = {name, answer->id, answer->id};
  }

  void disconnect(const Step& step) {
    const std::string name = connector_name(step.name);
    const auto answer = fixture_.connectors->remove(kAccount, name);
    ModelConnector* connector = find_connector(name);
    if (connector == nullptr) {
      RC_ASSERT(told(answer) == no_connector(name));
    } else if (connector->state == ConnectorState::kPending) {
      RC_ASSERT(told(answer).ends_with("is in state PENDING; it can be deleted in state ACTIVE or FAILED"));
    } else {
      RC_ASSERT(told(answer) == "");
      RC_ASSERT(answer->state == ConnectorState::kDeleting);
      connector->state = ConnectorState::kDeleting;
    }
  }

  void reconnect(const Step& step) {
    const std::string name = connector_name(step.name);
    const std::string role = fmt::format("{}-{}", kOperatorRole, step.version);
    const auto answer = fixture_.connectors->update(kAccount, name, std::nullopt, role);
    ModelConnector* connector = find_connector(name);
    if (connector == nullptr) {
      RC_ASSERT(told(answer) == no_connector(name));
    } else if (connector->state != ConnectorState::kActive) {
      RC_ASSERT(told(answer).ends_with("it can be updated in state ACTIVE"));
    } else {
      RC_ASSERT(told(answer) == "");
      RC_ASSERT(answer->last_update_reason.has_value() == (connector->role == role));
      connector->role = role;
    }
  }

  void tag_connector(const Step& step) {
    const std::string name = connector_name(step.name);
    const TagChange change{{{"key", std::to_string(step.version)}}, {}};
    const auto answer = fixture_.connectors->change_tags(kAccount, name, change);
    ModelConnector* connector = find_connector(name);
    RC_ASSERT(told(answer) == (connector == nullptr ? no_connector(name) : ""));
    if (connector != nullptr) {
      apply(change, connector->tags);
    }
  }

  void settle_connectors() {
    for (auto& [name, connector] : connectors_) {
      settled_ += connector.state == ConnectorState::kActive ? 0 : 1;
    }
    RC_ASSERT(fixture_.wait_for_connectors(settled_));
    for (auto connector = connectors_.begin(); connector != connectors_.end();) {
      if (connector->second.state == ConnectorState::kDeleting) {
        forget_tokens(connector->second.id);
        connector = connectors_.erase(connector);
      } else {
        connector->second.state = ConnectorState::kActive;
        ++connector;
      }
    }
    compare_connectors();
  }

  // --- listings ---

  // One more page of images, of one: from the beginning when there is no listing under way.
  void list_on() {
    if (!listing_) {
      present_throughout_.clear();
      seen_.clear();
      after_.reset();
      for (const auto& [name, image] : images_) {
        present_throughout_.insert(name);
      }
      listing_ = true;
    }
    const auto page = fixture_.images->list(kAccount, 1, after_);
    RC_ASSERT(page.has_value());
    for (const Image& image : page->items) {
      RC_ASSERT(find(image.name) != nullptr);
      RC_ASSERT(seen_.insert(image.id).second);
      present_throughout_.erase(image.name);
    }
    after_ = page->next;
    if (!after_) {
      RC_ASSERT(present_throughout_.empty());
      listing_ = false;
    }
  }

  // --- comparing ---

  void await(const std::function<bool()>& holds) {
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(10);
    while (!holds()) {
      RC_ASSERT(std::chrono::steady_clock::now() < deadline);
      std::this_thread::yield();
    }
  }

  void compare_image(const std::string& name) {
    const ModelImage& model = images_.at(name);
    const auto image = fixture_.images->get(kAccount, arn_of(name));
    RC_ASSERT(image.has_value());
    RC_ASSERT(image->state == model.state);
    RC_ASSERT(image->tags.value_or(Tags()) == model.tags);
    const auto text = [](std::optional<int> major) {
      return major ? std::optional(version_text(*major)) : std::nullopt;
    };
    RC_ASSERT(image->latest_active_version == text(latest(model, VersionState::kSuccessful, true)));
    RC_ASSERT(image->latest_failed_version == text(latest(model, VersionState::kFailed, false)));
    const auto versions = fixture_.images->list_versions(kAccount, arn_of(name), 50, std::nullopt);
    RC_ASSERT(versions.has_value());
    std::map<int, ModelVersion> found;
    for (const ImageVersion& version : versions->items) {
      const bool waits = version.state == VersionState::kPending;
      found[std::stoi(version.version)] = {waits ? VersionState::kInProgress : version.state,
                                           version.status == VersionStatus::kActive};
    }
    RC_ASSERT(found == model.versions);
  }
  void compare_images() {
    for (const auto& [name, image] : images_) {
      compare_image(name);
    }
    RC_ASSERT(fixture_.images->list(kAccount, 50, std::nullopt)->items.size() == images_.size());
  }
  void compare_connectors() {
    for (const auto& [name, model] : connectors_) {
      const auto connector = fixture_.connectors->get(kAccount, name);
      RC_ASSERT(connector.has_value());
      RC_ASSERT(connector->id == model.id);
      RC_ASSERT(connector->state == model.state);
      RC_ASSERT(connector->operator_role == model.role);
      RC_ASSERT(connector->tags.value_or(Tags()) == model.tags);
    }
    RC_ASSERT(fixture_.connectors->list(kAccount, 50, std::nullopt)->items.size() == connectors_.size());
  }

  ControlFixture fixture_;
  std::map<std::string, ModelImage> images_;
  std::map<std::string, ModelConnector> connectors_;
  std::map<std::string, ModelToken> tokens_;                     // by operation and token
  std::multimap<std::pair<std::string, int>, std::string> vms_;  // ids of those that run, by image and version
  std::vector<std::pair<std::string, bool>>
      under_way_;  // images whose builds wait for release(), and whether they fail
  bool building_ = false;
  int built_ = 0;
  int failed_ = 0;
  int settled_ = 0;

  bool listing_ = false;
  std::optional<std::string> after_;
  std::set<std::string> seen_;                // ids of this listing
  std::set<std::string> present_throughout_;  // names still to be seen
};

RC_GTEST_PROP(ResourcesPropertyTest, EveryAnswerIsTheModels, ()) {
  const auto steps = *rc::gen::resize(150, rc::gen::container<std::vector<Step>>(any_step()));
  Story story;
  for (const Step& step : steps) {
    story.tell(step);
  }
  story.end();
}

}  // namespace
}  // namespace dormouse::control
