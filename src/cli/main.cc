// SPDX-License-Identifier: Apache-2.0
//
// The `dormouse` program: reads the command line, runs the command that was named, turns its error into an exit code.

#include <unistd.h>

#include <cstdlib>
#include <iostream>

#include <CLI/CLI.hpp>
#include <boost/json.hpp>
#include <curl/curl.h>

#include "cli/command.h"

namespace dormouse::cli {
namespace {

constexpr int kUsageExitCode = 2;

void report(const Error& error, bool json, Terminal& terminal) {
  if (json) {
    const boost::json::object record{
        {"error", boost::json::object{{"kind", to_string(error.kind())}, {"message", error.message()}}}};
    terminal.note(boost::json::serialize(record));
  } else {
    terminal.note("dormouse: " + error.message());
  }
}

int run(int argc, char** argv) {
  Terminal terminal(std::cout, std::cerr, ::isatty(STDERR_FILENO) == 1);
  const Environment environment = [](const char* name) -> std::optional<std::string> {
    const char* const value = std::getenv(name);
    return value == nullptr ? std::nullopt : std::optional<std::string>(value);
  };
  Invocation invocation{terminal, environment, {}, {}};
  CLI::App program("MicroVMs on this machine, behind the API of AWS Lambda MicroVMs.", "dormouse");
  program.require_subcommand(1);
  program.fallthrough();
  program.set_version_flag("--version", DORMOUSE_VERSION);
  program.add_flag("--json", invocation.options.json, "answer with a JSON record");
  program.add_option(
      "--endpoint", invocation.options.endpoint, "URL of the daemon's API (default http://127.0.0.1:9600)");
  program.add_option("--data-dir",
                     invocation.options.data_directory,
                     "the daemon's data directory, for its credentials and CA (default /var/lib/dormouse)");
  program.add_option("--region", invocation.options.region, "the daemon's region (default us-east-1)");
  add_image_commands(program, invocation);
  add_vm_commands(program, invocation);
  add_connector_commands(program, invocation);
  add_tag_commands(program, invocation);
  add_logs(program, invocation);
  add_log_group_commands(program, invocation);
  add_account_commands(program, invocation);
  add_role_commands(program, invocation);
  add_base_commands(program, invocation);
  add_df(program, invocation);
  add_doctor(program, invocation);
  add_env(program, invocation);
  add_trust(program, invocation);
  program.footer(  // last: subcommands would inherit it
      "Examples:\n"
      "  dormouse doctor\n"
      "  dormouse image create counter examples/counter --hook ready\n"
      "  dormouse vm run counter\n"
      "  dormouse vm curl microvm-1f0c... /");

  try {
    program.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return program.exit(error) == 0 ? EXIT_SUCCESS : kUsageExitCode;
  }
  const Status done = invocation.action();
  if (!done) {
    report(done.error(), invocation.options.json, terminal);
    return exit_code(done.error().kind());
  }
  return EXIT_SUCCESS;
}

}  // namespace
}  // namespace dormouse::cli

int main(int argc, char** argv) {
  if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK) {
    std::cerr << "dormouse: libcurl could not be initialised\n";
    return EXIT_FAILURE;
  }
  const int code = dormouse::cli::run(argc, argv);
  curl_global_cleanup();
  return code;
}
