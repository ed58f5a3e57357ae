// SPDX-License-Identifier: Apache-2.0

#pragma once

#include "artifacts/s3_service.h"
#include "aws/credentials.h"
#include "aws/signature_check.h"
#include "base/clock.h"
#include "net/http.h"

namespace dormouse::artifacts {

// The S3 subset behind its signatures: what is listened to. Thread-safe; what the constructor is given outlives it.
class S3Handler final : public net::Handler {
 public:
  using Options = S3Service::Options;

  S3Handler(ObjectStore& store, const aws::CredentialStore& credentials, const Clock& clock, const Options& options)
      : service_(store, options), credentials_(credentials), clock_(clock) {
    check_.region = options.region;
    check_.s3_host_names = options.host_names;
  }

  tl::expected<std::unique_ptr<net::Exchange>, net::Response> begin(const net::RequestHead& head) override {
    const aws::WireRequest request{head.method, head.path, head.query, head.headers.fields()};
    auto checked = aws::SignatureCheck::begin(request, credentials_, check_, clock_.wall());
    if (!checked) {
      return net::refuse(S3Service::refusal(head, checked.error()));
    }
    return service_.begin(head, *std::move(checked));
  }

 private:
  S3Service service_;
  const aws::CredentialStore& credentials_;
  const Clock& clock_;
  aws::CheckOptions check_;
};

}  // namespace dormouse::artifacts
