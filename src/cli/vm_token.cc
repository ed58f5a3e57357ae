// SPDX-License-Identifier: Apache-2.0

#include <memory>

#include <CLI/CLI.hpp>
#include <boost/json.hpp>

#include "cli/command.h"
#include "cli/endpoint_token.h"
#include "cli/record.h"

namespace dormouse::cli {

namespace json = boost::json;

namespace {

// The token that the operation at the MicroVM's `route` issues.
Result<std::string> issued(Service& service,
                           const std::string& microvm_id,
                           std::string_view route,
                           const json::value& body,
                           const os::Context& context) {
  DM_ASSIGN(const json::value answer,
            service.call("POST", api_path({"microvms", microvm_id, route}), {}, &body, context),
            "");
  const json::value* const parts = member_of(answer, "authToken");
  std::string token = parts == nullptr ? "" : text_of(*parts, kTokenHeader);
  if (token.empty()) {
    return fail(ErrorKind::kInternal, "the service issued no token");
  }
  return token;
}

}  // namespace

Result<std::string> create_token(Service& service,
                                 const std::string& microvm_id,
                                 const std::vector<int>& ports,
                                 int minutes,
                                 const os::Context& context) {
  json::array allowed;
  for (const int port : ports) {
    allowed.push_back(json::object{{"port", port}});
  }
  if (ports.empty()) {
    allowed.push_back(json::object{{"allPorts", json::object()}});
  }
  const json::value body = json::object{{"expirationInMinutes", minutes}, {"allowedPorts", allowed}};
  return issued(service, microvm_id, "auth-token", body, context);
}

Result<std::string> create_shell_token(Service& service,
                                       const std::string& microvm_id,
                                       int minutes,
                                       const os::Context& context) {
  const json::value body = json::object{{"expirationInMinutes", minutes}};
  return issued(service, microvm_id, "shell-auth-token", body, context);
}

namespace {

struct Options {
  std::string id;
  std::vector<int> ports;
  int minutes = 30;
  bool shell = false;
};

Status token(const Options& options, const Invocation& invocation) {
  const os::Context context = os::Context::with_timeout(kRequestTimeout);
  DM_ASSIGN(Service service, invocation.connect(), "");
  DM_ASSIGN(const std::string text,
            options.shell ? create_shell_token(service, options.id, options.minutes, context)
                          : create_token(service, options.id, options.ports, options.minutes, context),
            "");
  const json::object record{{"authToken", json::object{{kTokenHeader, text}}}};
  invocation.answer(record, [&] { invocation.terminal.answer(text); });
  return {};
}

}  // namespace

void add_vm_token(CLI::App& vm, Invocation& invocation) {
  CLI::App* const command =
      vm.add_subcommand("token", "a token for a MicroVM's endpoint: the value of X-aws-proxy-auth");
  const auto options = std::make_shared<Options>();
  command->add_option("MICROVM", options->id, "microvm-...")->required();
  command
      ->add_option("--port", options->ports, "good for this port of the guest; may be repeated; all ports if left out")
      ->check(CLI::Range(1, 65535))
      ->allow_extra_args(false);
  command->add_flag("--shell", options->shell, "for a shell; the MicroVM needs SHELL_INGRESS")
      ->excludes(command->get_option("--port"));
  command->add_option("--minutes", options->minutes, "how long it is good")
      ->check(CLI::Range(1, 60))
      ->capture_default_str();
  command->footer(
      "Examples:\n  dormouse vm token microvm-1f0c... --shell\n  curl --cacert /var/lib/dormouse/ca.pem -H "
      "\"X-aws-proxy-auth: $(dormouse vm token "
      "microvm-1f0c...)\" https://...");
  command->callback(
      [options, &invocation] { invocation.action = [options, &invocation] { return token(*options, invocation); }; });
}

}  // namespace dormouse::cli
