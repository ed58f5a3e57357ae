// SPDX-License-Identifier: Apache-2.0
//
// Dormouse's own operations, apart from the paths of AWS (docs/reference/api-extensions.md). Errors, times and nulls are
// those of lambda-microvms.

#include "api/microvm_shapes.h"

namespace dormouse::api {
namespace {

using namespace shapes;

constexpr Protocol kProtocol{.service = "dormouse"};

constexpr Shape kOffset{.name = "Offset", .type = Type::kLong, .minimum = 0};
constexpr Shape kTexts = list("StringList", kString);

constexpr Member kLogMembers[] = {
    {"imageIdentifier", &kImageIdentifier, kRequired, kLabel},
    {"imageVersion", &kNonBlankString, kRequired, kLabel},
    {"buildId", &kNonBlankString, kRequired, kLabel},
    {"offset", &kOffset, kOptional, kQuery, {}, "0"},
};
constexpr Shape kLog = structure("GetBuildLogRequest", kLogMembers);
constexpr Member kLogPieceMembers[] = {
    {"text", &kString, kRequired},
    {"nextOffset", &kLong, kRequired},
    {"complete", &kBoolean, kRequired},
};
constexpr Shape kLogPiece = structure("GetBuildLogResponse", kLogPieceMembers);

constexpr Member kBuildMembers[] = {
    {"imageIdentifier", &kImageIdentifier, kRequired, kLabel},
    {"imageVersion", &kNonBlankString, kRequired, kLabel},
    {"buildId", &kNonBlankString, kRequired, kLabel},
};
constexpr Shape kBuild = structure("DescribeBuildRequest", kBuildMembers);
constexpr Member kBuildDescriptionMembers[] = {
    {"imageArn", &kString, kRequired},
    {"imageVersion", &kString, kRequired},
    {"buildId", &kString, kRequired},
    {"buildState", &kString, kRequired},
    {"architecture", &kString, kRequired},
    {"phase", &kString},
    {"stateReason", &kString},
    {"terminationReasonCode", &kString},
    {"notices", &kTexts, kRequired},
    {"createdAt", &kTimestamp, kRequired},
    {"memorySnapshotSizeInBytes", &kLong},
    {"codeInstallSizeInBytes", &kLong},
    {"diskSnapshotSizeInBytes", &kLong},
};
constexpr Shape kBuildDescription = structure("DescribeBuildResponse", kBuildDescriptionMembers);

constexpr Member kMicrovmMembers[] = {
    {"microvmIdentifier", &kMicrovmIdentifier, kRequired, kLabel},
};
constexpr Shape kMicrovm = structure("DescribeMicrovmRequest", kMicrovmMembers);
constexpr Member kExitMembers[] = {
    {"cause", &kString, kRequired},
    {"exitCode", &kInteger},
    {"signal", &kInteger},
    {"outOfMemory", &kBoolean, kRequired},
    {"sentence", &kString, kRequired},
    {"lastOutput", &kString, kRequired},
};
constexpr Shape kExit = structure("MicrovmExit", kExitMembers);
constexpr Member kPolicyMembers[] = {
    {"maxIdleDurationSeconds", &kInteger, kRequired},
    {"suspendedDurationSeconds", &kInteger, kRequired},
    {"autoResumeEnabled", &kBoolean, kRequired},
};
constexpr Shape kPolicy = structure("IdlePolicy", kPolicyMembers);
constexpr Member kMicrovmDescriptionMembers[] = {
    {"microvmId", &kString, kRequired},
    {"account", &kString, kRequired},
    {"state", &kString, kRequired},
    {"stateReason", &kString},
    {"terminationReasonCode", &kString},
    {"endpoint", &kString, kRequired},
    {"imageArn", &kString, kRequired},
    {"imageVersion", &kString, kRequired},
    {"maximumDurationInSeconds", &kInteger, kRequired},
    {"startedAt", &kTimestamp, kRequired},
    {"suspendedAt", &kTimestamp},
    {"terminatedAt", &kTimestamp},
    {"executionRoleArn", &kString},
    {"idlePolicy", &kPolicy},
    {"ingressNetworkConnectors", &kTexts, kRequired},
    {"egressNetworkConnectors", &kTexts, kRequired},
    {"isolation", &kString},
    {"isolationReason", &kString},
    {"resumes", &kInteger, kRequired},
    {"exit", &kExit},
    {"lastOutput", &kString},
};
constexpr Shape kMicrovmDescription = structure("DescribeMicrovmResponse", kMicrovmDescriptionMembers);

constexpr std::string_view kBuildPath =
    "/dormouse/2026-11-01/images/{imageIdentifier}/versions/{imageVersion}/builds/{buildId}";
constexpr std::string_view kLogPath =
    "/dormouse/2026-11-01/images/{imageIdentifier}/versions/{imageVersion}/builds/{buildId}/log";
constexpr std::string_view kMicrovmPath = "/dormouse/2026-11-01/microvms/{microvmIdentifier}";

// clang-format off
constexpr Operation kOperations[] = {
    {"GetBuildLog", "GET", kLogPath, 200, &kLog, &kLogPiece, kFindErrors, &kProtocol},
    {"DescribeBuild", "GET", kBuildPath, 200, &kBuild, &kBuildDescription, kFindErrors, &kProtocol},
    {"DescribeMicrovm", "GET", kMicrovmPath, 200, &kMicrovm, &kMicrovmDescription, kFindErrors, &kProtocol},
};
// clang-format on

}  // namespace

std::span<const Operation> extension_operations() { return kOperations; }

}  // namespace dormouse::api
