// SPDX-License-Identifier: Apache-2.0

#include "base/error.h"

#include <cerrno>
#include <system_error>

namespace dormouse {
namespace {

ErrorKind kind_of(int errno_value) {
  switch (errno_value) {
    case ENOENT:
    case ESRCH: return ErrorKind::kNotFound;
    case EEXIST:
    case EBUSY: return ErrorKind::kConflict;
    case ENOSPC:
    case EDQUOT:
    case ENOMEM:
    case EMFILE:
    case ENFILE: return ErrorKind::kResourceExhausted;
    case ECONNREFUSED:
    case ECONNRESET:
    case EPIPE:
    case EHOSTUNREACH:
    case ENETUNREACH:
    case EAGAIN: return ErrorKind::kUnavailable;
    case ETIMEDOUT: return ErrorKind::kDeadlineExceeded;
    case EACCES:
    case EPERM: return ErrorKind::kPermissionDenied;
    default: return ErrorKind::kInternal;
  }
}

}  // namespace

std::string_view to_string(ErrorKind kind) {
  switch (kind) {
    case ErrorKind::kInvalidArgument: return "invalid argument";
    case ErrorKind::kNotFound: return "not found";
    case ErrorKind::kConflict: return "conflict";
    case ErrorKind::kResourceExhausted: return "resource exhausted";
    case ErrorKind::kUnavailable: return "unavailable";
    case ErrorKind::kDeadlineExceeded: return "deadline exceeded";
    case ErrorKind::kDataLoss: return "data loss";
    case ErrorKind::kInternal: return "internal";
    case ErrorKind::kCancelled: return "cancelled";
    case ErrorKind::kPermissionDenied: return "permission denied";
  }
  return "unknown";
}

Error Error::from_errno(int errno_value, std::string_view action) {
  std::string message(action);
  message += ": ";
  message += std::generic_category().message(errno_value);
  Error error(kind_of(errno_value), std::move(message));
  error.errno_value_ = errno_value;
  return error;
}

Error Error::with_context(std::string_view context) && {
  if (!context.empty()) {
    message_.insert(0, ": ");
    message_.insert(0, context);
  }
  return std::move(*this);
}

tl::unexpected<Error> fail_errno(std::string_view action) {
  const int errno_value = errno;
  return fail(Error::from_errno(errno_value, action));
}

}  // namespace dormouse
