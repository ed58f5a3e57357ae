// SPDX-License-Identifier: Apache-2.0
//
// lambda-core: network connectors (specification section 1.9). Members are UpperCamel, times ISO 8601, absent members
// are left out.

#include "api/shapes.h"

namespace dormouse::api {
namespace {

using namespace shapes;

constexpr Protocol kProtocol{
    .service = "lambda-core", .nulls_for_absent = false, .iso_timestamps = true, .errors = ErrorDialect::kCore};

constexpr std::string_view kStates[] = {"PENDING", "ACTIVE", "INACTIVE", "FAILED", "DELETING", "DELETE_FAILED"};
constexpr std::string_view kTypes[] = {"VPC_EGRESS"};
constexpr std::string_view kNetworkProtocols[] = {"IPv4", "DualStack"};
constexpr std::string_view kComputeResourceTypes[] = {"MicroVm"};
constexpr std::string_view kUpdateStatuses[] = {"Successful", "Failed", "InProgress"};
constexpr std::string_view kReasonCodes[] = {
    "DisallowedByVpcEncryptionControl",
    "Ec2RequestLimitExceeded",
    "InsufficientRolePermissions",
    "InternalError",
    "InvalidSecurityGroup",
    "InvalidSubnet",
    "SubnetOutOfIPAddresses",
};

constexpr Shape kState = enumeration("NetworkConnectorState", kStates);
constexpr Shape kType = enumeration("NetworkConnectorType", kTypes);
constexpr Shape kNetworkProtocol = enumeration("NetworkProtocol", kNetworkProtocols);
constexpr Shape kComputeResourceType = enumeration("ComputeResourceType", kComputeResourceTypes);
constexpr Shape kUpdateStatus = enumeration("NetworkConnectorLastUpdateStatus", kUpdateStatuses);
constexpr Shape kReasonCode = enumeration("NetworkConnectorStateReasonCode", kReasonCodes);
constexpr Shape kArn = text("NetworkConnectorArn", 1, 140);
constexpr Shape kId = text("NetworkConnectorId", 1, 140);
constexpr Shape kIdentifier = text("NetworkConnectorIdentifier", 1, 140);
constexpr Shape kName = text("NetworkConnectorName", 1, 64, "[a-zA-Z0-9_-]{1,64}");
constexpr Shape kRoleArn =
    text("NetworkConnectorRoleArn", 0, 10000, "arn:(aws[a-zA-Z-]*)?:iam::\\d{12}:role/?[a-zA-Z_0-9+=,.@\\-_/]+");
constexpr Shape kVersion{.name = "NetworkConnectorVersion", .type = Type::kLong, .minimum = 1};
constexpr Shape kClientToken = text("ClientTokenString", 1, 64);
constexpr Shape kMaxItems = number("MaxHundredListItems", 1, 100);
constexpr Shape kSubnetId = text("NetworkConnectorSubnetId", 0, 1024, "subnet-[0-9a-z]*");
constexpr Shape kSubnetIds = list("NetworkConnectorSubnetIds", kSubnetId, 1, 16);
constexpr Shape kSecurityGroupId = text("NetworkConnectorSecurityGroupId", 0, 1024, "sg-[0-9a-zA-Z]*");
constexpr Shape kSecurityGroupIds = list("NetworkConnectorSecurityGroupIds", kSecurityGroupId, 0, 5);
constexpr Shape kComputeResourceTypeList = list("AssociatedComputeResourceTypesList", kComputeResourceType, 1, 1);

constexpr Member kVpcEgressMembers[] = {
    {"SubnetIds", &kSubnetIds},
    {"SecurityGroupIds", &kSecurityGroupIds},
    {"NetworkProtocol", &kNetworkProtocol},
    {"AssociatedComputeResourceTypes", &kComputeResourceTypeList},
};
constexpr Shape kVpcEgress = structure("NetworkConnectorVpcEgressConfiguration", kVpcEgressMembers);

constexpr Member kConfigurationMembers[] = {
    {"VpcEgressConfiguration", &kVpcEgress},
};
constexpr Shape kConfiguration = one_of("NetworkConnectorConfiguration", kConfigurationMembers);

constexpr Member kCreateMembers[] = {
    {"Name", &kName, kRequired},
    {"Configuration", &kConfiguration, kRequired},
    {"OperatorRole", &kRoleArn},
    {"ClientToken", &kClientToken},
    {"Tags", &kTags},
};
constexpr Shape kCreate = structure("CreateNetworkConnectorRequest", kCreateMembers);

constexpr Member kIdentifyMembers[] = {
    {"Identifier", &kIdentifier, kRequired, kLabel},
};
constexpr Shape kGet = structure("GetNetworkConnectorRequest", kIdentifyMembers);
constexpr Shape kDelete = structure("DeleteNetworkConnectorRequest", kIdentifyMembers);

constexpr Member kUpdateMembers[] = {
    {"Identifier", &kIdentifier, kRequired, kLabel},
    {"Configuration", &kConfiguration},
    {"OperatorRole", &kRoleArn},
    {"ClientToken", &kClientToken},
};
constexpr Shape kUpdate = structure("UpdateNetworkConnectorRequest", kUpdateMembers);

constexpr Member kListMembers[] = {
    {"State", &kState, kOptional, kQuery},
    {"Marker", &kString, kOptional, kQuery},
    {"MaxItems", &kMaxItems, kOptional, kQuery, {}, "50"},
};
constexpr Shape kList = structure("ListNetworkConnectorsRequest", kListMembers);

constexpr Member kConnectorMembers[] = {
    {"Arn", &kArn, kRequired},
    {"Name", &kName, kRequired},
    {"Id", &kId, kRequired},
    {"Configuration", &kConfiguration},
    {"OperatorRole", &kRoleArn},
    {"State", &kState},
};
constexpr Shape kConnector = structure("NetworkConnector", kConnectorMembers);

constexpr Member kUpdatedMembers[] = {
    {"Arn", &kArn, kRequired},
    {"Name", &kName, kRequired},
    {"Id", &kId, kRequired},
    {"Configuration", &kConfiguration},
    {"OperatorRole", &kRoleArn},
    {"State", &kState},
    {"LastUpdateStatus", &kUpdateStatus},
    {"LastUpdateStatusReason", &kString},
    {"LastModified", &kTimestamp},
};
constexpr Shape kUpdated = structure("UpdateNetworkConnectorResponse", kUpdatedMembers);

constexpr Member kDescribedMembers[] = {
    {"Arn", &kArn, kRequired},
    {"Name", &kName, kRequired},
    {"Id", &kId, kRequired},
    {"Version", &kVersion},
    {"Configuration", &kConfiguration},
    {"OperatorRole", &kRoleArn},
    {"State", &kState},
    {"StateReason", &kString},
    {"StateReasonCode", &kReasonCode},
    {"LastUpdateStatus", &kUpdateStatus},
    {"LastUpdateStatusReason", &kString},
    {"LastUpdateStatusReasonCode", &kReasonCode},
    {"LastModified", &kTimestamp},
};
constexpr Shape kDescribed = structure("GetNetworkConnectorResponse", kDescribedMembers);

constexpr Member kSummaryMembers[] = {
    {"Arn", &kArn, kRequired},
    {"Name", &kName, kRequired},
    {"Id", &kId, kRequired},
    {"Type", &kType, kRequired},
    {"State", &kState},
    {"LastModified", &kTimestamp},
};
constexpr Shape kSummary = structure("NetworkConnectorSummary", kSummaryMembers);
constexpr Shape kSummaries = list("NetworkConnectorsList", kSummary);
constexpr Member kListedMembers[] = {
    {"NetworkConnectors", &kSummaries, kRequired},
    {"NextMarker", &kString},
};
constexpr Shape kListed = structure("ListNetworkConnectorsResponse", kListedMembers);

constexpr std::string_view kListErrors[] = {
    "InvalidParameterValueException",
    "ServiceException",
    "TooManyRequestsException",
    "ValidationException",
};
constexpr std::string_view kGetErrors[] = {
    "InvalidParameterValueException",
    "ResourceNotFoundException",
    "ServiceException",
    "TooManyRequestsException",
    "ValidationException",
};
constexpr std::string_view kCreateErrors[] = {
    "InvalidParameterValueException",
    "NetworkConnectorLimitExceededException",
    "ResourceConflictException",
    "ServiceException",
    "TooManyRequestsException",
    "ValidationException",
};
constexpr std::string_view kUpdateErrors[] = {
    "InvalidParameterValueException",
    "NetworkConnectorLimitExceededException",
    "ResourceConflictException",
    "ResourceNotFoundException",
    "ServiceException",
    "TooManyRequestsException",
    "ValidationException",
};
constexpr std::string_view kDeleteErrors[] = {
    "InvalidParameterValueException",
    "ResourceConflictException",
    "ResourceNotFoundException",
    "ServiceException",
    "TooManyRequestsException",
    "ValidationException",
};

constexpr std::string_view kAll = "/2026-04-04/network-connectors";
constexpr std::string_view kOne = "/2026-04-04/network-connectors/{Identifier}";

// clang-format off
constexpr Operation kOperations[] = {
    {"CreateNetworkConnector", "POST", kAll, 202, &kCreate, &kConnector, kCreateErrors, &kProtocol},
    {"GetNetworkConnector", "GET", kOne, 200, &kGet, &kDescribed, kGetErrors, &kProtocol},
    {"UpdateNetworkConnector", "PUT", kOne, 202, &kUpdate, &kUpdated, kUpdateErrors, &kProtocol},
    {"DeleteNetworkConnector", "DELETE", kOne, 202, &kDelete, &kConnector, kDeleteErrors, &kProtocol},
    {"ListNetworkConnectors", "GET", kAll, 200, &kList, &kListed, kListErrors, &kProtocol},
};
// clang-format on

}  // namespace

std::span<const Operation> network_connector_operations() { return kOperations; }

}  // namespace dormouse::api
