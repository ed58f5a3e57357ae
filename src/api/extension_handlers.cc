// SPDX-License-Identifier: Apache-2.0

#include <boost/json.hpp>

#include "api/handlers.h"
#include "api/input.h"
#include "api/output.h"
#include "api/utf8.h"
#include "aws/time.h"

namespace dormouse::api {
namespace {

namespace json = boost::json;
using Members = control::Answer<json::object>;

std::string_view cause_name(host::VmExit::Cause cause) {
  switch (cause) {
    case host::VmExit::Cause::kApplicationExited: return "APPLICATION_EXITED";
    case host::VmExit::Cause::kVmmDied: return "VMM_DIED";
    case host::VmExit::Cause::kGuestFailed: return "GUEST_FAILED";
    case host::VmExit::Cause::kDiskFull: return "DISK_FULL";
  }
  return "UNKNOWN";
}

json::object exit_members(const host::VmExit& exit) {
  json::object members;
  members["cause"] = cause_name(exit.cause);
  if (exit.exit_code) {
    members["exitCode"] = *exit.exit_code;
  }
  if (exit.signal) {
    members["signal"] = *exit.signal;
  }
  members["outOfMemory"] = exit.out_of_memory;
  members["sentence"] = exit.sentence;
  members["lastOutput"] = exit.last_output;
  return members;
}

}  // namespace

Members get_build_log(Backend& backend, const Call& call) {
  auto piece = backend.images.build_log(call.account,
                                        required_text(call.input, "imageIdentifier"),
                                        required_text(call.input, "imageVersion"),
                                        required_text(call.input, "buildId"),
                                        static_cast<std::uint64_t>(call.input.at("offset").as_int64()));
  if (!piece) {
    return tl::unexpected(std::move(piece).error());
  }
  // A character that the end of the piece cuts is left for the next one.
  const std::size_t held_back = piece->complete ? 0 : unfinished_tail(piece->text);
  piece->text.resize(piece->text.size() - held_back);
  json::object members;
  members["text"] = piece->text;
  members["nextOffset"] = piece->next_offset - held_back;
  members["complete"] = piece->complete;
  return members;
}

Members describe_build(Backend& backend, const Call& call) {
  auto build = backend.images.get_build(call.account,
                                        required_text(call.input, "imageIdentifier"),
                                        required_text(call.input, "imageVersion"),
                                        required_text(call.input, "buildId"));
  if (!build) {
    return tl::unexpected(std::move(build).error());
  }
  json::object members = build_members(*build);
  if (!build->phase.empty()) {
    members["phase"] = build->phase;
  }
  if (!build->processor.empty()) {
    members["processor"] = build->processor;
  }
  members["notices"] = json::value_from(build->notices);
  if (const json::value* sizes = members.if_contains("snapshotBuild")) {
    const json::object copy = sizes->as_object();
    members.insert(copy.begin(), copy.end());
  }
  return members;
}

Members describe_microvm(Backend& backend, const Call& call) {
  const std::string identifier = required_text(call.input, "microvmIdentifier");
  auto microvm = backend.microvms.get(call.account, identifier);
  if (!microvm) {
    return tl::unexpected(std::move(microvm).error());
  }
  json::object members = microvm_members(*microvm);
  members["account"] = microvm->account;
  if (microvm->suspended_at) {
    members["suspendedAt"] = aws::to_epoch_seconds(*microvm->suspended_at);
  }
  if (microvm->isolation) {
    members["isolation"] = *microvm->isolation == host::Isolation::kKvm ? "kvm" : "tcg";
    members["isolationReason"] = microvm->isolation_reason;
  }
  members["resumes"] = microvm->resumes;
  if (microvm->log_group) {
    members["logGroup"] = *microvm->log_group;
    members["logStream"] = *microvm->log_stream;
  }
  if (microvm->parent_microvm_id) {
    members["parentMicrovmId"] = *microvm->parent_microvm_id;
  }
  if (microvm->exit) {
    members["exit"] = exit_members(*microvm->exit);
  }
  if (auto output = backend.microvms.output(call.account, identifier)) {
    members["lastOutput"] = *output;
  }
  return members;
}

}  // namespace dormouse::api
