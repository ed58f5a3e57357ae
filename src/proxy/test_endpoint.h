// SPDX-License-Identifier: Apache-2.0
#pragma once

// What the tests of the endpoint play: the application at the other end of a socket pair, the control layer that the test
// steers, clients that verify the certificate, and the fixture that joins them around a real server.

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <sys/time.h>

#include <algorithm>
#include <atomic>
#include <charconv>
#include <chrono>
#include <condition_variable>
#include <csignal>
#include <cstdlib>
#include <deque>
#include <filesystem>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <gtest/gtest.h>
#include <openssl/ssl.h>

#include "proxy/endpoint_server.h"

namespace dormouse::proxy {

inline constexpr char kEndpointId[] = "0b0f2a10-6a1f-4f0e-9a11-3c77a1d2f001";
inline constexpr char kHost[] = "0b0f2a10-6a1f-4f0e-9a11-3c77a1d2f001.lambda-microvm.us-east-1.localhost";
inline constexpr char kVm[] = "microvm-6f1c5c1e-55f4-4b6a-9f57-3a1f0f2f7c11";
inline constexpr char kAccount[] = "000000000000";

inline void set_patience(int socket) {
  const timeval patience{60, 0};
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
    const std::lock_guard lock(mutex_);
    return endpoint_id == kEndpointId ? std::optional(Target{kVm, kAccount, "", limits_}) : std::nullopt;
  }

  void acquire(const std::string& microvm_id,
               std::function<void()> revoked,
               control::LeaseHandler handler,
               const tracing::Cause& /*cause*/) override {
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
    if (!changed_.wait_for(lock, std::chrono::seconds(60), [this] { return !guests_.empty(); })) {
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
    EXPECT_TRUE(changed_.wait_for(lock, std::chrono::seconds(60), [&] { return waiting_.size() >= count; }));
  }
  void await_released() {
    std::unique_lock lock(mutex_);
    EXPECT_TRUE(changed_.wait_for(lock, std::chrono::seconds(60), [&] { return leases_ == 0; })) << leases_;
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
  void limit(const control::EndpointLimits& limits) {
    const std::lock_guard lock(mutex_);
    limits_ = limits;
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
  control::EndpointLimits limits_;
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
  WallTime wall() const override { return WallTime(std::chrono::seconds(now_.load())); }
  void advance(std::chrono::seconds by) { now_ += by.count(); }

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
      const auto size =
          tls_ != nullptr ? SSL_write(tls_, text.data(), static_cast<int>(std::min<std::size_t>(text.size(), 1 << 20)))
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
    end_ = size == 0 || (tls_ != nullptr && size < 0 && SSL_get_error(tls_, size) == SSL_ERROR_ZERO_RETURN)
               ? End::kOrderly
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

  TokenClaims claims() const {
    return {TokenKind::kHttp, kAccount, kVm, {PortRange{}}, clock_.wall() + std::chrono::seconds(600)};
  }
  std::string token() const { return *keyring_->issue(claims()); }
  // A request without body. `headers`: whole lines.
  std::string request(const std::string& line = "GET / HTTP/1.1", const std::string& headers = "") const {
    return line + "\r\nHost: " + kHost + ":9643\r\nX-aws-proxy-auth: " + token() + "\r\n" + headers + "\r\n";
  }
  std::string upgrade(const std::string& headers) const {
    return std::string("GET /ws HTTP/1.1\r\nHost: ") + kHost +
           "\r\nConnection: keep-alive, Upgrade\r\nUpgrade: websocket\r\n" +
           "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n" + headers + "\r\n";
  }
  // A request of this client's, which its guest answers with that body.
  void expect_answered(Client& asker, const std::string& body) {
    asker.write(request());
    const auto guest = backend_.next_guest();
    guest->read_header();
    guest->answer(body);
    EXPECT_THAT(asker.read_header(), ::testing::StartsWith("HTTP/1.1 200"));
    EXPECT_EQ(asker.read_exactly(body.size()), body);
  }
  // What the endpoint itself answers to a request that needs no guest.
  std::string answer_to(const std::string& text) {
    const auto asker = client();
    EXPECT_TRUE(asker->write(text));
    const std::string header = asker->read_header();
    const std::size_t at = header.find("Content-Length: ");
    std::size_t size = 0;
    if (at != std::string::npos) {
      std::from_chars(header.data() + at + 16, header.data() + header.size(), size);
    }
    return header + asker->read_exactly(size);
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

}  // namespace dormouse::proxy
