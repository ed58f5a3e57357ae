// SPDX-License-Identifier: Apache-2.0
//
// Errors as values. An Error says what could not be done, why, and what its reader can do about it. It is the only
// failure type that crosses a component boundary; exceptions are for broken invariants and never leave the component
// that threw them.
//
// A message reads outside-in, one clause per layer: "resume microvm-1f..: map memory: open state: No such file or
// directory". No capital, no full stop, no "failed to"; it names the object, the offending value and the limit.

#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>

#include <tl/expected.hpp>

namespace dormouse {

// What the caller can do about the failure. HTTP status and exit code derive from it in one table each.
enum class ErrorKind : std::uint8_t {
  kInvalidArgument = 1,    // fix the request; retrying as is cannot succeed
  kNotFound = 2,           // the named object does not exist
  kConflict = 3,           // the object is in a state that forbids this
  kResourceExhausted = 4,  // a quota or the host is full; retry later or elsewhere
  kUnavailable = 5,        // a dependency did not answer; safe to retry
  kDeadlineExceeded = 6,   // ran out of time; the effect is unknown
  kDataLoss = 7,           // stored bytes failed verification; do not retry
  kInternal = 8,           // our bug, or a host in a state we do not understand
  kCancelled = 9,          // the caller asked to stop
  kPermissionDenied = 10,  // the caller, or the daemon, lacks a right
};

std::string_view to_string(ErrorKind kind);

class [[nodiscard]] Error {
 public:
  Error(ErrorKind kind, std::string message) : kind_(kind), message_(std::move(message)) {}

  // Wraps the errno value of a failed system call. `action` names the call and its operand: "open /dev/kvm".
  static Error from_errno(int errno_value, std::string_view action);

  // This error with "`context`: " before its message. Kind and errno are kept.
  Error with_context(std::string_view context) &&;

  ErrorKind kind() const { return kind_; }
  int errno_value() const { return errno_value_; }  // 0 if no system call failed
  const std::string& message() const { return message_; }

 private:
  ErrorKind kind_;
  int errno_value_ = 0;
  std::string message_;
};

template <typename T>
using Result = tl::expected<T, Error>;
using Status = Result<void>;

inline tl::unexpected<Error> fail(Error error) { return tl::unexpected<Error>(std::move(error)); }
inline tl::unexpected<Error> fail(ErrorKind kind, std::string message) {
  return tl::unexpected<Error>(Error(kind, std::move(message)));
}
// For use right after a failed system call: reads errno.
tl::unexpected<Error> fail_errno(std::string_view action);

}  // namespace dormouse

#define DM_CONCATENATE_(a, b) a##b
#define DM_CONCATENATE(a, b) DM_CONCATENATE_(a, b)

// Evaluates `expression`, a Result or Status, and returns its error from the enclosing function with `context` put
// before it; otherwise carries on. An empty context adds nothing.
#define DM_TRY(expression, context)                                                \
  do {                                                                             \
    if (auto&& dm_result = (expression); !dm_result) {                             \
      return ::dormouse::fail(std::move(dm_result).error().with_context(context)); \
    }                                                                              \
  } while (false)

// The same for a Result<T> whose value is wanted: DM_ASSIGN(auto file, open(path), "read state");
#define DM_ASSIGN(target, expression, context) \
  DM_ASSIGN_(DM_CONCATENATE(dm_result_, __LINE__), target, expression, context)
#define DM_ASSIGN_(name, target, expression, context)                       \
  auto name = (expression);                                                 \
  if (!name) {                                                              \
    return ::dormouse::fail(std::move(name).error().with_context(context)); \
  }                                                                         \
  target = *std::move(name)
