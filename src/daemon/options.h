// SPDX-License-Identifier: Apache-2.0

#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "base/error.h"

namespace dormouse::daemon {

// Everything that can be set, by the command line (`dormoused --help`) or by a TOML file with the same names (--config).
// What stands on the command line wins.
struct Options {
  std::filesystem::path data_directory;
  std::filesystem::path cache_directory = "/var/cache/dormouse";
  std::vector<std::string> api = {"127.0.0.1:9600"};
  std::vector<std::string> endpoint = {"127.0.0.1:9643", "[::1]:9643"};
  std::vector<std::string> endpoint_http;  // without TLS; off by default
  std::string endpoint_domain = "localhost";
  std::optional<std::filesystem::path> endpoint_certificate;  // both or none
  std::optional<std::filesystem::path> endpoint_key;
  std::string region = "us-east-1";
  std::string account = "000000000000";
  std::string acceleration = "auto";
  std::optional<std::filesystem::path> kernel;
  std::string qemu = "/usr/bin/qemu-system-x86_64";
  std::string substitute_base = "auto";
  std::vector<std::string> egress_denied;   // CIDR; empty: the default list
  std::vector<std::string> egress_allowed;  // CIDR; exceptions
  std::string memory_budget = "80%";
  int keep_suspended_seconds = 60;
  std::string disk_budget = "90%";
  int concurrent_builds = 2;
  int build_timeout_seconds = 3600;
  int drain_timeout_seconds = 5;
  std::string quotas = "none";
  std::vector<std::string> quota;  // NAME=VALUE, over `quotas`
  std::string customer_egress = "none";
  std::string suspend_hook_failure = "keep-running";
  int run_hook_payload_max = 4096;
  std::string foreign_architecture = "build";
  bool image_names = false;
  unsigned log_mebibytes = 1024;       // of what VMs and builds print, in all
  unsigned log_stream_mebibytes = 64;  // of one stream
  unsigned checkpoint_days = 0;        // 0: they stay until they are deleted
  unsigned log_days = 30;
  std::optional<std::string> s3_endpoint;  // of another S3, for artifacts in buckets that are not here
  std::optional<std::string> s3_region;
  std::optional<std::filesystem::path> s3_credentials;  // AWS shared-credentials file, profile default
  std::optional<std::string> metrics;                   // address of a listener for /metrics alone
  std::optional<std::string> otlp_endpoint;             // URL of a collector of traces
  std::string log_level = "info";
};

// Bytes of Options::memory_budget on a host with that much memory, or of disk_budget on such a file system; nothing for
// "none". kInvalidArgument; `what` is "memory" or "disk".
Result<std::optional<std::uint64_t>> parse_budget(const char* what, const std::string& text, std::uint64_t host_bytes);

// Reads the command line, and the file that --config names. Nothing: help or the version was asked for and printed, and
// `exit_code` says what to exit with.
std::optional<Options> read_options(int argc, char** argv, int& exit_code);

}  // namespace dormouse::daemon
