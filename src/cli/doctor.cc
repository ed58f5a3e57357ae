// SPDX-License-Identifier: Apache-2.0

#include <algorithm>
#include <chrono>

#include <CLI/CLI.hpp>
#include <boost/json.hpp>
#include <fmt/format.h>

#include "cli/checks.h"
#include "cli/command.h"

namespace dormouse::cli {
namespace {

namespace json = boost::json;
using Verdict = Check::Verdict;

const char* verdict_text(Verdict verdict) {
  switch (verdict) {
    case Verdict::kGood: return "ok";
    case Verdict::kNote: return "note";
    case Verdict::kBad: return "BAD";
  }
  return "BAD";
}

Status doctor(const Invocation& invocation) {
  const os::Context context = os::Context::with_timeout(std::chrono::minutes(2));
  DM_ASSIGN(const Profile profile, find_profile(invocation.options, invocation.environment), "");
  const std::vector<Check> checks = all_checks(profile, context);
  const auto bad =
      std::count_if(checks.begin(), checks.end(), [](const Check& c) { return c.verdict == Verdict::kBad; });
  json::array records;
  for (const Check& check : checks) {
    const char* const verdict = check.verdict == Verdict::kGood   ? "good"
                                : check.verdict == Verdict::kNote ? "note"
                                                                  : "bad";
    records.push_back(
        json::object{{"name", check.name}, {"verdict", verdict}, {"found", check.found}, {"remedy", check.remedy}});
  }
  invocation.answer(json::object{{"ready", bad == 0}, {"checks", records}}, [&] {
    for (const Check& check : checks) {
      invocation.terminal.answer(fmt::format("{:<5} {:<20} {}", verdict_text(check.verdict), check.name, check.found));
      if (!check.remedy.empty()) {
        invocation.terminal.answer(fmt::format("      {:<20} -> {}", "", check.remedy));
      }
    }
  });
  if (bad > 0) {
    return fail(ErrorKind::kUnavailable,
                fmt::format("{} of {} checks found what keeps dormoused from working", bad, checks.size()));
  }
  return {};
}

}  // namespace

void add_doctor(CLI::App& program, Invocation& invocation) {
  CLI::App* const command =
      program.add_subcommand("doctor", "check what the daemon needs of this machine, and how to mend it");
  command->footer("Example:\n  dormouse doctor");
  command->callback([&invocation] { invocation.action = [&invocation] { return doctor(invocation); }; });
}

}  // namespace dormouse::cli
