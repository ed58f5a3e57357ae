// SPDX-License-Identifier: Apache-2.0

#include <chrono>
#include <filesystem>
#include <memory>
#include <system_error>

#include <CLI/CLI.hpp>
#include <boost/json.hpp>
#include <fmt/format.h>

#include "aws/digest.h"
#include "cli/command.h"
#include "cli/programs.h"
#include "os/command.h"
#include "os/file.h"

namespace dormouse::cli {
namespace {

namespace fs = std::filesystem;
namespace json = boost::json;

constexpr const char* kStore = "/usr/local/share/ca-certificates";
constexpr const char* kBundle = "/etc/ssl/certs/ca-certificates.crt";

Status update_store(const os::Context& context) {
  const std::string program = find_program("update-ca-certificates");
  if (program.empty()) {
    return fail(ErrorKind::kUnavailable, "there is no update-ca-certificates; apt-get install ca-certificates");
  }
  const os::Command command{.arguments = {program}, .environment = {"PATH=/usr/sbin:/usr/bin:/sbin:/bin"}};
  DM_TRY(os::run_for_output(command, 1U << 20U, context), "update the system's certificates");
  return {};
}

// Certificates of daemons have this form of name in the store, so that they can be found again.
bool is_ours(const fs::path& path) {
  const std::string name = path.filename().string();
  return name.starts_with("dormouse-") && name.ends_with(".crt");
}

Result<std::vector<std::string>> remove_ours() {
  std::vector<std::string> removed;
  std::error_code error;
  for (const fs::directory_entry& entry : fs::directory_iterator(kStore, error)) {
    if (is_ours(entry.path())) {
      if (!fs::remove(entry.path(), error)) {
        return fail(Error::from_errno(error.value(), "remove " + entry.path().string()));
      }
      removed.push_back(entry.path().string());
    }
  }
  return removed;
}

Status undo(const Invocation& invocation, const os::Context& context) {
  DM_ASSIGN(const std::vector<std::string> removed, remove_ours(), "");
  if (!removed.empty()) {
    DM_TRY(update_store(context), "");
  }
  invocation.answer(json::object{{"removed", json::value_from(removed)}}, [&] {
    invocation.terminal.answer(removed.empty() ? "no CA of Dormouse is trusted here"
                                               : "no longer trusted: " + removed.front());
  });
  return {};
}

Status trust(const Invocation& invocation, const os::Context& context) {
  DM_ASSIGN(const Profile profile, find_profile(invocation.options, invocation.environment), "");
  const fs::path ca = profile.data_directory / "ca.pem";
  DM_ASSIGN(
      const std::string certificate, os::read_file(ca, 1U << 20U), "CA of the daemon (--data-dir names its directory)");
  if (!certificate.starts_with("-----BEGIN CERTIFICATE-----")) {
    return fail(ErrorKind::kInvalidArgument, fmt::format("{} is no certificate", ca.string()));
  }
  constexpr std::size_t kDigits = 8;
  const fs::path target =
      fs::path(kStore) / fmt::format("dormouse-{}.crt", aws::sha256_hex(certificate).substr(0, kDigits));
  DM_TRY(os::make_directories(kStore, 0755), "");
  DM_TRY(os::publish_file(target, certificate, 0644, os::Durability::kVolatile), "");
  DM_TRY(update_store(context), "");
  invocation.answer(json::object{{"certificate", target.string()}, {"bundle", kBundle}}, [&] {
    Terminal& terminal = invocation.terminal;
    terminal.answer(fmt::format("programs that use the system's certificates now trust {}", ca.string()));
    terminal.answer("others have a list of their own and need to be told:");
    terminal.answer(fmt::format("  Node.js            export NODE_EXTRA_CA_CERTS={}", target.string()));
    terminal.answer(fmt::format("  Python requests    export REQUESTS_CA_BUNDLE={}", kBundle));
    terminal.answer("undo: dormouse trust --undo");
  });
  return {};
}

}  // namespace

void add_trust(CLI::App& program, Invocation& invocation) {
  CLI::App* const command =
      program.add_subcommand("trust", "put the daemon's CA among the certificates this machine trusts");
  const auto undoing = std::make_shared<bool>(false);
  command->add_flag("--undo", *undoing, "take every CA of Dormouse out again");
  command->footer("Example:\n  dormouse --data-dir /var/lib/dormouse trust");
  command->callback([undoing, &invocation] {
    invocation.action = [undoing, &invocation] {
      const os::Context context = os::Context::with_timeout(std::chrono::minutes(2));
      return *undoing ? undo(invocation, context) : trust(invocation, context);
    };
  });
}

}  // namespace dormouse::cli
