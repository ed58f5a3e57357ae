// SPDX-License-Identifier: Apache-2.0

#include "cli/http_client.h"

#include <algorithm>
#include <cstdio>
#include <utility>

#include <curl/curl.h>
#include <fmt/format.h>

#include "os/file.h"

namespace dormouse::cli {
namespace {

constexpr std::size_t kHeaderBytesMax = 1U << 20U;
constexpr long kConnectMilliseconds = 10'000;

// What the callbacks of one transfer see.
struct Transfer {
  const HttpRequest* request = nullptr;
  const os::Context* context = nullptr;
  HttpAnswer answer;
  std::size_t header_bytes = 0;
  bool over_limit = false;
  std::FILE* file = nullptr;
  std::size_t body_sent = 0;
};

std::size_t take_body(const char* data, std::size_t size, std::size_t count, void* user) {
  auto& transfer = *static_cast<Transfer*>(user);
  const std::string_view piece(data, size * count);
  if (transfer.request->on_body) {
    transfer.request->on_body(piece);
    return piece.size();
  }
  if (transfer.answer.body.size() + piece.size() > transfer.request->answer_bytes_max) {
    transfer.over_limit = true;
    return 0;
  }
  transfer.answer.body += piece;
  return piece.size();
}

std::size_t take_header(const char* data, std::size_t size, std::size_t count, void* user) {
  auto& transfer = *static_cast<Transfer*>(user);
  const std::string_view line(data, size * count);
  transfer.header_bytes += line.size();
  if (transfer.header_bytes > kHeaderBytesMax) {
    transfer.over_limit = true;
    return 0;
  }
  if (line.starts_with("HTTP/")) {
    transfer.answer.headers.clear();  // of an interim answer
  } else if (const auto colon = line.find(':'); colon != std::string_view::npos) {
    transfer.answer.headers.emplace_back(
        aws::to_lower(line.substr(0, colon)),
        aws::canonical_value(line.substr(colon + 1, line.find_last_not_of("\r\n") - colon)));
  }
  return line.size();
}

std::size_t give_body(char* buffer, std::size_t size, std::size_t count, void* user) {
  auto& transfer = *static_cast<Transfer*>(user);
  if (transfer.file != nullptr) {
    return std::fread(buffer, 1, size * count, transfer.file);
  }
  const std::string_view left = std::string_view(transfer.request->body).substr(transfer.body_sent);
  const std::size_t given = std::min(size * count, left.size());
  std::copy_n(left.data(), given, buffer);
  transfer.body_sent += given;
  return given;
}

// libcurl asks for the beginning again when a kept connection turns out to be closed.
int seek_body(void* user, curl_off_t offset, int origin) {
  auto& transfer = *static_cast<Transfer*>(user);
  if (origin != SEEK_SET) {
    return CURL_SEEKFUNC_CANTSEEK;
  }
  if (transfer.file != nullptr) {
    return std::fseek(transfer.file, static_cast<long>(offset), SEEK_SET) == 0 ? CURL_SEEKFUNC_OK : CURL_SEEKFUNC_FAIL;
  }
  transfer.body_sent = static_cast<std::size_t>(offset);
  return CURL_SEEKFUNC_OK;
}

int tell_progress(void* user, curl_off_t, curl_off_t, curl_off_t total, curl_off_t sent) {
  const auto& transfer = *static_cast<const Transfer*>(user);
  if (transfer.request->on_sent && total > 0) {
    transfer.request->on_sent(static_cast<std::uint64_t>(sent), static_cast<std::uint64_t>(total));
  }
  return transfer.context->cancellation().cancelled() ? 1 : 0;
}

struct SlistDeleter {
  void operator()(curl_slist* list) const { curl_slist_free_all(list); }
};
struct FileCloser {
  void operator()(std::FILE* file) const { std::fclose(file); }
};

ErrorKind kind_of(CURLcode code, const Transfer& transfer) {
  if (transfer.over_limit) {
    return ErrorKind::kResourceExhausted;
  }
  switch (code) {
    case CURLE_OPERATION_TIMEDOUT: return ErrorKind::kDeadlineExceeded;
    case CURLE_ABORTED_BY_CALLBACK: return ErrorKind::kCancelled;
    case CURLE_URL_MALFORMAT:
    case CURLE_UNSUPPORTED_PROTOCOL: return ErrorKind::kInvalidArgument;
    case CURLE_PEER_FAILED_VERIFICATION: return ErrorKind::kPermissionDenied;
    default: return ErrorKind::kUnavailable;
  }
}

}  // namespace

struct HttpClient::State {
  CURL* handle = nullptr;
  State() = default;
  State(const State&) = delete;
  State& operator=(const State&) = delete;
  ~State() { curl_easy_cleanup(handle); }
};

std::string_view HttpAnswer::header(std::string_view lower_case_name) const {
  const auto found = std::find_if(
      headers.begin(), headers.end(), [&](const aws::HeaderField& field) { return field.first == lower_case_name; });
  return found == headers.end() ? std::string_view() : std::string_view(found->second);
}

HttpClient::HttpClient() : state_(std::make_unique<State>()) { state_->handle = curl_easy_init(); }
HttpClient::~HttpClient() = default;
HttpClient::HttpClient(HttpClient&&) noexcept = default;
HttpClient& HttpClient::operator=(HttpClient&&) noexcept = default;

Result<HttpAnswer> HttpClient::send(const HttpRequest& request, const os::Context& context) {
  CURL* const curl = state_->handle;
  if (curl == nullptr) {
    return fail(ErrorKind::kInternal, "libcurl could not be initialised");
  }
  DM_TRY(context.check("request"), request.url);
  curl_easy_reset(curl);
  Transfer transfer;
  transfer.request = &request;
  transfer.context = &context;

  std::unique_ptr<curl_slist, SlistDeleter> headers;
  const auto add = [&](const std::string& line) {
    curl_slist* const longer = curl_slist_append(headers.get(), line.c_str());
    if (longer != nullptr) {
      std::ignore = headers.release();
      headers.reset(longer);
    }
  };
  for (const auto& [name, value] : request.headers) {
    add(value.empty() ? name + ";" : name + ": " + value);
  }
  add("Expect:");

  std::unique_ptr<std::FILE, FileCloser> file;
  curl_off_t length = static_cast<curl_off_t>(request.body.size());
  if (request.body_file) {
    file.reset(std::fopen(request.body_file->c_str(), "rbe"));
    if (!file) {
      return fail_errno("open " + request.body_file->string());
    }
    transfer.file = file.get();
    length = static_cast<curl_off_t>(os::size_of(fileno(file.get())));
  }

  char reason[CURL_ERROR_SIZE] = "";
  curl_easy_setopt(curl, CURLOPT_URL, request.url.c_str());
  curl_easy_setopt(curl, CURLOPT_CUSTOMREQUEST, request.method.c_str());
  curl_easy_setopt(curl, CURLOPT_PATH_AS_IS, 1L);
  curl_easy_setopt(curl, CURLOPT_HTTPHEADER, headers.get());
  curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
  curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "http,https");
  curl_easy_setopt(curl, CURLOPT_NOPROXY, "localhost,.localhost,127.0.0.1,::1");
  curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT_MS, kConnectMilliseconds);
  curl_easy_setopt(curl, CURLOPT_TIMEOUT_MS, std::max<long>(1, static_cast<long>(context.remaining().count())));
  curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, reason);
  curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, &take_body);
  curl_easy_setopt(curl, CURLOPT_WRITEDATA, &transfer);
  curl_easy_setopt(curl, CURLOPT_HEADERFUNCTION, &take_header);
  curl_easy_setopt(curl, CURLOPT_HEADERDATA, &transfer);
  curl_easy_setopt(curl, CURLOPT_XFERINFOFUNCTION, &tell_progress);
  curl_easy_setopt(curl, CURLOPT_XFERINFODATA, &transfer);
  curl_easy_setopt(curl, CURLOPT_NOPROGRESS, 0L);
  if (!request.ca_file.empty()) {
    curl_easy_setopt(curl, CURLOPT_CAINFO, request.ca_file.c_str());
  }
  if (request.method == "HEAD") {
    curl_easy_setopt(curl, CURLOPT_NOBODY, 1L);
  } else if (length > 0 || request.method == "PUT" || request.method == "POST") {
    curl_easy_setopt(curl, CURLOPT_UPLOAD, 1L);
    curl_easy_setopt(curl, CURLOPT_INFILESIZE_LARGE, length);
    curl_easy_setopt(curl, CURLOPT_READFUNCTION, &give_body);
    curl_easy_setopt(curl, CURLOPT_READDATA, &transfer);
    curl_easy_setopt(curl, CURLOPT_SEEKFUNCTION, &seek_body);
    curl_easy_setopt(curl, CURLOPT_SEEKDATA, &transfer);
  }

  const CURLcode code = curl_easy_perform(curl);
  if (code != CURLE_OK) {
    const std::string why = transfer.over_limit ? "the answer is longer than the limit"
                            : reason[0] != '\0' ? reason
                                                : curl_easy_strerror(code);
    return fail(kind_of(code, transfer), fmt::format("{} {}: {}", request.method, request.url, why));
  }
  long status = 0;
  curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &status);
  transfer.answer.status = static_cast<int>(status);
  return std::move(transfer.answer);
}

}  // namespace dormouse::cli
