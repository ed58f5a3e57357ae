// SPDX-License-Identifier: Apache-2.0
//
// For tests: a client that signs requests and drives a net::Handler as the server would, without sockets.

#pragma once

#include <optional>
#include <span>
#include <string>
#include <utility>

#include "aws/credentials.h"
#include "aws/digest.h"
#include "aws/sigv4.h"
#include "base/clock.h"
#include "net/http.h"

namespace dormouse::api {

struct OneCredential final : public aws::CredentialStore {
  tl::expected<aws::Credential, aws::AuthFailureKind> find(std::string_view access_key,
                                                           std::string_view session_token,
                                                           WallTime /*now*/) const override {
    return aws::lasting_credential(access_key == credential.access_key ? &credential : nullptr, session_token);
  }
  aws::Credential credential{"AKIDEXAMPLE", "secret", "000000000000"};
};

struct TestRequest {
  std::string method;
  std::string target;
  std::string body{};
  std::string service = "lambda";
  net::Headers headers{};
};

class TestClient {
 public:
  TestClient(net::Handler& handler, aws::Credential credential, const Clock& clock)
      : handler_(handler), credential_(std::move(credential)), clock_(clock) {}

  // Signed, the body in one piece.
  net::Response send(const TestRequest& request) {
    net::RequestHead head = head_of(request);
    const std::string hash = aws::sha256_hex(request.body);
    const aws::WireRequest wire{head.method, head.path, head.query, {head.headers.begin(), head.headers.end()}};
    for (auto& [name, value] :
         aws::sign(wire, credential_, {"us-east-1", request.service, clock_.wall(), credential_.session_token}, hash)) {
      head.headers.add(std::move(name), std::move(value));
    }
    return send_as_is(head, request.body);
  }

  net::Response send_as_is(const net::RequestHead& head, const std::string& body) {
    auto exchange = handler_.begin(head);
    if (!exchange) {
      return std::move(exchange).error();
    }
    if (!body.empty()) {
      if (auto taken = (*exchange)->on_body(std::as_bytes(std::span(body))); !taken) {
        return std::move(taken).error();
      }
    }
    return (*exchange)->finish();
  }

  static net::RequestHead head_of(const TestRequest& request) {
    net::RequestHead head;
    head.method = request.method;
    head.target = request.target;
    head.path = request.target.substr(0, request.target.find('?'));
    head.query =
        request.target.find('?') == std::string::npos ? "" : request.target.substr(request.target.find('?') + 1);
    head.headers = request.headers;
    head.headers.add("Host", "127.0.0.1:9600");
    head.content_length = request.body.size();
    return head;
  }

 private:
  net::Handler& handler_;
  const aws::Credential credential_;
  const Clock& clock_;
};

}  // namespace dormouse::api
