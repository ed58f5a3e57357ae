// SPDX-License-Identifier: Apache-2.0

#include <chrono>
#include <memory>

#include <CLI/CLI.hpp>
#include <boost/json.hpp>

#include "cli/command.h"
#include "cli/image_build.h"
#include "cli/image_content.h"

namespace dormouse::cli {
namespace {

namespace json = boost::json;

struct Options {
  std::string name;
  std::vector<std::string> tags;  // NAME=VALUE
  ImageContent content;
  BuildOptions build;
};

Status create(const Options& options, Invocation& invocation) {
  const auto started = std::chrono::steady_clock::now();
  const os::Context context = os::Context::with_timeout(std::chrono::seconds(options.build.timeout_seconds));
  DM_ASSIGN(Service service, invocation.connect(), "");
  json::object request{{"name", options.name}};
  DM_TRY(apply_content(options.content, request, service, context), "");
  if (!options.tags.empty()) {
    DM_ASSIGN(request["tags"], pairs_of(options.tags, "--tag"), "");
  }
  DM_ASSIGN(const std::string uri, upload_content(options.content, options.name, invocation, service, context), "");
  request["codeArtifact"] = json::object{{"uri", uri}};
  const json::value body(std::move(request));
  DM_ASSIGN(const json::value created, service.call("POST", api_path({"microvm-images"}), {}, &body, context), "");
  return finish_build(options.build, created, started, invocation, service, context);
}

}  // namespace

void add_image_create(CLI::App& image, Invocation& invocation) {
  CLI::App* const command =
      image.add_subcommand("create", "build an image from a directory or a zip file with a Dockerfile");
  const auto options = std::make_shared<Options>();
  options->content.base = "debian12-1";
  options->content.role = "arn:aws:iam::000000000000:role/dormouse";
  command->add_option("NAME", options->name, "letters, digits, - and _; 64 at most")->required();
  command->add_option("PATH", options->content.path, "build context: a directory with a Dockerfile, or a zip of one")
      ->required();
  command->add_option("--tag", options->tags, "NAME=VALUE; may be repeated")->allow_extra_args(false);
  add_content_options(*command, options->content);
  add_build_options(*command, options->build);
  command->footer(
      "Example:\n"
      "  dormouse image create counter examples/counter --hook ready --hook run --memory 512");
  command->callback(
      [options, &invocation] { invocation.action = [options, &invocation] { return create(*options, invocation); }; });
}

}  // namespace dormouse::cli
