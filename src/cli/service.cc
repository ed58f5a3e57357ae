// SPDX-License-Identifier: Apache-2.0

#include "cli/service.h"

#include <fcntl.h>

#include <algorithm>
#include <functional>
#include <optional>
#include <span>
#include <vector>

#include <boost/json.hpp>
#include <boost/url/parse.hpp>
#include <fmt/format.h>

#include "aws/digest.h"
#include "aws/encoding.h"
#include "cli/query_answer.h"
#include "os/file.h"

namespace dormouse::cli {
namespace {

namespace json = boost::json;

constexpr std::size_t kPagesMax = 10'000;
constexpr std::size_t kErrorTextMax = 500;

ErrorKind kind_of_status(int status) {
  switch (status) {
    case 400: return ErrorKind::kInvalidArgument;
    case 403: return ErrorKind::kPermissionDenied;
    case 404: return ErrorKind::kNotFound;
    case 409: return ErrorKind::kConflict;
    case 402:
    case 429: return ErrorKind::kResourceExhausted;
    case 503: return ErrorKind::kUnavailable;
    default: return ErrorKind::kInternal;
  }
}

// The text of S3's <Message>, or nothing.
std::string message_of_xml(std::string_view body) {
  constexpr std::string_view kOpen = "<Message>";
  const auto begin = body.find(kOpen);
  const auto end = body.find("</Message>");
  if (begin == std::string_view::npos || end == std::string_view::npos || end < begin) {
    return "";
  }
  return std::string(body.substr(begin + kOpen.size(), end - begin - kOpen.size()));
}

std::string message_of(const HttpAnswer& answer) {
  boost::system::error_code bad;
  const json::value parsed = json::parse(answer.body, bad);
  if (!bad && parsed.is_object()) {
    for (const char* name : {"message", "Message"}) {
      if (const json::value* text = parsed.as_object().if_contains(name); text != nullptr && text->is_string()) {
        return std::string(text->as_string());
      }
    }
    return "";
  }
  if (std::string text = message_of_xml(answer.body); !text.empty()) {
    return text;
  }
  return answer.body.substr(0, kErrorTextMax);
}

tl::unexpected<Error> refusal(const HttpAnswer& answer) {
  std::string text = message_of(answer);
  if (text.empty()) {
    text = fmt::format("the service answered {} {}", answer.status, answer.header("x-amzn-errortype"));
  }
  return fail(kind_of_status(answer.status), std::move(text));
}

std::string query_text(const Service::Query& query) {
  std::string text;
  for (const auto& [name, value] : query) {
    text += fmt::format("{}{}={}",
                        text.empty() ? "" : "&",
                        aws::percent_encode(name, aws::Slash::kEncode),
                        aws::percent_encode(value, aws::Slash::kEncode));
  }
  return text;
}

Result<std::string> sha256_of_file(const std::filesystem::path& path) {
  DM_ASSIGN(const UniqueFd file, os::open_file(path, O_RDONLY), "checksum");
  aws::Digest digest(aws::DigestAlgorithm::kSha256);
  const std::uint64_t size = os::size_of(file.get());
  std::vector<std::byte> buffer(1U << 20U);
  for (std::uint64_t offset = 0; offset < size; offset += buffer.size()) {
    const auto piece =
        std::span(buffer).first(static_cast<std::size_t>(std::min<std::uint64_t>(buffer.size(), size - offset)));
    DM_TRY(os::read_exactly(file.get(), piece, offset, path.string()), "checksum");
    digest.update(std::span<const std::byte>(piece));
  }
  return aws::to_hex(digest.finish());
}

// What a successful answer to `request` holds; {} for an empty body.
Result<json::value> parsed_answer(const HttpAnswer& answer, std::string_view request) {
  if (answer.body.empty()) {
    return json::value(json::object());
  }
  boost::system::error_code bad;
  json::value parsed = json::parse(answer.body, bad);
  if (bad) {
    return fail(ErrorKind::kInternal, fmt::format("{}: the answer is no JSON: {}", request, bad.message()));
  }
  return parsed;
}

// The items of all pages of what `request` names. `ask` answers one: the first without a token, then with that of the one before.
Result<json::array> all_pages(std::string_view request,
                              const char* items_name,
                              const char* next_name,
                              const std::function<Result<json::value>(const json::string* token)>& ask) {
  json::array items;
  std::optional<json::string> token;
  for (std::size_t page = 0; page < kPagesMax; ++page) {
    DM_ASSIGN(const json::value answer, ask(token ? &*token : nullptr), "");
    const json::object* const object = answer.if_object();
    const json::value* const found = object == nullptr ? nullptr : object->if_contains(items_name);
    if (found == nullptr || !found->is_array()) {
      return fail(ErrorKind::kInternal, fmt::format("{}: the answer has no {}", request, items_name));
    }
    items.insert(items.end(), found->as_array().begin(), found->as_array().end());
    const json::value* const next = object->if_contains(next_name);
    if (next == nullptr || !next->is_string()) {
      return items;
    }
    token = next->as_string();
  }
  return fail(ErrorKind::kInternal, fmt::format("{}: more than {} pages", request, kPagesMax));
}

std::string joined(std::string path, std::initializer_list<std::string_view> segments) {
  for (const std::string_view segment : segments) {
    path += "/" + aws::percent_encode(segment, aws::Slash::kEncode);
  }
  return path;
}

}  // namespace

std::string connectors_path(std::initializer_list<std::string_view> segments) {
  return joined("/2026-04-04/network-connectors", segments);
}
std::string tags_path(std::string_view arn) { return joined("/2017-03-31/tags", {arn}); }
std::string api_path(std::initializer_list<std::string_view> segments) { return joined("/2025-09-09", segments); }

std::string extension_path(std::initializer_list<std::string_view> segments) {
  return joined("/dormouse/2026-11-01", segments);
}

Result<Service> Service::connect(Profile profile) {
  if (!profile.credential) {
    return fail(ErrorKind::kPermissionDenied, profile.credential_problem);
  }
  return Service(std::move(profile));
}

Result<HttpAnswer> Service::send(HttpRequest request,
                                 std::string_view service,
                                 const std::string& path,
                                 const Query& query,
                                 std::string_view payload_hash,
                                 const os::Context& context) {
  const std::string text = query_text(query);
  const auto url = boost::urls::parse_uri(profile_.url);
  request.url = profile_.url + path + (text.empty() ? "" : "?" + text);
  request.ca_file = url->scheme() == "https" ? profile_.ca_file() : "";
  request.headers.emplace_back("Host", std::string(url->encoded_host_and_port()));
  const aws::WireRequest wire{.method = request.method, .path = path, .query = text, .headers = request.headers};
  const aws::SigningOptions options{.region = profile_.region,
                                    .service = std::string(service),
                                    .time = std::chrono::system_clock::now(),
                                    .session_token = profile_.credential->session_token};
  for (aws::HeaderField& field : aws::sign(wire, *profile_.credential, options, payload_hash)) {
    request.headers.push_back(std::move(field));
  }
  auto answer = http_.send(request, context);
  if (!answer && answer.error().kind() == ErrorKind::kUnavailable) {
    return fail(
        ErrorKind::kUnavailable,
        fmt::format("{}; is dormoused running? `dormouse doctor` tells what it needs", answer.error().message()));
  }
  return answer;
}

Result<json::value> Service::call(std::string_view method,
                                  const std::string& path,
                                  const Query& query,
                                  const json::value* body,
                                  const os::Context& context) {
  HttpRequest request;
  request.method = method;
  if (body != nullptr) {
    request.body = json::serialize(*body);
    request.headers.emplace_back("Content-Type", "application/json");
  }
  const std::string hash = aws::sha256_hex(request.body);
  DM_ASSIGN(const HttpAnswer answer, send(std::move(request), "lambda", path, query, hash, context), "");
  if (answer.status / 100 != 2) {
    return refusal(answer);
  }
  return parsed_answer(answer, fmt::format("{} {}", method, path));
}

Result<json::value> Service::logs(std::string_view operation, const json::value& body, const os::Context& context) {
  HttpRequest request;
  request.method = "POST";
  request.body = json::serialize(body);
  request.headers.emplace_back("Content-Type", "application/x-amz-json-1.1");
  request.headers.emplace_back("X-Amz-Target", fmt::format("Logs_20140328.{}", operation));
  const std::string hash = aws::sha256_hex(request.body);
  DM_ASSIGN(const HttpAnswer answer, send(std::move(request), "logs", "/", {}, hash, context), "");
  if (answer.body.find("\"__type\":\"ResourceNotFoundException\"") != std::string::npos && answer.status == 400) {
    return fail(ErrorKind::kNotFound, message_of(answer));
  }
  if (answer.status / 100 != 2) {
    return refusal(answer);
  }
  return parsed_answer(answer, operation);
}

Result<json::value> Service::query_operation(std::string_view service,
                                             std::string_view version,
                                             std::string_view action,
                                             const Query& parameters,
                                             const os::Context& context) {
  HttpRequest request;
  request.method = "POST";
  request.body = fmt::format("Action={}&Version={}", action, version);
  if (!parameters.empty()) {
    request.body += "&" + query_text(parameters);
  }
  request.headers.emplace_back("Content-Type", "application/x-www-form-urlencoded; charset=utf-8");
  const std::string hash = aws::sha256_hex(request.body);
  DM_ASSIGN(const HttpAnswer answer, send(std::move(request), service, "/", {}, hash, context), "");
  if (answer.status / 100 != 2) {
    const std::string message = query_message(answer.body);
    return message.empty() ? refusal(answer) : fail(kind_of_status(answer.status), message);
  }
  return query_result(action, answer.body);
}

Result<json::value> Service::iam(std::string_view action, const Query& parameters, const os::Context& context) {
  return query_operation("iam", "2010-05-08", action, parameters, context);
}

Result<json::value> Service::sts(std::string_view action, const Query& parameters, const os::Context& context) {
  return query_operation("sts", "2011-06-15", action, parameters, context);
}

Result<json::array> Service::list_iam(std::string_view action,
                                      Query parameters,
                                      const char* items,
                                      const os::Context& context) {
  const std::size_t marker_index = parameters.size();
  return all_pages(action, items, "Marker", [&](const json::string* marker) -> Result<json::value> {
    parameters.resize(marker_index);
    if (marker != nullptr) {
      parameters.emplace_back("Marker", std::string(*marker));
    }
    DM_ASSIGN(json::value answer, iam(action, parameters, context), "");
    if (const json::value* const found = answer.as_object().if_contains(items); found && found->is_string()) {
      answer.as_object()[items] = json::array();  // an empty list is an empty element
    }
    return answer;
  });
}

Result<json::array> Service::list(const std::string& path,
                                  Query query,
                                  const os::Context& context,
                                  const Listing& listing) {
  query.emplace_back(listing.page_size, "50");
  const std::size_t token_index = query.size();
  return all_pages("GET " + path, listing.items, listing.next, [&](const json::string* token) {
    query.resize(token_index);
    if (token != nullptr) {
      query.emplace_back(listing.token, std::string(*token));
    }
    return call("GET", path, query, nullptr, context);
  });
}

Result<json::array> Service::list_logs(std::string_view operation,
                                       json::object request,
                                       const char* items,
                                       const os::Context& context) {
  return all_pages(operation, items, "nextToken", [&](const json::string* token) {
    if (token != nullptr) {
      request["nextToken"] = *token;
    }
    const json::value body(request);
    return logs(operation, body, context);
  });
}

Status Service::create_bucket(const std::string& bucket, const os::Context& context) {
  HttpRequest request;
  request.method = "PUT";
  DM_ASSIGN(const HttpAnswer answer, send(std::move(request), "s3", "/" + bucket, {}, aws::kEmptySha256, context), "");
  const bool ours = answer.status == 409 && answer.body.find("BucketAlreadyOwnedByYou") != std::string::npos;
  if (answer.status / 100 != 2 && !ours) {
    return refusal(answer);
  }
  return {};
}

Status Service::put_object(const std::string& bucket,
                           const std::string& key,
                           const std::filesystem::path& file,
                           const std::function<void(std::uint64_t, std::uint64_t)>& on_sent,
                           const os::Context& context) {
  DM_ASSIGN(const std::string hash, sha256_of_file(file), "");
  HttpRequest request;
  request.method = "PUT";
  request.body_file = file;
  request.on_sent = on_sent;
  request.headers.emplace_back("Content-Type", "application/zip");
  const std::string path = "/" + bucket + "/" + aws::percent_encode(key, aws::Slash::kKeep);
  DM_ASSIGN(const HttpAnswer answer, send(std::move(request), "s3", path, {}, hash, context), "");
  if (answer.status / 100 != 2) {
    return refusal(answer);
  }
  return {};
}

Result<std::string> Service::image_arn(const std::string& name_or_arn, const os::Context& context) {
  if (name_or_arn.starts_with("arn:")) {
    return name_or_arn;
  }
  DM_ASSIGN(const json::array images, list(api_path({"microvm-images"}), {}, context), "");
  std::string names;
  for (const json::value& image : images) {
    const json::object& fields = image.as_object();
    const auto name = fields.contains("name") ? std::string(fields.at("name").as_string()) : std::string();
    if (name == name_or_arn) {
      return std::string(fields.at("imageArn").as_string());
    }
    names += (names.empty() ? "" : ", ") + name;
  }
  return fail(
      ErrorKind::kNotFound,
      fmt::format("there is no image '{}'; {}",
                  name_or_arn,
                  names.empty() ? "none exists yet: dormouse image create NAME DIRECTORY" : "there are: " + names));
}

}  // namespace dormouse::cli
