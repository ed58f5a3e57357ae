// SPDX-License-Identifier: Apache-2.0

#include <algorithm>
#include <chrono>
#include <memory>
#include <string>
#include <vector>

#include <CLI/CLI.hpp>
#include <boost/json.hpp>
#include <fmt/format.h>

#include "cli/command.h"
#include "managed_base/managed_base.h"
#include "snapshot/foundations.h"

namespace dormouse::cli {
namespace {

namespace json = boost::json;
using managed_base::BaseUse;
using managed_base::ManagedBase;

constexpr std::size_t kKeyDigitsShown = 12;
constexpr std::size_t kKeyDigitsMin = 6;
constexpr std::chrono::seconds kRemovalTimeout{60};

struct Options {
  std::string cache = "/var/cache/dormouse";
  std::string kernel;
  std::string mirror;
  bool no_outdated = false;
  int timeout_seconds = 3600;
  std::string key;
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

json::object record_of(const BaseUse& use) {
  json::object record = record_of(use.base);
  json::array named_by;
  for (const std::filesystem::path& directory : use.named_by) {
    named_by.push_back(json::string(directory.string()));
  }
  record["heldBy"] = std::move(named_by);
  record["heldByProcess"] = use.held;
  record["kept"] = use.to_be_kept();
  return record;
}

// Who uses it, or why it stays all the same.
std::string use_text(const BaseUse& use) {
  if (!use.named_by.empty()) {
    const std::string first = use.named_by.front().string();
    return use.named_by.size() == 1 ? first : fmt::format("{} and {} more", first, use.named_by.size() - 1);
  }
  if (use.held) {
    return "a daemon that runs";
  }
  return use.newest              ? "- (kept: the newest)"
         : use.young             ? "- (kept: made today)"
         : !use.base.users_known ? "- (kept: older than the list of who uses bases)"
                                 : "- (the daemon removes it)";
}

Status list(const Options& options, const Invocation& invocation) {
  const managed_base::ManagedBaseStore store(options.cache);
  auto uses = store.uses(snapshot::named_bases);
  json::array records;
  std::vector<std::vector<std::string>> rows;
  const auto add = [&](const ManagedBase& base, json::object record, std::string use) {
    records.push_back(std::move(record));
    rows.push_back({base.key.substr(0, kKeyDigitsShown),
                    time_text(epoch_seconds(base.created_at)),
                    size_text(static_cast<double>(base.size_bytes)),
                    base.own_kernel.value_or("Debian's"),
                    std::move(use)});
  };
  if (uses) {
    for (const BaseUse& use : *uses) {
      add(use.base, record_of(use), use_text(use));
    }
  } else {
    DM_ASSIGN(const std::vector<ManagedBase> bases, store.list(), "");
    for (const ManagedBase& base : bases) {
      add(base, record_of(base), "?");
    }
    invocation.terminal.note("who uses them cannot be known: " + uses.error().message());
  }
  invocation.answer(json::object{{"bases", records}},
                    [&] { invocation.terminal.table({"KEY", "MADE", "SIZE", "KERNEL", "IN USE BY"}, rows); });
  return {};
}

// The base whose key begins so.
Result<ManagedBase> only_one(const managed_base::ManagedBaseStore& store, const std::string& key) {
  DM_ASSIGN(std::vector<ManagedBase> bases, store.list(), "");
  std::erase_if(bases, [&](const ManagedBase& base) { return !base.key.starts_with(key); });
  if (bases.size() != 1) {
    return fail(bases.empty() ? ErrorKind::kNotFound : ErrorKind::kInvalidArgument,
                fmt::format("{} managed bases have a key that begins with {}: dormouse base list shows all",
                            bases.empty() ? "no" : std::to_string(bases.size()),
                            key));
  }
  return std::move(bases.front());
}

Status remove(const Options& options, const Invocation& invocation) {
  const managed_base::ManagedBaseStore store(options.cache);
  DM_ASSIGN(const ManagedBase base, only_one(store, options.key), "");
  DM_TRY(store.remove(base.key, snapshot::named_bases, os::Context::with_timeout(kRemovalTimeout)), "");
  invocation.answer(record_of(base), [&] {
    invocation.terminal.answer(fmt::format(
        "{} is removed: {}", base.key.substr(0, kKeyDigitsShown), size_text(static_cast<double>(base.size_bytes))));
  });
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

  CLI::App* const listing = base->add_subcommand("list", "the managed base images of this machine, and what uses them");
  listing->add_option("--cache", options->cache, "where bases are kept")->capture_default_str();
  listing->footer(
      "A daemon removes what nothing uses when it starts and when an image version is deleted, but the newest base and "
      "those\n"
      "made in the last 24 hours.\n"
      "Examples:\n"
      "  dormouse base list\n"
      "  dormouse base list --json | jq '.bases[] | select(.heldBy == [])'");
  listing->callback(
      [options, &invocation] { invocation.action = [options, &invocation] { return list(*options, invocation); }; });

  CLI::App* const removing =
      base->add_subcommand("remove", "remove a managed base image that nothing uses, also the newest");
  removing->add_option("KEY", options->key, "as `dormouse base list` shows it; its first six digits will do")
      ->required()
      ->check([](const std::string& key) {
        const bool is_key =
            key.size() >= kKeyDigitsMin && key.find_first_not_of("0123456789abcdef") == std::string::npos;
        return is_key ? std::string()
                      : fmt::format(
                            "'{}' is not the beginning of a key: at least {} hexadecimal digits", key, kKeyDigitsMin);
      });
  removing->add_option("--cache", options->cache, "where bases are kept")->capture_default_str();
  removing->footer(
      "What an image version, a MicroVM or a checkpoint in any data directory of this machine stands on is not "
      "removed.\n"
      "Example:\n  dormouse base remove 1f2e3d4c5b6a");
  removing->callback(
      [options, &invocation] { invocation.action = [options, &invocation] { return remove(*options, invocation); }; });
}

}  // namespace dormouse::cli
