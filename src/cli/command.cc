// SPDX-License-Identifier: Apache-2.0

#include "cli/command.h"

#include <CLI/CLI.hpp>
#include <boost/json.hpp>

namespace dormouse::cli {

Result<Service> Invocation::connect() const {
  DM_ASSIGN(Profile profile, find_profile(options, environment), "");
  return Service::connect(std::move(profile));
}

void Invocation::answer(const boost::json::value& record, const std::function<void()>& text) const {
  if (options.json) {
    terminal.answer(boost::json::serialize(record));
  } else {
    text();
  }
}

int exit_code(ErrorKind kind) {
  switch (kind) {
    case ErrorKind::kInternal: return 1;
    case ErrorKind::kInvalidArgument: return 2;
    case ErrorKind::kNotFound: return 3;
    case ErrorKind::kConflict: return 4;
    case ErrorKind::kResourceExhausted: return 5;
    case ErrorKind::kUnavailable: return 6;
    case ErrorKind::kDeadlineExceeded: return 7;
    case ErrorKind::kDataLoss: return 8;
    case ErrorKind::kPermissionDenied: return 9;
    case ErrorKind::kCancelled: return 130;
  }
  return 1;
}

void add_image_commands(CLI::App& program, Invocation& invocation) {
  CLI::App* const image = program.add_subcommand("image", "MicroVM images: made from a directory with a Dockerfile");
  image->require_subcommand(1);
  add_image_create(*image, invocation);
  add_image_update(*image, invocation);
  add_image_list(*image, invocation);
  add_image_describe(*image, invocation);
  add_image_logs(*image, invocation);
  add_image_version(*image, invocation);
  add_image_builds(*image, invocation);
  add_image_managed(*image, invocation);
  add_image_delete(*image, invocation);
}

void add_vm_commands(CLI::App& program, Invocation& invocation) {
  CLI::App* const vm = program.add_subcommand("vm", "MicroVMs: clones of an image, each with an HTTPS endpoint");
  vm->require_subcommand(1);
  add_vm_run(*vm, invocation);
  add_vm_list(*vm, invocation);
  add_vm_describe(*vm, invocation);
  add_vm_suspend(*vm, invocation);
  add_vm_resume(*vm, invocation);
  add_vm_terminate(*vm, invocation);
  add_vm_curl(*vm, invocation);
  add_vm_token(*vm, invocation);
  add_vm_fork(*vm, invocation);
  add_vm_checkpoint(*vm, invocation);
  add_vm_rollback(*vm, invocation);
}

}  // namespace dormouse::cli
