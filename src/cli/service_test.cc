// SPDX-License-Identifier: Apache-2.0

#include "cli/service.h"

#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <string>
#include <thread>
#include <vector>

#include <boost/json.hpp>
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/unique_fd.h"
#include "cli/command.h"

namespace dormouse::cli {
namespace {

namespace json = boost::json;
using testing::HasSubstr;

// Answers the connections that come, one after the other, with prepared texts, and keeps what was asked.
class ScriptedServer {
 public:
  explicit ScriptedServer(std::vector<std::string> answers)
      : listener_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t length = sizeof address;
    EXPECT_EQ(::bind(listener_.get(), reinterpret_cast<sockaddr*>(&address), length), 0);
    EXPECT_EQ(::listen(listener_.get(), 8), 0);
    EXPECT_EQ(::getsockname(listener_.get(), reinterpret_cast<sockaddr*>(&address), &length), 0);
    port_ = ntohs(address.sin_port);
    thread_ = std::thread([this, answers = std::move(answers)] { run(answers); });
  }
  ~ScriptedServer() { stop(); }
  ScriptedServer(const ScriptedServer&) = delete;
  ScriptedServer& operator=(const ScriptedServer&) = delete;

  std::uint16_t port() const { return port_; }
  const std::vector<std::string>& requests() {
    stop();
    return requests_;
  }

 private:
  void run(const std::vector<std::string>& answers) {
    for (const std::string& answer : answers) {
      pollfd entry{listener_.get(), POLLIN, 0};
      if (::poll(&entry, 1, 5000) != 1) {
        return;
      }
      const UniqueFd connection(::accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC));
      requests_.push_back(read_request(connection.get()));
      std::string_view left = answer;
      while (!left.empty()) {
        const ssize_t sent = ::send(connection.get(), left.data(), left.size(), MSG_NOSIGNAL);
        if (sent <= 0) {
          break;
        }
        left.remove_prefix(static_cast<std::size_t>(sent));
      }
    }
  }

  static std::string read_request(int connection) {
    std::string text;
    std::size_t wanted = std::string::npos;
    char buffer[65536];
    while (text.size() < wanted) {
      const ssize_t got = ::recv(connection, buffer, sizeof buffer, 0);
      if (got <= 0) {
        break;
      }
      text.append(buffer, static_cast<std::size_t>(got));
      const auto head = text.find("\r\n\r\n");
      if (head != std::string::npos && wanted == std::string::npos) {
        const auto field = text.find("Content-Length: ");
        wanted = head + 4 + (field < head ? std::strtoul(text.c_str() + field + 16, nullptr, 10) : 0);
      }
    }
    return text;
  }

  void stop() {
    if (thread_.joinable()) {
      thread_.join();
    }
  }

  UniqueFd listener_;
  std::uint16_t port_ = 0;
  std::vector<std::string> requests_;
  std::thread thread_;
};

std::string answer(int status, const std::string& body, const std::string& more = "") {
  return fmt::format(
      "HTTP/1.1 {} x\r\nContent-Length: {}\r\nConnection: close\r\n{}\r\n{}", status, body.size(), more, body);
}

Service service_at(std::uint16_t port) {
  Profile profile;
  profile.url = fmt::format("http://127.0.0.1:{}", port);
  profile.region = "us-east-1";
  profile.credential = aws::Credential{"KEY", "secret", ""};
  return *Service::connect(std::move(profile));
}

os::Context soon() { return os::Context::with_timeout(std::chrono::seconds(10)); }

TEST(ServiceTest, RequestsAreSignedForTheService) {
  ScriptedServer server({answer(200, "{}")});
  Service service = service_at(server.port());
  const json::value body = json::object{{"name", "a"}};
  ASSERT_TRUE(service.call("POST", api_path({"microvm-images"}), {}, &body, soon()));
  const std::string request = server.requests().at(0);
  EXPECT_THAT(request, HasSubstr("POST /2025-09-09/microvm-images HTTP/1.1\r\n"));
  EXPECT_THAT(request, HasSubstr("Authorization: AWS4-HMAC-SHA256 Credential=KEY/"));
  EXPECT_THAT(request, HasSubstr("/us-east-1/lambda/aws4_request"));
  EXPECT_THAT(request, testing::EndsWith("\r\n\r\n{\"name\":\"a\"}"));
}

TEST(ServiceTest, ArnIsOneSegmentOfThePath) {
  EXPECT_EQ(api_path({"microvm-images", "arn:aws:x"}), "/2025-09-09/microvm-images/arn%3Aaws%3Ax");
  EXPECT_EQ(extension_path({"microvms", "a/b"}), "/dormouse/2026-11-01/microvms/a%2Fb");
}

TEST(ServiceTest, ErrorKindFollowsTheStatusAndTheTextIsTheServices) {
  const std::pair<int, ErrorKind> cases[] = {{400, ErrorKind::kInvalidArgument},
                                             {402, ErrorKind::kResourceExhausted},
                                             {403, ErrorKind::kPermissionDenied},
                                             {404, ErrorKind::kNotFound},
                                             {409, ErrorKind::kConflict},
                                             {500, ErrorKind::kInternal},
                                             {503, ErrorKind::kUnavailable}};
  for (const auto& [status, kind] : cases) {
    ScriptedServer server({answer(status, R"({"message":"because"})")});
    const auto result = service_at(server.port()).call("GET", "/x", {}, nullptr, soon());
    ASSERT_FALSE(result);
    EXPECT_EQ(result.error().kind(), kind) << status;
    EXPECT_EQ(result.error().message(), "because");
  }
}

TEST(ServiceTest, ErrorWithoutTextNamesStatusAndType) {
  ScriptedServer server({answer(403, R"({"message":null})", "x-amzn-errortype: AccessDeniedException\r\n")});
  const auto result = service_at(server.port()).call("GET", "/x", {}, nullptr, soon());
  ASSERT_FALSE(result);
  EXPECT_EQ(result.error().message(), "the service answered 403 AccessDeniedException");
}

TEST(ServiceTest, ListFollowsThePagesThoughOneIsEmpty) {
  ScriptedServer server({answer(200, R"({"items":[{"n":1}],"nextToken":"a="})"),
                         answer(200, R"({"items":[],"nextToken":"b"})"),
                         answer(200, R"({"items":[{"n":2}],"nextToken":null})")});
  const auto items = service_at(server.port()).list("/x", {{"imageIdentifier", "i"}}, soon());
  ASSERT_TRUE(items) << items.error().message();
  EXPECT_EQ(json::serialize(*items), R"([{"n":1},{"n":2}])");
  EXPECT_THAT(server.requests().at(1), HasSubstr("/x?imageIdentifier=i&maxResults=50&nextToken=a%3D "));
}

TEST(ServiceTest, ConnectorsAreListedByTheirOwnMembers) {
  ScriptedServer server({answer(200, R"({"NetworkConnectors":[{"Id":"nc-1"}],"NextMarker":"m"})"),
                         answer(200, R"({"NetworkConnectors":[{"Id":"nc-2"}]})")});
  const auto items = service_at(server.port()).list(connectors_path({}), {}, soon(), kConnectorListing);
  ASSERT_TRUE(items) << items.error().message();
  EXPECT_EQ(json::serialize(*items), R"([{"Id":"nc-1"},{"Id":"nc-2"}])");
  EXPECT_THAT(server.requests().at(1), HasSubstr("GET /2026-04-04/network-connectors?MaxItems=50&Marker=m "));
}

TEST(ServiceTest, OperationOfLogsMayAnswerNothing) {
  ScriptedServer server({answer(200, "")});
  const auto done = service_at(server.port()).logs("CreateLogGroup", json::object{{"logGroupName", "g"}}, soon());
  ASSERT_TRUE(done) << done.error().message();
  EXPECT_EQ(json::serialize(*done), "{}");
  EXPECT_THAT(server.requests().at(0), HasSubstr("X-Amz-Target: Logs_20140328.CreateLogGroup"));
}

TEST(ServiceTest, OperationOfIamIsAFormAndItsAnswerIsReadFromXml) {
  ScriptedServer server({answer(200,
                                R"(<GetRoleResponse xmlns="urn:x"><GetRoleResult><Role>
                                     <RoleName>a&amp;b</RoleName><Path/>
                                     <Tags><member><Key>k</Key><Value>v</Value></member></Tags>
                                   </Role></GetRoleResult></GetRoleResponse>)")});
  const auto done = service_at(server.port()).iam("GetRole", {{"RoleName", "a&b"}}, soon());
  ASSERT_TRUE(done) << done.error().message();
  EXPECT_EQ(json::serialize(*done), R"({"Role":{"RoleName":"a&b","Path":"","Tags":[{"Key":"k","Value":"v"}]}})");
  EXPECT_THAT(server.requests().at(0), HasSubstr("/us-east-1/iam/aws4_request"));
  EXPECT_THAT(server.requests().at(0), testing::EndsWith("\r\n\r\nAction=GetRole&Version=2010-05-08&RoleName=a%26b"));
}

TEST(ServiceTest, OperationOfStsIsOneOfItsOwnVersion) {
  ScriptedServer server({answer(200,
                                "<AssumeRoleResponse><AssumeRoleResult><Credentials><AccessKeyId>ASIA</AccessKeyId>"
                                "</Credentials></AssumeRoleResult></AssumeRoleResponse>")});
  const auto done = service_at(server.port()).sts("AssumeRole", {{"RoleSessionName", "s"}}, soon());
  ASSERT_TRUE(done) << done.error().message();
  EXPECT_EQ(json::serialize(*done), R"({"Credentials":{"AccessKeyId":"ASIA"}})");
  EXPECT_THAT(server.requests().at(0), HasSubstr("/us-east-1/sts/aws4_request"));
  EXPECT_THAT(server.requests().at(0),
              testing::EndsWith("\r\n\r\nAction=AssumeRole&Version=2011-06-15&RoleSessionName=s"));
}

TEST(ServiceTest, RefusalByIamHasItsKindAndText) {
  ScriptedServer server({answer(409, R"(<ErrorResponse><Error><Code>DeleteConflict</Code>
                                          <Message>one &amp; all</Message></Error></ErrorResponse>)"),
                         answer(200, "{}")});
  Service service = service_at(server.port());
  const auto refused = service.iam("DeleteRole", {}, soon());
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().kind(), ErrorKind::kConflict);
  EXPECT_EQ(refused.error().message(), "one & all");
  const auto foreign = service.iam("DeleteRole", {}, soon());
  ASSERT_FALSE(foreign);
  EXPECT_EQ(foreign.error().message(), "DeleteRole: the answer is no DeleteRoleResponse in XML");
}

TEST(ServiceTest, ListsOfIamFollowTheMarkerAndMayBeEmpty) {
  const auto page = [](const std::string& content) {
    return answer(200, "<ListRolesResponse><ListRolesResult>" + content + "</ListRolesResult></ListRolesResponse>");
  };
  ScriptedServer server({page("<Roles><member><RoleName>a</RoleName></member></Roles><Marker>m=</Marker>"),
                         page("<Roles>\n</Roles><IsTruncated>false</IsTruncated>")});
  const auto roles = service_at(server.port()).list_iam("ListRoles", {{"PathPrefix", "/t/"}}, "Roles", soon());
  ASSERT_TRUE(roles) << roles.error().message();
  EXPECT_EQ(json::serialize(*roles), R"([{"RoleName":"a"}])");
  EXPECT_THAT(server.requests().at(1), testing::EndsWith("&PathPrefix=%2Ft%2F&Marker=m%3D"));
}

TEST(ServiceTest, ImageThatIsNotThereIsReportedWithThoseThatAre) {
  ScriptedServer server(
      {answer(200, R"({"items":[{"name":"one","imageArn":"arn:1"},{"name":"two","imageArn":"arn:2"}]})")});
  const auto arn = service_at(server.port()).image_arn("three", soon());
  ASSERT_FALSE(arn);
  EXPECT_EQ(arn.error().kind(), ErrorKind::kNotFound);
  EXPECT_EQ(arn.error().message(), "there is no image 'three'; there are: one, two");
}

TEST(ServiceTest, BucketThatIsOursAlreadyIsFine) {
  ScriptedServer server({answer(409, "<Error><Code>BucketAlreadyOwnedByYou</Code></Error>"),
                         answer(409, "<Error><Code>BucketAlreadyExists</Code><Message>taken</Message></Error>")});
  Service service = service_at(server.port());
  EXPECT_TRUE(service.create_bucket("b", soon()));
  const auto taken = service.create_bucket("b", soon());
  ASSERT_FALSE(taken);
  EXPECT_EQ(taken.error().message(), "taken");
}

TEST(ServiceTest, DaemonThatDoesNotRunIsAskedAbout) {
  std::uint16_t port = 0;
  {
    const ScriptedServer server({});
    port = server.port();
  }
  const auto result = service_at(port).call("GET", "/x", {}, nullptr, soon());
  ASSERT_FALSE(result);
  EXPECT_EQ(result.error().kind(), ErrorKind::kUnavailable);
  EXPECT_THAT(result.error().message(), HasSubstr("is dormoused running?"));
}

TEST(HttpClientTest, AnswerOverItsLimitIsRefused) {
  ScriptedServer server({answer(200, std::string(1000, 'x'))});
  HttpRequest request;
  request.url = fmt::format("http://127.0.0.1:{}/", server.port());
  request.answer_bytes_max = 999;
  const auto result = HttpClient().send(request, soon());
  ASSERT_FALSE(result);
  EXPECT_EQ(result.error().kind(), ErrorKind::kResourceExhausted);
}

TEST(HttpClientTest, DeadlineEndsAConnectionThatIsNotAnswered) {
  const UniqueFd listener(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t length = sizeof address;
  ASSERT_EQ(::bind(listener.get(), reinterpret_cast<sockaddr*>(&address), length), 0);
  ASSERT_EQ(::listen(listener.get(), 1), 0);
  ASSERT_EQ(::getsockname(listener.get(), reinterpret_cast<sockaddr*>(&address), &length), 0);
  HttpRequest request;
  request.url = fmt::format("http://127.0.0.1:{}/", ntohs(address.sin_port));
  const auto result = HttpClient().send(request, os::Context::with_timeout(std::chrono::milliseconds(50)));
  ASSERT_FALSE(result);
  EXPECT_EQ(result.error().kind(), ErrorKind::kDeadlineExceeded);
}

TEST(ExitCodeTest, EveryKindHasItsOwn) {
  std::vector<int> codes;
  for (int kind = 1; kind <= 10; ++kind) {
    codes.push_back(exit_code(static_cast<ErrorKind>(kind)));
  }
  std::sort(codes.begin(), codes.end());
  EXPECT_EQ(std::adjacent_find(codes.begin(), codes.end()), codes.end());
  EXPECT_EQ(std::count(codes.begin(), codes.end(), 0), 0);
}

}  // namespace
}  // namespace dormouse::cli
