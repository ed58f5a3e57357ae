// SPDX-License-Identifier: Apache-2.0
//
// The first thing that a stranger's bytes meet: the signature of a request. Input: method, path, query and header lines
// "name:value", separated by newlines.

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>
#include <vector>

#include "aws/encoding.h"
#include "aws/signature_check.h"
#include "aws/time.h"

namespace {

using namespace dormouse;  // NOLINT: a harness

class AnyKey final : public aws::CredentialStore {
 public:
  tl::expected<aws::Credential, aws::AuthFailureKind> find(std::string_view access_key,
                                                           std::string_view session_token,
                                                           WallTime /*now*/) const override {
    const aws::Credential credential{std::string(access_key), "secret", "000000000000"};
    return aws::lasting_credential(&credential, session_token);
  }
};

std::string_view take_line(std::string_view& text) {
  const std::size_t end = text.find('\n');
  const std::string_view line = text.substr(0, end);
  text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
  return line;
}

void require(bool holds) {
  if (!holds) {
    std::abort();
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  std::string_view text(reinterpret_cast<const char*>(data), size);
  aws::WireRequest request;
  request.method = take_line(text);
  request.path = take_line(text);
  request.query = take_line(text);
  std::vector<aws::HeaderField> headers;
  while (!text.empty()) {
    const std::string_view line = take_line(text);
    const std::size_t colon = line.find(':');
    headers.emplace_back(line.substr(0, colon), colon == std::string_view::npos ? "" : line.substr(colon + 1));
  }
  request.headers = headers;

  const WallTime now = *aws::from_iso8601_basic("20260102T030405Z");
  aws::CheckOptions options;
  options.region = "us-east-1";
  auto check = aws::SignatureCheck::begin(request, AnyKey(), options, now);
  if (check) {
    static_cast<void>(check->check_body(aws::kEmptySha256));
  } else {
    static_cast<void>(aws::to_rest_json_error(check.error()));
    static_cast<void>(aws::to_s3_error(check.error()));
  }

  // The canonical forms are stable: what they make means the same again.
  if (aws::parse_query(request.query)) {
    const std::string once = aws::canonical_query(request.query);
    require(aws::canonical_query(once) == once);
  }
  const std::string path = aws::canonical_path(request.path, "s3");
  if (aws::percent_decode(request.path)) {
    require(aws::canonical_path(path, "s3") == path);
  }
  // What we sign is believed.
  if (!request.path.empty() && aws::parse_query(request.query) && !aws::parse_authorization(request)) {
    std::vector<aws::HeaderField> all = {{"Host", "h"}};
    aws::WireRequest own{request.method, request.path, request.query, all};
    const aws::SigningOptions signing{"us-east-1", "lambda", now, ""};
    for (auto& field : aws::sign(own, {"KEY", "secret", ""}, signing, aws::kEmptySha256)) {
      all.push_back(std::move(field));
    }
    own.headers = all;
    auto believed = aws::SignatureCheck::begin(own, AnyKey(), options, now);
    require(believed && believed->check_body(aws::kEmptySha256));
  }
  return 0;
}
