// SPDX-License-Identifier: Apache-2.0

#include "protocol/requests.h"

#include <algorithm>
#include <limits>

#include <boost/json.hpp>
#include <fmt/core.h>

#include "protocol/base64.h"
#include "protocol/fields.h"
#include "protocol/limits.h"

namespace dormouse::protocol {

namespace json = boost::json;

namespace {

constexpr std::uint64_t kNumberMax = std::numeric_limits<std::int64_t>::max();

json::object to_json(const Environment& environment) {
  json::object object;
  for (const auto& [name, value] : environment) {
    object.emplace(name, value);
  }
  return object;
}

json::object members(std::string_view operation, std::uint64_t version) {
  json::object object;
  object.emplace("version", version);
  object.emplace("operation", json::string_view(operation.data(), operation.size()));
  return object;
}

json::object to_json(const Hello&, std::uint64_t version) { return members("hello", version); }
json::object to_json(const Shutdown&, std::uint64_t version) { return members("shutdown", version); }

json::object to_json(const StartApplication& request, std::uint64_t version) {
  json::object object = members("start_application", version);
  object.emplace("environment", to_json(request.environment));
  object.emplace("injected", to_json(request.injected));
  object.emplace("all_capabilities", request.all_capabilities);
  object.emplace("hostname", request.hostname);
  if (request.memory_max_bytes) {
    object.emplace("memory_max_bytes", *request.memory_max_bytes);
  }
  return object;
}

json::object to_json(const Watch& request, std::uint64_t version) {
  json::object object = members("watch", version);
  object.emplace("from", request.from);
  return object;
}

json::object to_json(const Freeze& request, std::uint64_t version) {
  json::object object = members("freeze", version);
  object.emplace("sync", request.sync);
  object.emplace("drop_caches", request.drop_caches);
  if (request.keep_connections) {
    object.emplace("keep_connections", true);
  }
  return object;
}

json::object to_json(const Thaw& request, std::uint64_t version) {
  json::object object = members("thaw", version);
  if (request.unix_time_ns) {
    object.emplace("unix_time_ns", *request.unix_time_ns);
  }
  return object;
}

json::object to_json(const Restored& request, std::uint64_t version) {
  json::object object = members("restored", version);
  object.emplace("entropy", encode_base64(request.entropy));
  object.emplace("unix_time_ns", request.unix_time_ns);
  object.emplace("thaw", request.thaw);
  if (request.hostname) {
    object.emplace("hostname", *request.hostname);
  }
  if (request.machine_id) {
    object.emplace("machine_id", *request.machine_id);
  }
  return object;
}

json::object to_json(const Connect& request, std::uint64_t version) {
  json::object object = members("connect", version);
  object.emplace("port", request.port);
  return object;
}

json::object to_json(const Exec& request, std::uint64_t version) {
  json::object object = members("exec", version);
  json::array arguments;
  for (const auto& argument : request.argv) {
    arguments.emplace_back(argument);
  }
  object.emplace("argv", std::move(arguments));
  object.emplace("environment", to_json(request.environment));
  object.emplace("working_directory", request.working_directory);
  object.emplace("timeout_ms", request.timeout_ms);
  object.emplace("stdin", request.takes_stdin);
  return object;
}

std::string take_hostname(Fields& fields, std::optional<std::string> hostname) {
  if (hostname && !is_hostname(*hostname)) {
    fields.reject(fmt::format("\"hostname\" must be 1 to {} letters, digits or inner hyphens", kHostnameBytesMax));
  }
  return std::move(hostname).value_or("");
}

Request decode_start(Fields& fields) {
  StartApplication request;
  request.environment = fields.environment("environment");
  request.injected = fields.environment("injected");
  request.all_capabilities = fields.boolean("all_capabilities");
  request.hostname = take_hostname(fields, fields.text("hostname", kHostnameBytesMax));
  request.memory_max_bytes = fields.maybe_number("memory_max_bytes", std::uint64_t{1} << 20, kNumberMax);
  return request;
}

Request decode_restored(Fields& fields) {
  Restored request;
  auto entropy = decode_base64(fields.text("entropy", kEntropyBytesMax * 2));
  if (!entropy) {
    fields.reject("\"entropy\": " + entropy.error().message());
  } else if (entropy->size() < kEntropyBytesMin || entropy->size() > kEntropyBytesMax) {
    fields.reject(
        fmt::format("\"entropy\" is {} bytes, must be {} to {}", entropy->size(), kEntropyBytesMin, kEntropyBytesMax));
  } else {
    request.entropy = *std::move(entropy);
  }
  request.unix_time_ns = static_cast<std::int64_t>(fields.number("unix_time_ns", 0, kNumberMax));
  request.thaw = fields.boolean("thaw");
  if (auto hostname = fields.maybe_text("hostname", kHostnameBytesMax)) {
    request.hostname = take_hostname(fields, std::move(hostname));
  }
  request.machine_id = fields.maybe_text("machine_id", kMachineIdBytes);
  if (request.machine_id && !is_machine_id(*request.machine_id)) {
    fields.reject(fmt::format("\"machine_id\" must be {} lower-case hexadecimal digits, not all 0", kMachineIdBytes));
  }
  return request;
}

Request decode_exec(Fields& fields) {
  Exec request;
  request.argv = fields.texts("argv", kArgumentsMax, kArgumentBytesMax);
  if (request.argv.empty() || request.argv.front().empty()) {
    fields.reject("\"argv\" names no program");
  }
  request.environment = fields.environment("environment");
  request.working_directory = fields.text("working_directory", kPathBytesMax);
  if (!request.working_directory.starts_with('/')) {
    fields.reject("\"working_directory\" is not an absolute path");
  }
  request.timeout_ms = fields.number("timeout_ms", 0, kTimeoutMsMax);
  request.takes_stdin = fields.boolean("stdin");
  return request;
}

Request decode_members(Fields& fields, std::string_view operation) {
  if (operation == "hello") {
    return Hello{};
  }
  if (operation == "start_application") {
    return decode_start(fields);
  }
  if (operation == "watch") {
    return Watch{fields.number("from", 0, kNumberMax)};
  }
  if (operation == "freeze") {
    const bool sync = fields.boolean("sync");
    const bool drop_caches = fields.boolean("drop_caches");
    return Freeze{sync, drop_caches, fields.maybe_boolean("keep_connections").value_or(false)};
  }
  if (operation == "restored") {
    return decode_restored(fields);
  }
  if (operation == "thaw") {
    Thaw request;
    if (const auto time = fields.maybe_number("unix_time_ns", 0, kNumberMax)) {
      request.unix_time_ns = static_cast<std::int64_t>(*time);
    }
    return request;
  }
  if (operation == "connect") {
    return Connect{static_cast<std::uint16_t>(fields.number("port", 1, 65535))};
  }
  if (operation == "exec") {
    return decode_exec(fields);
  }
  if (operation == "shutdown") {
    return Shutdown{};
  }
  fields.reject(fmt::format("unknown operation \"{}\"", operation));
  return Hello{};
}

}  // namespace

bool is_hostname(std::string_view text) {
  const auto fits = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-';
  };
  return !text.empty() && text.size() <= kHostnameBytesMax && text.front() != '-' && text.back() != '-' &&
         std::all_of(text.begin(), text.end(), fits);
}

bool is_machine_id(std::string_view text) {
  const auto fits = [](char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'); };
  return text.size() == kMachineIdBytes && std::all_of(text.begin(), text.end(), fits) &&
         text.find_first_not_of('0') != std::string_view::npos;
}

Result<std::string> encode_request(const Request& request, std::uint64_t version) {
  if (version < kOldestVersion || version > kVersion) {
    return fail(
        ErrorKind::kConflict,
        fmt::format("the guest's agent speaks version {} of the protocol, and this version of Dormouse {} to {}",
                    version,
                    kOldestVersion,
                    kVersion));
  }
  const json::object object = std::visit([&](const auto& which) { return to_json(which, version); }, request);
  std::string payload = json::serialize(object);
  if (payload.size() > kRequestBytesMax) {
    return fail(ErrorKind::kInvalidArgument,
                fmt::format("request of {} bytes, the limit is {}", payload.size(), kRequestBytesMax));
  }
  return payload;
}

Result<Request> decode_request(std::string_view payload) {
  if (payload.size() > kRequestBytesMax) {
    return fail(ErrorKind::kInvalidArgument,
                fmt::format("request of {} bytes, the limit is {}", payload.size(), kRequestBytesMax));
  }
  Fields fields = Fields::parse(payload, "request");
  const std::uint64_t version = fields.number("version", 0, kNumberMax);
  if (version != kVersion) {
    fields.reject(fmt::format("protocol version {}, this agent speaks {}", version, kVersion));
  }
  const std::string operation = fields.text("operation", 64);
  Request request = decode_members(fields, operation);
  DM_TRY(fields.finish(), "");
  return request;
}

}  // namespace dormouse::protocol
