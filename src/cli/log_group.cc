// SPDX-License-Identifier: Apache-2.0
//
// log-group list, streams, create, retain, delete.

#include <CLI/CLI.hpp>
#include <boost/json.hpp>
#include <fmt/format.h>

#include "cli/add_command.h"
#include "cli/command.h"
#include "cli/record.h"

namespace dormouse::cli {
namespace {

namespace json = boost::json;

constexpr double kMillisecondsPerSecond = 1000;

struct Options {
  std::string group;
  std::string prefix;
  std::string days;
};

std::string time_of(const json::value& record, const char* member) {
  return member_of(record, member) == nullptr ? "-" : time_text(number_of(record, member) / kMillisecondsPerSecond);
}

Status list(const Options& options, const Invocation& invocation) {
  const os::Context context = os::Context::with_timeout(kRequestTimeout);
  DM_ASSIGN(Service service, invocation.connect(), "");
  json::object request;
  if (!options.prefix.empty()) {
    request["logGroupNamePrefix"] = options.prefix;
  }
  DM_ASSIGN(json::array groups, service.list_logs("DescribeLogGroups", std::move(request), "logGroups", context), "");
  std::vector<std::vector<std::string>> rows;
  for (const json::value& group : groups) {
    const std::string days = text_of(group, "retentionInDays");
    rows.push_back({text_of(group, "logGroupName"),
                    size_text(number_of(group, "storedBytes")),
                    days.empty() ? "-" : days + " days",
                    time_of(group, "creationTime")});
  }
  invocation.answer(json::object{{"logGroups", std::move(groups)}},
                    [&] { invocation.terminal.table({"GROUP", "STORED", "KEPT FOR", "CREATED"}, rows); });
  return {};
}

Status streams(const Options& options, const Invocation& invocation) {
  const os::Context context = os::Context::with_timeout(kRequestTimeout);
  DM_ASSIGN(Service service, invocation.connect(), "");
  json::object request{{"logGroupName", options.group}};
  if (!options.prefix.empty()) {
    request["logStreamNamePrefix"] = options.prefix;
  }
  DM_ASSIGN(json::array all, service.list_logs("DescribeLogStreams", std::move(request), "logStreams", context), "");
  std::vector<std::vector<std::string>> rows;
  for (const json::value& stream : all) {
    rows.push_back({text_of(stream, "logStreamName"),
                    size_text(number_of(stream, "storedBytes")),
                    time_of(stream, "firstEventTimestamp"),
                    time_of(stream, "lastEventTimestamp")});
  }
  invocation.answer(json::object{{"logStreams", std::move(all)}},
                    [&] { invocation.terminal.table({"STREAM", "STORED", "FIRST", "LAST"}, rows); });
  return {};
}

// An operation that answers nothing; `done` is what is said then.
Status change(const Options& options,
              std::string_view operation,
              json::object request,
              const std::string& done,
              const Invocation& invocation) {
  const os::Context context = os::Context::with_timeout(kRequestTimeout);
  DM_ASSIGN(Service service, invocation.connect(), "");
  request["logGroupName"] = options.group;
  const json::value body(std::move(request));
  DM_TRY(service.logs(operation, body, context), "");
  invocation.answer(body, [&] { invocation.terminal.answer(options.group + "  " + done); });
  return {};
}

Status create(const Options& options, const Invocation& invocation) {
  return change(options, "CreateLogGroup", {}, "created", invocation);
}

Status remove(const Options& options, const Invocation& invocation) {
  return change(options, "DeleteLogGroup", {}, "deleted", invocation);
}

Status retain(const Options& options, const Invocation& invocation) {
  if (options.days == "default") {
    return change(options, "DeleteRetentionPolicy", {}, "kept as the daemon is set to", invocation);
  }
  int days = 0;
  if (!CLI::detail::lexical_cast(options.days, days)) {
    return fail(ErrorKind::kInvalidArgument,
                fmt::format("'{}' is neither a number of days nor 'default'; an example is 30", options.days));
  }
  return change(options,
                "PutRetentionPolicy",
                {{"retentionInDays", days}},
                fmt::format("events are kept for {} days", days),
                invocation);
}

}  // namespace

void add_log_group_commands(CLI::App& program, Invocation& invocation) {
  CLI::App* const group = program.add_subcommand("log-group", "where output is kept; `dormouse logs` reads it");
  group->require_subcommand(1);
  Options* options = nullptr;

  CLI::App* command =
      add_command(*group, invocation, "list", "all groups, how much they hold and for how long", list, options);
  command->add_option("--prefix", options->prefix, "only groups whose names begin so");
  command->footer("Example:\n  dormouse log-group list --prefix /aws/lambda-microvms/");

  command = add_command(*group, invocation, "streams", "the streams of a group: MicroVMs and builds", streams, options);
  command->add_option("GROUP", options->group, "its name")->required();
  command->add_option("--prefix", options->prefix, "only streams whose names begin so");
  command->footer("Example:\n  dormouse log-group streams /aws/lambda-microvms/counter --prefix build/");

  command = add_command(*group, invocation, "create", "a group ahead of its first output", create, options);
  command->add_option("GROUP", options->group, "letters, digits, . - _ / and #")->required();
  command->footer("Example:\n  dormouse log-group create /my/group");

  command = add_command(*group, invocation, "retain", "how long the events of a group are kept", retain, options);
  command->add_option("GROUP", options->group, "its name")->required();
  command->add_option("DAYS", options->days, "1, 3, 5, 7, 14, 30, ...; or default")->required();
  command->footer("Example:\n  dormouse log-group retain /my/group 30");

  command = add_command(*group, invocation, "delete", "a group with all its events", remove, options);
  command->add_option("GROUP", options->group, "its name")->required();
  command->footer("Example:\n  dormouse log-group delete /my/group");
}

}  // namespace dormouse::cli
