// SPDX-License-Identifier: Apache-2.0

#include "artifacts/artifact_fetcher.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <memory>
#include <utility>

#include <curl/curl.h>
#include <fmt/format.h>

#include "aws/encoding.h"
#include "aws/sigv4.h"
#include "base/log.h"
#include "base/scope_exit.h"
#include "os/file.h"

namespace dormouse::artifacts {
namespace {

using Failure = control::ArtifactSource::Failure;

tl::unexpected<Failure> failure(std::string code, std::string sentence) {
  return tl::unexpected(Failure{std::move(code), std::move(sentence)});
}

tl::unexpected<Failure> platform_failure(const Error& error) {
  log::error("an artifact cannot be fetched", {{"error", error.message()}});
  if (error.errno_value() == ENOSPC) {
    return failure("DISK_STORAGE_FULL", "The host's disk is full.");
  }
  return failure("INTERNAL_PLATFORM_ERROR", "The artifact could not be copied; the daemon's log says why.");
}

tl::unexpected<Failure> too_long(const std::string& uri, std::uint64_t size_bytes_max) {
  return failure(
      "S3_INVALID_OBJECT",
      fmt::format("The object {} is longer than {} MiB, the limit for an artifact.", uri, size_bytes_max >> 20U));
}

// What one download writes to, and how far it may go.
struct Download {
  int file;
  std::uint64_t left;
  const os::Context* context;
  CURL* curl;
  bool too_long = false;
  std::string refusal;  // the start of a body that is not the object
};

constexpr std::size_t kRefusalBytesMax = 4096;

std::size_t take_body(const char* data, std::size_t size, std::size_t count, void* user) {
  auto& download = *static_cast<Download*>(user);
  const std::size_t bytes = size * count;
  long status = 0;
  curl_easy_getinfo(download.curl, CURLINFO_RESPONSE_CODE, &status);
  if (status != 200) {
    download.refusal.append(data, std::min(bytes, kRefusalBytesMax - download.refusal.size()));
    return bytes;
  }
  if (bytes > download.left) {
    download.too_long = true;
    return 0;
  }
  download.left -= bytes;
  return os::write_all(download.file, std::string_view(data, bytes), "artifact") ? bytes : 0;
}

int check_progress(void* user, curl_off_t, curl_off_t, curl_off_t, curl_off_t) {
  return static_cast<Download*>(user)->context->check("fetch") ? 0 : 1;
}

struct ListDeleter {
  void operator()(curl_slist* list) const { curl_slist_free_all(list); }
};
struct CurlDeleter {
  void operator()(CURL* curl) const { curl_easy_cleanup(curl); }
};
using HeaderList = std::unique_ptr<curl_slist, ListDeleter>;

// The host name and port of "https://host:port/...", and the path before the bucket.
struct UrlParts {
  std::string host;
  std::string prefix;
};
UrlParts split(const std::string& url) {
  const std::size_t scheme = url.find("://");
  const std::size_t begin = scheme == std::string::npos ? 0 : scheme + 3;
  const std::size_t slash = url.find('/', begin);
  std::string prefix = slash == std::string::npos ? "" : url.substr(slash);
  while (!prefix.empty() && prefix.back() == '/') {
    prefix.pop_back();
  }
  return {url.substr(begin, slash == std::string::npos ? slash : slash - begin), prefix};
}

HeaderList signed_headers(const ForeignS3& foreign, const std::string& host, const std::string& path) {
  const std::vector<aws::HeaderField> fields = {{"Host", host}};
  const aws::WireRequest request{"GET", path, "", fields};
  aws::SigningOptions options;
  options.region = foreign.region;
  options.service = "s3";
  options.time = std::chrono::system_clock::now();
  curl_slist* list = nullptr;
  for (const auto& [name, value] : aws::sign(request, foreign.credential, options, aws::kEmptySha256)) {
    list = curl_slist_append(list, (name + ": " + value).c_str());
  }
  return HeaderList(list);
}

tl::expected<void, Failure> judge(CURLcode result, long status, const Download& download, const std::string& uri) {
  if (download.too_long) {
    return failure("S3_INVALID_OBJECT", fmt::format("The object {} is longer than the limit for an artifact.", uri));
  }
  if (result != CURLE_OK) {
    return failure("INTERNAL_PLATFORM_ERROR",
                   fmt::format("The object {} could not be fetched from the configured S3 endpoint: {}.",
                               uri,
                               curl_easy_strerror(result)));
  }
  if (status == 404 && download.refusal.find("<Code>NoSuchBucket</Code>") != std::string::npos) {
    const std::string_view path = std::string_view(uri).substr(std::string_view("s3://").size());
    return failure("S3_NO_SUCH_BUCKET", fmt::format("The bucket {} does not exist.", path.substr(0, path.find('/'))));
  }
  if (status == 404) {
    return failure("S3_NO_SUCH_KEY", fmt::format("The object {} does not exist.", uri));
  }
  const bool signed_for_another_region =
      download.refusal.find("<Code>AuthorizationHeaderMalformed</Code>") != std::string::npos &&
      download.refusal.find("<Region>") != std::string::npos;
  if (status == 301 || status == 307 || signed_for_another_region) {
    return failure(
        "S3_CROSS_REGION_ACCESS_DENIED",
        fmt::format("The bucket of the object {} is in another Region than the one that this server asks.", uri));
  }
  if (status >= 500) {
    return failure(
        "INTERNAL_PLATFORM_ERROR",
        fmt::format("The object {} was answered with HTTP status {} by the configured S3 endpoint.", uri, status));
  }
  if (status == 403 || status == 401) {
    return failure("S3_ACCESS_DENIED", fmt::format("Access to the object {} was denied.", uri));
  }
  if (status != 200) {
    return failure("S3_INVALID_OBJECT", fmt::format("The object {} was answered with HTTP status {}.", uri, status));
  }
  return {};
}

}  // namespace

tl::expected<void, Failure> ArtifactFetcher::fetch(const std::string& account,
                                                   const std::string& uri,
                                                   const std::filesystem::path& target,
                                                   std::uint64_t size_bytes_max,
                                                   const os::Context& context) {
  constexpr std::string_view kScheme = "s3://";
  const std::size_t slash = uri.find('/', kScheme.size());
  if (!uri.starts_with(kScheme) || slash == std::string::npos || slash + 1 == uri.size()) {
    return failure("S3_INVALID_OBJECT", fmt::format("The artifact's URI {} is not s3://<bucket>/<key>.", uri));
  }
  const std::string bucket = uri.substr(kScheme.size(), slash - kScheme.size());
  const std::string key = uri.substr(slash + 1);
  const auto opened = store_.read({account, bucket, key});
  if (opened) {
    return fetch_local(*opened, uri, target, size_bytes_max, context);
  }
  if (opened.error().kind() != ErrorKind::kNotFound) {
    return platform_failure(opened.error());
  }
  if (opened.error().message().starts_with("NoSuchKey")) {
    return failure("S3_NO_SUCH_KEY", fmt::format("The object {} does not exist.", uri));
  }
  if (foreign_) {
    return fetch_foreign(uri, bucket, key, target, size_bytes_max, context);
  }
  return failure("S3_NO_SUCH_BUCKET",
                 fmt::format("The bucket {} does not exist here: create it and upload the archive, or configure the S3 "
                             "that has it.",
                             bucket));
}

tl::expected<void, Failure> ArtifactFetcher::fetch_local(const ObjectStore::Opened& opened,
                                                         const std::string& uri,
                                                         const std::filesystem::path& target,
                                                         std::uint64_t size_bytes_max,
                                                         const os::Context& context) const {
  if (opened.object.size > size_bytes_max) {
    return too_long(uri, size_bytes_max);
  }
  const auto copied = [&]() -> Status {
    DM_ASSIGN(const UniqueFd file, os::open_file(target, O_WRONLY | O_CREAT | O_EXCL), "");
    std::array<char, 65'536> piece;
    for (;;) {
      DM_TRY(context.check("copy the artifact"), "");
      const ssize_t got = ::read(opened.file.get(), piece.data(), piece.size());
      if (got < 0 && errno == EINTR) {
        continue;
      }
      if (got < 0) {
        return fail_errno("read " + uri);
      }
      if (got == 0) {
        return {};
      }
      DM_TRY(os::write_all(file.get(), std::string_view(piece.data(), static_cast<std::size_t>(got)), target.string()),
             "");
    }
  }();
  if (!copied) {
    return platform_failure(copied.error());
  }
  return {};
}

tl::expected<void, Failure> ArtifactFetcher::fetch_foreign(const std::string& uri,
                                                           const std::string& bucket,
                                                           const std::string& key,
                                                           const std::filesystem::path& target,
                                                           std::uint64_t size_bytes_max,
                                                           const os::Context& context) const {
  const auto file = os::open_file(target, O_WRONLY | O_CREAT | O_EXCL);
  if (!file) {
    return platform_failure(file.error());
  }
  const UrlParts parts = split(foreign_->url);
  const std::string path = parts.prefix + "/" + bucket + "/" + aws::percent_encode(key, aws::Slash::kKeep);
  const HeaderList headers = signed_headers(*foreign_, parts.host, path);
  const std::string url = foreign_->url.substr(0, foreign_->url.find("://") + 3) + parts.host + path;
  const std::unique_ptr<CURL, CurlDeleter> curl(curl_easy_init());
  if (!curl) {
    return platform_failure(Error(ErrorKind::kInternal, "libcurl does not start"));
  }
  Download download{.file = file->get(),
                    .left = size_bytes_max,
                    .context = &context,
                    .curl = curl.get(),
                    .too_long = false,
                    .refusal = {}};
  curl_easy_setopt(curl.get(), CURLOPT_URL, url.c_str());
  curl_easy_setopt(curl.get(), CURLOPT_PROTOCOLS_STR, "http,https");
  curl_easy_setopt(curl.get(), CURLOPT_PATH_AS_IS, 1L);
  curl_easy_setopt(curl.get(), CURLOPT_NOSIGNAL, 1L);
  curl_easy_setopt(curl.get(), CURLOPT_CONNECTTIMEOUT, 10L);
  curl_easy_setopt(curl.get(), CURLOPT_TIMEOUT_MS, static_cast<long>(context.remaining().count()));
  curl_easy_setopt(curl.get(), CURLOPT_HTTPHEADER, headers.get());
  curl_easy_setopt(curl.get(), CURLOPT_FAILONERROR, 0L);
  curl_easy_setopt(curl.get(), CURLOPT_WRITEFUNCTION, &take_body);
  curl_easy_setopt(curl.get(), CURLOPT_WRITEDATA, &download);
  curl_easy_setopt(curl.get(), CURLOPT_NOPROGRESS, 0L);
  curl_easy_setopt(curl.get(), CURLOPT_XFERINFOFUNCTION, &check_progress);
  curl_easy_setopt(curl.get(), CURLOPT_XFERINFODATA, &download);
  const CURLcode result = curl_easy_perform(curl.get());
  long status = 0;
  curl_easy_getinfo(curl.get(), CURLINFO_RESPONSE_CODE, &status);
  auto judged = judge(result, status, download, uri);
  if (!judged) {
    ::unlink(target.c_str());
  }
  return judged;
}

}  // namespace dormouse::artifacts
