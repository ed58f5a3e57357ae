// SPDX-License-Identifier: Apache-2.0
//
// A real server, real TLS clients and an application at the other end of a socket pair, played by the test. Only the control
// layer is replaced, by a backend that the test steers.

#include "proxy/endpoint_server.h"

#include <sys/resource.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <future>
#include <memory>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "proxy/test_endpoint.h"

namespace dormouse::proxy {
namespace {

using std::chrono::milliseconds;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::StartsWith;

TEST_F(EndpointServerTest, RelaysARequestAndItsAnswerOverVerifiedTls) {
  start();
  const auto asker = client();
  ASSERT_TRUE(asker->connected());
  asker->write(request("POST /path?q=1 HTTP/1.1", "Content-Length: 5\r\nX-Custom: kept\r\n") + "hello");
  const auto guest = backend_.next_guest();
  const std::string header = guest->read_header();
  EXPECT_THAT(header, StartsWith("POST /path?q=1 HTTP/1.1\r\n"));
  EXPECT_THAT(header, HasSubstr(std::string("Host: ") + kHost + ":9643\r\n"));
  EXPECT_THAT(header, HasSubstr("X-Custom: kept\r\n"));
  EXPECT_EQ(guest->read_exactly(5), "hello");
  guest->write("HTTP/1.1 201 Created\r\nContent-Length: 3\r\nX-App: a\r\n\r\nyes");
  const std::string answer = asker->read_header();
  EXPECT_THAT(answer, StartsWith("HTTP/1.1 201 Created\r\n"));
  EXPECT_THAT(answer, HasSubstr("X-App: a\r\n"));
  EXPECT_EQ(asker->read_exactly(3), "yes");
  EXPECT_EQ(backend_.ports(), std::vector<std::uint16_t>{8080});
  EXPECT_GE(backend_.activity(), 2);
  backend_.await_released();
}

TEST_F(EndpointServerTest, StripsItsHeadersAndAddsARequestIdToBothSides) {
  start();
  const auto asker = client();
  asker->write(
      request("GET / HTTP/1.1",
              "x-AWS-proxy-port: 9000\r\nX-Aws-Proxy-Anything: x\r\nConnection: keep-alive, X-Hop\r\nX-Hop: 1\r\n"
              "Keep-Alive: 5\r\nTE: trailers\r\nProxy-Connection: close\r\nx-amzn-requestid: forged\r\n"));
  const auto guest = backend_.next_guest();
  const std::string header = guest->read_header();
  for (const char* name : {"proxy", "Hop", "Keep-Alive", "TE:", "forged", "X-Forwarded"}) {
    EXPECT_THAT(header, Not(HasSubstr(name))) << header;
  }
  guest->write(
      "HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close, X-Gone\r\nX-Gone: 1\r\nKeep-Alive: 1\r\n\r\n");
  const std::string answer = asker->read_header();
  for (const char* name : {"Gone", "Keep-Alive", "close"}) {
    EXPECT_THAT(answer, Not(HasSubstr(name))) << answer;
  }
  const std::size_t sent = header.find("x-amzn-requestid: ");
  const std::size_t received = answer.find("x-amzn-requestid: ");
  ASSERT_NE(sent, std::string::npos);
  ASSERT_NE(received, std::string::npos);
  EXPECT_EQ(header.substr(sent, 18 + 36), answer.substr(received, 18 + 36));
  EXPECT_EQ(backend_.ports(), std::vector<std::uint16_t>{9000});
}

TEST_F(EndpointServerTest, RefusesWithTheServicesTexts) {
  start();
  const std::string line = "GET / HTTP/1.1\r\nHost: ";
  const auto with_token = [&](const std::string& host, const std::string& value, const std::string& more = "") {
    return line + host + "\r\nX-aws-proxy-auth: " + value + "\r\n" + more + "\r\n";
  };
  const auto expect = [&](const std::string& text, const std::string& status, const std::string& body) {
    const std::string answer = answer_to(text);
    EXPECT_THAT(answer, StartsWith("HTTP/1.1 " + status)) << text;
    EXPECT_THAT(answer, HasSubstr("\r\nCache-Control: private, no-store\r\n"));
    EXPECT_THAT(answer, HasSubstr("\r\nContent-Type: text/plain\r\n"));
    EXPECT_THAT(answer, HasSubstr("\r\nx-amzn-requestid: "));
    EXPECT_EQ(answer.substr(answer.find("\r\n\r\n") + 4), body) << text;
  };
  expect(line + kHost + "\r\n\r\n", "403", "Request missing authentication");
  expect(with_token(kHost, "nonsense"), "403", "Request missing authentication");
  expect(with_token(kHost, token(), "X-aws-proxy-auth: twice\r\n"), "403", "Request missing authentication");
  expect(with_token("11111111-6a1f-4f0e-9a11-3c77a1d2f001.lambda-microvm.us-east-1.localhost", token()),
         "403",
         "Token authentication failed");
  expect(with_token("localhost", token()), "403", "Token authentication failed");
  TokenClaims other_vm = claims();
  other_vm.microvm_id = "microvm-00000000-55f4-4b6a-9f57-3a1f0f2f7c11";
  expect(with_token(kHost, *keyring_->issue(other_vm)), "403", "Token authentication failed");
  TokenClaims other_account = claims();
  other_account.account = "111111111111";
  expect(with_token(kHost, *keyring_->issue(other_account)), "403", "Token authentication failed");
  TokenClaims expired = claims();
  expired.expires_at = clock_.wall();
  expect(with_token(kHost, *keyring_->issue(expired)), "403", "Token authentication failed");
  TokenClaims one_port = claims();
  one_port.ports = {{9000, 9001}};
  expect(with_token(kHost, *keyring_->issue(one_port)), "403", "Access to port denied");
  expect(with_token(kHost, *keyring_->issue(one_port), "X-aws-proxy-port: 9002\r\n"), "403", "Access to port denied");
  for (const char* port : {"0", "65536", "x", "", "80 80", "-1"}) {
    expect(with_token(kHost, token(), std::string("X-aws-proxy-port: ") + port + "\r\n"), "400", "Invalid port");
  }
  EXPECT_TRUE(backend_.ports().empty());
}

TEST_F(EndpointServerTest, AnswersAnEmpty502WhenThereIsNothingToReach) {
  start();
  TokenClaims shell = claims();
  shell.kind = TokenKind::kShell;
  const auto expect = [&](const std::string& text) {
    const std::string answer = answer_to(text);
    EXPECT_THAT(answer, StartsWith("HTTP/1.1 502 Bad Gateway\r\n"));
    EXPECT_THAT(answer, HasSubstr("\r\nContent-Length: 0\r\n"));
    EXPECT_THAT(answer, ::testing::EndsWith("\r\n\r\n"));
  };
  expect(std::string("GET / HTTP/1.1\r\nHost: ") + kHost + "\r\nX-aws-proxy-auth: " + *keyring_->issue(shell) +
         "\r\n\r\n");
  backend_.nobody_listens();
  expect(request());
  backend_.refuse(control::EndpointRefusal::kSuspended);
  expect(request());
}

TEST_F(EndpointServerTest, Answers502WhenTheApplicationEndsOrSpeaksNoHttp) {
  start();
  for (const char* spoken : {"",
                             "nonsense\r\n\r\n",
                             "HTTP/1.1 101 Switching Protocols\r\n\r\n",
                             "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n"}) {
    const auto asker = client();
    asker->write(request());
    const auto guest = backend_.next_guest();
    guest->read_header();
    guest->write(spoken);
    guest->close();
    EXPECT_THAT(asker->read_header(), StartsWith("HTTP/1.1 502")) << spoken;
  }
  backend_.await_released();
}

TEST_F(EndpointServerTest, RefusesWhatServersUnderstandDifferently) {
  start();
  for (const char* headers : {"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n",
                              "Transfer-Encoding: gzip\r\n",
                              "Transfer-Encoding: gzip, chunked\r\n",
                              "Content-Length: 5\r\nContent-Length: 6\r\n",
                              "Content-Length: x\r\n"}) {
    EXPECT_THAT(answer_to(request("POST / HTTP/1.1", headers)), StartsWith("HTTP/1.1 400")) << headers;
  }
  EXPECT_THAT(answer_to(request("GET http://elsewhere/ HTTP/1.1")), StartsWith("HTTP/1.1 400"));
  EXPECT_THAT(answer_to(request("CONNECT elsewhere:80 HTTP/1.1")), StartsWith("HTTP/1.1 400"));
  EXPECT_THAT(answer_to("nonsense\r\n\r\n"), StartsWith("HTTP/1.1 400"));
  EXPECT_THAT(answer_to(request("GET / HTTP/1.1", "X-Long: " + std::string(70'000, 'x') + "\r\n")),
              StartsWith("HTTP/1.1 400"));
  EXPECT_TRUE(backend_.ports().empty());
}

TEST_F(EndpointServerTest, KeepsTheClientsConnectionForTheNextRequest) {
  start();
  const auto asker = client();
  for (int i = 0; i < 20; ++i) {
    asker->write(request("POST / HTTP/1.1", "Content-Length: 1\r\n") + "x");
    const auto guest = backend_.next_guest();
    guest->read_header();
    EXPECT_EQ(guest->read_exactly(1), "x");
    guest->answer(std::to_string(i));
    asker->read_header();
    EXPECT_EQ(asker->read_exactly(std::to_string(i).size()), std::to_string(i));
  }
}

TEST_F(EndpointServerTest, AnswersPipelinedRequestsInOrder) {
  start();
  const auto asker = client();
  asker->write(request("GET /1 HTTP/1.1") + request("GET /2 HTTP/1.1") + request("GET /3 HTTP/1.1"));
  for (const char* number : {"1", "2", "3"}) {
    const auto guest = backend_.next_guest();
    EXPECT_THAT(guest->read_header(), StartsWith(std::string("GET /") + number));
    guest->answer(number);
    asker->read_header();
    EXPECT_EQ(asker->read_exactly(1), number);
  }
}

TEST_F(EndpointServerTest, PassesPiecesOfAnAnswerAsTheyCome) {
  start();
  const auto asker = client();
  asker->write(request());
  const auto guest = backend_.next_guest();
  guest->read_header();
  guest->write("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
  EXPECT_THAT(asker->read_header(), HasSubstr("Transfer-Encoding: chunked\r\n"));
  for (const char* event : {"data: 1", "data: 2"}) {
    guest->write(std::string("7\r\n") + event + "\r\n");
    EXPECT_EQ(asker->read_until("\r\n"), "7\r\n");
    EXPECT_EQ(asker->read_until("\r\n"), std::string(event) + "\r\n");
  }
  guest->write("0\r\n\r\n");
  EXPECT_EQ(asker->read_until("0\r\n\r\n"), "0\r\n\r\n");
}

TEST_F(EndpointServerTest, PassesPiecesOfARequestAsTheyComeAndTheContinueBefore) {
  start();
  const auto asker = client();
  asker->write(request("POST / HTTP/1.1", "Expect: 100-continue\r\nTransfer-Encoding: chunked\r\n"));
  const auto guest = backend_.next_guest();
  EXPECT_THAT(guest->read_header(), HasSubstr("Expect: 100-continue\r\n"));
  guest->write("HTTP/1.1 100 Continue\r\n\r\n");
  EXPECT_THAT(asker->read_header(), StartsWith("HTTP/1.1 100 Continue\r\n"));
  for (const char* piece : {"one", "two"}) {
    asker->write(std::string("3\r\n") + piece + "\r\n");
    EXPECT_EQ(guest->read_until("\r\n"), "3\r\n");
    EXPECT_EQ(guest->read_until("\r\n"), std::string(piece) + "\r\n");
  }
  asker->write("0\r\n\r\n");
  EXPECT_EQ(guest->read_until("0\r\n\r\n"), "0\r\n\r\n");
  guest->answer("done");
  asker->read_header();
  EXPECT_EQ(asker->read_exactly(4), "done");
}

TEST_F(EndpointServerTest, PassesAnAnswerThatComesBeforeTheRequestIsWhole) {
  start();
  for (const bool with_tls : {true, false}) {
    const auto asker = with_tls ? client() : plain_client();
    asker->write(request("POST / HTTP/1.1", "Content-Length: 10000000\r\n") + std::string(100'000, 'x'));
    const auto guest = backend_.next_guest();
    guest->read_header();
    guest->write("HTTP/1.1 413 Content Too Large\r\nContent-Length: 3\r\n\r\nbig");
    EXPECT_THAT(asker->read_header(), StartsWith("HTTP/1.1 413"));
    EXPECT_EQ(asker->read_exactly(3), "big");
  }
}

TEST_F(EndpointServerTest, AnswersWithoutLengthEndWithTheConnection) {
  start();
  const auto asker = client();
  asker->write(request());
  const auto guest = backend_.next_guest();
  guest->read_header();
  guest->write("HTTP/1.0 200 OK\r\n\r\nuntil the end");
  guest->close();
  EXPECT_THAT(asker->read_header(), HasSubstr("Connection: close\r\n"));
  EXPECT_EQ(asker->read_to_end(), "until the end");
  EXPECT_EQ(asker->end(), Client::End::kOrderly);
}

TEST_F(EndpointServerTest, ACutAnswerIsNotMadeToLookWhole) {
  start();
  const auto chunked = client();
  chunked->write(request());
  const auto guest = backend_.next_guest();
  guest->read_header();
  guest->write("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n");
  guest->close();
  chunked->read_header();
  EXPECT_EQ(chunked->read_to_end(), "3\r\nabc\r\n");
}

TEST_F(EndpointServerTest, AnswersHeadWithoutABody) {
  start();
  const auto asker = client();
  asker->write(request("HEAD / HTTP/1.1"));
  auto guest = backend_.next_guest();
  guest->read_header();
  guest->write("HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n");
  EXPECT_THAT(asker->read_header(), HasSubstr("Content-Length: 1000\r\n"));
  asker->write(request());
  guest = backend_.next_guest();
  EXPECT_THAT(guest->read_header(), StartsWith("GET / "));
  guest->answer("next");
  asker->read_header();
  EXPECT_EQ(asker->read_exactly(4), "next");
}

TEST_F(EndpointServerTest, GivesAnOldClientWhatItUnderstands) {
  start();
  const auto asker = client();
  asker->write(request("GET / HTTP/1.0"));
  const auto guest = backend_.next_guest();
  EXPECT_THAT(guest->read_header(), StartsWith("GET / HTTP/1.1\r\n"));
  guest->write("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n");
  const std::string header = asker->read_header();
  EXPECT_THAT(header, Not(HasSubstr("chunked")));
  EXPECT_EQ(asker->read_to_end(), "abc");
}

TEST_F(EndpointServerTest, StreamsAHundredMegabytesBothWaysWithoutHoldingThem) {
  start();
  constexpr std::size_t kPiece = 1 << 20;
  constexpr std::size_t kPieces = 100;
  const auto asker = client();
  const auto resident_kib = [] {
    rusage usage{};
    ::getrusage(RUSAGE_SELF, &usage);
    return usage.ru_maxrss;
  };
  const long before = resident_kib();
  asker->write(request("POST / HTTP/1.1", "Content-Length: " + std::to_string(kPiece * kPieces) + "\r\n"));
  const auto guest = backend_.next_guest();
  guest->read_header();
  guest->write("HTTP/1.1 200 OK\r\nContent-Length: " + std::to_string(kPiece * kPieces) + "\r\n\r\n");
  auto echo = std::async(std::launch::async, [&] {
    std::size_t echoed = 0;
    for (std::size_t i = 0; i < kPieces * 16; ++i) {
      const std::string piece = guest->read_exactly(kPiece / 16);
      echoed += piece.size();
      guest->write(piece);
    }
    return echoed;
  });
  asker->read_header();
  // One thread: a TLS connection of OpenSSL's is not for two. Each piece comes back before the next is sent.
  bool same = true;
  for (std::size_t i = 0; i < kPieces * 16; ++i) {
    const std::string piece(kPiece / 16, static_cast<char>('a' + i % 26));
    asker->write(piece);
    same = same && asker->read_exactly(piece.size()) == piece;
  }
  EXPECT_TRUE(same);
  EXPECT_EQ(echo.get(), kPiece * kPieces);
#ifndef __SANITIZE_ADDRESS__  // its quarantine keeps what was freed
  EXPECT_LT(resident_kib() - before, 20 * 1024);
#else
  static_cast<void>(before);
#endif
}

TEST_F(EndpointServerTest, ASlowClientHoldsTheApplicationBackInsteadOfFillingMemory) {
  start();
  const auto asker = plain_client();
  asker->write(request());
  const auto guest = backend_.next_guest();
  guest->read_header();
  std::atomic<std::size_t> written = 0;
  constexpr std::size_t kSize = 64 << 20;
  auto sender = std::async(std::launch::async, [&] {
    guest->write("HTTP/1.1 200 OK\r\nContent-Length: " + std::to_string(kSize) + "\r\n\r\n");
    const std::string piece(1 << 16, 'x');
    for (; written < kSize; written += piece.size()) {
      guest->write(piece);
    }
  });
  asker->read_header();
  while (written == 0) {
    std::this_thread::yield();
  }
  std::size_t received = 0;
  std::size_t ahead_max = 0;
  while (received < kSize) {
    // Not read_some(): a part of the body may have come with the header.
    const std::string piece = asker->read_exactly(std::min<std::size_t>(kSize - received, 1 << 16));
    ASSERT_FALSE(piece.empty());
    received += piece.size();
    ahead_max = std::max(ahead_max, written > received ? written - received : 0);
  }
  sender.get();
  EXPECT_LT(ahead_max, std::size_t{32} << 20);
}

TEST_F(EndpointServerTest, TunnelsAWebSocketAndSelectsItsMarkerWhenTheApplicationSelectsNothing) {
  start();
  const auto asker = client();
  asker->write(upgrade("Sec-WebSocket-Protocol: lambda-microvms, lambda-microvms.authentication." + token() +
                       "\r\n"
                       "Sec-WebSocket-Protocol: chat, lambda-microvms.port.9001\r\n") +
               "early");
  const auto guest = backend_.next_guest();
  const std::string header = guest->read_header();
  EXPECT_THAT(header, HasSubstr("Sec-WebSocket-Protocol: chat\r\n"));
  EXPECT_THAT(header, Not(HasSubstr("lambda-microvms")));
  EXPECT_THAT(header, HasSubstr("Upgrade: websocket\r\n"));
  EXPECT_THAT(header, HasSubstr("Connection: Upgrade\r\n"));
  guest->write("HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\nfirst");
  const std::string answer = asker->read_header();
  EXPECT_THAT(answer, StartsWith("HTTP/1.1 101 "));
  EXPECT_THAT(answer, HasSubstr("Sec-WebSocket-Protocol: lambda-microvms\r\n"));
  EXPECT_THAT(answer, HasSubstr("Upgrade: websocket\r\n"));
  EXPECT_EQ(asker->read_exactly(5), "first");
  EXPECT_EQ(guest->read_exactly(5), "early");
  const std::string binary("\x82\x03\x00\xff\x7f", 5);
  asker->write(binary);
  EXPECT_EQ(guest->read_exactly(5), binary);
  guest->write(binary);
  EXPECT_EQ(asker->read_exactly(5), binary);
  EXPECT_EQ(backend_.ports(), std::vector<std::uint16_t>{9001});
  guest->close();
  EXPECT_EQ(asker->read_to_end(), "");
  EXPECT_EQ(asker->end(), Client::End::kOrderly);
  backend_.await_released();
}

TEST_F(EndpointServerTest, LeavesTheApplicationsSubprotocolAndAuthenticatesByHeaderToo) {
  start();
  const auto asker = client();
  asker->write(upgrade("X-aws-proxy-auth: " + token() + "\r\nSec-WebSocket-Protocol: lambda-microvms, chat\r\n"));
  const auto guest = backend_.next_guest();
  guest->read_header();
  guest->write(
      "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
      "Sec-WebSocket-Protocol: chat\r\n\r\n");
  const std::string answer = asker->read_header();
  EXPECT_THAT(answer, HasSubstr("Sec-WebSocket-Protocol: chat\r\n"));
  EXPECT_THAT(answer, Not(HasSubstr("lambda-microvms")));
}

TEST_F(EndpointServerTest, RefusesAWebSocketWithoutMarkerOrWithABadPort) {
  start();
  const std::string subprotocol = "Sec-WebSocket-Protocol: lambda-microvms.authentication." + token();
  EXPECT_THAT(answer_to(upgrade(subprotocol + "\r\n")), ::testing::EndsWith("Request missing authentication"));
  EXPECT_THAT(answer_to(upgrade(subprotocol + ", lambda-microvms, lambda-microvms.port.x\r\n")),
              ::testing::EndsWith("Invalid port"));
}

TEST_F(EndpointServerTest, PassesARefusedUpgradeAsTheAnswerItIs) {
  start();
  const auto asker = client();
  asker->write(upgrade("X-aws-proxy-auth: " + token() + "\r\n"));
  const auto guest = backend_.next_guest();
  guest->read_header();
  guest->answer("no");
  EXPECT_THAT(asker->read_header(), StartsWith("HTTP/1.1 200"));
  EXPECT_EQ(asker->read_exactly(2), "no");
}

TEST_F(EndpointServerTest, HoldsAHundredRequestsWhileTheVmWakes) {
  start();
  backend_.sleep();
  std::vector<std::unique_ptr<Client>> askers;
  for (int i = 0; i < 100; ++i) {
    askers.push_back(client());
    askers.back()->write(request("POST / HTTP/1.1", "Content-Length: 2\r\n") + "ab");
  }
  backend_.await_waiting(100);
  EXPECT_TRUE(backend_.ports().empty());
  backend_.wake();
  for (int i = 0; i < 100; ++i) {
    const auto guest = backend_.next_guest();
    guest->read_header();
    EXPECT_EQ(guest->read_exactly(2), "ab");
    guest->answer("awake");
  }
  for (const auto& asker : askers) {
    EXPECT_THAT(asker->read_header(), StartsWith("HTTP/1.1 200"));
    EXPECT_EQ(asker->read_exactly(5), "awake");
  }
  backend_.await_released();
}

TEST_F(EndpointServerTest, AnswersAnEmpty502WhenTheVmDoesNotWakeInTime) {
  options_.acquire_timeout = milliseconds(50);
  start();
  backend_.sleep();
  EXPECT_THAT(answer_to(request()), StartsWith("HTTP/1.1 502"));
  backend_.wake();  // the late lease goes back at once
  backend_.await_released();
  EXPECT_TRUE(backend_.ports().empty());
}

TEST_F(EndpointServerTest, MakesARequestAgainThatASuspensionCutOff) {
  start();
  const auto asker = client();
  asker->write(request());
  const auto cut = backend_.next_guest();
  cut->read_header();
  backend_.sleep();
  backend_.revoke_all();
  EXPECT_TRUE(cut->ended());
  backend_.await_waiting(1);
  backend_.wake();
  const auto guest = backend_.next_guest();
  EXPECT_THAT(guest->read_header(), StartsWith("GET / HTTP/1.1\r\n"));
  guest->answer("again");
  EXPECT_THAT(asker->read_header(), StartsWith("HTTP/1.1 200"));
  EXPECT_EQ(asker->read_exactly(5), "again");
}

TEST_F(EndpointServerTest, DoesNotRepeatARequestThatMayHaveHadAnEffect) {
  start();
  const auto asker = client();
  asker->write(request("POST / HTTP/1.1", "Content-Length: 2\r\n") + "ab");
  const auto guest = backend_.next_guest();
  guest->read_header();
  guest->read_exactly(2);
  backend_.revoke_all();
  EXPECT_THAT(asker->read_header(), StartsWith("HTTP/1.1 502"));
  backend_.await_released();
}

TEST_F(EndpointServerTest, ClosesRevokedStreamsInOrder) {
  start();
  const auto socket = client();
  socket->write(upgrade("X-aws-proxy-auth: " + token() + "\r\n"));
  const auto socket_guest = backend_.next_guest();
  socket_guest->read_header();
  socket_guest->write("HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n");
  socket->read_header();
  const auto events = client();
  events->write(request());
  const auto events_guest = backend_.next_guest();
  events_guest->read_header();
  events_guest->write("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n");
  events->read_header();
  EXPECT_EQ(events->read_exactly(6), "1\r\nx\r\n");
  backend_.revoke_all();
  backend_.await_released();
  EXPECT_EQ(socket->read_to_end(), "");
  EXPECT_EQ(socket->end(), Client::End::kOrderly);
  EXPECT_EQ(events->read_to_end(), "");
  EXPECT_EQ(events->end(), Client::End::kOrderly);
  EXPECT_TRUE(socket_guest->ended());
  EXPECT_TRUE(events_guest->ended());
}

TEST_F(EndpointServerTest, LetsGoOfTheVmWhenTheClientHasGone) {
  start();
  auto asker = client();
  asker->write(request());
  const auto guest = backend_.next_guest();
  guest->read_header();
  asker.reset();
  EXPECT_TRUE(guest->ended());
  backend_.await_released();
}

TEST_F(EndpointServerTest, LimitsTheRequestsOfOneVm) {
  options_.requests_per_vm_max = 1;
  start();
  const auto asker = client();
  asker->write(request());
  const auto guest = backend_.next_guest();
  guest->read_header();
  const std::string answer = answer_to(request());
  EXPECT_THAT(answer, StartsWith("HTTP/1.1 429"));
  EXPECT_THAT(answer, ::testing::EndsWith("Too many requests"));
  guest->answer("one");
  asker->read_header();
}

TEST_F(EndpointServerTest, HoldsAVmToItsConnections) {
  start();
  control::EndpointLimits limits;
  limits.connections = 1;
  backend_.limit(limits);
  const auto asker = client();
  expect_answered(*asker, "one");
  const std::string answer = answer_to(request());
  EXPECT_THAT(answer, StartsWith("HTTP/1.1 429"));
  EXPECT_THAT(answer, HasSubstr("Connection: close\r\n"));
  EXPECT_THAT(answer, ::testing::EndsWith("Too many connections"));
  expect_answered(*asker, "two");  // the connection that is there goes on
}

TEST_F(EndpointServerTest, HoldsAVmToItsRateOfRequestsAndSaysWhenToComeAgain) {
  start();
  control::EndpointLimits limits;
  limits.requests = Rate{0.001, 1};
  backend_.limit(limits);
  const auto asker = client();
  expect_answered(*asker, "one");
  asker->write(request());
  const std::string header = asker->read_header();
  EXPECT_THAT(header, StartsWith("HTTP/1.1 429"));
  EXPECT_THAT(header, ::testing::ContainsRegex("Retry-After: (999|1000)\r\n"));
  EXPECT_EQ(asker->read_exactly(17), "Too many requests");
}

TEST_F(EndpointServerTest, ServesWithoutTlsWhereItIsAskedTo) {
  start();
  const auto asker = plain_client();
  asker->write(request());
  const auto guest = backend_.next_guest();
  guest->read_header();
  guest->answer("plain");
  EXPECT_THAT(asker->read_header(), StartsWith("HTTP/1.1 200"));
  EXPECT_EQ(asker->read_exactly(5), "plain");
}

TEST_F(EndpointServerTest, OffersHttp11AloneByAlpn) {
  start();
  const unsigned char both[] = "\x02h2\x08http/1.1";
  ASSERT_EQ(SSL_CTX_set_alpn_protos(client_context_, both, sizeof both - 1), 0);
  EXPECT_EQ(client()->protocol(), "http/1.1");
  const unsigned char other[] = "\x02h2";
  ASSERT_EQ(SSL_CTX_set_alpn_protos(client_context_, other, sizeof other - 1), 0);
  EXPECT_FALSE(client()->connected());
}

TEST_F(EndpointServerTest, DisconnectsAClientThatSendsNoHeader) {
  options_.header_timeout = milliseconds(50);
  start();
  const auto silent = client();
  EXPECT_EQ(silent->read_to_end(), "");
  const auto slow = plain_client();
  slow->write("GET / HTTP/1.1\r\nHo");
  EXPECT_EQ(slow->read_to_end(), "");
}

TEST_F(EndpointServerTest, StopLetsARequestFinishAndCutsOffTheRestInTime) {
  options_.stop_timeout = milliseconds(300);
  start();
  const auto idle = client();
  const auto finishing = client();
  finishing->write(request());
  const auto guest = backend_.next_guest();
  guest->read_header();
  auto stopped = std::async(std::launch::async, [&] { server_->stop(); });
  EXPECT_EQ(idle->read_to_end(), "");
  guest->answer("last");
  EXPECT_THAT(finishing->read_header(), HasSubstr("Connection: close\r\n"));
  EXPECT_EQ(finishing->read_exactly(4), "last");
  finishing->read_to_end();
  stopped.get();
  backend_.await_released();
}

TEST_F(EndpointServerTest, StopEndsARequestThatIsHeldAndItsLateLeaseIsDropped) {
  options_.stop_timeout = milliseconds(20);
  start();
  backend_.sleep();
  const auto held = client();
  held->write(request());
  backend_.await_waiting(1);
  server_->stop();
  EXPECT_EQ(held->read_to_end(), "");
  server_.reset();
  backend_.wake();
  backend_.await_released();
}

TEST_F(EndpointServerTest, RefusesAddressesThatAreNone) {
  for (const char* address : {"localhost:1", "127.0.0.1", "127.0.0.1:x", "127.0.0.1:70000", ""}) {
    options_.listen = {address};
    server_ = std::make_unique<EndpointServer>(options_, certificate_, backend_, *keyring_, clock_);
    EXPECT_EQ(server_->start().error().message(),
              std::string("endpoint address '") + address +
                  "': no address and port; write it like 127.0.0.1:9643 or [::1]:9643");
  }
  options_.listen = {"127.0.0.1:0"};
  server_ = std::make_unique<EndpointServer>(options_, ServerCertificate{"x", "y"}, backend_, *keyring_, clock_);
  EXPECT_EQ(server_->start().error().kind(), ErrorKind::kInvalidArgument);
}

}  // namespace
}  // namespace dormouse::proxy
