// SPDX-License-Identifier: Apache-2.0

#include "cli/build_text.h"

#include <boost/json.hpp>
#include <fmt/format.h>

#include "cli/record.h"

namespace dormouse::cli {

namespace json = boost::json;

void show_build(Terminal& terminal, const json::value& build) {
  terminal.answer(fmt::format(
      "  build {} on {}: {}", text_of(build, "buildId"), text_of(build, "architecture"), text_of(build, "buildState")));
  if (const std::string processor = text_of(build, "processor"); !processor.empty()) {
    terminal.answer("    processor: " + processor);
  }
  if (text_of(build, "buildState") == "SUCCESSFUL") {
    terminal.answer(fmt::format("    snapshot: memory {}, container {}, disk {}",
                                size_text(number_of(build, "memorySnapshotSizeInBytes")),
                                size_text(number_of(build, "codeInstallSizeInBytes")),
                                size_text(number_of(build, "diskSnapshotSizeInBytes"))));
  }
  if (const std::string phase = text_of(build, "phase"); !phase.empty()) {
    terminal.answer("    phase: " + phase);
  }
  if (const std::string reason = text_of(build, "stateReason"); !reason.empty()) {
    terminal.answer(fmt::format("    reason: {} ({})", reason, text_of(build, "terminationReasonCode")));
  }
  if (const json::value* notices = member_of(build, "notices"); notices != nullptr && notices->is_array()) {
    for (const json::value& notice : notices->as_array()) {
      terminal.answer("    notice: " + std::string(notice.is_string() ? notice.as_string().c_str() : ""));
    }
  }
}

}  // namespace dormouse::cli
