// SPDX-License-Identifier: Apache-2.0

#include "network/dns_forwarder.h"

#include <sys/random.h>

#include <algorithm>
#include <array>
#include <fstream>
#include <iterator>
#include <sstream>
#include <system_error>
#include <utility>

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/read.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/write.hpp>

#include "base/scope_exit.h"
#include "os/watchdog.h"

namespace dormouse::network {

namespace asio = boost::asio;

namespace {

constexpr auto kAwait = asio::as_tuple(asio::use_awaitable);
constexpr std::size_t kHeaderBytes = 12;
constexpr std::size_t kResolversMax = 3;
constexpr std::size_t kResolvConfBytesMax = 64 * 1024;

using ErrorCode = boost::system::error_code;

std::uint8_t byte_at(std::string_view text, std::size_t index) { return static_cast<std::uint8_t>(text[index]); }

// The end of the one question, or of the header when there is not exactly one well-formed question.
std::size_t question_end(std::string_view message) {
  if (byte_at(message, 4) != 0 || byte_at(message, 5) != 1) {
    return kHeaderBytes;
  }
  std::size_t at = kHeaderBytes;
  while (at < message.size() && byte_at(message, at) != 0) {
    if (byte_at(message, at) > 63) {
      return kHeaderBytes;  // compression has nothing to point to here
    }
    at += 1U + byte_at(message, at);
  }
  const std::size_t end = at + 1 + 4;  // the root label, type, class
  return end <= message.size() ? end : kHeaderBytes;
}

void set_id(std::string& message, std::string_view id) { message.replace(0, 2, id); }

std::string random_id() {
  std::string id(2, '\0');
  if (::getrandom(id.data(), id.size(), 0) != 2) {
    throw std::system_error(errno, std::generic_category(), "getrandom");
  }
  return id;
}

char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; }

// Whether `answer` is one to `query`: same id, a response, the same question (names compared without case; a server that
// refuses may leave the question out).
bool answers(std::string_view answer, std::string_view query) {
  if (answer.size() < kHeaderBytes || answer.substr(0, 2) != query.substr(0, 2) || (byte_at(answer, 2) & 0x80) == 0) {
    return false;
  }
  if (byte_at(answer, 4) == 0 && byte_at(answer, 5) == 0) {
    return true;
  }
  const std::string_view asked = query.substr(kHeaderBytes, question_end(query) - kHeaderBytes);
  const std::string_view repeated = answer.substr(kHeaderBytes, question_end(answer) - kHeaderBytes);
  const auto same = [](char a, char b) { return lower(a) == lower(b); };
  return std::equal(asked.begin(), asked.end(), repeated.begin(), repeated.end(), same);
}

std::string header_and_question(std::string_view message) {
  const std::size_t end = question_end(message);
  std::string result(message.substr(0, end));
  std::fill(result.begin() + (end > kHeaderBytes ? 6 : 4), result.begin() + kHeaderBytes, '\0');  // the counts
  return result;
}

template <typename Sockets, typename Socket>
auto registered(Sockets& sockets, Socket& socket) {
  sockets.insert(&socket);
  return ScopeExit([&sockets, &socket] { sockets.erase(&socket); });
}

std::string with_length(std::string_view message) {
  std::string result;
  result.push_back(static_cast<char>(message.size() >> 8));
  result.push_back(static_cast<char>(message.size() & 0xff));
  result += message;
  return result;
}

// One message with its length before it (RFC 1035 section 4.2.2); nothing at the end of the stream and on any error.
asio::awaitable<std::optional<std::string>> read_message(asio::ip::tcp::socket& socket) {
  std::array<unsigned char, 2> length{};
  auto [length_error, length_read] = co_await asio::async_read(socket, asio::buffer(length), kAwait);
  if (length_error) {
    co_return std::nullopt;
  }
  std::string message(static_cast<std::size_t>(length[0] << 8 | length[1]), '\0');
  auto [error, read] = co_await asio::async_read(socket, asio::buffer(message), kAwait);
  if (error) {
    co_return std::nullopt;
  }
  co_return message;
}

}  // namespace

std::vector<asio::ip::address> parse_resolv_conf(std::string_view text) {
  std::vector<asio::ip::address> result;
  std::istringstream lines{std::string(text)};
  for (std::string line; std::getline(lines, line) && result.size() < kResolversMax;) {
    std::istringstream words(line);
    std::string keyword;
    std::string value;
    ErrorCode error;
    if (words >> keyword >> value && keyword == "nameserver") {
      const auto address = asio::ip::make_address(value, error);
      if (!error) {
        result.push_back(address);
      }
    }
  }
  if (result.empty()) {
    result.push_back(asio::ip::address_v4::loopback());
  }
  return result;
}

const std::vector<asio::ip::address>& Resolvers::current() {
  const SteadyTime now = std::chrono::steady_clock::now();
  if (!addresses_.empty() && now - looked_at_ < std::chrono::seconds(1)) {
    return addresses_;
  }
  looked_at_ = now;
  std::error_code error;
  const auto version = std::filesystem::last_write_time(path_, error);
  if (!addresses_.empty() && !error && version == read_version_) {
    return addresses_;
  }
  read_version_ = version;
  std::ifstream file(path_);
  std::string text(kResolvConfBytesMax, '\0');
  file.read(text.data(), static_cast<std::streamsize>(text.size()));
  text.resize(static_cast<std::size_t>(std::max<std::streamsize>(file.gcount(), 0)));
  addresses_ = parse_resolv_conf(text);
  return addresses_;
}

bool is_dns_query(std::string_view message) {
  return message.size() >= kHeaderBytes && (byte_at(message, 2) & 0x80) == 0;
}

std::string dns_answer_without_records(std::string_view query, DnsAnswerCode code) {
  std::string answer = header_and_question(query);
  answer[2] = static_cast<char>((byte_at(answer, 2) & 0x79) | 0x80);  // QR; opcode and RD kept
  answer[3] = static_cast<char>(0x80 | static_cast<int>(code));       // RA
  return answer;
}

std::string truncated_dns_answer(std::string_view answer) {
  std::string result = header_and_question(answer);
  result[2] = static_cast<char>(byte_at(result, 2) | 0x02);
  return result;
}

DnsForwarder::DnsForwarder(os::TaskGroup& tasks,
                           const asio::any_io_executor& executor,
                           const Options& options,
                           Resolvers& resolvers,
                           UniqueFd udp,
                           UniqueFd tcp,
                           bool refuse)
    : tasks_(tasks),
      executor_(executor),
      options_(options),
      resolvers_(resolvers),
      refuse_(refuse),
      udp_(executor),
      tcp_(executor) {
  udp_.assign(Udp::v4(), udp.get());
  [[maybe_unused]] const int owned_udp = udp.release();
  tcp_.assign(Tcp::v4(), tcp.get());
  [[maybe_unused]] const int owned_tcp = tcp.release();
}

void DnsForwarder::start() {
  tasks_.spawn("DNS over UDP", serve_udp());
  tasks_.spawn("DNS over TCP", serve_tcp());
}

void DnsForwarder::close() {
  closed_ = true;
  ErrorCode ignored;
  udp_.close(ignored);
  tcp_.close(ignored);
  for (Udp::socket* socket : udp_sockets_) {
    socket->close(ignored);
  }
  for (Tcp::socket* socket : tcp_sockets_) {
    socket->close(ignored);
  }
  for (asio::steady_timer* timer : pauses_) {
    timer->cancel();
  }
}

asio::awaitable<void> DnsForwarder::pause() {
  if (closed_) {
    co_return;
  }
  asio::steady_timer timer(executor_, std::chrono::milliseconds(100));
  const auto registration = registered(pauses_, timer);
  co_await timer.async_wait(kAwait);
}

asio::awaitable<void> DnsForwarder::serve_udp() {
  std::string buffer(kDnsUdpBytesMax + 1, '\0');
  Udp::endpoint asker;
  while (!closed_) {
    auto [error, size] = co_await udp_.async_receive_from(asio::buffer(buffer), asker, kAwait);
    if (error) {
      co_await pause();
      continue;
    }
    std::string query = buffer.substr(0, size);
    if (size > kDnsUdpBytesMax || !is_dns_query(query)) {
      continue;
    }
    if (refuse_) {
      const std::string refusal = dns_answer_without_records(query, DnsAnswerCode::kRefused);
      co_await udp_.async_send_to(asio::buffer(refusal), asker, kAwait);
    } else if (queries_ < options_.queries_max) {
      tasks_.spawn("DNS query", answer_udp(std::move(query), asker));
    }
  }
}

asio::awaitable<void> DnsForwarder::answer_udp(std::string query, Udp::endpoint asker) {
  ++queries_;
  const ScopeExit count([this] { --queries_; });
  std::optional<std::string> answer;
  for (int round = 0; round < options_.rounds && !answer && !closed_; ++round) {
    const std::vector<asio::ip::address> resolvers = resolvers_.current();
    for (std::size_t i = 0; i < resolvers.size() && !answer && !closed_; ++i) {
      answer = co_await ask_udp(query, resolvers[i]);
    }
  }
  if (closed_) {
    co_return;
  }
  if (!answer) {
    answer = dns_answer_without_records(query, DnsAnswerCode::kServerFailure);
  }
  co_await udp_.async_send_to(asio::buffer(*answer), asker, kAwait);
}

asio::awaitable<std::optional<std::string>> DnsForwarder::ask_udp(std::string query, asio::ip::address resolver) {
  const std::string asked_id = query.substr(0, 2);
  const Udp::endpoint endpoint(resolver, options_.port);
  Udp::socket socket(executor_);
  ErrorCode error;
  socket.open(endpoint.protocol(), error);
  if (error || socket.connect(endpoint, error)) {
    co_return std::nullopt;
  }
  const auto registration = registered(udp_sockets_, socket);
  os::Watchdog watchdog(executor_, [&socket] {
    ErrorCode ignored;
    socket.close(ignored);
  });
  watchdog.expire_after(options_.try_timeout);
  set_id(query, random_id());
  auto [send_error, sent] = co_await socket.async_send(asio::buffer(query), kAwait);
  std::string answer(kDnsUdpBytesMax + 1, '\0');
  while (!send_error && socket.is_open()) {
    auto [receive_error, size] = co_await socket.async_receive(asio::buffer(answer), kAwait);
    if (receive_error) {
      break;
    }
    const std::string_view received = std::string_view(answer).substr(0, size);
    if (!answers(received, query)) {
      continue;
    }
    std::string result = size > kDnsUdpBytesMax ? truncated_dns_answer(received) : std::string(received);
    set_id(result, asked_id);
    co_return result;
  }
  co_return std::nullopt;
}

asio::awaitable<void> DnsForwarder::serve_tcp() {
  while (!closed_) {
    Tcp::socket socket(executor_);
    auto [error] = co_await tcp_.async_accept(socket, kAwait);
    if (error) {
      co_await pause();
      continue;
    }
    if (connections_ < options_.connections_max) {
      tasks_.spawn("DNS connection", answer_tcp(std::move(socket)));
    }
  }
}

asio::awaitable<void> DnsForwarder::answer_tcp(Tcp::socket asker) {
  ++connections_;
  const ScopeExit count([this] { --connections_; });
  const auto registration = registered(tcp_sockets_, asker);
  os::Watchdog watchdog(executor_, [&asker] {
    ErrorCode ignored;
    asker.close(ignored);
  });
  const auto slowest_answer = options_.try_timeout * options_.rounds * kResolversMax;
  while (!closed_) {
    watchdog.expire_after(options_.connection_idle_timeout);
    std::optional<std::string> query = co_await read_message(asker);
    if (!query || !is_dns_query(*query)) {
      co_return;
    }
    watchdog.expire_after(options_.connection_idle_timeout + slowest_answer);
    const std::string answer = co_await resolve_over_tcp(std::move(*query));
    const std::string framed = with_length(answer);
    auto [error, written] = co_await asio::async_write(asker, asio::buffer(framed), kAwait);
    if (error) {
      co_return;
    }
  }
}

asio::awaitable<std::string> DnsForwarder::resolve_over_tcp(std::string query) {
  if (refuse_) {
    co_return dns_answer_without_records(query, DnsAnswerCode::kRefused);
  }
  for (int round = 0; round < options_.rounds; ++round) {
    const std::vector<asio::ip::address> resolvers = resolvers_.current();
    for (std::size_t i = 0; i < resolvers.size() && !closed_; ++i) {
      std::optional<std::string> answer = co_await ask_tcp(query, resolvers[i]);
      if (answer) {
        co_return std::move(*answer);
      }
    }
  }
  co_return dns_answer_without_records(query, DnsAnswerCode::kServerFailure);
}

asio::awaitable<std::optional<std::string>> DnsForwarder::ask_tcp(std::string query, asio::ip::address resolver) {
  const std::string asked_id = query.substr(0, 2);
  Tcp::socket socket(executor_);
  const auto registration = registered(tcp_sockets_, socket);
  os::Watchdog watchdog(executor_, [&socket] {
    ErrorCode ignored;
    socket.close(ignored);
  });
  watchdog.expire_after(options_.try_timeout);
  const Tcp::endpoint endpoint(resolver, options_.port);
  auto [connect_error] = co_await socket.async_connect(endpoint, kAwait);
  if (connect_error) {
    co_return std::nullopt;
  }
  set_id(query, random_id());
  const std::string framed = with_length(query);
  auto [write_error, written] = co_await asio::async_write(socket, asio::buffer(framed), kAwait);
  if (write_error) {
    co_return std::nullopt;
  }
  std::optional<std::string> answer = co_await read_message(socket);
  if (!answer || !answers(*answer, query)) {
    co_return std::nullopt;
  }
  set_id(*answer, asked_id);
  co_return answer;
}

}  // namespace dormouse::network
