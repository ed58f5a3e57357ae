// SPDX-License-Identifier: Apache-2.0

#include "cli/profile.h"

#include <initializer_list>
#include <system_error>

#include <boost/url/parse.hpp>
#include <fmt/format.h>

#include "aws/credentials_file.h"
#include "os/file.h"

namespace dormouse::cli {
namespace {

constexpr const char* kDefaultUrl = "http://127.0.0.1:9600";
constexpr const char* kDefaultDataDirectory = "/var/lib/dormouse";

std::string first_of(const std::string& given,
                     const Environment& environment,
                     std::initializer_list<const char*> names,
                     const char* fallback) {
  if (!given.empty()) {
    return given;
  }
  for (const char* name : names) {
    if (const auto value = environment(name); value && !value->empty()) {
      return *value;
    }
  }
  return fallback;
}

Result<std::string> checked_url(std::string text) {
  if (text.find("://") == std::string::npos) {
    text = "http://" + text;
  }
  while (text.ends_with('/')) {
    text.pop_back();
  }
  const auto url = boost::urls::parse_uri(text);
  if (!url || url->host().empty() || (url->scheme() != "http" && url->scheme() != "https") || !url->path().empty()) {
    return fail(ErrorKind::kInvalidArgument,
                fmt::format("endpoint '{}' is no URL of a daemon; give something like {}", text, kDefaultUrl));
  }
  return text;
}

Result<aws::Credential> read_credential(const std::filesystem::path& data_directory) {
  const std::filesystem::path path = data_directory / "credentials";
  DM_ASSIGN(const std::string text, os::read_file(path, 1U << 20U), "");
  DM_ASSIGN(const aws::CredentialsFile file, aws::CredentialsFile::parse(text, path.string(), ""), "");
  auto credential = file.profile("default");
  if (!credential) {
    return fail(ErrorKind::kNotFound, fmt::format("{} has no profile 'default'", path.string()));
  }
  return *std::move(credential);
}

}  // namespace

std::string Profile::ca_file() const {
  const std::filesystem::path path = data_directory / "ca.pem";
  std::error_code ignored;
  return std::filesystem::exists(path, ignored) ? path.string() : std::string();
}

Result<Profile> find_profile(const GlobalOptions& options, const Environment& environment) {
  Profile profile;
  DM_ASSIGN(profile.url,
            checked_url(first_of(
                options.endpoint, environment, {"AWS_ENDPOINT_URL_LAMBDA_MICROVMS", "AWS_ENDPOINT_URL"}, kDefaultUrl)),
            "");
  profile.region = first_of(options.region, environment, {"AWS_REGION", "AWS_DEFAULT_REGION"}, "us-east-1");
  profile.data_directory = first_of(options.data_directory, environment, {"DORMOUSE_DATA_DIR"}, kDefaultDataDirectory);

  const auto key = environment("AWS_ACCESS_KEY_ID");
  const auto secret = environment("AWS_SECRET_ACCESS_KEY");
  if (options.data_directory.empty() && key && secret) {
    profile.credential = aws::Credential{*key, *secret};
    profile.credential->session_token = environment("AWS_SESSION_TOKEN").value_or("");
    return profile;
  }
  auto read = read_credential(profile.data_directory);
  if (read) {
    profile.credential = *std::move(read);
  } else {
    profile.credential_problem = fmt::format(
        "no credentials: {}; name the daemon's data directory with --data-dir or set AWS_ACCESS_KEY_ID and "
        "AWS_SECRET_ACCESS_KEY",
        read.error().message());
  }
  return profile;
}

}  // namespace dormouse::cli
