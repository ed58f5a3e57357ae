// SPDX-License-Identifier: Apache-2.0
//
// Shapes that both image and MicroVM operations use (specification sections 1.2 and 2).

#pragma once

#include "api/shapes.h"

namespace dormouse::api::shapes {

inline constexpr Protocol kMicrovmProtocol{.service = "lambda-microvms"};

inline constexpr Shape kImageIdentifier = text("MicrovmImageIdentifier", 1, 256);
inline constexpr Shape kMicrovmIdentifier = text("MicrovmIdentifier", 1, 256);
inline constexpr Shape kVersion = text("Version", 1, 2048, "[^\\s]+");
inline constexpr Shape kRoleArn =
    text("RoleArn", 20, 2048, "arn:aws[a-z\\-]*:iam::[0-9]{12}:role/?[a-zA-Z_0-9+=,.@\\-_/]+");
inline constexpr Shape kClientToken = text("ClientTokenString", 1, 128);
inline constexpr Shape kMaxResults = number("MaxResultsInteger", 1, 50);
inline constexpr Shape kNetworkConnector = text("NetworkConnector", 1, 2048);

inline constexpr Shape kRunHookPayload = secret("RunHookPayload", 0, 4096, LengthUnit::kBytes);
inline constexpr Shape kMaximumDuration = number("MaximumDurationInSecondsInteger", 1, 28'800);
inline constexpr Shape kMaxIdleDuration = number("IdlePolicyMaxIdleDurationSecondsInteger", 60, 28'800);
inline constexpr Shape kSuspendedDuration = number("IdlePolicySuspendedDurationSecondsInteger", 0);
inline constexpr Member kIdlePolicyMembers[] = {
    {"maxIdleDurationSeconds", &kMaxIdleDuration, kRequired},
    {"suspendedDurationSeconds", &kSuspendedDuration, kRequired},
    {"autoResumeEnabled", &kBoolean, kRequired},
};
inline constexpr Shape kIdlePolicy = structure("IdlePolicy", kIdlePolicyMembers);

inline constexpr Shape kLogGroup = text("CloudWatchLoggingLogGroupString", 1, 512, "[a-zA-Z0-9_\\-/.#]+");
inline constexpr Shape kLogStream = text("CloudWatchLoggingLogStreamString", 1, 512, "[^:*]*");
inline constexpr Member kCloudWatchMembers[] = {
    {"logGroup", &kLogGroup},
    {"logStream", &kLogStream},
};
inline constexpr Shape kCloudWatch = structure("CloudWatchLogging", kCloudWatchMembers);
inline constexpr Shape kLoggingDisabled = structure("LoggingDisabled");
inline constexpr Member kLoggingMembers[] = {
    {"disabled", &kLoggingDisabled},
    {"cloudWatch", &kCloudWatch},
};
inline constexpr Shape kLogging = one_of("Logging", kLoggingMembers);

// Errors by operation group (specification section 1.3): the common four, then C, N, Q, I.
inline constexpr std::string_view kCommonErrors[] = {
    "AccessDeniedException",
    "InternalServerException",
    "ThrottlingException",
    "ValidationException",
};
inline constexpr std::string_view kFindErrors[] = {
    "AccessDeniedException",
    "InternalServerException",
    "ResourceNotFoundException",
    "ThrottlingException",
    "ValidationException",
};
inline constexpr std::string_view kChangeErrors[] = {
    "AccessDeniedException",
    "ConflictException",
    "InternalServerException",
    "ResourceNotFoundException",
    "ThrottlingException",
    "ValidationException",
};
inline constexpr std::string_view kCreateErrors[] = {
    "AccessDeniedException",
    "ConflictException",
    "InternalServerException",
    "ResourceNotFoundException",
    "ServiceQuotaExceededException",
    "ThrottlingException",
    "ValidationException",
};
inline constexpr std::string_view kRunErrors[] = {
    "AccessDeniedException",
    "ConflictException",
    "InsufficientCapacityException",
    "InternalServerException",
    "ResourceNotFoundException",
    "ServiceQuotaExceededException",
    "ThrottlingException",
    "ValidationException",
};

}  // namespace dormouse::api::shapes
