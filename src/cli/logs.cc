// SPDX-License-Identifier: Apache-2.0
//
// Reads the logs through the operations that any client of CloudWatch Logs uses.

#include <poll.h>

#include <algorithm>
#include <chrono>
#include <memory>
#include <optional>
#include <set>

#include <CLI/CLI.hpp>
#include <boost/json.hpp>
#include <fmt/format.h>

#include "cli/command.h"
#include "cli/image_versions.h"
#include "cli/log_time.h"
#include "cli/record.h"

namespace dormouse::cli {
namespace {

namespace json = boost::json;

constexpr std::chrono::milliseconds kInterval{500};
constexpr std::chrono::milliseconds kLate{5'000};  // events that are stored later than others with a later time

struct Options {
  std::string what;
  std::string stream;
  std::string since = "1d";
  std::string until;
  std::string filter;
  bool follow = false;
};

// What is read: a whole group, or one stream of it.
struct Place {
  std::string group;
  std::string stream;
};

Result<Place> place_of_vm(Service& service, const std::string& id, const os::Context& context) {
  DM_ASSIGN(const json::value vm, service.call("GET", extension_path({"microvms", id}), {}, nullptr, context), "");
  Place place{text_of(vm, "logGroup"), text_of(vm, "logStream")};
  if (place.group.empty()) {
    return fail(ErrorKind::kNotFound, id + " keeps no logs: its logging is disabled");
  }
  return place;
}

// The group of the newest version's `logging`, or the default one.
Result<Place> place_of_image(Service& service, const std::string& name, const os::Context& context) {
  DM_ASSIGN(const std::string arn, service.image_arn(name, context), "");
  DM_ASSIGN(const json::value version, newest_version(service, arn, context), "");
  Place place{"/aws/lambda-microvms/" + name_of_arn(arn), ""};
  const json::value* const logging = member_of(version, "logging");
  const json::value* const chosen = logging == nullptr ? nullptr : member_of(*logging, "cloudWatch");
  if (chosen != nullptr && !text_of(*chosen, "logGroup").empty()) {
    place.group = text_of(*chosen, "logGroup");
  }
  return place;
}

// The group that `what` names, or the stream of a MicroVM.
Result<Place> place_of(Service& service, const std::string& what, const os::Context& context) {
  if (what.starts_with("microvm-")) {
    return place_of_vm(service, what, context);
  }
  if (what.starts_with('/')) {
    return Place{what, ""};
  }
  auto image = place_of_image(service, what, context);
  if (image || image.error().kind() != ErrorKind::kNotFound) {
    return image;
  }
  const json::value ask = json::object{{"logGroupNamePrefix", what}};
  const auto groups = service.logs("DescribeLogGroups", ask, context);
  if (groups) {
    for (const json::value& group : groups->at("logGroups").as_array()) {
      if (text_of(group, "logGroupName") == what) {
        return Place{what, ""};
      }
    }
  }
  return fail(ErrorKind::kNotFound,
              fmt::format("'{}' is no MicroVM, no image and no log group; {}", what, image.error().message()));
}

Result<Place> place_of(Service& service, const Options& options, const os::Context& context) {
  DM_ASSIGN(Place place, place_of(service, options.what, context), "");
  if (options.stream.empty()) {
    return place;
  }
  if (!place.stream.empty()) {
    return fail(ErrorKind::kInvalidArgument,
                fmt::format("--stream '{}' is one of a group, and {} has one alone: leave --stream out, or name the "
                            "group {}",
                            options.stream,
                            options.what,
                            place.group));
  }
  place.stream = options.stream;
  return place;
}

// Shows events as they are found, each once.
class Reader {
 public:
  Reader(Invocation& invocation, Service& service, Place place, const Options& options, LogPeriod period)
      : invocation_(invocation),
        service_(service),
        place_(std::move(place)),
        options_(options),
        since_(period.since),
        until_(period.until) {}

  // All there are now.
  Status read(const os::Context& context) {
    json::object ask{{"logGroupName", place_.group}, {"startTime", std::max<std::int64_t>(since_, 0)}};
    if (until_) {
      ask["endTime"] = std::max<std::int64_t>(*until_, 0);
    }
    if (!place_.stream.empty()) {
      ask["logStreamNames"] = json::array{json::value(place_.stream)};
    }
    if (!options_.filter.empty()) {
      ask["filterPattern"] = options_.filter;
    }
    for (;;) {
      const json::value body(ask);
      const auto answer = service_.logs("FilterLogEvents", body, context);
      if (!answer) {
        // A group or stream comes with its first output.
        return answer.error().kind() == ErrorKind::kNotFound && options_.follow ? Status() : refusal(answer.error());
      }
      for (const json::value& event : answer->at("events").as_array()) {
        show(event);
      }
      const json::value* const next = member_of(*answer, "nextToken");
      if (next == nullptr) {
        break;
      }
      ask["nextToken"] = *next;
    }
    forget();
    return {};
  }

 private:
  tl::unexpected<Error> refusal(const Error& error) const {
    if (error.kind() == ErrorKind::kNotFound && !options_.stream.empty()) {
      return fail(error.kind(),
                  fmt::format("--stream '{}': {} `dormouse log-group streams {}` shows those there are.",
                              options_.stream,
                              error.message(),
                              place_.group));
    }
    return fail(Error(error));
  }

  void show(const json::value& event) {
    const std::int64_t time = event.at("timestamp").to_number<std::int64_t>();
    if (!seen_.emplace(time, text_of(event, "eventId")).second) {
      return;
    }
    if (invocation_.options.json) {
      invocation_.terminal.answer(json::serialize(event));
      return;
    }
    const std::string stream = place_.stream.empty() ? text_of(event, "logStreamName") + " " : "";
    invocation_.terminal.answer(fmt::format("{} {}{}", log_time_text(time), stream, text_of(event, "message")));
  }

  // What is read next begins a little before the last event; older ones need not be remembered.
  void forget() {
    if (seen_.empty()) {
      return;
    }
    since_ = std::max(since_, seen_.rbegin()->first - kLate.count());
    seen_.erase(seen_.begin(), seen_.lower_bound({since_, ""}));
  }

  Invocation& invocation_;
  Service& service_;
  const Place place_;
  const Options& options_;
  std::int64_t since_;
  const std::optional<std::int64_t> until_;
  std::set<std::pair<std::int64_t, std::string>> seen_;
};

Status logs(const Options& options, Invocation& invocation) {
  const os::Context context =
      os::Context::with_timeout(options.follow ? std::chrono::hours(24) : std::chrono::hours(1));
  DM_ASSIGN(
      const LogPeriod period, parse_log_period(options.since, options.until, std::chrono::system_clock::now()), "");
  DM_ASSIGN(Service service, invocation.connect(), "");
  DM_ASSIGN(Place place, place_of(service, options, context), "");
  Reader reader(invocation, service, std::move(place), options, period);
  for (;;) {
    DM_TRY(reader.read(context), "");
    if (!options.follow) {
      return {};
    }
    DM_TRY(context.check("follow the logs"), "");
    ::poll(nullptr, 0, static_cast<int>(std::min(kInterval, context.remaining()).count()));
  }
}

}  // namespace

void add_logs(CLI::App& program, Invocation& invocation) {
  CLI::App* const command = program.add_subcommand("logs", "what MicroVMs and builds printed");
  const auto options = std::make_shared<Options>();
  command->add_option("WHAT", options->what, "a MicroVM (microvm-...), an image (name or ARN), or a log group")
      ->required();
  CLI::Option* const follow =
      command->add_flag("-f,--follow", options->follow, "go on with what comes; ends with Ctrl-C");
  command->add_option("--stream", options->stream, "only this stream of the group, as `log-group streams` shows it");
  command->add_option("--since", options->since, "how long ago (30s, 10m, 2h, 3d, 1w), or a time in UTC")
      ->capture_default_str();
  command->add_option("--until", options->until, "up to that moment; written as for --since")->excludes(follow);
  command->add_option("--filter",
                      options->filter,
                      "only what has these terms, e.g. 'ERROR -\"by peer\"' or '%time-?out%', is such JSON, e.g. "
                      "'{ $.level = ERROR }', or has such columns, e.g. '[level = ERR*, ...]'");
  command->footer(
      "An image's logs are those of its builds and of all its MicroVMs. With --json each event is a line.\n\n"
      "Example:\n"
      "  dormouse logs -f microvm-1f0c...\n"
      "  dormouse logs counter --since 10m\n"
      "  dormouse logs counter --stream build/1.0/.../container --since 2h --until 90m\n"
      "  dormouse logs /my/group --filter ERROR --json");
  command->callback(
      [options, &invocation] { invocation.action = [options, &invocation] { return logs(*options, invocation); }; });
}

}  // namespace dormouse::cli
