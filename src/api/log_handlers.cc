// SPDX-License-Identifier: Apache-2.0

#include "api/log_handlers.h"

#include <algorithm>
#include <charconv>
#include <optional>
#include <utility>

#include <boost/json.hpp>
#include <fmt/format.h>
#include <fmt/ranges.h>

#include "api/input.h"
#include "base/log.h"
#include "logs/filter_pattern.h"

namespace dormouse::api {
namespace {

namespace json = boost::json;
using Backend = LogService::Backend;
using Members = control::Answer<json::object>;
using control::ServiceErrorKind;
using logs::LogStore;

constexpr int kRetentionDays[] = {1,   3,   5,   7,   14,   30,   60,   90,   120,  150,  180,
                                  365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653};
constexpr const char* kInvalidToken = "The specified nextToken is invalid.";

tl::unexpected<control::ServiceError> invalid(std::string message) {
  return control::refuse(ServiceErrorKind::kValidation, std::move(message));
}

// What the store refused, or could not do.
tl::unexpected<control::ServiceError> refused(const Error& error) {
  switch (error.kind()) {
    case ErrorKind::kNotFound: return control::refuse(ServiceErrorKind::kResourceNotFound, error.message());
    case ErrorKind::kConflict: return control::refuse(ServiceErrorKind::kConflict, error.message());
    default:
      log::error("the logs cannot be read or changed", {{"error", error.message()}});
      return control::refuse(ServiceErrorKind::kInternalServer,
                             "The logs cannot be read or changed now; the daemon's log has the reason");
  }
}

Members nothing(const Status& status) {
  if (!status) {
    return refused(status.error());
  }
  return json::object();
}

std::string group_arn(const Backend& backend, const std::string& account, const std::string& group) {
  return fmt::format("arn:aws:logs:{}:{}:log-group:{}", backend.region, account, group);
}

std::optional<std::int64_t> optional_time(const json::object& input, std::string_view member) {
  const json::value* const value = input.if_contains(member);
  return value == nullptr ? std::nullopt : std::optional(value->as_int64());
}

bool flag(const json::object& input, std::string_view member) {
  const json::value* const value = input.if_contains(member);
  return value != nullptr && value->as_bool();
}

std::size_t limit_of(const json::object& input) { return static_cast<std::size_t>(input.at("limit").as_int64()); }

// The group that logGroupName or logGroupIdentifier (a name or an ARN) names.
control::Answer<std::string> group_of(const Backend& backend, const LogCall& call) {
  const auto name = optional_text(call.input, "logGroupName");
  const auto identifier = optional_text(call.input, "logGroupIdentifier");
  if (name && identifier) {
    return invalid("LogGroup name and log group ARN are mutually exclusive parameters.");
  }
  if (!name && !identifier) {
    return invalid("Either logGroupName or logGroupIdentifier must be specified.");
  }
  if (name || !identifier->starts_with("arn:")) {
    return name ? *name : *identifier;
  }
  const std::string prefix = group_arn(backend, call.account, "");
  if (!identifier->starts_with(prefix)) {
    return control::refuse(ServiceErrorKind::kResourceNotFound, "The specified log group does not exist.");
  }
  return identifier->substr(prefix.size(), identifier->find(':', prefix.size()) - prefix.size());
}

std::string scope_of(const LogCall& call) { return page_scope(call.account, call.operation.name, call.input); }

control::Answer<std::optional<std::string>> place_of(Backend& backend, const LogCall& call) {
  const auto token = optional_text(call.input, "nextToken");
  if (!token) {
    return std::nullopt;
  }
  auto place = backend.pages.open(scope_of(call), *token);
  if (!place) {
    return invalid(kInvalidToken);
  }
  return place;
}

// --- positions as text: 56 digits, as the service has them; larger is later ---

std::string position_text(const logs::Position& position) {
  return fmt::format("{:028d}{:028d}", position.timestamp_ms, position.id);
}

std::optional<logs::Position> position_of(std::string_view text) {
  constexpr std::size_t kDigits = 28;
  logs::Position position;
  const auto read = [&](std::string_view digits, std::int64_t& number) {
    const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), number);
    return error == std::errc() && end == digits.data() + digits.size() && number >= 0;
  };
  if (text.size() != 2 * kDigits || !read(text.substr(0, kDigits), position.timestamp_ms) ||
      !read(text.substr(kDigits), position.id)) {
    return std::nullopt;
  }
  return position;
}

// --- groups ---

Members describe_groups(Backend& backend, const LogCall& call) {
  LogStore::GroupFilter filter;
  filter.prefix = optional_text(call.input, "logGroupNamePrefix").value_or("");
  filter.part = optional_text(call.input, "logGroupNamePattern").value_or("");
  if (!filter.prefix.empty() && !filter.part.empty()) {
    return invalid("LogGroup name prefix and LogGroup name pattern are mutually exclusive parameters.");
  }
  const auto place = place_of(backend, call);
  if (!place) {
    return tl::unexpected(place.error());
  }
  const auto page = backend.logs.list_groups(call.account, filter, place->value_or(""), limit_of(call.input));
  if (!page) {
    return refused(page.error());
  }
  json::array groups;
  for (const logs::LogGroup& group : page->items) {
    const std::string arn = group_arn(backend, call.account, group.name);
    json::object members{{"logGroupName", group.name},
                         {"creationTime", group.created_ms},
                         {"metricFilterCount", 0},
                         {"arn", arn + ":*"},
                         {"storedBytes", group.stored_bytes},
                         {"logGroupClass", "STANDARD"},
                         {"logGroupArn", arn}};
    if (group.retention_days) {
      members["retentionInDays"] = *group.retention_days;
    }
    groups.push_back(std::move(members));
  }
  json::object answer{{"logGroups", std::move(groups)}};
  if (page->more) {
    answer["nextToken"] = backend.pages.issue(scope_of(call), page->items.back().name);
  }
  return answer;
}

Members create_group(Backend& backend, const LogCall& call) {
  return nothing(backend.logs.create_group(call.account, required_text(call.input, "logGroupName")));
}

Members delete_group(Backend& backend, const LogCall& call) {
  return nothing(backend.logs.delete_group(call.account, required_text(call.input, "logGroupName")));
}

Members put_retention(Backend& backend, const LogCall& call) {
  const int days = *optional_number(call.input, "retentionInDays");
  if (std::find(std::begin(kRetentionDays), std::end(kRetentionDays), days) == std::end(kRetentionDays)) {
    return invalid(
        fmt::format("1 validation error detected: Value '{}' at 'retentionInDays' failed to satisfy constraint: Member "
                    "must satisfy "
                    "enum value set: [{}]",
                    days,
                    fmt::join(kRetentionDays, ", ")));
  }
  return nothing(backend.logs.set_retention(call.account, required_text(call.input, "logGroupName"), days));
}

Members delete_retention(Backend& backend, const LogCall& call) {
  return nothing(backend.logs.set_retention(call.account, required_text(call.input, "logGroupName"), std::nullopt));
}

// --- streams ---

// "<time of the last event>:<name>": a name has no colon.
std::string key_text(const LogStore::StreamKey& key) { return fmt::format("{}:{}", key.last_event_ms, key.name); }

std::optional<LogStore::StreamKey> key_of(const std::optional<std::string>& text) {
  if (!text) {
    return std::nullopt;
  }
  LogStore::StreamKey key;
  const std::size_t colon = std::min(text->find(':'), text->size() - 1);
  std::from_chars(text->data(), text->data() + colon, key.last_event_ms);
  key.name = text->substr(colon + 1);
  return key;
}

json::object stream_members(const std::string& group_arn, const logs::LogStream& stream) {
  json::object members{{"logStreamName", stream.name},
                       {"creationTime", stream.created_ms},
                       {"arn", fmt::format("{}:log-stream:{}", group_arn, stream.name)},
                       {"storedBytes", stream.stored_bytes}};
  const auto set = [&](const char* name, const std::optional<std::int64_t>& time) {
    if (time) {
      members[name] = *time;
    }
  };
  set("firstEventTimestamp", stream.first_event_ms);
  set("lastEventTimestamp", stream.last_event_ms);
  set("lastIngestionTime", stream.last_ingestion_ms);
  return members;
}

Members describe_streams(Backend& backend, const LogCall& call) {
  const auto group = group_of(backend, call);
  if (!group) {
    return tl::unexpected(group.error());
  }
  LogStore::StreamFilter filter;
  filter.prefix = optional_text(call.input, "logStreamNamePrefix").value_or("");
  filter.descending = flag(call.input, "descending");
  if (required_text(call.input, "orderBy") == "LastEventTime") {
    filter.order = LogStore::StreamOrder::kLastEvent;
    if (!filter.prefix.empty()) {
      return invalid("Cannot order by LastEventTime with a logStreamNamePrefix.");
    }
  }
  const auto place = place_of(backend, call);
  if (!place) {
    return tl::unexpected(place.error());
  }
  const auto page = backend.logs.list_streams(call.account, *group, filter, key_of(*place), limit_of(call.input));
  if (!page) {
    return refused(page.error());
  }
  json::array streams;
  for (const logs::LogStream& stream : page->items) {
    streams.push_back(stream_members(group_arn(backend, call.account, *group), stream));
  }
  json::object answer{{"logStreams", std::move(streams)}};
  if (page->more) {
    answer["nextToken"] = backend.pages.issue(scope_of(call), key_text(LogStore::key_of(page->items.back())));
  }
  return answer;
}

// --- events ---

control::Answer<logs::EventRange> range_of(const json::object& input) {
  logs::EventRange range;
  range.from_ms = optional_time(input, "startTime");
  range.to_ms = optional_time(input, "endTime");
  if (range.from_ms && range.to_ms && *range.from_ms > *range.to_ms) {
    return invalid("The endTime must be greater than or equal to the startTime.");
  }
  range.events_max = limit_of(input);
  return range;
}

// "f/<position>/s" and "b/<position>/s": what is behind, or before, that position.
struct StreamPlace {
  LogStore::Direction direction = LogStore::Direction::kBackward;
  std::optional<logs::Position> position;
};

control::Answer<StreamPlace> stream_place(const json::object& input) {
  StreamPlace place;
  place.direction = flag(input, "startFromHead") ? LogStore::Direction::kForward : LogStore::Direction::kBackward;
  const auto token = optional_text(input, "nextToken");
  if (!token) {
    return place;
  }
  const bool forward = token->starts_with("f/");
  if ((!forward && !token->starts_with("b/")) || !token->ends_with("/s") || token->size() < 4) {
    return invalid(kInvalidToken);
  }
  place.position = position_of(std::string_view(*token).substr(2, token->size() - 4));
  if (!place.position) {
    return invalid(kInvalidToken);
  }
  place.direction = forward ? LogStore::Direction::kForward : LogStore::Direction::kBackward;
  return place;
}

// There are always tokens. At an end they are those that were given, so that a reader sees that it is one.
Members get_events(Backend& backend, const LogCall& call) {
  const auto group = group_of(backend, call);
  const auto range = range_of(call.input);
  const auto place = stream_place(call.input);
  for (const control::ServiceError* error :
       {group ? nullptr : &group.error(), range ? nullptr : &range.error(), place ? nullptr : &place.error()}) {
    if (error != nullptr) {
      return tl::unexpected(*error);
    }
  }
  const auto page = backend.logs.read(
      call.account, *group, required_text(call.input, "logStreamName"), *range, place->direction, place->position);
  if (!page) {
    return refused(page.error());
  }
  json::array events;
  for (const logs::StoredEvent& event : page->events) {
    events.push_back(json::object{
        {"timestamp", event.position.timestamp_ms}, {"message", event.message}, {"ingestionTime", event.ingestion_ms}});
  }
  const logs::Position here = place->position.value_or(logs::Position{range->from_ms.value_or(0), 0});
  const logs::Position first = page->events.empty() ? here : page->events.front().position;
  const logs::Position last = page->events.empty() ? here : page->events.back().position;
  return json::object{{"events", std::move(events)},
                      {"nextForwardToken", fmt::format("f/{}/s", position_text(last))},
                      {"nextBackwardToken", fmt::format("b/{}/s", position_text(first))}};
}

Members filter_events(Backend& backend, const LogCall& call) {
  const auto group = group_of(backend, call);
  const auto range = range_of(call.input);
  const auto place = place_of(backend, call);
  for (const control::ServiceError* error :
       {group ? nullptr : &group.error(), range ? nullptr : &range.error(), place ? nullptr : &place.error()}) {
    if (error != nullptr) {
      return tl::unexpected(*error);
    }
  }
  LogStore::Search search;
  search.streams = optional_texts(call.input, "logStreamNames").value_or(std::vector<std::string>());
  search.stream_prefix = optional_text(call.input, "logStreamNamePrefix").value_or("");
  if (!search.streams.empty() && !search.stream_prefix.empty()) {
    return invalid("logStreamNames and logStreamNamePrefix are mutually exclusive parameters.");
  }
  if (!flag(call.input, "startFromHead")) {
    return invalid("Dormouse answers the oldest events first: startFromHead false is not supported.");
  }
  const auto pattern = logs::FilterPattern::parse(optional_text(call.input, "filterPattern").value_or(""));
  if (!pattern) {
    return invalid(pattern.error().message());
  }
  search.matches = [&](std::string_view message) { return pattern->matches(message); };
  const auto page =
      backend.logs.search(call.account, *group, search, *range, *place ? position_of(**place) : std::nullopt);
  if (!page) {
    return refused(page.error());
  }
  json::array events;
  for (const logs::StoredEvent& event : page->events) {
    events.push_back(json::object{{"logStreamName", event.stream},
                                  {"timestamp", event.position.timestamp_ms},
                                  {"message", event.message},
                                  {"ingestionTime", event.ingestion_ms},
                                  {"eventId", position_text(event.position)}});
  }
  json::object answer{{"events", std::move(events)}, {"searchedLogStreams", json::array()}};
  if (page->next) {
    answer["nextToken"] = backend.pages.issue(scope_of(call), position_text(*page->next));
  }
  return answer;
}

constexpr std::pair<std::string_view, LogHandler> kHandlers[] = {
    {"DescribeLogGroups", describe_groups},
    {"DescribeLogStreams", describe_streams},
    {"GetLogEvents", get_events},
    {"FilterLogEvents", filter_events},
    {"CreateLogGroup", create_group},
    {"DeleteLogGroup", delete_group},
    {"PutRetentionPolicy", put_retention},
    {"DeleteRetentionPolicy", delete_retention},
};

}  // namespace

LogHandler find_log_handler(std::string_view operation) {
  for (const auto& [name, handler] : kHandlers) {
    if (name == operation) {
      return handler;
    }
  }
  return nullptr;
}

}  // namespace dormouse::api
