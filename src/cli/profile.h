// SPDX-License-Identifier: Apache-2.0

#pragma once

#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "aws/credentials.h"
#include "base/error.h"

namespace dormouse::cli {

using Environment = std::function<std::optional<std::string>(const char* name)>;

// Options that every command has.
struct GlobalOptions {
  bool json = false;
  std::string endpoint;        // --endpoint
  std::string data_directory;  // --data-dir
  std::string region;          // --region
};

// Which daemon to talk to, and as whom.
struct Profile {
  std::string url;  // "http://127.0.0.1:9600", without a slash at its end
  std::string region;
  std::filesystem::path data_directory;  // of a daemon on this machine; need not exist
  std::optional<aws::Credential> credential;
  std::string credential_problem;  // why there is none

  // The CA of the endpoint: DIR/ca.pem. Empty when there is none: then the system's store decides.
  std::string ca_file() const;
};

// What was given on the command line wins, then the AWS SDKs' environment variables, then the default data directory:
//   URL: --endpoint, AWS_ENDPOINT_URL_LAMBDA_MICROVMS, AWS_ENDPOINT_URL, http://127.0.0.1:9600
//   credentials: DIR/credentials of --data-dir, AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY (and AWS_SESSION_TOKEN), DIR/credentials
//   DIR: --data-dir, DORMOUSE_DATA_DIR, /var/lib/dormouse
//   region: --region, AWS_REGION, AWS_DEFAULT_REGION, us-east-1
// kInvalidArgument when the URL is none.
Result<Profile> find_profile(const GlobalOptions& options, const Environment& environment);

}  // namespace dormouse::cli
