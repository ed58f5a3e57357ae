// SPDX-License-Identifier: Apache-2.0
//
// For resources_property_test.cc: what is done to images, versions, tags and VMs, each answer compared with the model's.

#pragma once

#include <algorithm>
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

using test::ControlFixture;
using test::FakeHost;

inline constexpr const char* kAccount = ControlFixture::kAccount;
inline constexpr const char* kStranger = "111111111111";
inline constexpr const char* kRegion = "us-east-1";
inline constexpr std::size_t kWorkers = 2;  // World::concurrent_builds

inline std::string image_name(int index) { return "image-" + std::to_string(index); }
inline std::string arn_of(const std::string& name) { return image_arn({kAccount, kRegion}, name); }
inline std::string version_text(int major) { return fmt::format("{}.0", major); }

template <typename T>
inline std::string told(const Answer<T>& answer) {
  return answer ? "" : answer.error().message;
}
inline std::string connector_name(int index) { return "connector-" + std::to_string(index); }

class ImageStory {
 protected:
  // --- what the model says ---

  static std::string missing(const std::string& name) {
    return "MicroVMImage not found for MicroVMImageID: " + arn_of(name);
  }
  // Why `image` cannot be changed now; nothing if it can.
  static std::string unchangeable(const std::string& name, const ModelImage& image, const char* doing) {
    if (image.state == ImageState::kUpdating) {
      return "MicroVM Image is already in state: UPDATING";
    }
    const bool fixed = image.state == ImageState::kCreating || image.state == ImageState::kDeleting ||
                       image.state == ImageState::kDeleteFailed;
    return fixed ? fmt::format("Cannot {} MicroVM Image in its current state: {}", doing, arn_of(name)) : "";
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
    if (!deletable(*image)) {
      RC_ASSERT(told(answer) == "Cannot delete MicroVM image in its current state: " + arn_of(name));
      return;
    }
    if (has_vm(name)) {
      RC_ASSERT(told(answer) == "Cannot delete microvm image with running microvms.");
      return;
    }
    RC_ASSERT(told(answer) == "");
    RC_ASSERT(answer->state == ImageState::kDeleting);
    if (failing_) {
      await([&] { return fixture_.images->get(kAccount, arn_of(name))->state == ImageState::kDeleteFailed; });
      images_.at(name).state = ImageState::kDeleteFailed;
      return;
    }
    if (deleting_ && (has_files(*image) || !doomed_.empty())) {
      images_.at(name).state = ImageState::kDeleting;
      doomed_.push_back(name);
      return;
    }
    gone(name);
  }

  static bool deletable(const ModelImage& image) {
    return image.state != ImageState::kCreating && image.state != ImageState::kUpdating &&
           image.state != ImageState::kDeleting;
  }

  void gone(const std::string& name) {
    await([&] { return told(fixture_.images->get(kAccount, arn_of(name))) == missing(name); });
    forget_tokens(name);
    for (const auto& [major, version] : images_.at(name).versions) {
      forget_tokens(fmt::format("{} {}.0", name, major));
    }
    images_.erase(name);
    present_throughout_.erase(name);
  }

  void fail_deletion(const Step& step) {
    const ModelImage* image = find(image_name(step.name));
    const bool begins = image != nullptr && !deleting_ && !has_vm(image_name(step.name)) &&
                        (step.flag ? version_goes(*image, step.version) : deletable(*image) && has_files(*image));
    if (begins && (!step.flag || has_files(image->versions.at(step.version)))) {
      fixture_.host.fail_next(FakeHost::Call::kRemoveSnapshot, ErrorKind::kInternal);
      failing_ = true;
    }
    step.flag ? remove_version(step) : remove(step);
    failing_ = false;
  }

  void hold_deletion(const Step& step) {
    if (!deleting_) {
      deleting_ = true;
      fixture_.host.hold(FakeHost::Call::kRemoveSnapshot);
    }
    remove(step);
  }

  void release_deletions() {
    if (!deleting_) {
      return;
    }
    fixture_.host.release(FakeHost::Call::kRemoveSnapshot);
    deleting_ = false;
    for (const std::string& name : std::exchange(doomed_, {})) {
      gone(name);
    }
    compare_images();
  }

  // Whether anything is asked of the host when it goes.
  static bool has_files(const ModelVersion& version) { return version.state != VersionState::kFailed; }
  static bool has_files(const ModelImage& image) {
    return std::any_of(
        image.versions.begin(), image.versions.end(), [](const auto& version) { return has_files(version.second); });
  }
  static bool version_goes(const ModelImage& image, int major) {
    return image.versions.contains(major) && image.versions.size() > 1 && unchangeable("", image, "").empty();
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
    if (version->second.state != VersionState::kSuccessful && status == VersionStatus::kActive) {
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
    if (deleting_) {
      return;  // it would stand behind the images
    }
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
    if (failing_) {
      await([&] { return fixture_.images->get(kAccount, arn_of(name))->state == ImageState::kUpdateFailed; });
      image->state = ImageState::kUpdateFailed;
      image->versions[step.version] = {VersionState::kDeleteFailed, false};
      compare_image(name);
      return;
    }
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
    request.client_token = token_of(step);
    const std::string digest = fmt::format("{} {}", name, request.image_version.value_or("any"));
    const auto answer = fixture_.microvms->run(kAccount, request, digest);
    if (const auto again = replayed("run", request.client_token, digest, "clientToken")) {
      RC_ASSERT(told(answer) == again->first);
      RC_ASSERT(!answer || answer->microvm_id == again->second);  // terminated or not
      RC_ASSERT(!answer || answer->state == MicrovmState::kPending);
      return;
    }
    const ModelImage* image = find(name);
    std::optional<int> major;
    if (image != nullptr && !unlaunchable(image->state)) {
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
    if (request.client_token) {
      tokens_["run" + *request.client_token] = {digest, answer->microvm_id, answer->microvm_id};
    }
  }
  static bool unlaunchable(ImageState state) {
    return state == ImageState::kCreating || state == ImageState::kCreateFailed || state == ImageState::kDeleting ||
           state == ImageState::kDeleteFailed;
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

  // --- another account ---

  void stranger_creates(const Step& step) {
    if (building_) {
      return;
    }
    const std::string name = image_name(step.name);
    const auto token = token_of(step);
    const auto answer =
        fixture_.images->create(kStranger, name, specification(false), std::nullopt, token, "digest of " + name);
    if (const auto again = replayed("stranger", token, "digest of " + name, "clientToken")) {
      RC_ASSERT(told(answer) == again->first);
      RC_ASSERT(!answer || answer->image.name == again->second);
      return;
    }
    if (strangers_.contains(name)) {
      RC_ASSERT(told(answer) == fmt::format("A MicroVM image with the name '{}' already exists in this account", name));
      return;
    }
    RC_ASSERT(told(answer) == "");
    RC_ASSERT(answer->image.arn == image_arn({kStranger, kRegion}, name));
    strangers_.insert(name);
    if (token) {
      tokens_["stranger" + *token] = {"digest of " + name, name, ""};
    }
    RC_ASSERT(fixture_.wait_for_build(BuildState::kSuccessful, ++built_));
  }

  void stranger_meddles(const Step& step) {
    const std::string arn = arn_of(image_name(step.name));
    const std::string refusal = "Not authorized to perform this action on resource: " + arn;
    RunRequest request;
    request.image_identifier = arn;
    RC_ASSERT(told(fixture_.images->get(kStranger, arn)) == refusal);
    RC_ASSERT(told(fixture_.images->remove(kStranger, arn)) == refusal);
    RC_ASSERT(told(fixture_.microvms->run(kStranger, request, "digest")) == refusal);
    RC_ASSERT(fixture_.images->list(kStranger, 50, std::nullopt)->items.size() == strangers_.size());
    for (const auto& vm : vms_) {
      RC_ASSERT(told(fixture_.microvms->terminate(kStranger, vm.second)) == "MicroVM not found: " + vm.second);
    }
    const std::string connector = connector_name(step.name);
    RC_ASSERT(told(fixture_.connectors->remove(kStranger, connector)) ==
              "Network connector not found for: " + connector_arn({kStranger, kRegion}, connector));
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

  ControlFixture fixture_;
  std::map<std::string, ModelImage> images_;
  std::map<std::string, ModelToken> tokens_;                     // by operation and token
  std::multimap<std::pair<std::string, int>, std::string> vms_;  // ids of those that run, by image and version
  std::vector<std::pair<std::string, bool>>
      under_way_;                    // images whose builds wait for release(), and whether they fail
  std::set<std::string> strangers_;  // names of the other account's images
  bool deleting_ = false;            // deletions wait for release_deletions()
  bool failing_ = false;             // the deletion that is asked for now
  std::vector<std::string> doomed_;  // images whose deletion waits
  bool building_ = false;
  int built_ = 0;
  int failed_ = 0;

  std::set<std::string> present_throughout_;  // names still to be seen
};

}  // namespace dormouse::control
