// SPDX-License-Identifier: Apache-2.0

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <map>
#include <memory>
#include <system_error>

#include <CLI/CLI.hpp>
#include <boost/json.hpp>
#include <fmt/format.h>

#include "aws/digest.h"
#include "base/scope_exit.h"
#include "cli/archive.h"
#include "cli/build_watch.h"
#include "cli/command.h"
#include "cli/record.h"
#include "os/file.h"

namespace dormouse::cli {
namespace {

namespace fs = std::filesystem;
namespace json = boost::json;

struct Options {
  std::string name;
  std::string path;
  std::string bucket = "dormouse-artifacts";
  std::string base = "debian12-1";
  std::string description;
  std::string role = "arn:aws:iam::000000000000:role/dormouse";
  int memory_mib = 0;
  std::vector<std::string> environment;  // NAME=VALUE
  std::vector<std::string> tags;         // NAME=VALUE
  std::vector<std::string> hooks;        // NAME or NAME=SECONDS
  int hooks_port = 9000;
  bool all_capabilities = false;
  bool no_wait = false;
  bool quiet = false;
  int timeout_seconds = 3600;
};

Result<json::object> pairs(const std::vector<std::string>& given, const char* option) {
  json::object members;
  for (const std::string& text : given) {
    const auto equals = text.find('=');
    if (equals == std::string::npos || equals == 0) {
      return fail(ErrorKind::kInvalidArgument, fmt::format("{} '{}' is not NAME=VALUE", option, text));
    }
    members[text.substr(0, equals)] = text.substr(equals + 1);
  }
  return members;
}

Result<json::object> hooks_of(const Options& options) {
  json::object of_microvm;
  json::object of_image;
  for (const std::string& text : options.hooks) {
    const auto equals = text.find('=');
    const std::string name = text.substr(0, equals);
    const bool image_hook = name == "ready" || name == "validate";
    if (!image_hook && name != "run" && name != "resume" && name != "suspend" && name != "terminate") {
      return fail(ErrorKind::kInvalidArgument,
                  fmt::format("--hook '{}': there are ready, validate, run, resume, suspend and terminate", name));
    }
    json::object& members = image_hook ? of_image : of_microvm;
    members[name] = "ENABLED";
    if (equals != std::string::npos) {
      int seconds = 0;
      if (!CLI::detail::lexical_cast(text.substr(equals + 1), seconds)) {
        return fail(ErrorKind::kInvalidArgument, fmt::format("--hook '{}': the timeout is no number of seconds", text));
      }
      members[name + "TimeoutInSeconds"] = seconds;
    }
  }
  json::object hooks{{"port", options.hooks_port}};
  if (!of_microvm.empty()) {
    hooks["microvmHooks"] = of_microvm;
  }
  if (!of_image.empty()) {
    hooks["microvmImageHooks"] = of_image;
  }
  return hooks;
}

Result<json::value> request_of(const Options& options, const std::string& uri, const std::string& region) {
  json::object body{
      {"name", options.name},
      {"buildRoleArn", options.role},
      {"codeArtifact", json::object{{"uri", uri}}},
  };
  body["baseImageArn"] = options.base.starts_with("arn:")
                             ? options.base
                             : fmt::format("arn:aws:lambda:{}:aws:microvm-image:{}", region, options.base);
  if (!options.description.empty()) {
    body["description"] = options.description;
  }
  if (options.memory_mib > 0) {
    body["resources"] = json::array{json::object{{"minimumMemoryInMiB", options.memory_mib}}};
  }
  if (options.all_capabilities) {
    body["additionalOsCapabilities"] = json::array{"ALL"};
  }
  if (!options.environment.empty()) {
    DM_ASSIGN(body["environmentVariables"], pairs(options.environment, "--env"), "");
  }
  if (!options.tags.empty()) {
    DM_ASSIGN(body["tags"], pairs(options.tags, "--tag"), "");
  }
  if (!options.hooks.empty()) {
    DM_ASSIGN(body["hooks"], hooks_of(options), "");
  }
  return json::value(std::move(body));
}

// The zip to upload: the one given, or a new one in `scratch`.
Result<fs::path> artifact(const Options& options, const fs::path& scratch, Terminal& terminal) {
  std::error_code error;
  const fs::path path = options.path;
  if (fs::is_regular_file(path, error)) {
    return path;
  }
  if (!fs::is_directory(path, error)) {
    return fail(ErrorKind::kInvalidArgument, fmt::format("'{}' is neither a directory nor a zip file", options.path));
  }
  terminal.progress("packing " + options.path);
  DM_ASSIGN(const ArchiveSummary summary, zip_directory(path, scratch), "");
  const auto size = static_cast<double>(fs::file_size(scratch, error));
  terminal.note(fmt::format(
      "packed {} files, {} into {}", summary.files, size_text(static_cast<double>(summary.bytes)), size_text(size)));
  return scratch;
}

void show(Invocation& invocation, const json::value& build, double seconds) {
  invocation.answer(build, [&] {
    Terminal& terminal = invocation.terminal;
    terminal.answer(fmt::format("{} version {} is ready after {}",
                                text_of(build, "imageArn"),
                                text_of(build, "imageVersion"),
                                duration_text(seconds)));
    terminal.answer(fmt::format("snapshot: memory {}, disk {}",
                                size_text(number_of(build, "memorySnapshotSizeInBytes")),
                                size_text(number_of(build, "diskSnapshotSizeInBytes"))));
  });
}

Status create(const Options& options, Invocation& invocation) {
  const auto started = std::chrono::steady_clock::now();
  const os::Context context = os::Context::with_timeout(std::chrono::seconds(options.timeout_seconds));
  DM_ASSIGN(Service service, invocation.connect(), "");
  DM_ASSIGN(json::value body, request_of(options, "", service.profile().region), "");

  std::string scratch_name = (fs::temp_directory_path() / "dormouse-XXXXXX").string();
  if (::mkdtemp(scratch_name.data()) == nullptr) {
    return fail_errno("make directory " + scratch_name);
  }
  const ScopeExit cleanup([&] { std::ignore = os::remove_tree(scratch_name); });
  DM_ASSIGN(const fs::path zip, artifact(options, fs::path(scratch_name) / "artifact.zip", invocation.terminal), "");

  const std::string key = fmt::format("{}/{}.zip", options.name, started.time_since_epoch().count());
  DM_TRY(service.create_bucket(options.bucket, context), "create bucket " + options.bucket);
  const auto progress = [&](std::uint64_t sent, std::uint64_t total) {
    invocation.terminal.progress(fmt::format(
        "uploading: {} of {}", size_text(static_cast<double>(sent)), size_text(static_cast<double>(total))));
  };
  DM_TRY(service.put_object(options.bucket, key, zip, progress, context), "upload");

  body.as_object()["codeArtifact"] = json::object{{"uri", fmt::format("s3://{}/{}", options.bucket, key)}};
  DM_ASSIGN(const json::value created, service.call("POST", api_path({"microvm-images"}), {}, &body, context), "");
  const std::string arn = text_of(created, "imageArn");
  const std::string version = text_of(created, "imageVersion");
  if (options.no_wait) {
    invocation.answer(created, [&] {
      invocation.terminal.answer(fmt::format(
          "{} version {} is being built; follow it with: dormouse image logs -f {}", arn, version, options.name));
    });
    return {};
  }
  BuildWatch watch{invocation, service, arn, version, !options.quiet};
  DM_ASSIGN(const json::value build, watch.until_ended(context), "");
  if (text_of(build, "buildState") != "SUCCESSFUL") {
    return fail(ErrorKind::kInvalidArgument, fmt::format("build {}: {}", options.name, text_of(build, "stateReason")));
  }
  const std::chrono::duration<double> elapsed = std::chrono::steady_clock::now() - started;
  show(invocation, build, elapsed.count());
  return {};
}

}  // namespace

void add_image_create(CLI::App& image, Invocation& invocation) {
  CLI::App* const command =
      image.add_subcommand("create", "build an image from a directory or a zip file with a Dockerfile");
  const auto options = std::make_shared<Options>();
  command->add_option("NAME", options->name, "letters, digits, - and _; 64 at most")->required();
  command->add_option("PATH", options->path, "build context: a directory with a Dockerfile, or a zip of one")
      ->required();
  command->add_option("--memory", options->memory_mib, "MiB, a quarter of what a guest gets at its peak (default 2048)")
      ->check(CLI::Range(1, 1 << 20));
  command->add_option("--env", options->environment, "NAME=VALUE for the application; may be repeated")
      ->allow_extra_args(false);
  command->add_option("--tag", options->tags, "NAME=VALUE; may be repeated")->allow_extra_args(false);
  command
      ->add_option(
          "--hook",
          options->hooks,
          "NAME or NAME=SECONDS: the application implements this hook; may be repeated. ready (called until it "
          "answers 200 before the snapshot is taken), validate, run, resume, suspend, terminate")
      ->allow_extra_args(false);
  command->add_option("--hooks-port", options->hooks_port, "port of the hooks")
      ->check(CLI::Range(1, 65535))
      ->capture_default_str();
  command->add_option("--base", options->base, "managed base image, or its ARN")->capture_default_str();
  command->add_option("--description", options->description);
  command->add_option("--role", options->role, "build role; any of the right form is accepted")->capture_default_str();
  command->add_option("--bucket", options->bucket, "for the artifact; made if need be")->capture_default_str();
  command->add_flag(
      "--all-capabilities", options->all_capabilities, "give the container all capabilities of its guest");
  command->add_flag("--no-wait", options->no_wait, "return once the build has begun");
  command->add_flag("--quiet", options->quiet, "do not show the build's log");
  command->add_option("--timeout", options->timeout_seconds, "seconds to wait")
      ->check(CLI::Range(1, 86'400))
      ->capture_default_str();
  command->footer(
      "Example:\n"
      "  dormouse image create counter examples/counter --hook ready --hook run --memory 512");
  command->callback(
      [options, &invocation] { invocation.action = [options, &invocation] { return create(*options, invocation); }; });
}

}  // namespace dormouse::cli
