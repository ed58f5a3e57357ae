// SPDX-License-Identifier: Apache-2.0

#include "http_client/http_call.h"

#include <fcntl.h>
#include <sys/socket.h>

#include <array>
#include <chrono>
#include <string>
#include <string_view>
#include <thread>

#include <gtest/gtest.h>

#include "base/unique_fd.h"
#include "os/file.h"

namespace dormouse::http_client {
namespace {

using std::chrono::milliseconds;

// A connection to an application that the test plays.
class HttpPost : public ::testing::Test {
 protected:
  void SetUp() override {
    std::array<int, 2> pair{};
    ASSERT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair.data()), 0);
    client_.reset(pair[0]);
    application_.reset(pair[1]);
    ASSERT_EQ(::fcntl(client_.get(), F_SETFL, O_NONBLOCK), 0);
  }

  void say(std::string_view bytes) { ASSERT_TRUE(os::write_all(application_.get(), bytes, "answer")); }
  void hang_up() { application_.reset(); }

  Result<HttpAnswer> post(const std::string& body = "", milliseconds timeout = milliseconds(60'000)) {
    const HttpRequest request{"localhost:9000", "/run", "application/json", body};
    return http_post(client_.get(), request, os::Context::with_timeout(timeout));
  }

  // The error's text after the application said `bytes` and closed its side.
  std::string refusal(std::string_view bytes) {
    SetUp();
    say(bytes);
    ::shutdown(application_.get(), SHUT_WR);
    const auto answer = post();
    return answer ? "status " + std::to_string(answer->status) : answer.error().message();
  }

  std::string heard() {
    std::string text(100'000, '\0');
    const ssize_t got = ::recv(application_.get(), text.data(), text.size(), MSG_DONTWAIT);
    return text.substr(0, static_cast<std::size_t>(std::max<ssize_t>(got, 0)));
  }

  UniqueFd client_;
  UniqueFd application_;
};

TEST_F(HttpPost, SendsTheRequestAsPromised) {
  say("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
  ASSERT_TRUE(post(R"({"a":1})"));
  EXPECT_EQ(heard(),
            "POST /run HTTP/1.1\r\nHost: localhost:9000\r\nUser-Agent: dormouse\r\nConnection: close\r\n"
            "Content-Type: application/json\r\nContent-Length: 7\r\n\r\n{\"a\":1}");
}

TEST_F(HttpPost, SendsNoContentTypeWithoutABody) {
  say("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
  ASSERT_TRUE(post());
  EXPECT_EQ(heard(),
            "POST /run HTTP/1.1\r\nHost: localhost:9000\r\nUser-Agent: dormouse\r\nConnection: close\r\n"
            "Content-Length: 0\r\n\r\n");
}

TEST_F(HttpPost, ReturnsStatusAndBody) {
  say("HTTP/1.1 503 Not Yet\r\nContent-Length: 4\r\n\r\nwaitTRAILING");
  const auto answer = post();
  ASSERT_TRUE(answer) << answer.error().message();
  EXPECT_EQ(answer->status, 503);
  EXPECT_EQ(answer->body, "wait");
}

TEST_F(HttpPost, DecodesChunks) {
  say("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n");
  EXPECT_EQ(post().value().body, "abcde");
}

TEST_F(HttpPost, ReadsABodyWithoutLengthUpToTheEnd) {
  say("HTTP/1.0 200 OK\r\n\r\nall of it");
  hang_up();
  EXPECT_EQ(post().value().body, "all of it");
}

TEST_F(HttpPost, SkipsInterimAnswers) {
  say("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early\r\nLink: x\r\n\r\nHTTP/1.1 404 No\r\nContent-Length: 0\r\n\r\n");
  EXPECT_EQ(post().value().status, 404);
}

TEST_F(HttpPost, TheStatusCountsAlthoughTheBodyNeverComes) {
  say("HTTP/1.1 200 OK\r\nContent-Length: 1000000000000\r\n\r\nbeginning");
  const auto answer = post();
  ASSERT_TRUE(answer) << answer.error().message();
  EXPECT_EQ(answer->status, 200);
  EXPECT_EQ(answer->body, "beginning");
}

TEST_F(HttpPost, TheStatusCountsAlthoughTheBodyIsNonsense) {
  say("HTTP/1.1 400 No\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\nnonsense\r\n");
  const auto answer = post();
  ASSERT_TRUE(answer) << answer.error().message();
  EXPECT_EQ(answer->status, 400);
  EXPECT_EQ(answer->body, "ok");
}

TEST_F(HttpPost, KeepsTheFirst64KiBOfAnEndlessBody) {
  std::jthread application([this](const std::stop_token& stop) {
    const std::string piece(4096, 'x');
    const std::string head = "HTTP/1.1 500 Oh\r\n\r\n";
    ::send(application_.get(), head.data(), head.size(), MSG_NOSIGNAL);
    while (!stop.stop_requested() && ::send(application_.get(), piece.data(), piece.size(), MSG_NOSIGNAL) > 0) {
    }
  });
  const auto answer = post();
  client_.reset();  // ends the application
  ASSERT_TRUE(answer) << answer.error().message();
  EXPECT_EQ(answer->status, 500);
  EXPECT_EQ(answer->body, std::string(64 * 1024, 'x'));
}

TEST_F(HttpPost, AConnectionThatEndsBeforeTheAnswerSaysSo) {
  hang_up();
  const auto answer = post();
  ASSERT_FALSE(answer);
  EXPECT_EQ(answer.error().kind(), ErrorKind::kUnavailable);
  EXPECT_EQ(answer.error().message(), "POST /run: the application closed the connection before it answered");
}

TEST_F(HttpPost, AConnectionThatEndsWithinTheHeadSaysSo) {
  say("HTTP/1.1 200 OK\r\nContent-");
  hang_up();
  const auto answer = post();
  ASSERT_FALSE(answer);
  EXPECT_EQ(answer.error().kind(), ErrorKind::kUnavailable);
  EXPECT_EQ(answer.error().message(),
            "POST /run: the application closed the connection within its answer's head, after 25 bytes");
}

TEST_F(HttpPost, SilenceEndsAtTheDeadline) {
  const auto answer = post("", milliseconds(20));
  ASSERT_FALSE(answer);
  EXPECT_EQ(answer.error().kind(), ErrorKind::kDeadlineExceeded);
  EXPECT_EQ(answer.error().message(), "POST /run: wait for the answer: out of time");
}

TEST_F(HttpPost, AnApplicationThatReadsNothingIsHeldToTheDeadline) {
  const auto answer = post(std::string(8U << 20U, 'x'), milliseconds(20));
  ASSERT_FALSE(answer);
  EXPECT_EQ(answer.error().kind(), ErrorKind::kDeadlineExceeded);
  EXPECT_EQ(answer.error().message(), "POST /run: send the request: out of time");
}

TEST_F(HttpPost, AnAnswerBeforeTheWholeRequestCounts) {
  say("HTTP/1.1 413 Too Large\r\nContent-Length: 0\r\n\r\n");
  const auto answer = post(std::string(8U << 20U, 'x'));
  ASSERT_TRUE(answer) << answer.error().message();
  EXPECT_EQ(answer->status, 413);
}

TEST_F(HttpPost, AnAnswerOfAnApplicationThatStoppedReadingCounts) {
  say("HTTP/1.1 413 Too Large\r\nContent-Length: 0\r\n\r\n");
  hang_up();
  const auto answer = post(std::string(8U << 20U, 'x'));
  ASSERT_TRUE(answer) << answer.error().message();
  EXPECT_EQ(answer->status, 413);
}

TEST_F(HttpPost, CancellationEndsTheWait) {
  const os::Cancellation cancellation;
  cancellation.cancel();
  const os::Context context(cancellation, std::chrono::steady_clock::now() + std::chrono::minutes(1));
  const auto answer = http_post(client_.get(), {"localhost:9000", "/run", "application/json", ""}, context);
  ASSERT_FALSE(answer);
  EXPECT_EQ(answer.error().kind(), ErrorKind::kCancelled);
}

TEST_F(HttpPost, WhatIsNotHttpIsRefused) {
  const std::string not_http = "POST /run: the answer is not HTTP: ";
  for (const std::string_view bytes : {"SSH-2.0-OpenSSH_9.2\r\n",
                                       "HTTP/1.1 2000 OK\r\n\r\n",
                                       "HTTP/1.1 OK\r\n\r\n",
                                       "HTTP/1.1 200 OK\r\nno colon\r\n\r\n",
                                       "{\"status\": 200}\r\n\r\n",
                                       "HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n",
                                       "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
                                       "HTTP/1.1 200 OK\r\nContent-Length: 99999999999999999999\r\n\r\n"}) {
    EXPECT_TRUE(refusal(bytes).starts_with(not_http)) << bytes << " gives " << refusal(bytes);
  }
}

TEST_F(HttpPost, StrangeVersionsAndStatusesAreRefused) {
  EXPECT_EQ(refusal("HTTP/1.1 101 Switching\r\nUpgrade: x\r\n\r\n"),
            "POST /run: the answer has the status 101: it switches protocols although nobody asked");
  EXPECT_EQ(refusal("HTTP/1.1 099 Low\r\n\r\n"), "POST /run: the answer has the status 99, not one from 100 to 599");
  EXPECT_EQ(refusal("HTTP/1.1 600 High\r\n\r\n"), "POST /run: the answer has the status 600, not one from 100 to 599");
  EXPECT_EQ(refusal("HTTP/2.0 200 OK\r\n\r\n"), "POST /run: the answer is not HTTP: bad version");
}

TEST_F(HttpPost, AHeadLongerThanItsLimitIsRefused) {
  EXPECT_EQ(refusal("HTTP/1.1 200 OK\r\nX: " + std::string(20'000, 'x')),
            "POST /run: the answer's head is longer than 16384 bytes");
  std::string many = "HTTP/1.1 200 OK\r\n";
  for (int i = 0; i < 5000; ++i) {
    many += "a: b\r\n";
  }
  EXPECT_EQ(refusal(many + "\r\n"), "POST /run: the answer's head is longer than 16384 bytes");
  EXPECT_EQ(refusal("HTTP/1.1 200 OK\r\nX: " + std::string(16'000, 'x') + "\r\nContent-Length: 0\r\n\r\n"),
            "status 200");
}

TEST_F(HttpPost, EndlessInterimAnswersAreRefused) {
  std::string many;
  for (int i = 0; i < 17; ++i) {
    many += "HTTP/1.1 100 Continue\r\n\r\n";
  }
  EXPECT_EQ(refusal(many), "POST /run: more than 16 interim answers (1xx)");
}

TEST_F(HttpPost, FieldsThatCouldSplitTheRequestAreRefused) {
  const auto context = os::Context::with_timeout(milliseconds(60'000));
  const auto message = [&](const HttpRequest& request) {
    const auto answer = http_post(client_.get(), request, context);
    return answer ? "accepted" : answer.error().message();
  };
  EXPECT_EQ(message({"localhost:1", "/a b", "application/json", ""}),
            "POST /a b: the request's path is empty or has forbidden characters");
  EXPECT_EQ(message({"x\r\nEvil: 1", "/a", "application/json", ""}),
            "POST /a: the request's host is empty or has forbidden characters");
  EXPECT_EQ(message({"localhost:1", "/a", "text\n", "x"}),
            "POST /a: the request's content type is empty or has forbidden characters");
  EXPECT_EQ(message({"localhost:1", "a", "application/json", ""}),
            "POST a: the request's path does not begin with '/'");
  EXPECT_EQ(heard(), "");
}

}  // namespace
}  // namespace dormouse::http_client
