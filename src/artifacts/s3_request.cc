// SPDX-License-Identifier: Apache-2.0

#include "artifacts/s3_request.h"

#include <algorithm>
#include <charconv>
#include <cstdint>

#include <fmt/core.h>

#include "aws/encoding.h"
#include "aws/query_signature_v2.h"

namespace dormouse::artifacts {

namespace {

std::optional<std::uint64_t> to_number(std::string_view text) {
  std::uint64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size()) {
    return std::nullopt;
  }
  return value;
}

}  // namespace

S3Result<S3Request> S3Request::parse(const net::RequestHead& head,
                                     const std::string& account,
                                     const std::vector<std::string>& host_names) {
  S3Request request;
  request.head_ = &head;
  request.name_.account = account;
  auto path = aws::percent_decode(std::string_view(head.path).substr(1));
  auto parameters = aws::parse_query(head.query);
  if (!path || !parameters) {
    return refuse(400, "InvalidURI", "Couldn't parse the specified URI.");
  }
  request.parameters_ = *std::move(parameters);
  request.name_.bucket = aws::bucket_of_host(head.headers.find("Host").value_or(""), host_names);
  if (request.name_.bucket.empty()) {
    const std::size_t slash = path->find('/');
    request.name_.bucket = path->substr(0, slash);
    *path = slash == std::string::npos ? "" : path->substr(slash + 1);
  }
  request.name_.key = *std::move(path);
  if (request.name_.key.size() > kKeyBytesMax) {
    return tl::unexpected<S3Error>(S3Error{
        400,
        "KeyTooLongError",
        "Your key is too long",
        {{"Size", std::to_string(request.name_.key.size())}, {"MaxSizeAllowed", std::to_string(kKeyBytesMax)}}});
  }
  return request;
}

const std::string* S3Request::find(std::string_view parameter) const {
  for (const auto& [name, value] : parameters_) {
    if (name == parameter) {
      return &value;
    }
  }
  return nullptr;
}

std::string S3Request::parameter(std::string_view name) const {
  const std::string* value = find(name);
  return value == nullptr ? std::string() : *value;
}

S3Result<int> S3Request::number(std::string_view name, int otherwise, int max) const {
  const std::string* text = find(name);
  if (text == nullptr || text->empty()) {
    return otherwise;
  }
  const auto value = to_number(*text);
  if (!value) {
    return refuse(400, "InvalidArgument", fmt::format("Provided {} not an integer or within integer range", name));
  }
  return static_cast<int>(std::min<std::uint64_t>(*value, static_cast<std::uint64_t>(max)));
}

std::string S3Request::header(std::string_view name) const {
  return std::string(head_->headers.find(name).value_or(""));
}

bool is_bucket_name(std::string_view name) {
  const auto letter_or_digit = [](char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9'); };
  return name.size() >= 3 && name.size() <= 63 && letter_or_digit(name.front()) && letter_or_digit(name.back()) &&
         name.find("..") == std::string_view::npos &&
         std::all_of(name.begin(), name.end(), [&](char c) { return letter_or_digit(c) || c == '-' || c == '.'; });
}

S3Result<ObjectName> parse_copy_source(std::string_view text, const std::string& account) {
  const std::size_t question = text.find('?');
  const std::string_view version = question == std::string_view::npos ? "" : text.substr(question + 1);
  const auto decoded = aws::percent_decode(text.substr(0, question));
  const std::string_view path = decoded ? std::string_view(*decoded).substr(decoded->starts_with('/') ? 1 : 0) : "";
  const std::size_t slash = path.find('/');
  if (slash == std::string_view::npos || slash + 1 == path.size()) {
    return refuse(400, "InvalidArgument", "Copy Source must mention the source bucket and key: sourcebucket/sourcekey");
  }
  if (!version.empty() && version != "versionId=null") {
    return refuse(501, "NotImplemented", "Object versions are not implemented.");
  }
  return ObjectName{
      .account = account, .bucket = std::string(path.substr(0, slash)), .key = std::string(path.substr(slash + 1))};
}

S3Result<std::optional<ByteRange>> parse_range(std::string_view text, std::uint64_t size) {
  if (!text.starts_with("bytes=") || text.find(',') != std::string_view::npos) {
    return std::nullopt;
  }
  text.remove_prefix(6);
  const std::size_t dash = text.find('-');
  if (dash == std::string_view::npos) {
    return std::nullopt;
  }
  const auto first = to_number(text.substr(0, dash)), last = to_number(text.substr(dash + 1));
  const bool open_end = dash + 1 == text.size();
  const auto outside = [size] {
    return tl::unexpected<S3Error>(S3Error{
        416, "InvalidRange", "The requested range is not satisfiable", {{"ActualObjectSize", std::to_string(size)}}});
  };
  if (dash == 0) {
    if (!last) {
      return std::nullopt;
    }
    if (*last == 0 || size == 0) {
      return outside();
    }
    const std::uint64_t length = std::min(*last, size);
    return ByteRange{.first = size - length, .length = length};
  }
  if (!first || (!last && !open_end) || (last && *last < *first)) {
    return std::nullopt;
  }
  if (*first >= size) {
    return outside();
  }
  const std::uint64_t end = open_end ? size - 1 : std::min(*last, size - 1);
  return ByteRange{.first = *first, .length = end - *first + 1};
}

}  // namespace dormouse::artifacts
