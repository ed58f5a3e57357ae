// SPDX-License-Identifier: Apache-2.0
//
// For tests: the API over the real control layer, over a fake host and a fake clock.

#pragma once

#include <string>
#include <vector>

#include "api/api.h"
#include "api/test_client.h"
#include "control/callers.h"
#include "support/control_fixture.h"

namespace dormouse::api {

// Tokens that show what they were made from.
class TestTokens final : public TokenIssuer {
 public:
  std::string issue(const std::string& microvm_id,
                    const std::string& account,
                    const std::vector<PortRange>& ports,
                    WallTime expiry) override;
  std::string issue_shell(const std::string& microvm_id, const std::string& account, WallTime expiry) override;
};

// Answers what it was asked, so that a test sees that it was asked.
class EchoHandler final : public net::Handler {
 public:
  tl::expected<std::unique_ptr<net::Exchange>, net::Response> begin(const net::RequestHead& head) override;
};

class TestWorld {
 public:
  static constexpr const char* kAccount = test::ControlFixture::kAccount;
  static constexpr const char* kRegion = "us-east-1";

  explicit TestWorld(const control::Quotas& quotas = {}, Api::Options options = {});

  net::Response send(const TestRequest& request) { return client.send(request); }
  test::FakeHost& host() { return control.host; }

  static std::string image_arn(const std::string& name);
  // A create request's body; `members`, with a leading comma, come after the required ones and win over them.
  static std::string image_body(const std::string& name, const std::string& members = "");

  // Through the API. They fail the test if what they are to bring about does not come about.
  void create_image(const std::string& name, const std::string& members = "");
  void create_failed_image(const std::string& name, const host::BuildFailure& failure);
  std::string run_microvm(const std::string& image_arn, const std::string& members = "");
  void terminate(const std::string& microvm_id);
  std::string build_id(const std::string& image_arn);
  void await_state(const std::string& microvm_id, control::MicrovmState state, int times = 1);

  test::ControlFixture control;
  control::StorageReport storage;  // what DescribeStorage answers

 private:
  OneCredential credentials_;
  control::Callers callers_{credentials_, *control.identities, control.sessions, kAccount};
  TestTokens tokens_;
  EchoHandler s3_;
  int built_ = 0;
  int failed_ = 0;

 public:
  Api api;
  TestClient client;
};

}  // namespace dormouse::api
