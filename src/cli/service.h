// SPDX-License-Identifier: Apache-2.0

#pragma once

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <initializer_list>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <boost/json/fwd.hpp>

#include "base/error.h"
#include "cli/http_client.h"
#include "cli/profile.h"
#include "os/context.h"

namespace dormouse::cli {

// What the members of a listing are called.
struct Listing {
  const char* items = "items";
  const char* page_size = "maxResults";
  const char* token = "nextToken";  // in the query
  const char* next = "nextToken";   // in the answer
};

// How lambda-core lists network connectors.
inline constexpr Listing kConnectorListing{"NetworkConnectors", "MaxItems", "Marker", "NextMarker"};

// The daemon's API as this program uses it: signed requests, errors as the service words them. Not thread-safe.
//
// The error kind follows the status: 400 kInvalidArgument, 403 kPermissionDenied, 404 kNotFound, 409 kConflict, 402 and 429
// kResourceExhausted, 503 kUnavailable, else kInternal.
class Service {
 public:
  // kPermissionDenied when the profile has no credentials.
  static Result<Service> connect(Profile profile);

  using Query = std::vector<std::pair<std::string, std::string>>;

  // One operation of lambda-microvms or of Dormouse's own routes: JSON in, JSON out. `path` is encoded already.
  Result<boost::json::value> call(std::string_view method,
                                  const std::string& path,
                                  const Query& query,
                                  const boost::json::value* body,
                                  const os::Context& context);

  // One operation of CloudWatch Logs, by its name there.
  Result<boost::json::value> logs(std::string_view operation,
                                  const boost::json::value& body,
                                  const os::Context& context);

  // The members `items` of all pages of a Describe operation of CloudWatch Logs. Bounded as list() is.
  Result<boost::json::array> list_logs(std::string_view operation,
                                       boost::json::object request,
                                       const char* items,
                                       const os::Context& context);

  // One operation of IAM or STS, by its name there: what query_answer.h makes of the answer.
  Result<boost::json::value> iam(std::string_view action, const Query& parameters, const os::Context& context);
  Result<boost::json::value> sts(std::string_view action, const Query& parameters, const os::Context& context);

  // The members `items` of all pages of a List operation of IAM. Bounded as list() is.
  Result<boost::json::array> list_iam(std::string_view action,
                                      Query parameters,
                                      const char* items,
                                      const os::Context& context);

  // The items of all pages together. kInternal when they do not end within 10 000 pages.
  Result<boost::json::array> list(const std::string& path,
                                  Query query,
                                  const os::Context& context,
                                  const Listing& listing = {});

  // S3. A bucket that is there already is fine.
  Status create_bucket(const std::string& bucket, const os::Context& context);
  Status put_object(const std::string& bucket,
                    const std::string& key,
                    const std::filesystem::path& file,
                    const std::function<void(std::uint64_t sent, std::uint64_t total)>& on_sent,
                    const os::Context& context);

  // The ARN of the image that is named so, or the ARN given. kNotFound names those there are.
  Result<std::string> image_arn(const std::string& name_or_arn, const os::Context& context);

  const Profile& profile() const { return profile_; }
  HttpClient& http() { return http_; }

 private:
  explicit Service(Profile profile) : profile_(std::move(profile)) {}
  Result<HttpAnswer> send(HttpRequest request,
                          std::string_view service,
                          const std::string& path,
                          const Query& query,
                          std::string_view payload_hash,
                          const os::Context& context);
  // One operation by the query protocol: a form in, XML out.
  Result<boost::json::value> query_operation(std::string_view service,
                                             std::string_view version,
                                             std::string_view action,
                                             const Query& parameters,
                                             const os::Context& context);

  Profile profile_;
  HttpClient http_;
};

// "/2025-09-09/microvm-images/<label>/..." with each label percent-encoded.
std::string api_path(std::initializer_list<std::string_view> segments);
// The same under /2026-04-04/network-connectors (lambda-core).
std::string connectors_path(std::initializer_list<std::string_view> segments);
// "/2017-03-31/tags/<ARN>"
std::string tags_path(std::string_view arn);
// The same under Dormouse's own routes (docs/reference/api-extensions.md).
std::string extension_path(std::initializer_list<std::string_view> segments);

// How long an ordinary request may take.
inline constexpr std::chrono::seconds kRequestTimeout{60};

}  // namespace dormouse::cli
