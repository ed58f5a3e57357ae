// SPDX-License-Identifier: Apache-2.0

#include "net/http_server.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include <functional>
#include <future>
#include <map>
#include <stdexcept>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace dormouse::net {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::StartsWith;

// A client that speaks bytes. Reads give up after five seconds.
class Client {
 public:
  explicit Client(std::uint16_t port) : socket_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    const timeval patience{5, 0};
    ::setsockopt(socket_.get(), SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    EXPECT_EQ(::connect(socket_.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address), 0);
  }

  void send(std::string_view text) {
    while (!text.empty()) {
      const ssize_t sent = ::send(socket_.get(), text.data(), text.size(), MSG_NOSIGNAL);
      ASSERT_GT(sent, 0);
      text.remove_prefix(static_cast<std::size_t>(sent));
    }
  }

  // Everything up to and including `end`, or what came before the connection ended.
  std::string read_until(std::string_view end) {
    while (buffer_.find(end) == std::string::npos && receive()) {
    }
    const auto position = buffer_.find(end);
    const std::size_t size = position == std::string::npos ? buffer_.size() : position + end.size();
    std::string text = buffer_.substr(0, size);
    buffer_.erase(0, size);
    return text;
  }
  std::string read_size(std::size_t size) {
    while (buffer_.size() < size && receive()) {
    }
    std::string text = buffer_.substr(0, size);
    buffer_.erase(0, text.size());
    return text;
  }
  std::string read_all() {
    while (receive()) {
    }
    return std::exchange(buffer_, {});
  }

 private:
  bool receive() {
    char piece[65536];
    const ssize_t got = ::recv(socket_.get(), piece, sizeof piece, 0);
    EXPECT_FALSE(got < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) << "the server is silent; so far: " << buffer_;
    if (got <= 0) {
      return false;
    }
    buffer_.append(piece, static_cast<std::size_t>(got));
    return true;
  }

  UniqueFd socket_;
  std::string buffer_;
};

Response text_response(std::string text) {
  Response response;
  response.body = std::move(text);
  return response;
}

// Answers what the body and the head were.
class Echo final : public Exchange {
 public:
  explicit Echo(const RequestHead& head) : head_(head) {}
  tl::expected<void, Response> on_body(std::span<const std::byte> piece) override {
    EXPECT_LE(piece.size(), kBodyPieceMax);
    size_ += piece.size();
    if (size_ > 10'000'000) {
      return refuse(json_message(413, "too large"));
    }
    if (size_ < 100) {
      start_.append(reinterpret_cast<const char*>(piece.data()), piece.size());
    }
    return {};
  }
  Response finish() override {
    Response response =
        text_response(head_.method + " " + head_.path + "?" + head_.query + " " + std::to_string(size_) + " " + start_);
    response.headers.add("X-Echo", std::string(head_.headers.find("x-ECHO").value_or("none")));
    return response;
  }

 private:
  const RequestHead& head_;
  std::size_t size_ = 0;
  std::string start_;
};

class FixedAnswer final : public Exchange {
 public:
  explicit FixedAnswer(std::function<Response()> answer) : answer_(std::move(answer)) {}
  tl::expected<void, Response> on_body(std::span<const std::byte>) override { return {}; }
  Response finish() override { return answer_(); }

 private:
  std::function<Response()> answer_;
};

class TestHandler final : public Handler {
 public:
  tl::expected<std::unique_ptr<Exchange>, Response> begin(const RequestHead& head) override {
    if (head.path == "/refused") {
      return refuse(json_message(403, "no"));
    }
    if (head.path == "/throws") {
      throw std::runtime_error("secret");
    }
    if (const auto answer = answers.find(head.path); answer != answers.end()) {
      return std::make_unique<FixedAnswer>(answer->second);
    }
    return std::make_unique<Echo>(head);
  }
  std::map<std::string, std::function<Response()>> answers;
};

class HttpServerTest : public ::testing::Test {
 protected:
  std::uint16_t start(HttpServer::Options options = {}) {
    options.listen = {"127.0.0.1:0"};
    server_.emplace(std::move(options), handler_, workers_);
    const Status started = server_->start();
    EXPECT_TRUE(started) << started.error().message();
    return server_->ports().at(0);
  }

  TestHandler handler_;
  os::WorkerPool workers_{{.threads_max = 4, .queue_length_max = 100}};
  std::optional<HttpServer> server_;
};

TEST_F(HttpServerTest, RequestsOfOneConnectionAreAnsweredInTurn) {
  Client client(start());
  client.send("GET /a%3Ab?x=%20y HTTP/1.1\r\nHost: h\r\nx-echo: 1\r\n\r\n");
  const std::string head = client.read_until("\r\n\r\n");
  EXPECT_THAT(head, StartsWith("HTTP/1.1 200 OK\r\n"));
  EXPECT_THAT(head, HasSubstr("X-Echo: 1\r\n"));
  EXPECT_THAT(head, HasSubstr("Connection: keep-alive\r\n"));
  EXPECT_EQ(client.read_until("0 "), "GET /a%3Ab?x=%20y 0 ");
  client.send("POST /second HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\nConnection: close\r\n\r\nhello");
  EXPECT_THAT(client.read_all(), HasSubstr("\r\n\r\nPOST /second? 5 hello"));
}

TEST_F(HttpServerTest, LargeBodiesArriveInPiecesUnderTheLimit) {
  Client client(start());
  client.send("PUT /large HTTP/1.1\r\nHost: h\r\nContent-Length: 5000000\r\n\r\n");
  client.send(std::string(5'000'000, 'x'));
  client.read_until("\r\n\r\n");
  EXPECT_EQ(client.read_until("5000000 "), "PUT /large? 5000000 ");
}

TEST_F(HttpServerTest, ChunkedBodiesAreDecoded) {
  Client client(start());
  client.send("PUT /c HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2;x=y\r\nde\r\n0\r\n\r\n");
  client.read_until("\r\n\r\n");
  EXPECT_EQ(client.read_size(14), "PUT /c? 5 abcd");
}

TEST_F(HttpServerTest, ContinueIsSentOnlyWhenTheHeadIsAccepted) {
  const std::uint16_t port = start();
  Client accepted(port);
  accepted.send("PUT /c HTTP/1.1\r\nHost: h\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\n");
  EXPECT_EQ(accepted.read_until("\r\n\r\n"), "HTTP/1.1 100 Continue\r\n\r\n");
  accepted.send("ab");
  EXPECT_THAT(accepted.read_until("\r\n\r\n"), StartsWith("HTTP/1.1 200 OK\r\n"));

  Client refused(port);
  refused.send("PUT /refused HTTP/1.1\r\nHost: h\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\n");
  const std::string head = refused.read_until("\r\n\r\n");
  EXPECT_THAT(head, StartsWith("HTTP/1.1 403 Forbidden\r\n"));
  EXPECT_THAT(head, HasSubstr("Connection: close\r\n"));
}

TEST_F(HttpServerTest, RefusalInTheMiddleOfABodyReachesTheClient) {
  Client client(start());
  client.send("PUT /large HTTP/1.1\r\nHost: h\r\nContent-Length: 30000000\r\n\r\n");
  client.send(std::string(30'000'000, 'x'));
  EXPECT_THAT(client.read_until("large\"}"), StartsWith("HTTP/1.1 413 "));
}

TEST_F(HttpServerTest, HeadIsAnsweredWithTheLengthAndNoBody) {
  handler_.answers["/file"] = [] {
    Response response;
    response.body = FileRange{UniqueFd(), 0, 1234};
    return response;
  };
  Client client(start());
  client.send("HEAD /file HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n");
  const std::string answer = client.read_all();
  EXPECT_THAT(answer, HasSubstr("Content-Length: 1234\r\n"));
  EXPECT_TRUE(answer.ends_with("\r\n\r\n"));
}

TEST_F(HttpServerTest, FileRangesAreStreamed) {
  UniqueFd file(::memfd_create("test", MFD_CLOEXEC));
  const std::string content = std::string(10, 'a') + std::string(1'000'000, 'b') + std::string(10, 'c');
  ASSERT_EQ(::write(file.get(), content.data(), content.size()), static_cast<ssize_t>(content.size()));
  handler_.answers["/file"] = [&file] {
    Response response;
    response.status = 206;
    response.body = FileRange{UniqueFd(::fcntl(file.get(), F_DUPFD_CLOEXEC, 0)), 9, 1'000'002};
    return response;
  };
  Client client(start());
  client.send("GET /file HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n");
  client.read_until("\r\n\r\n");
  EXPECT_EQ(client.read_all(), "a" + std::string(1'000'000, 'b') + "c");
}

TEST_F(HttpServerTest, ValuesCannotEndTheirHeaderField) {
  handler_.answers["/inject"] = [] {
    Response response;
    response.headers.add("X-Value", "a\r\nSet-Cookie: b");
    return response;
  };
  Client client(start());
  client.send("GET /inject HTTP/1.1\r\nHost: h\r\n\r\n");
  EXPECT_THAT(client.read_until("\r\n\r\n"), HasSubstr("X-Value: a  Set-Cookie: b\r\n"));
}

TEST_F(HttpServerTest, WhatIsNoHttpIsAnswered400AsJson) {
  Client client(start());
  client.send("GET /\x01 HTTP/1.1\r\n\r\n");
  const std::string answer = client.read_all();
  EXPECT_THAT(answer, StartsWith("HTTP/1.1 400 Bad Request\r\n"));
  EXPECT_THAT(answer, HasSubstr("Content-Type: application/json\r\n"));
  EXPECT_THAT(answer, HasSubstr("{\"message\":\"malformed request: "));
}

TEST_F(HttpServerTest, TargetThatIsNoPathIsRefused) {
  Client client(start());
  client.send("OPTIONS * HTTP/1.1\r\nHost: h\r\n\r\n");
  EXPECT_THAT(client.read_all(), HasSubstr("the target '*' is no path"));
}

TEST_F(HttpServerTest, LongHeadsPassAndTooLongOnesAreToldTheLimit) {
  const std::uint16_t port = start();
  Client passes(port);
  passes.send("GET / HTTP/1.1\r\nHost: h\r\nX-Long: " + std::string(40'000, 'x') + "\r\n\r\n");
  EXPECT_THAT(passes.read_until("\r\n\r\n"), StartsWith("HTTP/1.1 200 OK\r\n"));
  Client refused(port);
  refused.send("GET / HTTP/1.1\r\nHost: h\r\nX-Long: " + std::string(80'000, 'x') + "\r\n\r\n");
  const std::string answer = refused.read_all();
  EXPECT_THAT(answer, StartsWith("HTTP/1.1 431 "));
  EXPECT_THAT(answer, HasSubstr("the request's head is longer than 65536 bytes, the limit"));
}

TEST_F(HttpServerTest, ConnectionOverTheLimitIsTurnedAway) {
  const std::uint16_t port = start({.connections_max = 1});
  Client first(port);
  first.send("GET / HTTP/1.1\r\nHost: h\r\n\r\n");
  first.read_until("\r\n\r\n");
  Client second(port);
  EXPECT_THAT(second.read_all(), HasSubstr("1 connections are open, the limit; retry"));
}

TEST_F(HttpServerTest, ExceptionOfAHandlerIsA500WithoutItsText) {
  Client client(start());
  client.send("GET /throws HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n");
  const std::string answer = client.read_all();
  EXPECT_THAT(answer, StartsWith("HTTP/1.1 500 "));
  EXPECT_THAT(answer, Not(HasSubstr("secret")));
}

TEST_F(HttpServerTest, SilentPeerIsDisconnected) {
  Client client(start({.idle_timeout = std::chrono::milliseconds(50)}));
  client.send("GET / HT");
  EXPECT_EQ(client.read_all(), "");
}

TEST_F(HttpServerTest, StopFinishesTheRequestUnderWayAndClosesIdleConnections) {
  std::promise<void> begun, release;
  handler_.answers["/slow"] = [&] {
    begun.set_value();
    release.get_future().wait();
    return text_response("done");
  };
  const std::uint16_t port = start();
  Client idle(port);
  idle.send("GET / HTTP/1.1\r\nHost: h\r\n\r\n");
  idle.read_until("\r\n\r\n");
  Client busy(port);
  busy.send("GET /slow HTTP/1.1\r\nHost: h\r\n\r\n");
  begun.get_future().wait();
  std::thread stopper([this] { server_->stop(); });
  idle.read_all();  // ends only when the server is stopping
  release.set_value();
  const std::string answer = busy.read_all();
  stopper.join();
  EXPECT_THAT(answer, HasSubstr("Connection: close\r\n"));
  EXPECT_TRUE(answer.ends_with("\r\n\r\ndone"));
}

TEST_F(HttpServerTest, AddressThatIsNoneIsRefusedWithTheForm) {
  HttpServer server({.listen = {"localhost"}}, handler_, workers_);
  const Status started = server.start();
  ASSERT_FALSE(started);
  EXPECT_EQ(started.error().message(),
            "'localhost' is no address to listen on: expected ADDRESS:PORT, such as 127.0.0.1:9600 or [::1]:9600");
}

TEST_F(HttpServerTest, AddressInUseIsNamed) {
  const std::uint16_t port = start();
  const std::string address = "127.0.0.1:" + std::to_string(port);
  HttpServer second({.listen = {address}}, handler_, workers_);
  const Status started = second.start();
  ASSERT_FALSE(started);
  EXPECT_EQ(started.error().message(), "listen on " + address + ": Address already in use");
}

}  // namespace
}  // namespace dormouse::net
