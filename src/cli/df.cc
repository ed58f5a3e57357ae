// SPDX-License-Identifier: Apache-2.0
//
// df: what holds how much of the disk.

#include <algorithm>
#include <chrono>
#include <memory>

#include <CLI/CLI.hpp>
#include <boost/json.hpp>
#include <fmt/format.h>

#include "cli/command.h"
#include "cli/record.h"

namespace dormouse::cli {
namespace {

namespace json = boost::json;

constexpr std::size_t kLargest = 10;
// The daemon gives itself a minute to count, and then says so.
constexpr std::chrono::seconds kCountTimeout{90};

// "1.1 GiB memory, 20.0 MiB disk", the largest part first; parts below a hundredth are left out.
std::string parts_text(const json::value& item) {
  const json::value* const parts = member_of(item, "parts");
  if (parts == nullptr) {
    return "";
  }
  std::vector<std::pair<double, std::string>> sorted;
  for (const json::value& part : parts->as_array()) {
    sorted.emplace_back(number_of(part, "bytes"), text_of(part, "name"));
  }
  std::sort(sorted.rbegin(), sorted.rend());
  std::string text;
  for (const auto& [bytes, name] : sorted) {
    if (bytes * 100 >= number_of(item, "bytes")) {
      text += fmt::format("{}{} {}", text.empty() ? "" : ", ", size_text(bytes), name);
    }
  }
  return text;
}

// "microvm-1, checkpoint-2 and 3 more".
std::string holders_text(const json::value& item) {
  const json::value* const holders = member_of(item, "heldBy");
  if (holders == nullptr || holders->as_array().empty()) {
    const json::value* const named = member_of(item, "named");
    return named != nullptr && !named->as_bool() ? "nothing: the next start removes it" : "-";
  }
  constexpr std::size_t kNamed = 2;
  const json::array& all = holders->as_array();
  std::string text;
  for (std::size_t i = 0; i < std::min(all.size(), kNamed); ++i) {
    text += (i == 0 ? "" : ", ") + std::string(all[i].as_string());
  }
  return all.size() > kNamed ? fmt::format("{} and {} more", text, all.size() - kNamed) : text;
}

void show(const json::value& report, bool all, Terminal& terminal) {
  std::vector<std::vector<std::string>> kinds;
  for (const json::value& kind : member_of(report, "kinds")->as_array()) {
    kinds.push_back(
        {text_of(kind, "kind"), fmt::format("{:.0f}", number_of(kind, "items")), size_text(number_of(kind, "bytes"))});
  }
  terminal.table({"KIND", "NUMBER", "SIZE"}, kinds);
  terminal.answer("");
  std::vector<std::vector<std::string>> rows;
  const json::array& items = member_of(report, "items")->as_array();
  const std::size_t shown = all ? items.size() : std::min(items.size(), kLargest);
  for (std::size_t i = 0; i < shown; ++i) {
    rows.push_back({text_of(items[i], "kind"),
                    text_of(items[i], "id"),
                    size_text(number_of(items[i], "bytes")),
                    holders_text(items[i]),
                    parts_text(items[i])});
  }
  terminal.table({"KIND", "WHAT", "SIZE", "HELD BY", "OF WHICH"}, rows);
  const std::size_t left_out = items.size() - shown + static_cast<std::size_t>(number_of(report, "itemsLeftOut"));
  if (left_out != 0) {
    terminal.note(fmt::format("and {} smaller ones{}", left_out, all ? "" : ": dormouse df --all"));
  }
  const json::value* const budget = member_of(report, "budgetBytes");
  terminal.answer("");
  terminal.answer(
      fmt::format("the data directory holds {}{}; {} are left; the file system has {} of {} free",
                  size_text(number_of(report, "dataDirectoryBytes")),
                  budget == nullptr ? "" : fmt::format(" of a budget of {}", size_text(budget->to_number<double>())),
                  size_text(number_of(report, "leftBytes")),
                  size_text(number_of(report, "availableBytes")),
                  size_text(number_of(report, "fileSystemBytes"))));
}

Status df(bool all, const Invocation& invocation) {
  const os::Context context = os::Context::with_timeout(kCountTimeout);
  DM_ASSIGN(Service service, invocation.connect(), "");
  DM_ASSIGN(const json::value report, service.call("GET", extension_path({"storage"}), {}, nullptr, context), "");
  invocation.answer(report, [&] { show(report, all, invocation.terminal); });
  return {};
}

}  // namespace

void add_df(CLI::App& program, Invocation& invocation) {
  CLI::App* const command = program.add_subcommand(
      "df", "what holds how much of the disk, and what holds that; for the daemon's administrator");
  const auto all = std::make_shared<bool>(false);
  command->add_flag("--all", *all, fmt::format("all things, not only the {} largest", kLargest));
  command->footer(
      "Sizes are of allocated blocks. What is held by something can be deleted when that is gone.\n"
      "Examples:\n"
      "  dormouse df\n"
      "  dormouse df --json | jq '.items[] | select(.kind == \"image\" and .heldBy == []) | .id'");
  command->callback([all, &invocation] { invocation.action = [all, &invocation] { return df(*all, invocation); }; });
}

}  // namespace dormouse::cli
