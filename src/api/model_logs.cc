// SPDX-License-Identifier: Apache-2.0
//
// CloudWatch Logs, as far as reading what VMs and builds printed needs it. JSON 1.1: the operation is named by X-Amz-Target,
// so none of these has a path of its own. Times are milliseconds since 1970, absent members are left out.

#include "api/shapes.h"

namespace dormouse::api {
namespace {

using namespace shapes;

constexpr Protocol kProtocol{.service = "logs", .nulls_for_absent = false, .errors = ErrorDialect::kLogs};

constexpr std::string_view kOrders[] = {"LogStreamName", "LastEventTime"};
constexpr std::string_view kClasses[] = {"STANDARD", "INFREQUENT_ACCESS", "DELIVERY", "ESSENTIALS"};

constexpr Shape kGroupName = text("LogGroupName", 1, 512, "[\\.\\-_/#A-Za-z0-9]+");
constexpr Shape kGroupPattern = text("LogGroupNamePattern", 0, 512, "[\\.\\-_/#A-Za-z0-9]*");
constexpr Shape kGroupIdentifier = text("LogGroupIdentifier", 1, 2048, "[\\w#+=/:,.@-]*");
constexpr Shape kGroupClass = enumeration("LogGroupClass", kClasses);
constexpr Shape kStreamName = text("LogStreamName", 1, 512, "[^:*]*");
constexpr Shape kStreamNames = list("InputLogStreamNames", kStreamName, 1, 100);
constexpr Shape kOrderBy = enumeration("OrderBy", kOrders);
constexpr Shape kNextToken = text("NextToken", 1);
constexpr Shape kDescribeLimit = number("DescribeLimit", 1, 50);
constexpr Shape kEventsLimit = number("EventsLimit", 1, 10'000);
constexpr Shape kTime{.name = "Timestamp", .type = Type::kLong, .minimum = 0};
constexpr Shape kFilterPattern = text("FilterPattern", 0, 1024);
constexpr Shape kDays = number("Days");

constexpr Member kDescribeGroupsMembers[] = {
    {"logGroupNamePrefix", &kGroupName},
    {"logGroupNamePattern", &kGroupPattern},
    {"nextToken", &kNextToken},
    {"limit", &kDescribeLimit, kOptional, kBody, {}, "50"},
};
constexpr Shape kDescribeGroups = structure("DescribeLogGroupsRequest", kDescribeGroupsMembers);
constexpr Member kGroupMembers[] = {
    {"logGroupName", &kGroupName},
    {"creationTime", &kTime},
    {"retentionInDays", &kDays},
    {"metricFilterCount", &kInteger},
    {"arn", &kString},
    {"storedBytes", &kLong},
    {"logGroupClass", &kGroupClass},
    {"logGroupArn", &kString},
};
constexpr Shape kGroup = structure("LogGroup", kGroupMembers);
constexpr Shape kGroups = list("LogGroups", kGroup);
constexpr Member kGroupsMembers[] = {
    {"logGroups", &kGroups},
    {"nextToken", &kNextToken},
};
constexpr Shape kDescribedGroups = structure("DescribeLogGroupsResponse", kGroupsMembers);

constexpr Member kDescribeStreamsMembers[] = {
    {"logGroupName", &kGroupName},
    {"logGroupIdentifier", &kGroupIdentifier},
    {"logStreamNamePrefix", &kStreamName},
    {"orderBy", &kOrderBy, kOptional, kBody, {}, "\"LogStreamName\""},
    {"descending", &kBoolean, kOptional, kBody, {}, "false"},
    {"nextToken", &kNextToken},
    {"limit", &kDescribeLimit, kOptional, kBody, {}, "50"},
};
constexpr Shape kDescribeStreams = structure("DescribeLogStreamsRequest", kDescribeStreamsMembers);
constexpr Member kStreamMembers[] = {
    {"logStreamName", &kStreamName},
    {"creationTime", &kTime},
    {"firstEventTimestamp", &kTime},
    {"lastEventTimestamp", &kTime},
    {"lastIngestionTime", &kTime},
    {"uploadSequenceToken", &kString},
    {"arn", &kString},
    {"storedBytes", &kLong},
};
constexpr Shape kStream = structure("LogStream", kStreamMembers);
constexpr Shape kStreams = list("LogStreams", kStream);
constexpr Member kStreamsMembers[] = {
    {"logStreams", &kStreams},
    {"nextToken", &kNextToken},
};
constexpr Shape kDescribedStreams = structure("DescribeLogStreamsResponse", kStreamsMembers);

constexpr Member kGetMembers[] = {
    {"logGroupName", &kGroupName},
    {"logGroupIdentifier", &kGroupIdentifier},
    {"logStreamName", &kStreamName, kRequired},
    {"startTime", &kTime},
    {"endTime", &kTime},
    {"nextToken", &kNextToken},
    {"limit", &kEventsLimit, kOptional, kBody, {}, "10000"},
    {"startFromHead", &kBoolean, kOptional, kBody, {}, "false"},
    {"unmask", &kBoolean},
};
constexpr Shape kGet = structure("GetLogEventsRequest", kGetMembers);
constexpr Member kEventMembers[] = {
    {"timestamp", &kTime},
    {"message", &kString},
    {"ingestionTime", &kTime},
};
constexpr Shape kEvent = structure("OutputLogEvent", kEventMembers);
constexpr Shape kEvents = list("OutputLogEvents", kEvent);
constexpr Member kGotMembers[] = {
    {"events", &kEvents},
    {"nextForwardToken", &kNextToken},
    {"nextBackwardToken", &kNextToken},
};
constexpr Shape kGot = structure("GetLogEventsResponse", kGotMembers);

constexpr Member kFilterMembers[] = {
    {"logGroupName", &kGroupName},
    {"logGroupIdentifier", &kGroupIdentifier},
    {"logStreamNames", &kStreamNames},
    {"logStreamNamePrefix", &kStreamName},
    {"startTime", &kTime},
    {"endTime", &kTime},
    {"filterPattern", &kFilterPattern},
    {"nextToken", &kNextToken},
    {"limit", &kEventsLimit, kOptional, kBody, {}, "10000"},
    {"startFromHead", &kBoolean, kOptional, kBody, {}, "true"},
    {"interleaved", &kBoolean},
    {"unmask", &kBoolean},
};
constexpr Shape kFilter = structure("FilterLogEventsRequest", kFilterMembers);
constexpr Member kFilteredEventMembers[] = {
    {"logStreamName", &kStreamName},
    {"timestamp", &kTime},
    {"message", &kString},
    {"ingestionTime", &kTime},
    {"eventId", &kString},
};
constexpr Shape kFilteredEvent = structure("FilteredLogEvent", kFilteredEventMembers);
constexpr Shape kFilteredEvents = list("FilteredLogEvents", kFilteredEvent);
constexpr Member kSearchedMembers[] = {
    {"logStreamName", &kStreamName},
    {"searchedCompletely", &kBoolean},
};
constexpr Shape kSearched = structure("SearchedLogStream", kSearchedMembers);
constexpr Shape kSearchedStreams = list("SearchedLogStreams", kSearched);
constexpr Member kFilteredMembers[] = {
    {"events", &kFilteredEvents},
    {"searchedLogStreams", &kSearchedStreams},
    {"nextToken", &kNextToken},
};
constexpr Shape kFiltered = structure("FilterLogEventsResponse", kFilteredMembers);

constexpr Member kNameMembers[] = {
    {"logGroupName", &kGroupName, kRequired},
};
constexpr Shape kCreate = structure("CreateLogGroupRequest", kNameMembers);
constexpr Shape kDelete = structure("DeleteLogGroupRequest", kNameMembers);
constexpr Shape kForget = structure("DeleteRetentionPolicyRequest", kNameMembers);
constexpr Member kRetentionMembers[] = {
    {"logGroupName", &kGroupName, kRequired},
    {"retentionInDays", &kDays, kRequired},
};
constexpr Shape kRetention = structure("PutRetentionPolicyRequest", kRetentionMembers);

constexpr std::string_view kListErrors[] = {"InvalidParameterException", "ServiceUnavailableException"};
constexpr std::string_view kFindErrors[] = {
    "InvalidParameterException", "ResourceNotFoundException", "ServiceUnavailableException"};
constexpr std::string_view kCreateErrors[] = {
    "InvalidParameterException", "ResourceAlreadyExistsException", "ServiceUnavailableException"};

// clang-format off
constexpr Operation kOperations[] = {
    {"DescribeLogGroups", "POST", "/", 200, &kDescribeGroups, &kDescribedGroups, kListErrors, &kProtocol},
    {"DescribeLogStreams", "POST", "/", 200, &kDescribeStreams, &kDescribedStreams, kFindErrors, &kProtocol},
    {"GetLogEvents", "POST", "/", 200, &kGet, &kGot, kFindErrors, &kProtocol},
    {"FilterLogEvents", "POST", "/", 200, &kFilter, &kFiltered, kFindErrors, &kProtocol},
    {"CreateLogGroup", "POST", "/", 200, &kCreate, nullptr, kCreateErrors, &kProtocol},
    {"DeleteLogGroup", "POST", "/", 200, &kDelete, nullptr, kFindErrors, &kProtocol},
    {"PutRetentionPolicy", "POST", "/", 200, &kRetention, nullptr, kFindErrors, &kProtocol},
    {"DeleteRetentionPolicy", "POST", "/", 200, &kForget, nullptr, kFindErrors, &kProtocol},
};
// clang-format on

}  // namespace

std::span<const Operation> log_operations() { return kOperations; }

}  // namespace dormouse::api
