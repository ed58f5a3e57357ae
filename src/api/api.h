// SPDX-License-Identifier: Apache-2.0

#pragma once

#include <cstddef>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "api/json_service.h"
#include "api/log_service.h"
#include "api/page_tokens.h"
#include "api/query_service.h"
#include "api/token_issuer.h"
#include "aws/credentials.h"
#include "aws/sigv4.h"
#include "base/clock.h"
#include "control/accounts.h"
#include "control/checkpoints.h"
#include "control/images.h"
#include "control/microvms.h"
#include "control/network_connectors.h"
#include "control/quotas.h"
#include "control/roles.h"
#include "control/storage.h"
#include "net/http.h"
#include "telemetry/telemetry.h"

namespace dormouse::api {

// The API port: every service on one address, told apart by the service name of the SigV4 signature.
//
//   lambda   the operations of the model and Dormouse's own; JSON
//   s3       handed on as it is to `s3`, which verifies signatures itself
//   logs     what VMs and builds printed; JSON 1.1 (log_service.h)
//   iam, sts roles, their sessions, GetCallerIdentity; query protocol
//   others   an error that names the endpoint variable to set
//   (none)   GET /healthz, and GET /metrics where it is wished; anything else is refused
//
// Signatures are verified before a body is acted on; bodies are at most kBodyBytesMax. Every answer has x-amzn-requestid.
// Thread-safe, as net::Handler demands; what the constructor is given outlives it.
class Api final : public net::Handler {
 public:
  static constexpr std::size_t kBodyBytesMax = 1024 * 1024;

  struct Parts {
    control::Images& images;
    control::Microvms& microvms;
    control::Checkpoints& checkpoints;
    control::NetworkConnectors& connectors;
    control::Accounts& accounts;
    control::Roles& roles;
    const control::AccountQuotas& quotas;
    std::function<std::optional<std::string>()> not_ready;  // host::Host::not_ready
    const aws::CredentialStore& credentials;
    Clock& clock;
    TokenIssuer& tokens;
    net::Handler& s3;
    logs::LogStore& logs;
    logs::LogWriter& log_writer;
    std::function<Result<control::StorageReport>(const os::Context& context)> storage;  // control::Storage::report
    telemetry::Telemetry* telemetry = nullptr;                                          // none: nothing is measured
  };
  struct Options {
    std::string region = "us-east-1";
    std::string page_token_key;  // secret; empty: a random one, so that page tokens end with the process
    std::int64_t run_hook_payload_bytes_max = 4096;
    bool metrics = false;  // answers GET /metrics, unsigned
  };

  Api(Parts parts, Options options);

  tl::expected<std::unique_ptr<net::Exchange>, net::Response> begin(const net::RequestHead& head) override;

 private:
  class SignedExchange;

  net::Response health() const;
  tl::expected<std::unique_ptr<net::Exchange>, net::Response> begin_signed(const net::RequestHead& head,
                                                                           const aws::CredentialScope& scope,
                                                                           const std::string& request_id);

  // Constant after construction.
  const Parts parts_;
  const Options options_;

  PageTokens pages_;
  control::RateLimiter rates_;
  const Constraints constraints_;
  JsonService json_;
  QueryService query_;
  LogService logs_;
};

}  // namespace dormouse::api
