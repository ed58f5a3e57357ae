// SPDX-License-Identifier: Apache-2.0
//
// What the commands have in common. Each is a file of its own whose add_...() declares its options and examples and, when
// the user named it, sets Invocation::action.

#pragma once

#include <functional>
#include <string>

#include <boost/json/fwd.hpp>

#include "base/error.h"
#include "cli/profile.h"
#include "cli/service.h"
#include "cli/terminal.h"

namespace CLI {
class App;
}

namespace dormouse::cli {

// One run of the program.
struct Invocation {
  Terminal& terminal;
  Environment environment;
  GlobalOptions options;
  std::function<Status()> action;  // of the command that was named

  Result<Service> connect() const;
  // With --json the record as it is; otherwise what `text` writes.
  void answer(const boost::json::value& record, const std::function<void()>& text) const;
};

// The exit code of a failure; 0 is success, 2 also a wrong command line.
int exit_code(ErrorKind kind);

void add_image_commands(CLI::App& program, Invocation& invocation);
void add_vm_commands(CLI::App& program, Invocation& invocation);
void add_account_commands(CLI::App& program, Invocation& invocation);
void add_role_commands(CLI::App& program, Invocation& invocation);
void add_connector_commands(CLI::App& program, Invocation& invocation);
void add_tag_commands(CLI::App& program, Invocation& invocation);
void add_log_group_commands(CLI::App& program, Invocation& invocation);
void add_base_commands(CLI::App& program, Invocation& invocation);
void add_df(CLI::App& program, Invocation& invocation);
void add_doctor(CLI::App& program, Invocation& invocation);
void add_env(CLI::App& program, Invocation& invocation);
void add_logs(CLI::App& program, Invocation& invocation);
void add_trust(CLI::App& program, Invocation& invocation);

void add_account_key(CLI::App& account, Invocation& invocation);

void add_role_policy(CLI::App& role, Invocation& invocation);
void add_role_assume(CLI::App& role, Invocation& invocation);

void add_image_create(CLI::App& image, Invocation& invocation);
void add_image_update(CLI::App& image, Invocation& invocation);
void add_image_list(CLI::App& image, Invocation& invocation);
void add_image_describe(CLI::App& image, Invocation& invocation);
void add_image_logs(CLI::App& image, Invocation& invocation);
void add_image_version(CLI::App& image, Invocation& invocation);
void add_image_builds(CLI::App& image, Invocation& invocation);
void add_image_managed(CLI::App& image, Invocation& invocation);
void add_image_delete(CLI::App& image, Invocation& invocation);

void add_vm_run(CLI::App& vm, Invocation& invocation);
void add_vm_list(CLI::App& vm, Invocation& invocation);
void add_vm_describe(CLI::App& vm, Invocation& invocation);
void add_vm_suspend(CLI::App& vm, Invocation& invocation);
void add_vm_resume(CLI::App& vm, Invocation& invocation);
void add_vm_terminate(CLI::App& vm, Invocation& invocation);
void add_vm_curl(CLI::App& vm, Invocation& invocation);
void add_vm_token(CLI::App& vm, Invocation& invocation);
void add_vm_fork(CLI::App& vm, Invocation& invocation);
void add_vm_checkpoint(CLI::App& vm, Invocation& invocation);
void add_vm_rollback(CLI::App& vm, Invocation& invocation);

}  // namespace dormouse::cli
