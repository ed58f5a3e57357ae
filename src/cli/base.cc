// SPDX-License-Identifier: Apache-2.0

#include <chrono>
#include <memory>

#include <CLI/CLI.hpp>
#include <boost/json.hpp>
#include <fmt/format.h>

#include "cli/command.h"
#include "managed_base/managed_base.h"

namespace dormouse::cli {
namespace {

namespace json = boost::json;
using managed_base::ManagedBase;

constexpr std::size_t kKeyDigitsShown = 12;

struct Options {
  std::string cache = "/var/cache/dormouse";
  std::string kernel;
  std::string mirror;
  bool no_outdated = false;
  int timeout_seconds = 3600;
};

double epoch_seconds(WallTime time) { return std::chrono::duration<double>(time.time_since_epoch()).count(); }

json::object record_of(const ManagedBase& base) {
  json::object versions;
  for (const auto& [package, version] : base.versions) {
    versions[package] = version;
  }
  json::object record{{"key", base.key},
                      {"directory", base.directory.string()},
                      {"createdAt", epoch_seconds(base.created_at)},
                      {"sizeInBytes", base.size_bytes},
                      {"versions", versions}};
  record["kernel"] = base.own_kernel ? json::value(*base.own_kernel) : json::value(nullptr);
  record["notice"] = base.notice.empty() ? json::value(nullptr) : json::value(base.notice);
  return record;
}

class Progress final : public managed_base::ProgressObserver {
 public:
  explicit Progress(Terminal& terminal) : terminal_(terminal) {}

  void step(std::string_view sentence, int number, int count) override {
    step_ = fmt::format("[{}/{}] {}", number, count, sentence);
    if (terminal_.interactive()) {
      terminal_.progress(step_);
    } else {
      terminal_.note(step_);
    }
  }
  void log(std::string_view line) override {
    constexpr std::size_t kShownMax = 60;
    terminal_.progress(fmt::format("{}: {}", step_, line.substr(0, kShownMax)));
  }

 private:
  Terminal& terminal_;
  std::string step_;
};

Status build(const Options& options, const Invocation& invocation) {
  const auto started = std::chrono::steady_clock::now();
  managed_base::BuildOptions wanted;
  if (!options.kernel.empty()) {
    wanted.kernel = options.kernel;
  }
  if (!options.mirror.empty()) {
    wanted.mirror = options.mirror;
  }
  wanted.accept_outdated = !options.no_outdated;
  Progress progress(invocation.terminal);
  managed_base::ManagedBaseStore store(options.cache);
  const os::Context context = os::Context::with_timeout(std::chrono::seconds(options.timeout_seconds));
  DM_ASSIGN(const ManagedBase base, store.ensure(wanted, progress, context), "");
  const std::chrono::duration<double> elapsed = std::chrono::steady_clock::now() - started;
  invocation.answer(record_of(base), [&] {
    invocation.terminal.answer(fmt::format(
        "{}  {}  {}", base.key.substr(0, kKeyDigitsShown), base.directory.string(), duration_text(elapsed.count())));
    if (!base.notice.empty()) {
      invocation.terminal.note("notice: " + base.notice);
    }
  });
  return {};
}

Status list(const Options& options, const Invocation& invocation) {
  const managed_base::ManagedBaseStore store(options.cache);
  DM_ASSIGN(const std::vector<ManagedBase> bases, store.list(), "");
  json::array records;
  std::vector<std::vector<std::string>> rows;
  for (const ManagedBase& base : bases) {
    records.push_back(record_of(base));
    rows.push_back({base.key.substr(0, kKeyDigitsShown),
                    time_text(epoch_seconds(base.created_at)),
                    size_text(static_cast<double>(base.size_bytes)),
                    base.own_kernel.value_or("Debian's"),
                    base.directory.string()});
  }
  invocation.answer(json::object{{"bases", records}},
                    [&] { invocation.terminal.table({"KEY", "MADE", "SIZE", "KERNEL", "DIRECTORY"}, rows); });
  return {};
}

}  // namespace

void add_base_commands(CLI::App& program, Invocation& invocation) {
  CLI::App* const base =
      program.add_subcommand("base", "managed base images: what guests boot from, made on this machine");
  base->require_subcommand(1);
  const auto options = std::make_shared<Options>();

  CLI::App* const building = base->add_subcommand("build", "make the managed base image, unless it is there");
  building->add_option(
      "--kernel", options->kernel, "a bzImage of yours, of Linux 5.18 or newer, instead of Debian's kernel");
  building->add_option("--mirror", options->mirror, "Debian archive instead of those APT is configured with");
  building->add_flag("--no-outdated", options->no_outdated, "fail rather than fall back to an older base");
  building->add_option("--cache", options->cache, "where bases are kept")->capture_default_str();
  building->add_option("--timeout", options->timeout_seconds, "seconds")
      ->check(CLI::Range(1, 86'400))
      ->capture_default_str();
  building->footer("Example:\n  dormouse base build --kernel /boot/vmlinuz-6.1.0-13-amd64");
  building->callback(
      [options, &invocation] { invocation.action = [options, &invocation] { return build(*options, invocation); }; });

  CLI::App* const listing = base->add_subcommand("list", "the managed base images of this machine");
  listing->add_option("--cache", options->cache, "where bases are kept")->capture_default_str();
  listing->footer("Example:\n  dormouse base list");
  listing->callback(
      [options, &invocation] { invocation.action = [options, &invocation] { return list(*options, invocation); }; });
}

}  // namespace dormouse::cli
