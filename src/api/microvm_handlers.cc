// SPDX-License-Identifier: Apache-2.0

#include <boost/json.hpp>
#include <fmt/format.h>

#include "api/handlers.h"
#include "api/input.h"
#include "api/output.h"
#include "api/pages.h"
#include "control/identifiers.h"
#include "control/service_failure.h"

namespace dormouse::api {
namespace {

namespace json = boost::json;
using Members = control::Answer<json::object>;
using control::ServiceErrorKind;

constexpr int kTokenMinutesMax = 60;

std::uint16_t port_of(const json::object& members, std::string_view member) {
  return static_cast<std::uint16_t>(members.at(member).as_int64());
}

control::Answer<std::vector<PortRange>> port_ranges(const json::array& specifications) {
  std::vector<PortRange> ranges;
  for (const json::value& specification : specifications) {
    const json::object& one = specification.as_object();
    PortRange range{1, 65'535};
    if (one.contains("port")) {
      range = {port_of(one, "port"), port_of(one, "port")};
    } else if (const json::value* pair = one.if_contains("range")) {
      range = {port_of(pair->as_object(), "startPort"), port_of(pair->as_object(), "endPort")};
    }
    if (range.first > range.last) {
      return control::refuse(
          ServiceErrorKind::kValidation,
          fmt::format("The port range is empty: startPort {} must be less than or equal to endPort {}",
                      range.first,
                      range.last));
    }
    ranges.push_back(range);
  }
  return ranges;
}

control::Answer<WallTime> expiry_of(Backend& backend, const Call& call) {
  const std::int64_t minutes = call.input.at("expirationInMinutes").as_int64();
  if (minutes > kTokenMinutesMax) {
    return control::refuse(ServiceErrorKind::kValidation,
                           fmt::format("ExpirationMinutes {} exceeded max allowed of {}.", minutes, kTokenMinutesMax));
  }
  return backend.clock.wall() + std::chrono::minutes(minutes);
}

// The VM, unless it is past giving tokens for.
control::Answer<control::Microvm> find_for_token(Backend& backend, const Call& call) {
  auto microvm = backend.microvms.get(call.account, required_text(call.input, "microvmIdentifier"));
  if (microvm &&
      (microvm->state == control::MicrovmState::kTerminated || microvm->state == control::MicrovmState::kTerminating)) {
    return control::refuse_ended(microvm->microvm_id);
  }
  return microvm;
}

json::object token_members(const std::string& token) {
  json::object members;
  members["authToken"] = json::object{{"X-aws-proxy-auth", token}};
  return members;
}

}  // namespace

Members run_microvm(Backend& backend, const Call& call) {
  control::RunRequest request = run_request(call.input);
  request.cause = call.cause;
  return backend.microvms.run(call.account, request, request_digest(call.input)).map(microvm_members);
}

Members get_microvm(Backend& backend, const Call& call) {
  return backend.microvms.get(call.account, required_text(call.input, "microvmIdentifier")).map(microvm_members);
}

Members list_microvms(Backend& backend, const Call& call) {
  const control::Microvms::Filter filter{optional_text(call.input, "imageIdentifier"),
                                         optional_text(call.input, "imageVersion")};
  const auto list = [&](std::size_t limit, const std::optional<std::string>& after) {
    return backend.microvms.list(call.account, filter, limit, after);
  };
  const auto keep = [](const control::Microvm&) { return true; };
  return answer_page(backend, call, list, keep, microvm_members);
}

Members suspend_microvm(Backend& backend, const Call& call) {
  return nothing(backend.microvms.suspend(call.account, required_text(call.input, "microvmIdentifier"), call.cause));
}

Members resume_microvm(Backend& backend, const Call& call) {
  return nothing(backend.microvms.resume(call.account, required_text(call.input, "microvmIdentifier"), call.cause));
}

Members terminate_microvm(Backend& backend, const Call& call) {
  return nothing(backend.microvms.terminate(call.account, required_text(call.input, "microvmIdentifier"), call.cause));
}

Members create_auth_token(Backend& backend, const Call& call) {
  const auto expiry = expiry_of(backend, call);
  if (!expiry) {
    return tl::unexpected(expiry.error());
  }
  auto ports = port_ranges(call.input.at("allowedPorts").as_array());
  if (!ports) {
    return tl::unexpected(std::move(ports).error());
  }
  auto microvm = find_for_token(backend, call);
  if (!microvm) {
    return tl::unexpected(std::move(microvm).error());
  }
  return token_members(backend.tokens.issue(microvm->microvm_id, call.account, *ports, *expiry));
}

Members create_shell_token(Backend& backend, const Call& call) {
  const auto expiry = expiry_of(backend, call);
  if (!expiry) {
    return tl::unexpected(expiry.error());
  }
  auto microvm = find_for_token(backend, call);
  if (!microvm) {
    return tl::unexpected(std::move(microvm).error());
  }
  if (auto allowed = control::check_shell_access(microvm->ingress_network_connectors); !allowed) {
    return tl::unexpected(std::move(allowed).error());
  }
  return token_members(backend.tokens.issue_shell(microvm->microvm_id, call.account, *expiry));
}

}  // namespace dormouse::api
