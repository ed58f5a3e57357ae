// SPDX-License-Identifier: Apache-2.0

#include <chrono>
#include <memory>

#include <CLI/CLI.hpp>
#include <boost/json.hpp>
#include <fmt/format.h>

#include "cli/command.h"
#include "cli/endpoint_token.h"
#include "cli/record.h"

namespace dormouse::cli {
namespace {

namespace json = boost::json;

constexpr int kTokenMinutes = 5;

struct Options {
  std::string id;
  std::string path = "/";
  std::string method;
  std::string data;  // @FILE: the content of a file
  std::vector<std::string> headers;
  int port = 0;
  int timeout_seconds = 60;
  bool include = false;
  bool fail = false;
};

Result<HttpRequest> request_of(const Options& options, const std::string& endpoint, const std::string& token) {
  HttpRequest request;
  request.url = fmt::format("https://{}{}{}", endpoint, options.path.starts_with('/') ? "" : "/", options.path);
  request.method = !options.method.empty() ? options.method : options.data.empty() ? "GET" : "POST";
  request.headers.emplace_back(kTokenHeader, token);
  if (options.port > 0) {
    request.headers.emplace_back("X-aws-proxy-port", std::to_string(options.port));
  }
  for (const std::string& line : options.headers) {
    const auto colon = line.find(':');
    if (colon == std::string::npos || colon == 0) {
      return dormouse::fail(ErrorKind::kInvalidArgument, fmt::format("--header '{}' is not 'Name: value'", line));
    }
    request.headers.emplace_back(line.substr(0, colon), aws::canonical_value(line.substr(colon + 1)));
  }
  if (options.data.starts_with('@')) {
    request.body_file = options.data.substr(1);
  } else {
    request.body = options.data;
  }
  return request;
}

void show(const Options& options, const Invocation& invocation, const HttpAnswer& answer) {
  if (invocation.options.json) {
    json::object headers;
    for (const auto& [name, value] : answer.headers) {
      headers[name] = value;
    }
    const json::object record{{"status", answer.status}, {"headers", headers}, {"body", answer.body}};
    invocation.terminal.answer(json::serialize(record));
    return;
  }
  if (options.include) {
    invocation.terminal.answer(fmt::format("HTTP/1.1 {}", answer.status));
    for (const auto& [name, value] : answer.headers) {
      invocation.terminal.answer(fmt::format("{}: {}", name, value));
    }
    invocation.terminal.answer("");
  }
  invocation.terminal.raw(answer.body);
}

Status curl(const Options& options, const Invocation& invocation) {
  const os::Context context = os::Context::with_timeout(std::chrono::seconds(options.timeout_seconds));
  DM_ASSIGN(Service service, invocation.connect(), "");
  DM_ASSIGN(
      const json::value microvm, service.call("GET", api_path({"microvms", options.id}), {}, nullptr, context), "");
  DM_ASSIGN(const std::string token, create_token(service, options.id, {}, kTokenMinutes, context), "token");
  DM_ASSIGN(HttpRequest request, request_of(options, text_of(microvm, "endpoint"), token), "");
  request.ca_file = service.profile().ca_file();
  const bool streamed = !invocation.options.json && !options.include;
  if (streamed) {
    request.on_body = [&](std::string_view piece) { invocation.terminal.raw(piece); };
  }
  auto answer = service.http().send(request, context);
  if (!answer && answer.error().kind() == ErrorKind::kPermissionDenied) {
    return dormouse::fail(
        ErrorKind::kPermissionDenied,
        answer.error().message() + "; name the daemon's data directory with --data-dir: its ca.pem is the CA");
  }
  DM_TRY(answer, "");
  if (!streamed) {
    show(options, invocation, *answer);
  }
  if (options.fail && answer->status >= 400) {
    return dormouse::fail(ErrorKind::kUnavailable, fmt::format("the endpoint answered {}", answer->status));
  }
  return {};
}

}  // namespace

void add_vm_curl(CLI::App& vm, Invocation& invocation) {
  CLI::App* const command =
      vm.add_subcommand("curl", "one HTTPS request to a MicroVM's endpoint, with a token made for it");
  const auto options = std::make_shared<Options>();
  command->add_option("MICROVM", options->id, "microvm-...")->required();
  command->add_option("PATH", options->path, "path and query")->capture_default_str();
  command->add_option("-X,--request", options->method, "method; GET, or POST with --data");
  command->add_option("-d,--data", options->data, "body; @FILE: the content of a file");
  command->add_option("-H,--header", options->headers, "'Name: value'; may be repeated")->allow_extra_args(false);
  command->add_option("--port", options->port, "the guest's port (default 8080)")->check(CLI::Range(1, 65535));
  command->add_option("--timeout", options->timeout_seconds, "seconds")
      ->check(CLI::Range(1, 86'400))
      ->capture_default_str();
  command->add_flag("-i,--include", options->include, "show status and header");
  command->add_flag("-f,--fail", options->fail, "exit with 6 when the status is 400 or more");
  command->footer("Example:\n  dormouse vm curl microvm-1f0c... /execute -d '{\"code\": \"6 * 7\"}'");
  command->callback(
      [options, &invocation] { invocation.action = [options, &invocation] { return curl(*options, invocation); }; });
}

}  // namespace dormouse::cli
