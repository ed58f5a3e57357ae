// SPDX-License-Identifier: Apache-2.0
//
// lambda-microvms: the operations on MicroVMs (specification section 1.5).

#include "api/microvm_shapes.h"

namespace dormouse::api {
namespace {

using namespace shapes;

constexpr std::string_view kMicrovmStates[] = {
    "PENDING", "RUNNING", "SUSPENDING", "SUSPENDED", "TERMINATING", "TERMINATED"};
constexpr Shape kMicrovmState = enumeration("MicrovmState", kMicrovmStates);
constexpr Shape kMicrovmImageArn =
    text("MicrovmImageArn", 20, 2048, "arn:[a-z0-9-]+:lambda:[a-z0-9-]*:[a-z0-9]*:microvm-image:.+");
constexpr Shape kNetworkConnectorList = list("NetworkConnectorList", kNetworkConnector, 0, 10);

// --- RunMicrovm, GetMicrovm ---

constexpr Member kRunMembers[] = {
    {"imageIdentifier", &kImageIdentifier, kRequired},
    {"imageVersion", &kVersion},
    {"ingressNetworkConnectors", &kNetworkConnectorList},
    {"egressNetworkConnectors", &kNetworkConnectorList},
    {"executionRoleArn", &kRoleArn},
    {"idlePolicy", &kIdlePolicy},
    {"logging", &kLogging},
    {"runHookPayload", &kRunHookPayload},
    {"maximumDurationInSeconds", &kMaximumDuration},
    {"clientToken", &kClientToken},
};
constexpr Shape kRun = structure("RunMicrovmRequest", kRunMembers);

constexpr Member kMicrovmMembers[] = {
    {"microvmId", &kMicrovmIdentifier, kRequired},
    {"state", &kMicrovmState, kRequired},
    {"endpoint", &kString, kRequired},
    {"imageArn", &kMicrovmImageArn, kRequired},
    {"imageVersion", &kVersion, kRequired},
    {"maximumDurationInSeconds", &kInteger, kRequired},
    {"startedAt", &kTimestamp, kRequired},
    {"terminatedAt", &kTimestamp},
    {"executionRoleArn", &kRoleArn},
    {"idlePolicy", &kIdlePolicy},
    {"stateReason", &kString},
    {"terminationReasonCode", &kString},
    {"ingressNetworkConnectors", &kNetworkConnectorList},
    {"egressNetworkConnectors", &kNetworkConnectorList},
};
constexpr Shape kMicrovm = structure("GetMicrovmResponse", kMicrovmMembers);

constexpr Member kIdentifyMembers[] = {
    {"microvmIdentifier", &kMicrovmIdentifier, kRequired, kLabel},
};
constexpr Shape kIdentify = structure("MicrovmIdentifierRequest", kIdentifyMembers);
constexpr Shape kNothing = structure("EmptyResponse");

// --- ListMicrovms ---

constexpr Member kListMembers[] = {
    {"maxResults", &kMaxResults, kOptional, kQuery, {}, "50"},
    {"nextToken", &kString, kOptional, kQuery},
    {"imageIdentifier", &kImageIdentifier, kOptional, kQuery},
    {"imageVersion", &kString, kOptional, kQuery},
};
constexpr Shape kList = structure("ListMicrovmsRequest", kListMembers);

constexpr Member kItemMembers[] = {
    {"microvmId", &kMicrovmIdentifier, kRequired},
    {"state", &kMicrovmState, kRequired},
    {"imageArn", &kMicrovmImageArn, kRequired},
    {"imageVersion", &kVersion, kRequired},
    {"startedAt", &kTimestamp, kRequired},
};
constexpr Shape kItem = structure("MicrovmItem", kItemMembers);
constexpr Shape kItems = list("MicrovmItemList", kItem);
constexpr Member kListedMembers[] = {
    {"items", &kItems, kRequired},
    {"nextToken", &kString},
};
constexpr Shape kListed = structure("ListMicrovmsResponse", kListedMembers);

// --- tokens ---

constexpr Shape kPositiveInteger = number("PositiveInteger", 1);
constexpr Shape kPortNumber = number("PortNumber", 1, 65'535);
constexpr Shape kUnit = structure("Unit");
constexpr Member kPortRangeMembers[] = {
    {"startPort", &kPortNumber, kRequired},
    {"endPort", &kPortNumber, kRequired},
};
constexpr Shape kPortRange = structure("PortRange", kPortRangeMembers);
constexpr Member kPortSpecificationMembers[] = {
    {"port", &kPortNumber},
    {"range", &kPortRange},
    {"allPorts", &kUnit},
};
constexpr Shape kPortSpecification = one_of("PortSpecification", kPortSpecificationMembers);
constexpr Shape kPortSpecifications = list("ListOfPortSpecification", kPortSpecification, 1);

constexpr Member kTokenMembers[] = {
    {"microvmIdentifier", &kMicrovmIdentifier, kRequired, kLabel},
    {"expirationInMinutes", &kPositiveInteger, kRequired},
    {"allowedPorts", &kPortSpecifications, kRequired},
};
constexpr Shape kToken = structure("CreateMicrovmAuthTokenRequest", kTokenMembers);

constexpr Member kShellTokenMembers[] = {
    {"microvmIdentifier", &kMicrovmIdentifier, kRequired, kLabel},
    {"expirationInMinutes", &kPositiveInteger, kRequired},
};
constexpr Shape kShellToken = structure("CreateMicrovmShellAuthTokenRequest", kShellTokenMembers);

constexpr Shape kTokenKey = text("AuthTokenKey", 1, 256, "[^\\s]+");
constexpr Shape kTokenValue = secret("AuthTokenValue", 0, 8000, LengthUnit::kCharacters);
constexpr Shape kTokenParts = map("TokenParts", kTokenKey, kTokenValue, 1, 10);
constexpr Member kTokenAnswerMembers[] = {
    {"authToken", &kTokenParts, kRequired},
};
constexpr Shape kTokenAnswer = structure("CreateMicrovmAuthTokenResponse", kTokenAnswerMembers);

constexpr std::string_view kAll = "/2025-09-09/microvms";
constexpr std::string_view kOne = "/2025-09-09/microvms/{microvmIdentifier}";
constexpr std::string_view kSuspend = "/2025-09-09/microvms/{microvmIdentifier}/suspend";
constexpr std::string_view kResume = "/2025-09-09/microvms/{microvmIdentifier}/resume";
constexpr std::string_view kAuthToken = "/2025-09-09/microvms/{microvmIdentifier}/auth-token";
constexpr std::string_view kShellAuthToken = "/2025-09-09/microvms/{microvmIdentifier}/shell-auth-token";

constexpr const Protocol* kProtocol = &kMicrovmProtocol;

// clang-format off
constexpr Operation kOperations[] = {
    {"RunMicrovm", "POST", kAll, 200, &kRun, &kMicrovm, kRunErrors, kProtocol},
    {"GetMicrovm", "GET", kOne, 200, &kIdentify, &kMicrovm, kFindErrors, kProtocol},
    {"ListMicrovms", "GET", kAll, 200, &kList, &kListed, kFindErrors, kProtocol},
    {"SuspendMicrovm", "POST", kSuspend, 200, &kIdentify, &kNothing, kChangeErrors, kProtocol},
    {"ResumeMicrovm", "POST", kResume, 200, &kIdentify, &kNothing, kChangeErrors, kProtocol},
    {"TerminateMicrovm", "DELETE", kOne, 200, &kIdentify, &kNothing, kChangeErrors, kProtocol},
    {"CreateMicrovmAuthToken", "POST", kAuthToken, 200, &kToken, &kTokenAnswer, kChangeErrors, kProtocol},
    {"CreateMicrovmShellAuthToken", "POST", kShellAuthToken, 200, &kShellToken, &kTokenAnswer, kChangeErrors,
     kProtocol},
};
// clang-format on

}  // namespace

std::span<const Operation> microvm_operations() { return kOperations; }

}  // namespace dormouse::api
