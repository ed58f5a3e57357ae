// SPDX-License-Identifier: Apache-2.0

#include "network/egress_server.h"

#include <netinet/in.h>
#include <sys/socket.h>

#include <algorithm>
#include <cstring>
#include <future>
#include <map>
#include <optional>
#include <set>
#include <stdexcept>
#include <system_error>
#include <utility>
#include <vector>

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/write.hpp>

#include "base/log.h"
#include "network/dns_forwarder.h"
#include "os/io_thread.h"
#include "os/task_group.h"
#include "os/watchdog.h"

namespace dormouse::network {

namespace asio = boost::asio;
using asio::ip::tcp;

namespace {

constexpr auto kAwait = asio::as_tuple(asio::use_awaitable);
constexpr std::size_t kBufferBytes = 64 * 1024;
// SO_ORIGINAL_DST and IP6T_SO_ORIGINAL_DST, whose headers clash with netinet/in.h.
constexpr int kOriginalDestinationOption = 80;

using ErrorCode = boost::system::error_code;

// Where a redirected connection was to go.
std::optional<tcp::endpoint> original_destination(tcp::socket& socket, bool is_v6) {
  sockaddr_storage storage{};
  socklen_t length = sizeof storage;
  const int level = is_v6 ? IPPROTO_IPV6 : IPPROTO_IP;
  if (::getsockopt(socket.native_handle(), level, kOriginalDestinationOption, &storage, &length) != 0) {
    return std::nullopt;
  }
  tcp::endpoint endpoint = is_v6 ? tcp::endpoint(tcp::v6(), 0) : tcp::endpoint(tcp::v4(), 0);
  if (length < endpoint.size()) {
    return std::nullopt;
  }
  std::memcpy(endpoint.data(), &storage, endpoint.size());
  return endpoint;
}

IpAddress to_ip_address(const asio::ip::address& address) {
  IpAddress result;
  if (address.is_v4()) {
    const auto bytes = address.to_v4().to_bytes();
    std::copy(bytes.begin(), bytes.end(), result.bytes.begin());
  } else {
    result.is_v6 = true;
    result.bytes = address.to_v6().to_bytes();
  }
  return result;
}

// Closes with a reset instead of an end.
void reset(tcp::socket& socket) {
  ErrorCode ignored;
  socket.set_option(asio::socket_base::linger(true, 0), ignored);
  socket.close(ignored);
}

// What the VMs have in common. On the I/O thread only.
class Judge {
 public:
  explicit Judge(AddressPolicy policy) : policy_(std::move(policy)) {}

  bool allows(const asio::ip::address& address) {
    const SteadyTime now = std::chrono::steady_clock::now();
    if (!looked_ || now - looked_at_ >= std::chrono::seconds(1)) {
      auto addresses = interface_addresses();
      if (!addresses) {
        log::warning("the host's own addresses cannot be read: egress is refused",
                     {{"error", addresses.error().message()}});
        return false;
      }
      policy_.set_host_addresses(std::move(*addresses));
      looked_ = true;
      looked_at_ = now;
    }
    return policy_.allows(to_ip_address(address));
  }

 private:
  AddressPolicy policy_;
  bool looked_ = false;
  SteadyTime looked_at_{};
};

// One connection of a guest's and the one made for it. Two coroutines share it, one a direction.
class Relay {
 public:
  Relay(tcp::socket guest, std::set<Relay*>& relays, std::chrono::milliseconds idle_timeout)
      : guest_(std::move(guest)),
        remote_(guest_.get_executor()),
        watchdog_(guest_.get_executor(), [this] { abort(); }),
        relays_(relays),
        idle_timeout_(idle_timeout) {
    relays_.insert(this);
  }
  ~Relay() { relays_.erase(this); }
  Relay(const Relay&) = delete;
  Relay& operator=(const Relay&) = delete;

  // False, and the guest's connection reset, when there is no connection within the time.
  asio::awaitable<bool> connect(tcp::endpoint destination, std::chrono::milliseconds timeout) {
    if (!guest_.is_open()) {
      co_return false;
    }
    watchdog_.expire_after(timeout);
    auto [error] = co_await remote_.async_connect(destination, kAwait);
    if (error || !guest_.is_open()) {
      abort();
      co_return false;
    }
    ErrorCode ignored;
    for (tcp::socket* socket : {&guest_, &remote_}) {
      socket->set_option(tcp::no_delay(true), ignored);
    }
    watchdog_.expire_after(idle_timeout_);
    co_return true;
  }

  static asio::awaitable<void> pump_out(std::shared_ptr<Relay> self) {
    co_await self->pump(self->guest_, self->remote_);
  }
  static asio::awaitable<void> pump_in(std::shared_ptr<Relay> self) {
    co_await self->pump(self->remote_, self->guest_);
  }

  void abort() {
    watchdog_.stop();
    reset(guest_);
    reset(remote_);
  }

 private:
  asio::awaitable<void> pump(tcp::socket& from, tcp::socket& to) {
    std::vector<char> buffer(kBufferBytes);
    for (;;) {
      auto [read_error, size] = co_await from.async_read_some(asio::buffer(buffer), kAwait);
      if (read_error == asio::error::eof) {
        end(to);
        co_return;
      }
      if (read_error) {
        abort();
        co_return;
      }
      watchdog_.expire_after(idle_timeout_);
      auto [write_error, written] = co_await asio::async_write(to, asio::buffer(buffer.data(), size), kAwait);
      if (write_error) {
        abort();
        co_return;
      }
    }
  }

  void end(tcp::socket& to) {
    ErrorCode ignored;
    to.shutdown(tcp::socket::shutdown_send, ignored);
    if (++ended_ == 2) {
      watchdog_.stop();
      guest_.close(ignored);
      remote_.close(ignored);
    }
  }

  tcp::socket guest_;
  tcp::socket remote_;
  os::Watchdog watchdog_;
  std::set<Relay*>& relays_;
  const std::chrono::milliseconds idle_timeout_;
  int ended_ = 0;
};

// One VM's listeners and connections.
class Gateway {
 public:
  Gateway(const asio::any_io_executor& executor,
          const EgressServer::Options& options,
          Judge& judge,
          Resolvers& resolvers,
          const std::string& vm_id,
          EgressServer::Listeners listeners,
          Egress egress)
      : options_(options),
        judge_(judge),
        vm_id_(vm_id),
        egress_(egress),
        acceptor_(executor),
        pause_(executor),
        tasks_(executor),
        dns_(tasks_,
             executor,
             dns_options(options),
             resolvers,
             std::move(listeners.dns_udp),
             std::move(listeners.dns_tcp),
             egress == Egress::kNone) {
    int domain = 0;
    socklen_t length = sizeof domain;
    const int listener = listeners.tcp_redirect_listener.get();
    if (::getsockopt(listener, SOL_SOCKET, SO_DOMAIN, &domain, &length) != 0) {
      throw std::system_error(errno, std::generic_category(), "SO_DOMAIN of the listener");
    }
    is_v6_ = domain == AF_INET6;
    acceptor_.assign(is_v6_ ? tcp::v6() : tcp::v4(), listener);
    [[maybe_unused]] const int owned = listeners.tcp_redirect_listener.release();
  }

  void start() {
    tasks_.spawn("egress listener", accept());
    dns_.start();
  }

  void close(std::function<void()> closed) {
    closed_ = true;
    ErrorCode ignored;
    acceptor_.close(ignored);
    pause_.cancel();
    dns_.close();
    for (Relay* relay : relays_) {
      relay->abort();
    }
    tasks_.when_empty(std::move(closed));
  }

  std::size_t connections() const { return relays_.size(); }

 private:
  static DnsForwarder::Options dns_options(const EgressServer::Options& options) {
    DnsForwarder::Options result;
    result.port = options.resolver_port;
    result.try_timeout = options.resolver_timeout;
    return result;
  }

  asio::awaitable<void> accept() {
    while (!closed_) {
      tcp::socket socket(acceptor_.get_executor());
      auto [error] = co_await acceptor_.async_accept(socket, kAwait);
      if (error && !closed_) {  // out of descriptors, for one
        pause_.expires_after(std::chrono::milliseconds(100));
        co_await pause_.async_wait(kAwait);
        continue;
      }
      if (error || closed_ || egress_ == Egress::kNone || relays_.size() >= options_.connections_per_vm_max) {
        reset(socket);
        continue;
      }
      auto relay_destination = original_destination(socket, is_v6_);
      if (!relay_destination || !judge_.allows(relay_destination->address())) {
        log::debug("egress denied", {{"vm", vm_id_}, {"destination", text_of(relay_destination)}});
        reset(socket);
        continue;
      }
      auto relay = std::make_shared<Relay>(std::move(socket), relays_, options_.idle_timeout);
      tasks_.spawn("egress relay", serve(std::move(relay), *relay_destination));
    }
  }

  asio::awaitable<void> serve(std::shared_ptr<Relay> relay, tcp::endpoint destination) {
    const bool connected = co_await relay->connect(destination, options_.connect_timeout);
    if (!connected) {
      co_return;
    }
    tasks_.spawn("egress relay inwards", Relay::pump_in(relay));
    co_await Relay::pump_out(relay);
  }

  static std::string text_of(const std::optional<tcp::endpoint>& endpoint) {
    return endpoint ? endpoint->address().to_string() + " port " + std::to_string(endpoint->port()) : "unknown";
  }

  const EgressServer::Options& options_;
  Judge& judge_;
  const std::string vm_id_;
  const Egress egress_;
  bool is_v6_ = false;

  tcp::acceptor acceptor_;
  asio::steady_timer pause_;
  std::set<Relay*> relays_;
  bool closed_ = false;
  os::TaskGroup tasks_;
  DnsForwarder dns_;
};

}  // namespace

class EgressServer::Implementation {
 public:
  explicit Implementation(Options options)
      : options_(std::move(options)), judge_(options_.policy), resolvers_(options_.resolv_conf), io_("egress") {}

  ~Implementation() {
    std::vector<std::string> ids = io_.run([this] {
      std::vector<std::string> result;
      for (const auto& [id, gateway] : gateways_) {
        result.push_back(id);
      }
      return result;
    });
    for (const std::string& id : ids) {
      remove(id);
    }
  }

  Status add(const std::string& vm_id, Listeners listeners, Egress egress) {
    return io_.run([&]() -> Status {
      if (gateways_.contains(vm_id)) {
        return fail(ErrorKind::kConflict, "egress of " + vm_id + ": already served");
      }
      try {
        auto gateway = std::make_unique<Gateway>(
            io_.context().get_executor(), options_, judge_, resolvers_, vm_id, std::move(listeners), egress);
        gateway->start();
        gateways_.emplace(vm_id, std::move(gateway));
      } catch (const std::runtime_error& error) {  // Boost's system_error is no std::system_error
        return fail(ErrorKind::kInvalidArgument, "egress of " + vm_id + ": listeners: " + error.what());
      }
      return {};
    });
  }

  void remove(const std::string& vm_id) {
    std::promise<void> gone;
    asio::post(io_.context(), [this, &vm_id, &gone] {
      const auto found = gateways_.find(vm_id);
      if (found == gateways_.end()) {
        gone.set_value();
        return;
      }
      std::shared_ptr<Gateway> gateway = std::move(found->second);
      gateways_.erase(found);
      gateway->close([this, gateway, &gone] {
        // Not here: the last task's handler is still on the stack, in the gateway's own group.
        asio::post(io_.context(), [gateway, &gone]() mutable {
          gateway.reset();
          gone.set_value();
        });
      });
    });
    gone.get_future().wait();
  }

  std::size_t connections(const std::string& vm_id) {
    return io_.run([&] {
      const auto found = gateways_.find(vm_id);
      return found == gateways_.end() ? std::size_t{0} : found->second->connections();
    });
  }

 private:
  const Options options_;

  // Used on the I/O thread only.
  Judge judge_;
  Resolvers resolvers_;
  std::map<std::string, std::unique_ptr<Gateway>> gateways_;

  os::IoThread io_;  // last: the rest outlives it
};

EgressServer::EgressServer(std::unique_ptr<Implementation> implementation)
    : implementation_(std::move(implementation)) {}
EgressServer::~EgressServer() = default;

Result<std::unique_ptr<EgressServer>> EgressServer::start(Options options) {
  try {
    auto implementation = std::make_unique<Implementation>(std::move(options));
    return std::unique_ptr<EgressServer>(new EgressServer(std::move(implementation)));
  } catch (const std::runtime_error& error) {
    return fail(ErrorKind::kResourceExhausted, std::string("egress server: thread: ") + error.what());
  }
}

Status EgressServer::add(const std::string& vm_id, Listeners listeners, Egress egress) {
  return implementation_->add(vm_id, std::move(listeners), egress);
}
void EgressServer::remove(const std::string& vm_id) { implementation_->remove(vm_id); }
std::size_t EgressServer::connections(const std::string& vm_id) const { return implementation_->connections(vm_id); }

}  // namespace dormouse::network
