// SPDX-License-Identifier: Apache-2.0
//
// Private to network/: includes Asio.

#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include <boost/asio/awaitable.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/ip/udp.hpp>
#include <boost/asio/steady_timer.hpp>

#include "base/clock.h"
#include "base/unique_fd.h"
#include "os/task_group.h"

namespace dormouse::network {

inline constexpr std::size_t kDnsUdpBytesMax = 4'096;
inline constexpr std::size_t kDnsTcpBytesMax = 65'535;

// The addresses of "nameserver" lines, three at most as in resolv.conf(5); 127.0.0.1 when there is none.
std::vector<boost::asio::ip::address> parse_resolv_conf(std::string_view text);

// The host's resolvers, read anew when the file has changed (looked at once a second at most). On one thread only.
class Resolvers {
 public:
  explicit Resolvers(std::filesystem::path resolv_conf) : path_(std::move(resolv_conf)) {}
  const std::vector<boost::asio::ip::address>& current();

 private:
  const std::filesystem::path path_;
  SteadyTime looked_at_{};
  std::filesystem::file_time_type read_version_{};
  std::vector<boost::asio::ip::address> addresses_;
};

enum class DnsAnswerCode : std::uint8_t { kServerFailure = 2, kRefused = 5 };

// Whether `message` is a query that can be forwarded: a whole header (RFC 1035 section 4.1.1) with QR clear.
bool is_dns_query(std::string_view message);
// An answer to `query` without records: its header and question, with a response code.
std::string dns_answer_without_records(std::string_view query, DnsAnswerCode code);
// The header and question of an answer that is too long for UDP, with TC set: the asker comes again over TCP.
std::string truncated_dns_answer(std::string_view answer);

// Forwards one VM's DNS queries, unread, from its gateway to the host's resolvers, over UDP and TCP.
//
// Every query goes out under a random id on a socket of its own that is connected to the resolver, so that nobody else can
// answer it, and an answer counts only if it repeats the question. Resolvers are asked in turn; when none answers, the asker
// is told SERVFAIL. Queries beyond the limit are dropped (over UDP the asker asks again). On the I/O thread only; the owner
// calls close() and waits for `tasks` before destroying.
class DnsForwarder {
 public:
  struct Options {
    std::uint16_t port = 53;        // of the resolvers
    std::size_t queries_max = 128;  // outstanding over UDP, per VM
    std::size_t connections_max = 16;
    std::chrono::milliseconds try_timeout{2'000};  // for one resolver to answer
    int rounds = 2;                                // how often all resolvers are asked
    std::chrono::milliseconds connection_idle_timeout{10'000};
  };

  // `refuse`: everything is answered REFUSED. Throws boost::system::system_error when a descriptor is no such socket.
  DnsForwarder(os::TaskGroup& tasks,
               const boost::asio::any_io_executor& executor,
               const Options& options,
               Resolvers& resolvers,
               UniqueFd udp,
               UniqueFd tcp,
               bool refuse);

  void start();
  void close();

 private:
  using Udp = boost::asio::ip::udp;
  using Tcp = boost::asio::ip::tcp;
  template <typename T>
  using Task = boost::asio::awaitable<T>;

  Task<void> serve_udp();
  Task<void> answer_udp(std::string query, Udp::endpoint asker);
  Task<std::optional<std::string>> ask_udp(std::string query, boost::asio::ip::address resolver);
  Task<void> serve_tcp();
  Task<void> answer_tcp(Tcp::socket asker);
  Task<std::string> resolve_over_tcp(std::string query);
  Task<std::optional<std::string>> ask_tcp(std::string query, boost::asio::ip::address resolver);
  Task<void> pause();  // after an error that may last, so that a loop does not spin

  // Constant after construction.
  os::TaskGroup& tasks_;
  const boost::asio::any_io_executor executor_;
  const Options options_;
  Resolvers& resolvers_;
  const bool refuse_;

  Udp::socket udp_;
  Tcp::acceptor tcp_;
  std::set<Udp::socket*> udp_sockets_;  // of queries under way
  std::set<Tcp::socket*> tcp_sockets_;  // of connections under way, to resolvers and from the guest
  std::size_t queries_ = 0;
  std::size_t connections_ = 0;
  std::set<boost::asio::steady_timer*> pauses_;
  bool closed_ = false;
};

}  // namespace dormouse::network
