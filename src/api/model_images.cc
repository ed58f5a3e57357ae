// SPDX-License-Identifier: Apache-2.0
//
// lambda-microvms: the operations on images, versions, builds and managed images (specification section 1.4).

#include "api/microvm_shapes.h"

namespace dormouse::api {
namespace {

using namespace shapes;

constexpr std::string_view kArchitectures[] = {"ARM_64", "X86_64"};
constexpr std::string_view kChipsets[] = {"GRAVITON", "INTEL"};
constexpr std::string_view kBuildStates[] = {"PENDING", "IN_PROGRESS", "SUCCESSFUL", "FAILED"};
constexpr std::string_view kCapabilities[] = {"ALL"};
constexpr std::string_view kHookStates[] = {"DISABLED", "ENABLED"};
constexpr std::string_view kImageStates[] = {"CREATING",
                                             "CREATED",
                                             "CREATE_FAILED",
                                             "UPDATING",
                                             "UPDATED",
                                             "UPDATE_FAILED",
                                             "DELETING",
                                             "DELETE_FAILED",
                                             "DELETED"};
constexpr std::string_view kVersionStates[] = {
    "PENDING", "IN_PROGRESS", "SUCCESSFUL", "FAILED", "DELETING", "DELETED", "DELETE_FAILED"};
constexpr std::string_view kVersionStatuses[] = {"ACTIVE", "INACTIVE"};
constexpr std::string_view kManagedStatuses[] = {"AVAILABLE", "DEPRECATED", "RECALLED"};

constexpr Shape kArchitecture = enumeration("Architecture", kArchitectures);
constexpr Shape kChipset = enumeration("Chipset", kChipsets);
constexpr Shape kBuildState = enumeration("BuildState", kBuildStates);
constexpr Shape kCapability = enumeration("Capability", kCapabilities);
constexpr Shape kHookState = enumeration("HookState", kHookStates);
constexpr Shape kImageState = enumeration("MicrovmImageState", kImageStates);
constexpr Shape kVersionState = enumeration("MicrovmImageVersionState", kVersionStates);
constexpr Shape kVersionStatus = enumeration("MicrovmImageVersionStatus", kVersionStatuses);
constexpr Shape kManagedStatus = enumeration("ManagedMicrovmImageVersionStatus", kManagedStatuses);

constexpr Shape kImageName = text("ImageName", 1, 64, "[a-zA-Z0-9-_]+");
constexpr Shape kCapabilityList = list("CapabilityList", kCapability);
constexpr Shape kImageConnectors = list("ImageEgressNetworkConnectorsList", kNetworkConnector, 0, 1);
constexpr Shape kEnvironmentKey = text("EnvironmentVariableKey", 1, 256, "[^\\s]+");
constexpr Shape kEnvironmentValue = secret("EnvironmentVariableValue", 0, 4096, LengthUnit::kCharacters);
constexpr Shape kEnvironment = map("EnvironmentVariableMap", kEnvironmentKey, kEnvironmentValue, 0, 50);

constexpr Member kCodeArtifactMembers[] = {
    {"uri", &kNonBlankString},
};
constexpr Shape kCodeArtifact = one_of("CodeArtifact", kCodeArtifactMembers);

constexpr Member kCpuMembers[] = {
    {"architecture", &kArchitecture, kRequired},
};
constexpr Shape kCpu = structure("CpuConfiguration", kCpuMembers);
constexpr Shape kCpuList = list("CpuConfigurationList", kCpu);

constexpr Shape kMinimumMemory = number("MinimumMemoryInMiBInteger", 1);
constexpr Member kResourcesMembers[] = {
    {"minimumMemoryInMiB", &kMinimumMemory, kRequired},
};
constexpr Shape kResources = structure("Resources", kResourcesMembers);
constexpr Shape kResourcesList = list("ResourcesList", kResources, 0, 1);

constexpr Shape kHooksPort = number("HooksPortInteger", 1, 65'535);
constexpr Shape kRuntimeHookTimeout = number("MicrovmHooksTimeoutInSecondsInteger", 1, 60);
constexpr Shape kBuildHookTimeout = number("MicrovmImageHooksTimeoutInSecondsInteger", 1, 3600);
constexpr Member kMicrovmHooksMembers[] = {
    {"run", &kHookState},
    {"runTimeoutInSeconds", &kRuntimeHookTimeout},
    {"resume", &kHookState},
    {"resumeTimeoutInSeconds", &kRuntimeHookTimeout},
    {"suspend", &kHookState},
    {"suspendTimeoutInSeconds", &kRuntimeHookTimeout},
    {"terminate", &kHookState},
    {"terminateTimeoutInSeconds", &kRuntimeHookTimeout},
};
constexpr Shape kMicrovmHooks = structure("MicrovmHooks", kMicrovmHooksMembers);
constexpr Member kImageHooksMembers[] = {
    {"ready", &kHookState},
    {"readyTimeoutInSeconds", &kBuildHookTimeout},
    {"validate", &kHookState},
    {"validateTimeoutInSeconds", &kBuildHookTimeout},
};
constexpr Shape kImageHooks = structure("MicrovmImageHooks", kImageHooksMembers);
constexpr Member kHooksMembers[] = {
    {"port", &kHooksPort},
    {"microvmHooks", &kMicrovmHooks},
    {"microvmImageHooks", &kImageHooks},
};
constexpr Shape kHooks = structure("Hooks", kHooksMembers);

// --- CreateMicrovmImage, UpdateMicrovmImage ---

// The first three in the order in which the service names them when they are missing.
constexpr Member kCreateMembers[] = {
    {"baseImageArn", &kNonBlankString, kRequired},
    {"codeArtifact", &kCodeArtifact, kRequired},
    {"buildRoleArn", &kRoleArn, kRequired},
    {"name", &kImageName, kRequired},
    {"baseImageVersion", &kVersion},
    {"description", &kString},
    {"logging", &kLogging},
    {"egressNetworkConnectors", &kImageConnectors},
    {"cpuConfigurations", &kCpuList},
    {"resources", &kResourcesList},
    {"additionalOsCapabilities", &kCapabilityList},
    {"hooks", &kHooks},
    {"environmentVariables", &kEnvironment},
    {"tags", &kTags},
    {"clientToken", &kClientToken},
};
constexpr Shape kCreate = structure("CreateMicrovmImageRequest", kCreateMembers);

constexpr Member kUpdateMembers[] = {
    {"imageIdentifier", &kImageIdentifier, kRequired, kLabel},
    {"baseImageArn", &kNonBlankString, kRequired},
    {"codeArtifact", &kCodeArtifact, kRequired},
    {"buildRoleArn", &kRoleArn, kRequired},
    {"baseImageVersion", &kVersion},
    {"description", &kString},
    {"logging", &kLogging},
    {"egressNetworkConnectors", &kImageConnectors},
    {"cpuConfigurations", &kCpuList},
    {"resources", &kResourcesList},
    {"additionalOsCapabilities", &kCapabilityList},
    {"hooks", &kHooks},
    {"environmentVariables", &kEnvironment},
    {"clientToken", &kClientToken},
};
constexpr Shape kUpdate = structure("UpdateMicrovmImageRequest", kUpdateMembers);

constexpr Member kCreatedMembers[] = {
    {"id", &kString},
    {"imageArn", &kNonBlankString, kRequired},
    {"name", &kImageName, kRequired},
    {"state", &kImageState, kRequired},
    {"imageVersion", &kNonBlankString, kRequired},
    {"latestActiveImageVersion", &kNonBlankString},
    {"latestFailedImageVersion", &kNonBlankString},
    {"baseImageArn", &kNonBlankString, kRequired},
    {"baseImageVersion", &kVersion},
    {"buildRoleArn", &kRoleArn, kRequired},
    {"codeArtifact", &kCodeArtifact, kRequired},
    {"createdAt", &kTimestamp, kRequired},
    {"updatedAt", &kTimestamp},
    {"egressNetworkConnectors", &kImageConnectors},
    {"resources", &kResourcesList},
    {"cpuConfigurations", &kCpuList},
    {"hooks", &kHooks},
    {"logging", &kLogging},
    {"environmentVariables", &kEnvironment},
    {"additionalOsCapabilities", &kCapabilityList},
    {"description", &kString},
    {"tags", &kTags},
    {"buildPhaseOverrides", &kString},
    {"roleConfiguration", &kString},
};
constexpr Shape kCreated = structure("CreateMicrovmImageResponse", kCreatedMembers);

constexpr Member kUpdatedMembers[] = {
    {"id", &kString},
    {"imageArn", &kNonBlankString, kRequired},
    {"name", &kImageName, kRequired},
    {"state", &kImageState, kRequired},
    {"imageVersion", &kNonBlankString, kRequired},
    {"latestActiveImageVersion", &kNonBlankString},
    {"latestFailedImageVersion", &kNonBlankString},
    {"baseImageArn", &kNonBlankString, kRequired},
    {"baseImageVersion", &kVersion},
    {"buildRoleArn", &kRoleArn, kRequired},
    {"codeArtifact", &kCodeArtifact, kRequired},
    {"createdAt", &kTimestamp, kRequired},
    {"updatedAt", &kTimestamp, kRequired},
    {"egressNetworkConnectors", &kImageConnectors},
    {"resources", &kResourcesList},
    {"cpuConfigurations", &kCpuList},
    {"hooks", &kHooks},
    {"logging", &kLogging},
    {"environmentVariables", &kEnvironment},
    {"additionalOsCapabilities", &kCapabilityList},
    {"description", &kString},
    {"buildPhaseOverrides", &kString},
    {"roleConfiguration", &kString},
};
constexpr Shape kUpdated = structure("UpdateMicrovmImageResponse", kUpdatedMembers);

// --- images ---

constexpr Member kIdentifyImageMembers[] = {
    {"imageIdentifier", &kImageIdentifier, kRequired, kLabel},
};
constexpr Shape kIdentifyImage = structure("MicrovmImageIdentifierRequest", kIdentifyImageMembers);

constexpr Member kImageMembers[] = {
    {"id", &kString},
    {"imageArn", &kNonBlankString, kRequired},
    {"name", &kImageName, kRequired},
    {"state", &kImageState, kRequired},
    {"latestActiveImageVersion", &kNonBlankString},
    {"latestFailedImageVersion", &kNonBlankString},
    {"createdAt", &kTimestamp, kRequired},
    {"updatedAt", &kTimestamp},
    {"tags", &kTags},
};
constexpr Shape kImage = structure("GetMicrovmImageResponse", kImageMembers);

constexpr Member kImageSummaryMembers[] = {
    {"id", &kString},
    {"imageArn", &kNonBlankString, kRequired},
    {"name", &kImageName, kRequired},
    {"state", &kImageState, kRequired},
    {"latestActiveImageVersion", &kNonBlankString},
    {"latestFailedImageVersion", &kNonBlankString},
    {"createdAt", &kTimestamp, kRequired},
};
constexpr Shape kImageSummary = structure("MicrovmImageSummary", kImageSummaryMembers);
constexpr Shape kImageSummaries = list("MicrovmImageSummaries", kImageSummary);
constexpr Member kListImagesMembers[] = {
    {"maxResults", &kMaxResults, kOptional, kQuery, {}, "50"},
    {"nextToken", &kString, kOptional, kQuery},
    {"nameFilter", &kNonBlankString, kOptional, kQuery},
};
constexpr Shape kListImages = structure("ListMicrovmImagesRequest", kListImagesMembers);
constexpr Member kListedImagesMembers[] = {
    {"items", &kImageSummaries, kRequired},
    {"nextToken", &kString},
};
constexpr Shape kListedImages = structure("ListMicrovmImagesResponse", kListedImagesMembers);

constexpr Member kDeletedImageMembers[] = {
    {"imageIdentifier", &kImageIdentifier, kRequired},
    {"state", &kImageState, kRequired},
};
constexpr Shape kDeletedImage = structure("DeleteMicrovmImageResponse", kDeletedImageMembers);

// --- versions ---

constexpr Member kIdentifyVersionMembers[] = {
    {"imageIdentifier", &kImageIdentifier, kRequired, kLabel},
    {"imageVersion", &kNonBlankString, kRequired, kLabel},
};
constexpr Shape kIdentifyVersion = structure("MicrovmImageVersionRequest", kIdentifyVersionMembers);

constexpr Member kUpdateVersionMembers[] = {
    {"imageIdentifier", &kImageIdentifier, kRequired, kLabel},
    {"imageVersion", &kNonBlankString, kRequired, kLabel},
    {"status", &kVersionStatus, kRequired},
};
constexpr Shape kUpdateVersion = structure("UpdateMicrovmImageVersionRequest", kUpdateVersionMembers);

constexpr Member kVersionMembers[] = {
    {"imageArn", &kNonBlankString, kRequired},
    {"imageVersion", &kNonBlankString, kRequired},
    {"state", &kVersionState, kRequired},
    {"status", &kVersionStatus, kRequired},
    {"stateReason", &kString},
    {"baseImageArn", &kNonBlankString, kRequired},
    {"baseImageVersion", &kVersion},
    {"buildRoleArn", &kRoleArn, kRequired},
    {"codeArtifact", &kCodeArtifact, kRequired},
    {"createdAt", &kTimestamp, kRequired},
    {"updatedAt", &kTimestamp},
    {"egressNetworkConnectors", &kImageConnectors},
    {"resources", &kResourcesList},
    {"cpuConfigurations", &kCpuList},
    {"hooks", &kHooks},
    {"logging", &kLogging},
    {"environmentVariables", &kEnvironment},
    {"additionalOsCapabilities", &kCapabilityList},
    {"description", &kString},
    {"tags", &kTags},
    {"versionStateTimeBucket", &kString},
};
constexpr Shape kVersionAnswer = structure("GetMicrovmImageVersionResponse", kVersionMembers);
constexpr Shape kVersionSummaries = list("MicrovmImageVersionSummaryList", kVersionAnswer);

constexpr Member kListVersionsMembers[] = {
    {"imageIdentifier", &kImageIdentifier, kRequired, kLabel},
    {"maxResults", &kMaxResults, kOptional, kQuery, {}, "50"},
    {"nextToken", &kString, kOptional, kQuery},
};
constexpr Shape kListVersions = structure("ListMicrovmImageVersionsRequest", kListVersionsMembers);
constexpr Member kListedVersionsMembers[] = {
    {"items", &kVersionSummaries, kRequired},
    {"nextToken", &kString},
};
constexpr Shape kListedVersions = structure("ListMicrovmImageVersionsResponse", kListedVersionsMembers);

constexpr Member kDeletedVersionMembers[] = {
    {"imageIdentifier", &kImageIdentifier, kRequired},
    {"imageVersion", &kNonBlankString, kRequired},
    {"state", &kVersionState, kRequired},
};
constexpr Shape kDeletedVersion = structure("DeleteMicrovmImageVersionResponse", kDeletedVersionMembers);

// --- builds ---

constexpr Member kSnapshotBuildMembers[] = {
    {"memorySnapshotSizeInBytes", &kLong},
    {"codeInstallSizeInBytes", &kLong},
    {"diskSnapshotSizeInBytes", &kLong},
};
constexpr Shape kSnapshotBuild = structure("SnapshotBuild", kSnapshotBuildMembers);

constexpr Member kIdentifyBuildMembers[] = {
    {"imageIdentifier", &kImageIdentifier, kRequired, kLabel},
    {"imageVersion", &kNonBlankString, kRequired, kLabel},
    {"buildId", &kNonBlankString, kRequired, kLabel},
};
constexpr Shape kIdentifyBuild = structure("GetMicrovmImageBuildRequest", kIdentifyBuildMembers);

constexpr Member kBuildMembers[] = {
    {"imageArn", &kNonBlankString, kRequired},
    {"imageVersion", &kNonBlankString, kRequired},
    {"buildId", &kNonBlankString, kRequired},
    {"buildState", &kBuildState, kRequired},
    {"architecture", &kArchitecture, kRequired},
    {"chipset", &kChipset, kRequired},
    {"chipsetGeneration", &kNonBlankString, kRequired},
    {"createdAt", &kTimestamp, kRequired},
    {"stateReason", &kString},
    {"terminationReasonCode", &kString},
    {"snapshotBuild", &kSnapshotBuild},
};
constexpr Shape kBuild = structure("GetMicrovmImageBuildResponse", kBuildMembers);

constexpr Member kBuildSummaryMembers[] = {
    {"imageArn", &kNonBlankString, kRequired},
    {"imageVersion", &kNonBlankString, kRequired},
    {"buildId", &kNonBlankString, kRequired},
    {"buildState", &kBuildState, kRequired},
    {"architecture", &kArchitecture, kRequired},
    {"chipset", &kChipset, kRequired},
    {"chipsetGeneration", &kNonBlankString, kRequired},
    {"createdAt", &kTimestamp, kRequired},
    {"stateReason", &kString},
    {"terminationReasonCode", &kString},
};
constexpr Shape kBuildSummary = structure("MicrovmImageBuildSummary", kBuildSummaryMembers);
constexpr Shape kBuildSummaries = list("MicrovmImageBuildSummaries", kBuildSummary);
constexpr Member kListBuildsMembers[] = {
    {"imageIdentifier", &kImageIdentifier, kRequired, kLabel},
    {"imageVersion", &kNonBlankString, kRequired, kLabel},
    {"maxResults", &kMaxResults, kOptional, kQuery, {}, "50"},
    {"nextToken", &kString, kOptional, kQuery},
    {"architecture", &kArchitecture, kOptional, kQuery},
    {"chipset", &kChipset, kOptional, kQuery},
    {"chipsetGeneration", &kNonBlankString, kOptional, kQuery},
};
constexpr Shape kListBuilds = structure("ListMicrovmImageBuildsRequest", kListBuildsMembers);
constexpr Member kListedBuildsMembers[] = {
    {"items", &kBuildSummaries, kRequired},
    {"nextToken", &kString},
};
constexpr Shape kListedBuilds = structure("ListMicrovmImageBuildsResponse", kListedBuildsMembers);

// --- managed images ---

constexpr Member kListManagedMembers[] = {
    {"maxResults", &kMaxResults, kOptional, kQuery, {}, "50"},
    {"nextToken", &kString, kOptional, kQuery},
};
constexpr Shape kListManaged = structure("ListManagedMicrovmImagesRequest", kListManagedMembers);
constexpr Member kManagedMembers[] = {
    {"imageArn", &kNonBlankString, kRequired},
    {"createdAt", &kTimestamp, kRequired},
    {"updatedAt", &kTimestamp},
};
constexpr Shape kManaged = structure("ManagedMicrovmImageSummary", kManagedMembers);
constexpr Shape kManagedList = list("ManagedMicrovmImageSummaryList", kManaged);
constexpr Member kListedManagedMembers[] = {
    {"items", &kManagedList, kRequired},
    {"nextToken", &kString},
};
constexpr Shape kListedManaged = structure("ListManagedMicrovmImagesResponse", kListedManagedMembers);

constexpr Member kManagedVersionMembers[] = {
    {"imageArn", &kNonBlankString, kRequired},
    {"imageVersion", &kNonBlankString, kRequired},
    {"status", &kManagedStatus},
    {"createdAt", &kTimestamp, kRequired},
    {"updatedAt", &kTimestamp},
    {"supportedCpuConfigurations", &kCpuList},
};
constexpr Shape kManagedVersion = structure("ManagedMicrovmImageVersion", kManagedVersionMembers);
constexpr Shape kManagedVersionList = list("ManagedMicrovmImageVersionList", kManagedVersion);
constexpr Member kListedManagedVersionsMembers[] = {
    {"items", &kManagedVersionList, kRequired},
    {"nextToken", &kString},
};
constexpr Shape kListedManagedVersions =
    structure("ListManagedMicrovmImageVersionsResponse", kListedManagedVersionsMembers);

constexpr std::string_view kImages = "/2025-09-09/microvm-images";
constexpr std::string_view kOneImage = "/2025-09-09/microvm-images/{imageIdentifier}";
constexpr std::string_view kVersions = "/2025-09-09/microvm-images/{imageIdentifier}/versions";
constexpr std::string_view kOneVersion = "/2025-09-09/microvm-images/{imageIdentifier}/versions/{imageVersion}";
constexpr std::string_view kBuilds = "/2025-09-09/microvm-images/{imageIdentifier}/versions/{imageVersion}/builds";
constexpr std::string_view kOneBuild =
    "/2025-09-09/microvm-images/{imageIdentifier}/versions/{imageVersion}/builds/{buildId}";
constexpr std::string_view kManagedImages = "/2025-09-09/managed-microvm-images";
constexpr std::string_view kManagedVersions = "/2025-09-09/managed-microvm-images/{imageIdentifier}/versions";

constexpr const Protocol* kProtocol = &kMicrovmProtocol;

// clang-format off
constexpr Operation kOperations[] = {
    {"CreateMicrovmImage", "POST", kImages, 201, &kCreate, &kCreated, kCreateErrors, kProtocol},
    {"UpdateMicrovmImage", "PUT", kOneImage, 200, &kUpdate, &kUpdated, kCreateErrors, kProtocol},
    {"GetMicrovmImage", "GET", kOneImage, 200, &kIdentifyImage, &kImage, kFindErrors, kProtocol},
    {"ListMicrovmImages", "GET", kImages, 200, &kListImages, &kListedImages, kCommonErrors, kProtocol},
    {"DeleteMicrovmImage", "DELETE", kOneImage, 200, &kIdentifyImage, &kDeletedImage, kChangeErrors, kProtocol},
    {"GetMicrovmImageVersion", "GET", kOneVersion, 200, &kIdentifyVersion, &kVersionAnswer, kFindErrors, kProtocol},
    {"ListMicrovmImageVersions", "GET", kVersions, 200, &kListVersions, &kListedVersions, kFindErrors, kProtocol},
    {"UpdateMicrovmImageVersion", "PATCH", kOneVersion, 200, &kUpdateVersion, &kVersionAnswer, kChangeErrors,
     kProtocol},
    {"DeleteMicrovmImageVersion", "DELETE", kOneVersion, 200, &kIdentifyVersion, &kDeletedVersion, kChangeErrors,
     kProtocol},
    {"ListMicrovmImageBuilds", "GET", kBuilds, 200, &kListBuilds, &kListedBuilds, kFindErrors, kProtocol},
    {"GetMicrovmImageBuild", "GET", kOneBuild, 200, &kIdentifyBuild, &kBuild, kFindErrors, kProtocol},
    {"ListManagedMicrovmImages", "GET", kManagedImages, 200, &kListManaged, &kListedManaged, kCommonErrors, kProtocol},
    {"ListManagedMicrovmImageVersions", "GET", kManagedVersions, 200, &kListVersions, &kListedManagedVersions,
     kFindErrors, kProtocol},
};
// clang-format on

}  // namespace

std::span<const Operation> image_operations() { return kOperations; }

}  // namespace dormouse::api
