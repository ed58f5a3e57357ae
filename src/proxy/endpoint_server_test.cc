// SPDX-License-Identifier: Apache-2.0
//
// A real server, real TLS clients and an application at the other end of a socket pair, played by the test. Only the control
// layer is replaced, by a backend that the test steers.

#include "proxy/endpoint_server.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/time.h>

#include <atomic>
#include <csignal>
#include <condition_variable>
#include <cstring>
#include <deque>
#include <filesystem>
#include <fstream>
#include <functional>
#include <future>
#include <iterator>
#include <map>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <openssl/ssl.h>

namespace dormouse::proxy {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::StartsWith;

constexpr char kEndpointId[] = "0b0f2a10-6a1f-4f0e-9a11-3c77a1d2f001";
constexpr char kHost[] = "0b0f2a10-6a1f-4f0e-9a11-3c77a1d2f001.lambda-microvm.us-east-1.localhost";
constexpr char kVm[] = "microvm-6f1c5c1e-55f4-4b6a-9f57-3a1f0f2f7c11";
constexpr char kAccount[] = "000000000000";

void set_patience(int socket) {
  const timeval patience{20, 0};
  ::setsockopt(socket, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
  ::setsockopt(socket, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
}

// The application's side of one connection.
class Guest {
 public:
  explicit Guest(UniqueFd socket) : socket_(std::move(socket)) { set_patience(socket_.get()); }

  // Up to and including `end`.
  std::string read_until(const std::string& end) {
    while (buffer_.find(end) == std::string::npos) {
      if (!fill()) {
        ADD_FAILURE() << "ended before '" << end << "': " << buffer_;
        return {};
      }
    }
    return take(buffer_.find(end) + end.size());
  }
  std::string read_header() { return read_until("\r\n\r\n"); }
  std::string read_exactly(std::size_t size) {
    while (buffer_.size() < size && fill()) {
    }
    return take(std::min(size, buffer_.size()));
  }
  bool ended() { return buffer_.empty() && !fill(); }
  void write(std::string_view text) {
    while (!text.empty()) {
      const ssize_t size = ::send(socket_.get(), text.data(), text.size(), MSG_NOSIGNAL);
      if (size <= 0) {
        return;  // the test sees it at the client
      }
      text.remove_prefix(static_cast<std::size_t>(size));
    }
  }
  void answer(const std::string& body) {
    write("HTTP/1.1 200 OK\r\nContent-Length: " + std::to_string(body.size()) + "\r\n\r\n" + body);
  }
  void close() { socket_.reset(); }
  void shut_writing() { ::shutdown(socket_.get(), SHUT_WR); }

 private:
  bool fill() {
    char piece[65'536];
    const ssize_t size = ::recv(socket_.get(), piece, sizeof piece, 0);
    if (size > 0) {
      buffer_.append(piece, static_cast<std::size_t>(size));
    }
    return size > 0;
  }
  std::string take(std::size_t size) {
    std::string result = buffer_.substr(0, size);
    buffer_.erase(0, size);
    return result;
  }

  UniqueFd socket_;
  std::string buffer_;
};

class FakeLease final : public control::Lease {
 public:
  explicit FakeLease(std::function<void()> released, std::atomic<int>& activity)
      : released_(std::move(released)), activity_(activity) {}
  ~FakeLease() override { released_(); }
  void activity() override { ++activity_; }

 private:
  std::function<void()> released_;
  std::atomic<int>& activity_;
};

// One VM. While asleep, acquire() waits for wake().
class FakeBackend final : public EndpointBackend {
 public:
  std::optional<Target> find_endpoint(std::string_view endpoint_id) override {
    return endpoint_id == kEndpointId ? std::optional(Target{kVm, kAccount}) : std::nullopt;
  }

  void acquire(const std::string& microvm_id, std::function<void()> revoked, control::LeaseHandler handler) override {
    EXPECT_EQ(microvm_id, kVm);
    std::unique_lock lock(mutex_);
    if (refusal_) {
      const auto refusal = *refusal_;
      lock.unlock();
      handler(tl::unexpected(refusal));
      return;
    }
    waiting_.push_back({std::move(revoked), std::move(handler)});
    changed_.notify_all();
    if (awake_) {
      hand_out(lock);
    }
  }

  Result<UniqueFd> dial(const std::string&, std::uint16_t port, const os::Context&) override {
    const std::lock_guard lock(mutex_);
    ports_.push_back(port);
    if (nobody_listens_) {
      return fail(ErrorKind::kUnavailable, "dial: connection refused");
    }
    int ends[2];
    EXPECT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
    guests_.emplace_back(std::make_unique<Guest>(UniqueFd(ends[1])));
    changed_.notify_all();
    return UniqueFd(ends[0]);
  }

  // The test's side.
  std::unique_ptr<Guest> next_guest() {
    std::unique_lock lock(mutex_);
    if (!changed_.wait_for(lock, seconds(20), [this] { return !guests_.empty(); })) {
      ADD_FAILURE() << "nobody dialled";
      return std::make_unique<Guest>(UniqueFd());
    }
    auto guest = std::move(guests_.front());
    guests_.pop_front();
    return guest;
  }
  void sleep() {
    const std::lock_guard lock(mutex_);
    awake_ = false;
  }
  void wake() {
    std::unique_lock lock(mutex_);
    awake_ = true;
    hand_out(lock);
  }
  void await_waiting(std::size_t count) {
    std::unique_lock lock(mutex_);
    EXPECT_TRUE(changed_.wait_for(lock, seconds(20), [&] { return waiting_.size() >= count; }));
  }
  void await_released() {
    std::unique_lock lock(mutex_);
    EXPECT_TRUE(changed_.wait_for(lock, seconds(20), [&] { return leases_ == 0; })) << leases_;
  }
  void revoke_all() {
    std::unique_lock lock(mutex_);
    const auto revoked = std::exchange(held_, {});
    lock.unlock();
    for (const auto& callback : revoked) {
      callback();
    }
  }
  void refuse(control::EndpointRefusal refusal) {
    const std::lock_guard lock(mutex_);
    refusal_ = refusal;
  }
  void nobody_listens() {
    const std::lock_guard lock(mutex_);
    nobody_listens_ = true;
  }
  std::vector<std::uint16_t> ports() {
    const std::lock_guard lock(mutex_);
    return ports_;
  }
  int activity() const { return activity_; }

 private:
  struct Waiting {
    std::function<void()> revoked;
    control::LeaseHandler handler;
  };

  void hand_out(std::unique_lock<std::mutex>& lock) {
    const auto waiting = std::exchange(waiting_, {});
    leases_ += waiting.size();
    for (const Waiting& one : waiting) {
      held_.push_back(one.revoked);
    }
    lock.unlock();
    for (const Waiting& one : waiting) {
      one.handler(std::make_shared<FakeLease>([this] { released(); }, activity_));
    }
  }
  void released() {
    const std::lock_guard lock(mutex_);
    --leases_;
    changed_.notify_all();
  }

  std::mutex mutex_;
  std::condition_variable changed_;
  bool awake_ = true;
  bool nobody_listens_ = false;
  std::optional<control::EndpointRefusal> refusal_;
  std::vector<Waiting> waiting_;
  std::vector<std::function<void()>> held_;
  std::size_t leases_ = 0;
  std::deque<std::unique_ptr<Guest>> guests_;
  std::vector<std::uint16_t> ports_;
  std::atomic<int> activity_ = 0;
};

class FixedClock final : public Clock {
 public:
  SteadyTime steady() const override { return std::chrono::steady_clock::now(); }
  WallTime wall() const override { return WallTime(seconds(now_.load())); }
  void advance(seconds by) { now_ += by.count(); }

 private:
  std::atomic<std::int64_t> now_ = 1'790'000'000;
};

// A client that verifies the certificate for the VM's name, or speaks without TLS.
class Client {
 public:
  Client(std::uint16_t port, SSL_CTX* context) : socket_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    set_patience(socket_.get());
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    EXPECT_EQ(::connect(socket_.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address), 0);
    const int yes = 1;
    EXPECT_EQ(::setsockopt(socket_.get(), IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes), 0);
    if (context != nullptr) {
      tls_ = SSL_new(context);
      SSL_set_fd(tls_, socket_.get());
      std::string name = kHost;
      SSL_ctrl(tls_, SSL_CTRL_SET_TLSEXT_HOSTNAME, TLSEXT_NAMETYPE_host_name, name.data());
      SSL_set1_host(tls_, kHost);
      connected_ = SSL_connect(tls_) == 1;
    }
  }
  ~Client() { SSL_free(tls_); }
  Client(const Client&) = delete;
  Client& operator=(const Client&) = delete;

  bool connected() const { return connected_; }
  std::string protocol() const {
    const unsigned char* name = nullptr;
    unsigned length = 0;
    SSL_get0_alpn_selected(tls_, &name, &length);
    return {reinterpret_cast<const char*>(name), length};
  }
  bool write(std::string_view text) {
    while (!text.empty()) {
      const auto size = tls_ != nullptr ? SSL_write(tls_, text.data(), static_cast<int>(std::min<std::size_t>(text.size(), 1 << 20)))
                                        : static_cast<int>(::send(socket_.get(), text.data(), text.size(), MSG_NOSIGNAL));
      if (size <= 0) {
        return false;
      }
      text.remove_prefix(static_cast<std::size_t>(size));
    }
    return true;
  }
  std::string read_some() {
    std::string piece(65'536, '\0');
    const auto size = tls_ != nullptr ? SSL_read(tls_, piece.data(), static_cast<int>(piece.size()))
                                      : static_cast<int>(::recv(socket_.get(), piece.data(), piece.size(), 0));
    end_ = size == 0 || (tls_ != nullptr && size < 0 && SSL_get_error(tls_, size) == SSL_ERROR_ZERO_RETURN) ? End::kOrderly
                                                                                                         : End::kCut;
    piece.resize(size > 0 ? static_cast<std::size_t>(size) : 0);
    return piece;
  }
  std::string read_until(const std::string& end) {
    while (buffer_.find(end) == std::string::npos) {
      const std::string piece = read_some();
      if (piece.empty()) {
        break;
      }
      buffer_ += piece;
    }
    const std::size_t at = buffer_.find(end);
    const std::string result = buffer_.substr(0, at == std::string::npos ? at : at + end.size());
    buffer_.erase(0, result.size());
    return result;
  }
  std::string read_header() { return read_until("\r\n\r\n"); }
  std::string read_exactly(std::size_t size) {
    while (buffer_.size() < size) {
      const std::string piece = read_some();
      if (piece.empty()) {
        break;
      }
      buffer_ += piece;
    }
    const std::string result = buffer_.substr(0, size);
    buffer_.erase(0, size);
    return result;
  }
  std::string read_to_end() {
    for (std::string piece = read_some(); !piece.empty(); piece = read_some()) {
      buffer_ += piece;
    }
    return std::exchange(buffer_, {});
  }
  enum class End { kOrderly, kCut };
  End end() const { return end_; }  // how the last read_some() that gave nothing ended

 private:
  UniqueFd socket_;
  SSL* tls_ = nullptr;
  bool connected_ = true;
  std::string buffer_;
  End end_ = End::kCut;
};

class EndpointServerTest : public ::testing::Test {
 protected:
  void SetUp() override {
    std::signal(SIGPIPE, SIG_IGN);  // OpenSSL's clients write without MSG_NOSIGNAL
    std::string pattern = (std::filesystem::temp_directory_path() / "endpoint_test.XXXXXX").string();
    ASSERT_NE(::mkdtemp(pattern.data()), nullptr);
    directory_ = pattern;
    keyring_.emplace(*TokenKeyring::open(directory_ / "token.key"));
    const auto authority = CertificateAuthority::open(directory_, SystemClock().wall());
    certificate_ = *authority->endpoint_certificate("us-east-1", "localhost", SystemClock().wall());
    client_context_ = SSL_CTX_new(TLS_client_method());
    ASSERT_EQ(SSL_CTX_load_verify_file(client_context_, authority->certificate_file().c_str()), 1);
    SSL_CTX_set_verify(client_context_, SSL_VERIFY_PEER, nullptr);
    options_.listen = {"127.0.0.1:0"};
    options_.listen_plain = {"127.0.0.1:0"};
  }
  void TearDown() override {
    server_.reset();
    SSL_CTX_free(client_context_);
    std::filesystem::remove_all(directory_);
  }

  void start() {
    server_ = std::make_unique<EndpointServer>(options_, certificate_, backend_, *keyring_, clock_);
    const Status started = server_->start();
    ASSERT_TRUE(started.has_value()) << started.error().message();
  }
  std::unique_ptr<Client> client() { return std::make_unique<Client>(server_->ports()[0], client_context_); }
  std::unique_ptr<Client> plain_client() { return std::make_unique<Client>(server_->ports()[1], nullptr); }

  TokenClaims claims() const { return {TokenKind::kHttp, kAccount, kVm, {PortRange{}}, clock_.wall() + seconds(600)}; }
  std::string token() const { return *keyring_->issue(claims()); }
  // A request without body. `headers`: whole lines.
  std::string request(const std::string& line = "GET / HTTP/1.1", const std::string& headers = "") const {
    return line + "\r\nHost: " + kHost + ":9643\r\nX-aws-proxy-auth: " + token() + "\r\n" + headers + "\r\n";
  }
  std::string upgrade(const std::string& headers) const {
    return std::string("GET /ws HTTP/1.1\r\nHost: ") + kHost + "\r\nConnection: keep-alive, Upgrade\r\nUpgrade: websocket\r\n" +
           "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n" + headers + "\r\n";
  }
  // What the endpoint itself answers to a request that needs no guest.
  std::string answer_to(const std::string& text) {
    const auto asker = client();
    EXPECT_TRUE(asker->write(text));
    const std::string header = asker->read_header();
    const std::size_t at = header.find("Content-Length: ");
    return header + (at == std::string::npos ? "" : asker->read_exactly(std::stoul(header.substr(at + 16))));
  }

  std::filesystem::path directory_;
  FixedClock clock_;
  FakeBackend backend_;
  std::optional<TokenKeyring> keyring_;
  ServerCertificate certificate_;
  SSL_CTX* client_context_ = nullptr;
  EndpointServer::Options options_;
  std::unique_ptr<EndpointServer> server_;
};

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
  asker->write(request("GET / HTTP/1.1",
                       "x-AWS-proxy-port: 9000\r\nX-Aws-Proxy-Anything: x\r\nConnection: keep-alive, X-Hop\r\nX-Hop: 1\r\n"
                       "Keep-Alive: 5\r\nTE: trailers\r\nProxy-Connection: close\r\nx-amzn-requestid: forged\r\n"));
  const auto guest = backend_.next_guest();
  const std::string header = guest->read_header();
  for (const char* name : {"proxy", "Hop", "Keep-Alive", "TE:", "forged", "X-Forwarded"}) {
    EXPECT_THAT(header, Not(HasSubstr(name))) << header;
  }
  guest->write("HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close, X-Gone\r\nX-Gone: 1\r\nKeep-Alive: 1\r\n\r\n");
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
  expect(with_token("11111111-6a1f-4f0e-9a11-3c77a1d2f001.lambda-microvm.us-east-1.localhost", token()), "403",
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
  expect(std::string("GET / HTTP/1.1\r\nHost: ") + kHost + "\r\nX-aws-proxy-auth: " + *keyring_->issue(shell) + "\r\n\r\n");
  backend_.nobody_listens();
  expect(request());
  backend_.refuse(control::EndpointRefusal::kSuspended);
  expect(request());
}

TEST_F(EndpointServerTest, Answers502WhenTheApplicationEndsOrSpeaksNoHttp) {
  start();
  for (const char* spoken : {"", "nonsense\r\n\r\n", "HTTP/1.1 101 Switching Protocols\r\n\r\n",
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
  for (const char* headers : {"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n", "Transfer-Encoding: gzip\r\n",
                              "Transfer-Encoding: gzip, chunked\r\n", "Content-Length: 5\r\nContent-Length: 6\r\n",
                              "Content-Length: x\r\n"}) {
    EXPECT_THAT(answer_to(request("POST / HTTP/1.1", headers)), StartsWith("HTTP/1.1 400")) << headers;
  }
  EXPECT_THAT(answer_to(request("GET http://elsewhere/ HTTP/1.1")), StartsWith("HTTP/1.1 400"));
  EXPECT_THAT(answer_to(request("CONNECT elsewhere:80 HTTP/1.1")), StartsWith("HTTP/1.1 400"));
  EXPECT_THAT(answer_to("nonsense\r\n\r\n"), StartsWith("HTTP/1.1 400"));
  EXPECT_THAT(answer_to(request("GET / HTTP/1.1", "X-Long: " + std::string(70'000, 'x') + "\r\n")), StartsWith("HTTP/1.1 400"));
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
  constexpr std::size_t kSize = 100 << 20;
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
    const std::string piece = asker->read_some();
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
  asker->write(upgrade("Sec-WebSocket-Protocol: lambda-microvms, lambda-microvms.authentication." + token() + "\r\n"
                       "Sec-WebSocket-Protocol: chat, lambda-microvms.port.9001\r\n") + "early");
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
  guest->write("HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
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
    EXPECT_EQ(server_->start().error().message(), std::string("endpoint address '") + address +
                                                      "': no address and port; write it like 127.0.0.1:9643 or [::1]:9643");
  }
  options_.listen = {"127.0.0.1:0"};
  server_ = std::make_unique<EndpointServer>(options_, ServerCertificate{"x", "y"}, backend_, *keyring_, clock_);
  EXPECT_EQ(server_->start().error().kind(), ErrorKind::kInvalidArgument);
}

}  // namespace
}  // namespace dormouse::proxy
