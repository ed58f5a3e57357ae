// SPDX-License-Identifier: Apache-2.0

#include "cli/deletion.h"

#include <poll.h>

#include <boost/json.hpp>

#include "cli/record.h"

namespace dormouse::cli {
namespace {

constexpr int kIntervalMilliseconds = 200;

}  // namespace

Status delete_and_wait(const Invocation& invocation,
                       Service& service,
                       const std::string& path,
                       const std::string& what,
                       const char* state_member,
                       bool wait,
                       const os::Context& context) {
  DM_TRY(service.call("DELETE", path, {}, nullptr, context), "delete " + what);
  while (wait) {
    auto left = service.call("GET", path, {}, nullptr, context);
    if (!left && left.error().kind() == ErrorKind::kNotFound) {
      invocation.terminal.clear_progress();
      return {};
    }
    DM_TRY(left, "delete " + what);
    if (text_of(*left, state_member) == "DELETE_FAILED") {
      return fail(ErrorKind::kInternal, what + " could not be deleted; its state is DELETE_FAILED: delete it again");
    }
    invocation.terminal.progress("deleting " + what);
    DM_TRY(context.check("wait until it is deleted"), what);
    ::poll(nullptr, 0, kIntervalMilliseconds);
  }
  return {};
}

}  // namespace dormouse::cli
