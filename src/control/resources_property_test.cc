// SPDX-License-Identifier: Apache-2.0
//
// Whatever is done to images, versions, connectors, their tags and VMs in whatever order: every answer is the one that a
// model of the state machines (specification sections 1.7 to 1.10, 4.1, 4.2, 9) gives, client tokens answer as the first
// time for as long as what they made is there, and a listing read by pages while all this happens shows each resource that
// was there throughout exactly once.

#include <optional>
#include <set>
#include <string>
#include <vector>

#include <fmt/format.h>
#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include "control/resources_story_test.h"

namespace dormouse::control {
namespace {

class Story : private ImageStory {
 public:
  void tell(const Step& step) {
    switch (step.act) {
      case Act::kCreate: create(step, false); break;
      case Act::kUpdate: update(step, false); break;
      case Act::kHoldBuild: hold_build(step); break;
      case Act::kRelease: release(); break;
      case Act::kDelete: remove(step); break;
      case Act::kFailDeletion: fail_deletion(step); break;
      case Act::kHoldDeletion: hold_deletion(step); break;
      case Act::kReleaseDeletions: release_deletions(); break;
      case Act::kSetStatus: set_status(step); break;
      case Act::kDeleteVersion: remove_version(step); break;
      case Act::kTag: tag(step, {{{"key", std::to_string(step.version)}}, {}}); break;
      case Act::kUntag: tag(step, {{}, {"key"}}); break;
      case Act::kRun: run(step); break;
      case Act::kTerminate: terminate(); break;
      case Act::kStrangerCreates: stranger_creates(step); break;
      case Act::kStrangerMeddles: stranger_meddles(step); break;
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
    release_deletions();
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
  // --- connectors ---

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

  std::map<std::string, ModelConnector> connectors_;
  int settled_ = 0;
  bool listing_ = false;
  std::optional<std::string> after_;
  std::set<std::string> seen_;  // ids of this listing
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
