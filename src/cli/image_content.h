// SPDX-License-Identifier: Apache-2.0

#pragma once

#include <optional>
#include <string>
#include <vector>

#include <boost/json/fwd.hpp>

#include "base/error.h"
#include "cli/command.h"
#include "cli/logging_options.h"
#include "cli/service.h"
#include "os/context.h"

namespace dormouse::cli {

// What a version of an image is made of, as a command line says it: `image create` and `image update` take the same.
struct ImageContent {
  std::string path;  // a directory or a zip file; empty: no new artifact
  std::string bucket = "dormouse-artifacts";
  std::string base;
  std::string base_version;
  std::string role;
  std::string description;
  std::string egress;
  int memory_mib = 0;
  std::vector<std::string> environment;  // NAME=VALUE
  std::vector<std::string> hooks;        // NAME or NAME=SECONDS
  std::optional<int> hooks_port;         // none: the port that a request has already, or 9000
  std::vector<std::string> architectures;
  bool all_capabilities = false;
  std::string client_token;  // empty: none
  LoggingOptions logging;
};

// Options of `command`, which outlive the parsing of the command line.
void add_content_options(CLI::App& command, ImageContent& content);

// Sets those members of a request that `content` names and leaves the others.
Status apply_content(const ImageContent& content,
                     boost::json::object& request,
                     Service& service,
                     const os::Context& context);

// The part of it that needs no service: replaces the hooks by those that are named, and leaves the port unless that is named.
Status apply_hooks(const ImageContent& content, boost::json::object& request);

// Packs `content.path` if it is a directory, uploads it for the image `name` and answers its s3:// URI. With a client token
// the same content has the same URI, so that the request can be repeated.
Result<std::string> upload_content(const ImageContent& content,
                                   const std::string& name,
                                   const Invocation& invocation,
                                   Service& service,
                                   const os::Context& context);

// {"a": "b"} of "a=b"; `option` is named in the refusal of what has no '='.
Result<boost::json::object> pairs_of(const std::vector<std::string>& given, const char* option);

}  // namespace dormouse::cli
