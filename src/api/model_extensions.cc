// SPDX-License-Identifier: Apache-2.0
//
// Dormouse's own operations, apart from the paths of AWS (docs/reference/api-extensions.md). Errors, times and nulls are
// those of lambda-microvms.

#include "api/microvm_shapes.h"
#include "control/records.h"

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
    {"processor", &kString},
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
    {"logGroup", &kString},
    {"logStream", &kString},
    {"parentMicrovmId", &kString},
    {"exit", &kExit},
    {"lastOutput", &kString},
};
constexpr Shape kMicrovmDescription = structure("DescribeMicrovmResponse", kMicrovmDescriptionMembers);

// --- forks and checkpoints ---

constexpr Shape kForkCount = number("ForkCount", 1, control::ForkRequest::kCountMax);
constexpr Shape kCheckpointIdentifier = text("CheckpointIdentifier", 1, 256);
constexpr Shape kCheckpointName = text("CheckpointName", 1, 64, "[a-zA-Z0-9-_]+");

constexpr Member kForkMembers[] = {
    {"microvmIdentifier", &kMicrovmIdentifier, kRequired, kLabel},
    {"count", &kForkCount, kOptional, kBody, {}, "1"},
    {"idlePolicy", &kIdlePolicy},
    {"maximumDurationInSeconds", &kMaximumDuration},
    {"runHookPayload", &kRunHookPayload},
};
constexpr Shape kFork = structure("ForkMicrovmRequest", kForkMembers);
constexpr Member kForkCheckpointMembers[] = {
    {"checkpointIdentifier", &kCheckpointIdentifier, kRequired, kLabel},
    {"count", &kForkCount, kOptional, kBody, {}, "1"},
    {"idlePolicy", &kIdlePolicy},
    {"maximumDurationInSeconds", &kMaximumDuration},
    {"runHookPayload", &kRunHookPayload},
};
constexpr Shape kForkCheckpoint = structure("ForkCheckpointRequest", kForkCheckpointMembers);
constexpr Member kChildMembers[] = {
    {"microvmId", &kString, kRequired},
    {"parentMicrovmId", &kString, kRequired},
    {"state", &kString, kRequired},
    {"stateReason", &kString},
    {"terminationReasonCode", &kString},
    {"endpoint", &kString, kRequired},
    {"imageArn", &kString, kRequired},
    {"imageVersion", &kString, kRequired},
    {"maximumDurationInSeconds", &kInteger, kRequired},
    {"startedAt", &kTimestamp, kRequired},
    {"terminatedAt", &kTimestamp},
    {"executionRoleArn", &kString},
    {"idlePolicy", &kPolicy},
    {"ingressNetworkConnectors", &kTexts, kRequired},
    {"egressNetworkConnectors", &kTexts, kRequired},
};
constexpr Shape kChild = structure("ForkedMicrovm", kChildMembers);
constexpr Shape kChildren = list("ForkedMicrovmList", kChild);
constexpr Member kForkedMembers[] = {
    {"items", &kChildren, kRequired},
};
constexpr Shape kForked = structure("ForkMicrovmResponse", kForkedMembers);

constexpr Member kCreateCheckpointMembers[] = {
    {"microvmIdentifier", &kMicrovmIdentifier, kRequired, kLabel},
    {"name", &kCheckpointName},
};
constexpr Shape kCreateCheckpoint = structure("CreateCheckpointRequest", kCreateCheckpointMembers);
constexpr Member kCheckpointMembers[] = {
    {"checkpointId", &kString, kRequired},
    {"name", &kString},
    {"microvmId", &kString, kRequired},
    {"imageArn", &kString, kRequired},
    {"imageVersion", &kString, kRequired},
    {"sizeInBytes", &kLong, kRequired},
    {"createdAt", &kTimestamp, kRequired},
};
constexpr Shape kCheckpoint = structure("Checkpoint", kCheckpointMembers);
constexpr Shape kCheckpoints = list("CheckpointList", kCheckpoint);
constexpr Member kListCheckpointsMembers[] = {
    {"maxResults", &kMaxResults, kOptional, kQuery, {}, "50"},
    {"nextToken", &kString, kOptional, kQuery},
    {"microvmIdentifier", &kMicrovmIdentifier, kOptional, kQuery},
};
constexpr Shape kListCheckpoints = structure("ListCheckpointsRequest", kListCheckpointsMembers);
constexpr Member kListedCheckpointsMembers[] = {
    {"items", &kCheckpoints, kRequired},
    {"nextToken", &kString},
};
constexpr Shape kListedCheckpoints = structure("ListCheckpointsResponse", kListedCheckpointsMembers);
constexpr Member kIdentifyCheckpointMembers[] = {
    {"checkpointIdentifier", &kCheckpointIdentifier, kRequired, kLabel},
};
constexpr Shape kIdentifyCheckpoint = structure("CheckpointIdentifierRequest", kIdentifyCheckpointMembers);
constexpr Member kRollbackMembers[] = {
    {"microvmIdentifier", &kMicrovmIdentifier, kRequired, kLabel},
    {"checkpointIdentifier", &kCheckpointIdentifier, kRequired},
};
constexpr Shape kRollback = structure("RollbackMicrovmRequest", kRollbackMembers);
constexpr Shape kNothing = structure("EmptyResponse");

constexpr std::string_view kForkCheckpointErrors[] = {
    "AccessDeniedException",
    "InsufficientCapacityException",
    "InternalServerException",
    "ResourceNotFoundException",
    "ServiceQuotaExceededException",
    "ThrottlingException",
    "ValidationException",
};
constexpr std::string_view kRollbackErrors[] = {
    "AccessDeniedException",
    "ConflictException",
    "InsufficientCapacityException",
    "InternalServerException",
    "ResourceNotFoundException",
    "ThrottlingException",
    "ValidationException",
};

constexpr std::string_view kForkPath = "/dormouse/2026-11-01/microvms/{microvmIdentifier}/fork";
constexpr std::string_view kRollbackPath = "/dormouse/2026-11-01/microvms/{microvmIdentifier}/rollback";
constexpr std::string_view kMakePath = "/dormouse/2026-11-01/microvms/{microvmIdentifier}/checkpoints";
constexpr std::string_view kCheckpointsPath = "/dormouse/2026-11-01/checkpoints";
constexpr std::string_view kCheckpointPath = "/dormouse/2026-11-01/checkpoints/{checkpointIdentifier}";
constexpr std::string_view kForkCheckpointPath = "/dormouse/2026-11-01/checkpoints/{checkpointIdentifier}/fork";

constexpr std::string_view kTracedOperations[] = {
    "launch", "suspend", "resume", "wake", "terminate", "build", "checkpoint", "rollback"};
constexpr Shape kTracedOperation = enumeration("TracedOperation", kTracedOperations);
constexpr Shape kTraceLimit = number("TraceLimit", 1, 200);
constexpr Member kTracesMembers[] = {
    {"operation", &kTracedOperation, kOptional, kQuery},
    {"limit", &kTraceLimit, kOptional, kQuery, {}, "50"},
};
constexpr Shape kTraces = structure("ListTracesRequest", kTracesMembers);
constexpr Member kSpanMembers[] = {
    {"name", &kString, kRequired},
    {"spanId", &kString, kRequired},
    {"parentSpanId", &kString, kRequired},
    {"offsetInMicroseconds", &kLong, kRequired},
    {"durationInMicroseconds", &kLong, kRequired},
    {"outcome", &kString, kRequired},
};
constexpr Shape kSpan = structure("TraceSpan", kSpanMembers);
constexpr Shape kSpans = list("TraceSpanList", kSpan);
constexpr Member kTraceMembers[] = {
    {"operation", &kString, kRequired},
    {"imageName", &kString, kRequired},
    {"microvmId", &kString},
    {"traceId", &kString, kRequired},
    {"spanId", &kString, kRequired},
    {"parentSpanId", &kString},
    {"startedAt", &kTimestamp, kRequired},
    {"durationInMicroseconds", &kLong, kRequired},
    {"firstByteInMicroseconds", &kLong},
    {"outcome", &kString, kRequired},
    {"spans", &kSpans, kRequired},
    {"spansLeftOut", &kLong, kRequired},
};
constexpr Shape kTrace = structure("Trace", kTraceMembers);
constexpr Shape kTraceList = list("TraceList", kTrace);
constexpr Member kTracesPageMembers[] = {
    {"traces", &kTraceList, kRequired},
};
constexpr Shape kTracesPage = structure("ListTracesResponse", kTracesPageMembers);

// ---- storage ----

constexpr std::string_view kStorageErrors[] = {
    "AccessDeniedException", "InternalServerException", "ThrottlingException"};
constexpr Shape kStorage = structure("DescribeStorageRequest");
constexpr Member kStorageKindMembers[] = {
    {"kind", &kString, kRequired},
    {"bytes", &kLong, kRequired},
    {"items", &kLong, kRequired},
};
constexpr Shape kStorageKind = structure("StorageKind", kStorageKindMembers);
constexpr Shape kStorageKinds = list("StorageKindList", kStorageKind);
constexpr Member kStoragePartMembers[] = {{"name", &kString, kRequired}, {"bytes", &kLong, kRequired}};
constexpr Shape kStoragePart = structure("StoragePart", kStoragePartMembers);
constexpr Shape kStorageParts = list("StoragePartList", kStoragePart);
constexpr Member kStorageItemMembers[] = {
    {"kind", &kString, kRequired},
    {"id", &kString, kRequired},
    {"account", &kString},
    {"bytes", &kLong, kRequired},
    {"parts", &kStorageParts, kRequired},
    {"heldBy", &kTexts, kRequired},
    {"named", &kBoolean, kRequired},
};
constexpr Shape kStorageItem = structure("StorageItem", kStorageItemMembers);
constexpr Shape kStorageItems = list("StorageItemList", kStorageItem);
constexpr Member kStorageReportMembers[] = {
    {"kinds", &kStorageKinds, kRequired},
    {"items", &kStorageItems, kRequired},
    {"itemsLeftOut", &kLong, kRequired},
    {"dataDirectoryBytes", &kLong, kRequired},
    {"budgetBytes", &kLong},
    {"leftBytes", &kLong, kRequired},
    {"fileSystemBytes", &kLong, kRequired},
    {"availableBytes", &kLong, kRequired},
};
constexpr Shape kStorageReport = structure("DescribeStorageResponse", kStorageReportMembers);

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
    {"ForkMicrovm", "POST", kForkPath, 200, &kFork, &kForked, kRunErrors, &kProtocol},
    {"RollbackMicrovm", "POST", kRollbackPath, 200, &kRollback, &kNothing, kRollbackErrors, &kProtocol},
    {"CreateCheckpoint", "POST", kMakePath, 200, &kCreateCheckpoint, &kCheckpoint, kRunErrors, &kProtocol},
    {"ListCheckpoints", "GET", kCheckpointsPath, 200, &kListCheckpoints, &kListedCheckpoints, kCommonErrors,
     &kProtocol},
    {"GetCheckpoint", "GET", kCheckpointPath, 200, &kIdentifyCheckpoint, &kCheckpoint, kFindErrors, &kProtocol},
    {"DeleteCheckpoint", "DELETE", kCheckpointPath, 200, &kIdentifyCheckpoint, &kNothing, kChangeErrors, &kProtocol},
    {"ForkCheckpoint", "POST", kForkCheckpointPath, 200, &kForkCheckpoint, &kForked, kForkCheckpointErrors,
     &kProtocol},
    {"DescribeStorage", "GET", "/dormouse/2026-11-01/storage", 200, &kStorage, &kStorageReport, kStorageErrors, &kProtocol},
    {"ListTraces", "GET", "/dormouse/2026-11-01/traces", 200, &kTraces, &kTracesPage, kCommonErrors, &kProtocol},
};
// clang-format on

}  // namespace

std::span<const Operation> extension_operations() { return kOperations; }

}  // namespace dormouse::api
