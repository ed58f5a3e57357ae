// SPDX-License-Identifier: Apache-2.0

#pragma once

#include <memory>
#include <string>
#include <vector>

#include <tl/expected.hpp>

#include "artifacts/object_store.h"
#include "aws/signature_check.h"
#include "net/http.h"

namespace dormouse::artifacts {

// The S3 subset on the wire. Requests come here once their signature's service is "s3"; whoever listens made `signature`
// from the head and sends its failures as refusal().
//
// Thread-safe: exchanges run on worker threads and block on the disk. `store` outlives the service, which outlives its
// exchanges.
class S3Service {
 public:
  struct Options {
    std::string region = "us-east-1";
    // "<bucket>.<name>" in Host means a bucket; any other host is a path-style address.
    std::vector<std::string> host_names = aws::default_s3_host_names();
  };

  S3Service(ObjectStore& store, Options options);

  // As net::Handler::begin(): `head` outlives the exchange.
  tl::expected<std::unique_ptr<net::Exchange>, net::Response> begin(const net::RequestHead& head,
                                                                    aws::SignatureCheck signature);

  // S3's answer to a request that is not authenticated.
  static net::Response refusal(const net::RequestHead& head, const aws::AuthFailure& failure);

 private:
  // Constant after construction.
  ObjectStore& store_;
  const Options options_;
};

}  // namespace dormouse::artifacts
