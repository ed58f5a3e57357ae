// SPDX-License-Identifier: Apache-2.0

#include "protocol/answers.h"

#include <array>
#include <limits>

#include <boost/json.hpp>
#include <fmt/core.h>

#include "protocol/fields.h"
#include "protocol/limits.h"

namespace dormouse::protocol {

namespace json = boost::json;

namespace {

constexpr std::uint64_t kNumberMax = std::numeric_limits<std::int64_t>::max();
constexpr std::array kRoles{Role::kApplication, Role::kBuilder};
constexpr std::array kStates{ApplicationState::kNone,
                             ApplicationState::kStarting,
                             ApplicationState::kRunning,
                             ApplicationState::kExited,
                             ApplicationState::kFailed};
constexpr std::array kKinds{ErrorKind::kInvalidArgument,
                            ErrorKind::kNotFound,
                            ErrorKind::kConflict,
                            ErrorKind::kResourceExhausted,
                            ErrorKind::kUnavailable,
                            ErrorKind::kDeadlineExceeded,
                            ErrorKind::kDataLoss,
                            ErrorKind::kInternal,
                            ErrorKind::kCancelled,
                            ErrorKind::kPermissionDenied};

json::string_view view(std::string_view text) { return {text.data(), text.size()}; }

// The value of `values` whose name is the member's.
template <typename Value, std::size_t kCount>
Value take_name(Fields& fields, std::string_view name, const std::array<Value, kCount>& values) {
  const std::string text = fields.text(name, 64);
  for (const Value value : values) {
    if (to_string(value) == text) {
      return value;
    }
  }
  fields.reject(fmt::format("\"{}\" is \"{}\", which is none of its values", name, text));
  return values.front();
}

void put(json::object& object, const ExitStatus& status) {
  if (status.exit_code) {
    object.emplace("exit_code", *status.exit_code);
  }
  if (status.signal) {
    object.emplace("signal", *status.signal);
  }
}

ExitStatus take_status(Fields& fields) {
  ExitStatus status;
  if (const auto code = fields.maybe_number("exit_code", 0, 255)) {
    status.exit_code = static_cast<int>(*code);
  }
  if (const auto signal = fields.maybe_number("signal", 1, 64)) {
    status.signal = static_cast<int>(*signal);
  }
  if (status.exit_code.has_value() == status.signal.has_value()) {
    fields.reject("needs one of \"exit_code\" and \"signal\"");
  }
  return status;
}

template <typename Value>
Result<Value> finished(const Fields& fields, Value value) {
  DM_TRY(fields.finish(), "");
  return value;
}

}  // namespace

std::string_view to_string(Role role) { return role == Role::kApplication ? "application" : "builder"; }

std::string_view to_string(ApplicationState state) {
  switch (state) {
    case ApplicationState::kNone: return "none";
    case ApplicationState::kStarting: return "starting";
    case ApplicationState::kRunning: return "running";
    case ApplicationState::kExited: return "exited";
    case ApplicationState::kFailed: return "failed";
  }
  return "none";
}

std::string encode(const HelloAnswer& answer) {
  json::object object;
  object.emplace("version", answer.version);
  object.emplace("agent_version", answer.agent_version);
  object.emplace("role", view(to_string(answer.role)));
  object.emplace("application", view(to_string(answer.application)));
  object.emplace("frozen", answer.frozen);
  return json::serialize(object);
}

std::string encode(const WatchAnswer& answer) {
  json::object object;
  object.emplace("from", answer.from);
  object.emplace("end", answer.end);
  return json::serialize(object);
}

std::string encode(const FreezeAnswer& answer) {
  json::object object;
  object.emplace("connections_closed", answer.connections_closed);
  return json::serialize(object);
}

std::string encode(const RestoredAnswer& answer) {
  json::object object;
  object.emplace("entropy_bits", answer.entropy_bits);
  object.emplace("tcp_destroyed", answer.tcp_destroyed);
  object.emplace("udp_destroyed", answer.udp_destroyed);
  object.emplace("thawed", answer.thawed);
  return json::serialize(object);
}

std::string encode(const ExecExit& exit) {
  json::object object;
  put(object, exit.status);
  object.emplace("timed_out", exit.timed_out);
  return json::serialize(object);
}

std::string encode(const ApplicationExit& exit) {
  json::object object;
  put(object, exit.status);
  object.emplace("out_of_memory", exit.out_of_memory);
  object.emplace("last_output", exit.last_output);
  return json::serialize(object);
}

std::string encode(const Refusal& refusal) {
  json::object object;
  object.emplace("kind", view(to_string(refusal.kind)));
  object.emplace("code", refusal.code);
  object.emplace("message", to_utf8_tail(refusal.message, kMessageBytesMax));
  return json::serialize(object);
}

std::string encode_empty_answer() { return "{}"; }

Result<HelloAnswer> decode_hello_answer(std::string_view payload) {
  Fields fields = Fields::parse(payload, "answer to hello");
  HelloAnswer answer;
  answer.version = fields.number("version", 0, kNumberMax);
  answer.agent_version = fields.text("agent_version", 64);
  answer.role = take_name(fields, "role", kRoles);
  answer.application = take_name(fields, "application", kStates);
  answer.frozen = fields.boolean("frozen");
  return finished(fields, std::move(answer));
}

Result<WatchAnswer> decode_watch_answer(std::string_view payload) {
  Fields fields = Fields::parse(payload, "answer to watch");
  WatchAnswer answer;
  answer.from = fields.number("from", 0, kNumberMax);
  answer.end = fields.number("end", 0, kNumberMax);
  return finished(fields, answer);
}

Result<FreezeAnswer> decode_freeze_answer(std::string_view payload) {
  Fields fields = Fields::parse(payload, "answer to freeze");
  FreezeAnswer answer;
  answer.connections_closed = fields.number("connections_closed", 0, kNumberMax);
  return finished(fields, answer);
}

Result<RestoredAnswer> decode_restored_answer(std::string_view payload) {
  Fields fields = Fields::parse(payload, "answer to restored");
  RestoredAnswer answer;
  answer.entropy_bits = fields.number("entropy_bits", 0, kNumberMax);
  answer.tcp_destroyed = fields.number("tcp_destroyed", 0, kNumberMax);
  answer.udp_destroyed = fields.number("udp_destroyed", 0, kNumberMax);
  answer.thawed = fields.boolean("thawed");
  return finished(fields, answer);
}

Result<ExecExit> decode_exec_exit(std::string_view payload) {
  Fields fields = Fields::parse(payload, "exit of exec");
  ExecExit exit;
  exit.status = take_status(fields);
  exit.timed_out = fields.boolean("timed_out");
  return finished(fields, exit);
}

Result<ApplicationExit> decode_application_exit(std::string_view payload) {
  Fields fields = Fields::parse(payload, "exit of the application");
  ApplicationExit exit;
  exit.status = take_status(fields);
  exit.out_of_memory = fields.boolean("out_of_memory");
  exit.last_output = fields.text("last_output", kLastOutputBytesMax);
  return finished(fields, std::move(exit));
}

Result<Refusal> decode_refusal(std::string_view payload) {
  Fields fields = Fields::parse(payload, "refusal");
  Refusal refusal;
  refusal.kind = take_name(fields, "kind", kKinds);
  refusal.code = fields.text("code", 64);
  refusal.message = fields.text("message", kMessageBytesMax);
  return finished(fields, std::move(refusal));
}

Status decode_empty_answer(std::string_view payload) { return Fields::parse(payload, "answer").finish(); }

namespace {

// The length of the UTF-8 sequence at the start of `bytes` (RFC 3629), 0 if there is none.
std::size_t sequence_length(std::string_view bytes) {
  const auto at = [&](std::size_t i) { return i < bytes.size() ? static_cast<unsigned char>(bytes[i]) : 0U; };
  const auto follows = [&](std::size_t i) { return (at(i) & 0xC0U) == 0x80U; };
  const unsigned first = at(0);
  if (first < 0x80) {
    return 1;
  }
  if (first >= 0xC2 && first <= 0xDF && follows(1)) {
    return 2;
  }
  if (first >= 0xE0 && first <= 0xEF && follows(1) && follows(2)) {
    const bool overlong = first == 0xE0 && at(1) < 0xA0;
    const bool surrogate = first == 0xED && at(1) >= 0xA0;
    return overlong || surrogate ? 0 : 3;
  }
  if (first >= 0xF0 && first <= 0xF4 && follows(1) && follows(2) && follows(3)) {
    const bool overlong = first == 0xF0 && at(1) < 0x90;
    const bool beyond = first == 0xF4 && at(1) >= 0x90;
    return overlong || beyond ? 0 : 4;
  }
  return 0;
}

}  // namespace

std::string to_utf8_tail(std::string_view bytes, std::size_t bytes_max) {
  constexpr std::string_view kReplacement = "\xEF\xBF\xBD";
  bytes = bytes.substr(bytes.size() - std::min(bytes.size(), bytes_max));
  std::string text;
  while (!bytes.empty()) {
    const std::size_t length = sequence_length(bytes);
    if (length == 0 || bytes[0] == '\0') {
      text.append(kReplacement);
      bytes.remove_prefix(1);
    } else {
      text.append(bytes.substr(0, length));
      bytes.remove_prefix(length);
    }
  }
  std::size_t begin = text.size() - std::min(text.size(), bytes_max);
  while (begin < text.size() && (static_cast<unsigned char>(text[begin]) & 0xC0U) == 0x80U) {
    ++begin;  // not in the middle of a character
  }
  return text.substr(begin);
}

}  // namespace dormouse::protocol
