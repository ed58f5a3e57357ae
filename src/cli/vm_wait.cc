// SPDX-License-Identifier: Apache-2.0

#include "cli/vm_wait.h"

#include <poll.h>

#include <boost/json.hpp>
#include <fmt/format.h>

#include "cli/record.h"

namespace dormouse::cli {

namespace json = boost::json;

namespace {
constexpr int kIntervalMilliseconds = 25;
}

Result<json::value> wait_for_state(Invocation& invocation,
                                   Service& service,
                                   const std::string& microvm_id,
                                   std::string_view wanted,
                                   const os::Context& context) {
  const std::string path = api_path({"microvms", microvm_id});
  while (true) {
    DM_ASSIGN(json::value microvm, service.call("GET", path, {}, nullptr, context), "");
    const std::string state = text_of(microvm, "state");
    if (state == wanted) {
      invocation.terminal.clear_progress();
      return microvm;
    }
    if (state == "TERMINATED") {
      const std::string reason = text_of(microvm, "stateReason");
      return fail(ErrorKind::kConflict,
                  fmt::format("{} is terminated: {}", microvm_id, reason.empty() ? "no reason was given" : reason));
    }
    invocation.terminal.progress(fmt::format("{}: {}", microvm_id, state));
    DM_TRY(context.check(fmt::format("wait for {} to be {}, it is {}", microvm_id, wanted, state)), "");
    ::poll(nullptr, 0, kIntervalMilliseconds);
  }
}

}  // namespace dormouse::cli
