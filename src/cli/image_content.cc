// SPDX-License-Identifier: Apache-2.0

#include "cli/image_content.h"

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <system_error>

#include <CLI/CLI.hpp>
#include <boost/json.hpp>
#include <fmt/format.h>

#include "base/scope_exit.h"
#include "cli/archive.h"
#include "cli/connector_arn.h"
#include "hashing/digest.h"
#include "os/file.h"

namespace dormouse::cli {
namespace {

namespace fs = std::filesystem;
namespace json = boost::json;

constexpr const char* kImageHooks[] = {"ready", "validate"};
constexpr int kHooksPortDefault = 9000;
constexpr const char* kMicrovmHooks[] = {"run", "resume", "suspend", "terminate"};

Status add_hook(const std::string& text, json::object& of_image, json::object& of_microvm) {
  const auto equals = text.find('=');
  const std::string name = text.substr(0, equals);
  const bool image_hook = std::ranges::count(kImageHooks, name) > 0;
  if (!image_hook && std::ranges::count(kMicrovmHooks, name) == 0) {
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
  return {};
}

}  // namespace

Status apply_hooks(const ImageContent& content, json::object& request) {
  if (content.hooks.empty() && !content.hooks_port) {
    return {};
  }
  json::object kept;
  if (const json::value* const found = request.if_contains("hooks"); found != nullptr && found->is_object()) {
    kept = found->as_object();
  }
  json::object hooks = content.hooks.empty() ? kept : json::object();
  json::object of_microvm;
  json::object of_image;
  for (const std::string& text : content.hooks) {
    DM_TRY(add_hook(text, of_image, of_microvm), "");
  }
  const json::value* const port = kept.if_contains("port");
  hooks["port"] = content.hooks_port || port == nullptr ? content.hooks_port.value_or(kHooksPortDefault) : *port;
  if (!of_microvm.empty()) {
    hooks["microvmHooks"] = std::move(of_microvm);
  }
  if (!of_image.empty()) {
    hooks["microvmImageHooks"] = std::move(of_image);
  }
  request["hooks"] = std::move(hooks);
  return {};
}

namespace {

// The zip to upload: the one given, or a new one in `scratch`.
Result<fs::path> artifact(const std::string& given, const fs::path& scratch, Terminal& terminal) {
  std::error_code error;
  const fs::path path = given;
  if (fs::is_regular_file(path, error)) {
    return path;
  }
  if (!fs::is_directory(path, error)) {
    return fail(ErrorKind::kInvalidArgument, fmt::format("'{}' is neither a directory nor a zip file", given));
  }
  terminal.progress("packing " + given);
  DM_ASSIGN(const ArchiveSummary summary, zip_directory(path, scratch), "");
  const auto size = static_cast<double>(fs::file_size(scratch, error));
  terminal.note(fmt::format(
      "packed {} files, {} into {}", summary.files, size_text(static_cast<double>(summary.bytes)), size_text(size)));
  return scratch;
}

}  // namespace

Result<json::object> pairs_of(const std::vector<std::string>& given, const char* option) {
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

void add_content_options(CLI::App& command, ImageContent& content) {
  command.add_option("--memory", content.memory_mib, "MiB, a quarter of what a guest gets at its peak (default 2048)")
      ->check(CLI::Range(1, 1 << 20));
  command.add_option("--env", content.environment, "NAME=VALUE for the application; may be repeated")
      ->allow_extra_args(false);
  command
      .add_option("--hook",
                  content.hooks,
                  "NAME or NAME=SECONDS: the application implements this hook; may be repeated. ready (called until it "
                  "answers 200 before the snapshot is taken), validate, run, resume, suspend, terminate")
      ->allow_extra_args(false);
  command.add_option("--hooks-port", content.hooks_port, "the port of all hooks (default 9000)")
      ->check(CLI::Range(1, 65535));
  command.add_option("--base", content.base, "managed base image, or its ARN (default debian12-1)");
  command.add_option("--base-version", content.base_version, "its version; the newest if left out");
  command.add_option("--description", content.description);
  command.add_option("--role", content.role, "build role; any of the right form is accepted");
  command.add_option("--egress",
                     content.egress,
                     "what the build, and VMs that are run without their own, may reach: INTERNET_EGRESS (the default) "
                     "or a network connector's name, id or ARN");
  command.add_option("--bucket", content.bucket, "for the artifact; made if need be")->capture_default_str();
  command
      .add_option("--architecture",
                  content.architectures,
                  "what the application is for: X86_64 or ARM_64; may be repeated; the host's if left out")
      ->allow_extra_args(false);
  command.add_option("--client-token",
                     content.client_token,
                     "a command that is repeated with this token within a day, and is otherwise the same, does nothing "
                     "but answer as the first time; 64 characters at most");
  command.add_flag("--all-capabilities", content.all_capabilities, "give the container all capabilities of its guest");
  add_logging_options(command, content.logging);
}

Status apply_content(const ImageContent& content, json::object& request, Service& service, const os::Context& context) {
  if (!content.base.empty()) {
    request["baseImageArn"] =
        content.base.starts_with("arn:")
            ? content.base
            : fmt::format("arn:aws:lambda:{}:aws:microvm-image:{}", service.profile().region, content.base);
    request.erase("baseImageVersion");  // that of another base
  }
  const std::pair<const char*, const std::string&> texts[] = {
      {"baseImageVersion", content.base_version}, {"buildRoleArn", content.role}, {"description", content.description}};
  for (const auto& [member, text] : texts) {
    if (!text.empty()) {
      request[member] = text;
    }
  }
  if (content.memory_mib > 0) {
    request["resources"] = json::array{json::object{{"minimumMemoryInMiB", content.memory_mib}}};
  }
  if (!content.architectures.empty()) {
    json::array configurations;
    for (const std::string& architecture : content.architectures) {
      configurations.push_back(json::object{{"architecture", architecture}});
    }
    request["cpuConfigurations"] = std::move(configurations);
  }
  if (!content.client_token.empty()) {
    request["clientToken"] = content.client_token;
  }
  if (content.all_capabilities) {
    request["additionalOsCapabilities"] = json::array{"ALL"};
  }
  if (!content.environment.empty()) {
    DM_ASSIGN(request["environmentVariables"], pairs_of(content.environment, "--env"), "");
  }
  DM_TRY(apply_hooks(content, request), "");
  if (!content.egress.empty()) {
    DM_ASSIGN(std::string arn, connector_arn(service, content.egress, context), "--egress");
    request["egressNetworkConnectors"] = json::array{json::string(arn)};
  }
  return apply_logging(content.logging, request);
}

Result<std::string> upload_content(const ImageContent& content,
                                   const std::string& name,
                                   const Invocation& invocation,
                                   Service& service,
                                   const os::Context& context) {
  std::string scratch_name = (fs::temp_directory_path() / "dormouse-XXXXXX").string();
  if (::mkdtemp(scratch_name.data()) == nullptr) {
    return fail_errno("make directory " + scratch_name);
  }
  const ScopeExit cleanup([&] { std::ignore = os::remove_tree(scratch_name); });
  DM_ASSIGN(
      const fs::path zip, artifact(content.path, fs::path(scratch_name) / "artifact.zip", invocation.terminal), "");
  std::string version;
  if (content.client_token.empty()) {
    const auto now = std::chrono::system_clock::now().time_since_epoch();
    version = std::to_string(std::chrono::duration_cast<std::chrono::nanoseconds>(now).count());
  } else {
    DM_ASSIGN(version, hashing::digest_of_file(zip), "the artifact");
  }
  const std::string key = fmt::format("{}/{}.zip", name, version);
  DM_TRY(service.create_bucket(content.bucket, context), "create bucket " + content.bucket);
  const auto progress = [&](std::uint64_t sent, std::uint64_t total) {
    invocation.terminal.progress(fmt::format(
        "uploading: {} of {}", size_text(static_cast<double>(sent)), size_text(static_cast<double>(total))));
  };
  DM_TRY(service.put_object(content.bucket, key, zip, progress, context), "upload");
  return fmt::format("s3://{}/{}", content.bucket, key);
}

}  // namespace dormouse::cli
