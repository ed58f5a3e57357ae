// SPDX-License-Identifier: Apache-2.0
//
// What the guest agent answers. The host decodes these from a guest that it must assume hostile: lengths, ranges and
// unknown members are checked as strictly as in requests.

#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/error.h"

namespace dormouse::protocol {

enum class Role { kApplication, kBuilder };
enum class ApplicationState { kNone, kStarting, kRunning, kExited, kFailed };

std::string_view to_string(Role role);               // "application", "builder"
std::string_view to_string(ApplicationState state);  // "none", "starting", "running", "exited", "failed"

struct HelloAnswer {
  std::uint64_t version = 0;  // of the protocol
  std::string agent_version;
  Role role = Role::kApplication;
  ApplicationState application = ApplicationState::kNone;
  bool frozen = false;

  bool operator==(const HelloAnswer&) const = default;
};

struct WatchAnswer {
  std::uint64_t from = 0;  // offset of the first byte that follows; beyond what was asked when older output is gone
  std::uint64_t end = 0;   // bytes that the application has written so far

  bool operator==(const WatchAnswer&) const = default;
};

struct FreezeAnswer {
  std::uint64_t connections_closed = 0;  // of the host's

  bool operator==(const FreezeAnswer&) const = default;
};

struct RestoredAnswer {
  std::uint64_t entropy_bits = 0;  // credited to the kernel's generator
  std::uint64_t tcp_destroyed = 0;
  std::uint64_t udp_destroyed = 0;
  bool thawed = false;

  bool operator==(const RestoredAnswer&) const = default;
};

// How a process ended: exactly one of exit_code and signal.
struct ExitStatus {
  std::optional<int> exit_code;
  std::optional<int> signal;

  bool operator==(const ExitStatus&) const = default;
};

struct ExecExit {
  ExitStatus status;
  bool timed_out = false;  // the agent killed it at its timeout

  bool operator==(const ExecExit&) const = default;
};

struct ApplicationExit {
  ExitStatus status;
  bool out_of_memory = false;
  std::string last_output;  // UTF-8, at most kLastOutputBytesMax

  bool operator==(const ApplicationExit&) const = default;
};

// Why a request was not served. `code` tells causes apart that a caller handles differently; see the format document.
struct Refusal {
  ErrorKind kind = ErrorKind::kInternal;
  std::string code;
  std::string message;

  bool operator==(const Refusal&) const = default;
};

// For hello, watch, freeze and restored; the answer to all other requests is the empty object.
std::string encode(const HelloAnswer& answer);
std::string encode(const WatchAnswer& answer);
std::string encode(const FreezeAnswer& answer);
std::string encode(const RestoredAnswer& answer);
std::string encode(const ExecExit& exit);
std::string encode(const ApplicationExit& exit);
std::string encode(const Refusal& refusal);
std::string encode_empty_answer();

Result<HelloAnswer> decode_hello_answer(std::string_view payload);
Result<WatchAnswer> decode_watch_answer(std::string_view payload);
Result<FreezeAnswer> decode_freeze_answer(std::string_view payload);
Result<RestoredAnswer> decode_restored_answer(std::string_view payload);
Result<ExecExit> decode_exec_exit(std::string_view payload);
Result<ApplicationExit> decode_application_exit(std::string_view payload);
Result<Refusal> decode_refusal(std::string_view payload);
Status decode_empty_answer(std::string_view payload);

// `bytes` with what is not UTF-8 replaced by U+FFFD and without NUL, at most `bytes_max` long, keeping the end.
std::string to_utf8_tail(std::string_view bytes, std::size_t bytes_max);

}  // namespace dormouse::protocol
