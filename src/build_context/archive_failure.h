// SPDX-License-Identifier: Apache-2.0

#pragma once

#include <string>
#include <string_view>
#include <utility>

#include <tl/expected.hpp>

#include "base/error.h"

namespace dormouse::build_context {

// Codes of specification section 5.5.
inline constexpr std::string_view kArchiveInvalid = "ARCHIVE_INVALID";
inline constexpr std::string_view kDockerfileNotFound = "ARCHIVE_DOCKERFILE_NOT_FOUND";
inline constexpr std::string_view kPlatformError = "INTERNAL_PLATFORM_ERROR";

// Why an archive did not become a build context.
struct ArchiveFailure {
  std::string code;
  std::string sentence;  // for the tenant: entry, value and limit; printable ASCII, no paths of the host
  std::string detail;    // for the operator's log; empty when the tenant's sentence says it all
};

template <typename T>
using ArchiveResult = tl::expected<T, ArchiveFailure>;

inline tl::unexpected<ArchiveFailure> refuse(std::string sentence) {
  return tl::unexpected<ArchiveFailure>(ArchiveFailure{std::string(kArchiveInvalid), std::move(sentence), ""});
}

// A failure that the archive is not to blame for. `doing`: what could not be done, as the tenant may know it.
inline tl::unexpected<ArchiveFailure> fail_platform(std::string_view doing, const Error& error) {
  std::string sentence = "The platform failed to " + std::string(doing);
  sentence += error.kind() == ErrorKind::kDeadlineExceeded ? " in time."
              : error.kind() == ErrorKind::kCancelled      ? ": the work was cancelled."
                                                           : ".";
  return tl::unexpected<ArchiveFailure>(
      ArchiveFailure{std::string(kPlatformError), std::move(sentence), error.message()});
}

}  // namespace dormouse::build_context

// Evaluates `expression`, an ArchiveResult, and returns its failure from the enclosing function.
#define DM_REFUSE_TRY(expression)                                                                        \
  do {                                                                                                   \
    if (auto&& dm_outcome = (expression); !dm_outcome) {                                                 \
      return ::tl::unexpected<::dormouse::build_context::ArchiveFailure>(std::move(dm_outcome).error()); \
    }                                                                                                    \
  } while (false)
