// SPDX-License-Identifier: Apache-2.0

#include "daemon/options.h"

#include <charconv>
#include <string_view>
#include <vector>

#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include "faults/fault_point.h"

namespace dormouse::daemon {
namespace {

constexpr char kExamples[] = R"(Examples:
  dormoused --data-dir /var/lib/dormouse
  dormoused --data-dir ~/dormouse --api 127.0.0.1:9700 --endpoint 127.0.0.1:9743 --accel tcg
  dormoused --config /etc/dormouse/dormoused.toml

A client needs AWS_ENDPOINT_URL=http://127.0.0.1:9600, the region, and AWS_SHARED_CREDENTIALS_FILE=DIR/credentials;
`dormouse env` prints that.)";

// The steps that a test can make fail, each with what can happen there beside the daemon's end.
std::string fault_points() {
  std::string text;
  for (const auto& [name, breaks] : faults::kSteps) {
    const bool step = breaks == faults::Breaks::kStep || breaks == faults::Breaks::kBoth;
    const bool vmm = breaks == faults::Breaks::kVmm || breaks == faults::Breaks::kBoth;
    text += (text.empty() ? "" : "\n") + std::string(name) + (step ? " fail" : "") + (vmm ? " kill-vmm" : "");
  }
  return text;
}

void declare_places(CLI::App& app, Options& options) {
  app.set_config("--config", "", "Read options from this TOML file; names are those of the long options");
  app.add_option(
         "--data-dir", options.data_directory, "Where everything is kept: records, artifacts, images, VMs, keys")
      ->required();
  app.add_option("--cache-dir", options.cache_directory, "Where managed base images are kept")->capture_default_str();
  app.add_option("--api", options.api, "Address of the API (ADDRESS:PORT), may be repeated")->capture_default_str();
  app.add_option("--endpoint", options.endpoint, "Address of the VMs' HTTPS endpoint, may be repeated")
      ->capture_default_str();
  app.add_option("--endpoint-http",
                 options.endpoint_http,
                 "Address of an endpoint without TLS, for use behind a TLS terminator; off by default");
  app.add_option("--endpoint-domain", options.endpoint_domain, "Domain of the VMs' host names")->capture_default_str();
  app.add_option("--endpoint-certificate", options.endpoint_certificate, "Certificate chain of your own (PEM)")
      ->check(CLI::ExistingFile);
  app.add_option("--endpoint-key", options.endpoint_key, "Its private key (PEM)")->check(CLI::ExistingFile);
  app.add_option("--region", options.region, "Region in ARNs, host names and signatures")->capture_default_str();
  app.add_option("--account", options.account, "Account number: 12 digits")
      ->check([](const std::string& text) {
        const bool good = text.size() == 12 && text.find_first_not_of("0123456789") == std::string::npos;
        return good ? std::string() : "'" + text + "' is no account number: 12 digits";
      })
      ->capture_default_str();
}

void declare_guests(CLI::App& app, Options& options) {
  app.add_option("--accel", options.acceleration, "auto, kvm or tcg: how guests are run; auto probes")
      ->check(CLI::IsMember({"auto", "kvm", "tcg"}))
      ->capture_default_str();
  app.add_option("--kernel", options.kernel, "Guest kernel of your own (bzImage of Linux 5.18 or newer)")
      ->check(CLI::ExistingFile);
  app.add_option("--qemu", options.qemu, "QEMU's program")->capture_default_str();
  app.add_option("--substitute-base",
                 options.substitute_base,
                 "Stand-in for the service's own container base image: auto (when it cannot be pulled), always, never")
      ->check(CLI::IsMember({"auto", "always", "never"}))
      ->capture_default_str();
  app.add_option(
      "--egress-denied",
      options.egress_denied,
      "Address ranges (CIDR) that guests cannot reach, in place of the default list; the host's own addresses "
      "are always denied");
  app.add_option(
      "--egress-allowed", options.egress_allowed, "Exceptions from that (CIDR), e.g. a mirror in a private range");
}

void declare_bounds(CLI::App& app, Options& options) {
  app.add_option(
         "--memory-budget",
         options.memory_budget,
         "Memory that VMs may have for themselves together: a size (6G, 512M), a share of the host's (80%), or none. "
         "Others that are idle and woken by requests are put to sleep to keep it. "
         "With none, sizes whose peak is more than the host's memory are accepted, too")
      ->check([](const std::string& text) {
        const auto parsed = parse_budget("memory", text, 0);
        return parsed ? std::string() : parsed.error().message();
      })
      ->capture_default_str();
  app.add_option(
         "--disk-budget",
         options.disk_budget,
         "What the data directory may hold: a size (200G, 512M), a share of its file system (90%), or none. Builds, "
         "launches, checkpoints and suspensions that have no room in it are refused")
      ->check([](const std::string& text) {
        const auto parsed = parse_budget("disk", text, 0);
        return parsed ? std::string() : parsed.error().message();
      })
      ->capture_default_str();
  app.add_option("--keep-suspended",
                 options.keep_suspended_seconds,
                 "Seconds that the process of a suspended VM is kept in memory, for a quicker wake; it goes earlier "
                 "when memory is short or the budget needs it. 0: it ends at once")
      ->check(CLI::Range(0, 3600))
      ->capture_default_str();
  app.add_option(
         "--checkpoint-days", options.checkpoint_days, "Days after which checkpoints go. 0: when they are deleted")
      ->check(CLI::Range(0, 36'500))
      ->capture_default_str();
  app.add_option("--concurrent-builds", options.concurrent_builds, "Image builds at a time; more wait")
      ->check(CLI::Range(1, 64))
      ->capture_default_str();
  app.add_option("--build-timeout", options.build_timeout_seconds, "Seconds that one build may take")
      ->check(CLI::Range(60, 86'400))
      ->capture_default_str();
  app.add_option(
         "--drain-timeout", options.drain_timeout_seconds, "Seconds that requests get to finish before a suspension")
      ->check(CLI::Range(0, 300))
      ->capture_default_str();
}

void declare_policies(CLI::App& app, Options& options) {
  app.add_option("--suspend-hook-failure",
                 options.suspend_hook_failure,
                 "What becomes of a VM whose /suspend hook fails: keep-running or terminate")
      ->check(CLI::IsMember({"keep-running", "terminate"}))
      ->capture_default_str();
  app.add_option("--run-hook-payload-max", options.run_hook_payload_max, "Bytes of a runHookPayload")
      ->check(CLI::Range(4096, 65'536))
      ->capture_default_str();
  app.add_option(
         "--foreign-architecture",
         options.foreign_architecture,
         "What becomes of an image that asks for another architecture than this host's: build (for this host's, "
         "which its build says) or refuse")
      ->check(CLI::IsMember({"build", "refuse"}))
      ->capture_default_str();
  app.add_flag("--image-names", options.image_names, "Take the bare names of images wherever their ARNs are asked for");
  app.add_option("--quotas",
                 options.quotas,
                 "What each account may have and do: none (the host is the bound) or aws (the service's numbers)")
      ->check(CLI::IsMember({"none", "aws"}))
      ->capture_default_str();
  app.add_option(
      "--quota",
      options.quota,
      "One quota of each account over --quotas, may be repeated: NAME=NUMBER or NAME=none, with the names of "
      "`dormouse account quota set`, e.g. images=20, rate:RunMicrovm=5/10 (a second/at once)");
  app.add_option("--customer-egress",
                 options.customer_egress,
                 "Where guests with customer network connectors alone may connect to: none or internet")
      ->check(CLI::IsMember({"none", "internet"}))
      ->capture_default_str();
}

void declare_records(CLI::App& app, Options& options) {
  app.add_option("--log-mebibytes",
                 options.log_mebibytes,
                 "MiB of what VMs and builds print that are kept; beyond, the oldest of the largest streams go")
      ->check(CLI::Range(1, 1'048'576))
      ->capture_default_str();
  app.add_option("--log-stream-mebibytes", options.log_stream_mebibytes, "MiB of one log stream that are kept")
      ->check(CLI::Range(1, 1'048'576))
      ->capture_default_str();
  app.add_option("--log-days",
                 options.log_days,
                 "Days after which log events go; a group's own retention may make that shorter")
      ->check(CLI::Range(1, 36'500))
      ->capture_default_str();
  app.add_option("--s3-endpoint", options.s3_endpoint, "URL of another S3, for artifacts in buckets that are not here");
  app.add_option("--s3-region", options.s3_region, "Its region; default: --region");
  app.add_option("--s3-credentials", options.s3_credentials, "Its credentials file, profile default")
      ->check(CLI::ExistingFile);
  app.add_option("--metrics",
                 options.metrics,
                 "Address of a listener for GET /metrics alone (ADDRESS:PORT); default: the API's addresses, if all of "
                 "them are loopback");
  app.add_option("--otlp-endpoint",
                 options.otlp_endpoint,
                 "URL of an OpenTelemetry collector (http://HOST:4318) that traces are sent to; off by default");
  app.add_option("--log-level", options.log_level, "debug, info, warning or error")
      ->check(CLI::IsMember({"debug", "info", "warning", "error"}))
      ->capture_default_str();
}

void declare(CLI::App& app, Options& options) {
  declare_places(app, options);
  declare_guests(app, options);
  declare_bounds(app, options);
  declare_policies(app, options);
  declare_records(app, options);
}

// A line of the file that names no option: how the file has it.
std::string line_of(const CLI::ConfigItem& item) {
  return item.parents.empty() ? item.name : "[" + item.parents.front() + "]";
}

// What is wrong with the file itself, whatever the command line says; nothing if it is not there or all is well.
std::optional<std::string> error_in(const std::string& file) {
  if (!CLI::ExistingFile(file).empty()) {
    return std::nullopt;
  }
  Options scratch;
  CLI::App app;
  declare(app, scratch);
  app.get_option("--data-dir")->required(false);
  try {
    for (const CLI::ConfigItem& item : CLI::ConfigTOML().from_file(file)) {
      if (!item.parents.empty() || app.get_option_no_throw("--" + item.name) == nullptr) {
        return fmt::format(
            "{}: '{}' is no option: lines are NAME = VALUE, with the names of the long options", file, line_of(item));
      }
    }
    std::vector<std::string> alone = {file, "--config"};  // CLI11 takes them from the end
    app.parse(alone);
  } catch (const CLI::ParseError& error) {
    return fmt::format("{}: {}", file, error.what());
  }
  return std::nullopt;
}

}  // namespace

Result<std::optional<std::uint64_t>> parse_budget(const char* what, const std::string& text, std::uint64_t host_bytes) {
  if (text == "none") {
    return std::nullopt;
  }
  std::uint64_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  const std::string_view unit(end, static_cast<std::size_t>(text.data() + text.size() - end));
  if (error == std::errc() && unit == "%" && number >= 1 && number <= 100) {
    return host_bytes / 100 * number;
  }
  if (error == std::errc() && (unit == "M" || unit == "G") && number >= 1 && number <= (1U << 20U)) {
    return number << (unit == "M" ? 20U : 30U);
  }
  return fail(ErrorKind::kInvalidArgument,
              "'" + text + "' is no " + what + " budget: a size from 1M to 1048576G, a share from 1% to 100%, or none");
}

std::optional<Options> read_options(int argc, char** argv, int& exit_code) {
  Options options;
  CLI::App app("Runs MicroVMs behind the API of AWS Lambda MicroVMs.", "dormoused");
  app.footer(kExamples);
  app.set_version_flag("--version", DM_VERSION);
  app.add_flag_callback(
         "--fault-points",
         [] { throw CLI::CallForVersion(fault_points(), 0); },
         "Print the steps that tests make fail (src/faults/fault_point.h)")
      ->group("")
      ->trigger_on_parse();
  app.allow_config_extras(CLI::config_extras_mode::error);
  declare(app, options);
  try {
    app.parse(argc, argv);
    if (options.endpoint_certificate.has_value() != options.endpoint_key.has_value()) {
      throw CLI::ValidationError("--endpoint-certificate and --endpoint-key go together: give both or none");
    }
  } catch (const CLI::ParseError& error) {
    const CLI::Option* const config = app.get_config_ptr();
    const auto reason = config->count() == 1 ? error_in(config->as<std::string>()) : std::nullopt;
    const bool is_failure = error.get_exit_code() != 0;
    const int code =
        is_failure && reason ? app.exit(CLI::ConfigError(*reason, CLI::ExitCodes::ConfigError)) : app.exit(error);
    exit_code = code == 0 ? 0 : 2;
    return std::nullopt;
  }
  return options;
}

}  // namespace dormouse::daemon
