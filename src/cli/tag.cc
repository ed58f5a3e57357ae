// SPDX-License-Identifier: Apache-2.0
//
// tag list, add, remove.

#include <memory>

#include <CLI/CLI.hpp>
#include <boost/json.hpp>
#include <fmt/format.h>

#include "cli/command.h"
#include "cli/connector_arn.h"
#include "cli/image_content.h"
#include "cli/record.h"

namespace dormouse::cli {
namespace {

namespace json = boost::json;

struct Options {
  std::string resource;
  std::vector<std::string> tags;  // NAME=VALUE, or names
};

// The ARN of the image that is named so, else of the connector.
Result<std::string> resource_arn(Service& service, const std::string& resource, const os::Context& context) {
  auto image = service.image_arn(resource, context);
  if (image || image.error().kind() != ErrorKind::kNotFound) {
    return image;
  }
  auto connector = connector_arn(service, resource, context);
  if (connector || connector.error().kind() != ErrorKind::kNotFound) {
    return connector;
  }
  return fail(ErrorKind::kNotFound,
              fmt::format("'{}' is no image and no network connector, and nothing else has tags; {}",
                          resource,
                          image.error().message()));
}

// Answers with the tags that the resource has now.
Status show_tags(Service& service, const std::string& arn, const Invocation& invocation, const os::Context& context) {
  DM_ASSIGN(const json::value answer, service.call("GET", tags_path(arn), {}, nullptr, context), "");
  const json::value* const found = member_of(answer, "Tags");
  const json::object tags = found == nullptr ? json::object() : found->as_object();
  std::vector<std::vector<std::string>> rows;
  for (const auto& [name, value] : tags) {
    rows.push_back({std::string(name), std::string(value.as_string())});
  }
  invocation.answer(json::object{{"resourceArn", arn}, {"tags", tags}},
                    [&] { invocation.terminal.table({"TAG", "VALUE"}, rows); });
  return {};
}

Status list(const Options& options, const Invocation& invocation) {
  const os::Context context = os::Context::with_timeout(kRequestTimeout);
  DM_ASSIGN(Service service, invocation.connect(), "");
  DM_ASSIGN(const std::string arn, resource_arn(service, options.resource, context), "");
  return show_tags(service, arn, invocation, context);
}

Status add(const Options& options, const Invocation& invocation) {
  const os::Context context = os::Context::with_timeout(kRequestTimeout);
  DM_ASSIGN(Service service, invocation.connect(), "");
  DM_ASSIGN(json::object tags, pairs_of(options.tags, "tag"), "");
  DM_ASSIGN(const std::string arn, resource_arn(service, options.resource, context), "");
  const json::value body = json::object{{"Tags", std::move(tags)}};
  DM_TRY(service.call("POST", tags_path(arn), {}, &body, context), "");
  return show_tags(service, arn, invocation, context);
}

Status remove(const Options& options, const Invocation& invocation) {
  const os::Context context = os::Context::with_timeout(kRequestTimeout);
  DM_ASSIGN(Service service, invocation.connect(), "");
  DM_ASSIGN(const std::string arn, resource_arn(service, options.resource, context), "");
  Service::Query query;
  for (const std::string& name : options.tags) {
    query.emplace_back("tagKeys", name);
  }
  DM_TRY(service.call("DELETE", tags_path(arn), query, nullptr, context), "");
  return show_tags(service, arn, invocation, context);
}

struct Verb {
  const char* name;
  const char* about;
  const char* tags;  // what follows the resource, or nullptr
  const char* tags_about;
  const char* example;
  Status (*run)(const Options&, const Invocation&);
};

constexpr Verb kVerbs[] = {
    {"list", "the tags of an image or connector", nullptr, nullptr, "dormouse tag list counter", list},
    {"add",
     "set tags; those of other names stay",
     "NAME=VALUE",
     "50 tags a resource at most",
     "dormouse tag add counter team=blue stage=test",
     add},
    {"remove",
     "remove tags; one that is not there is fine",
     "NAME",
     "of the tag",
     "dormouse tag remove counter stage",
     remove},
};

}  // namespace

void add_tag_commands(CLI::App& program, Invocation& invocation) {
  CLI::App* const tag = program.add_subcommand("tag", "tags of images and network connectors");
  tag->require_subcommand(1);
  for (const Verb& verb : kVerbs) {
    CLI::App* const command = tag->add_subcommand(verb.name, verb.about);
    const auto options = std::make_shared<Options>();
    command->add_option("RESOURCE", options->resource, "name or ARN of an image or a network connector")->required();
    if (verb.tags != nullptr) {
      command->add_option(verb.tags, options->tags, std::string(verb.tags_about) + "; may be repeated")->required();
    }
    command->footer(std::string("Example:\n  ") + verb.example);
    command->callback([options, &verb, &invocation] {
      invocation.action = [options, &verb, &invocation] { return verb.run(*options, invocation); };
    });
  }
}

}  // namespace dormouse::cli
