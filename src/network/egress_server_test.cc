// SPDX-License-Identifier: Apache-2.0
//
// Real sockets in four network namespaces that nothing names, so that they vanish with the test:
//
//     guest 10.0.2.15 --- 10.0.2.2 vm   (rules redirect to the listener)
//                                  host 198.51.100.1 --- 198.51.100.2, 10.99.0.2 remote
//
// The egress server runs in "host". Needs root; skipped without.

#include "network/egress_server.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <sched.h>
#include <sys/socket.h>
#include <sys/time.h>

#include <cstring>
#include <filesystem>
#include <fstream>
#include <functional>
#include <future>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

#include "os/command.h"

namespace dormouse::network {
namespace {

using std::chrono::milliseconds;

constexpr char kRules[] = R"(table inet test {
  chain outgoing {
    type nat hook prerouting priority dstnat; policy accept;
    iifname "tap0" ip daddr != 10.0.2.2 meta l4proto tcp redirect to :1
  }
})";

class NetworkNamespace {
 public:
  static NetworkNamespace create() {
    NetworkNamespace result;
    std::thread([&result] {
      if (::unshare(CLONE_NEWNET) == 0) {
        result.descriptor_ = UniqueFd(::open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC));
      }
    }).join();
    return result;
  }

  bool valid() const { return static_cast<bool>(descriptor_); }
  std::string path() const {
    return "/proc/" + std::to_string(::getpid()) + "/fd/" + std::to_string(descriptor_.get());
  }

  // On a thread of its own: the test's stays where it is.
  void run(const std::function<void()>& action) const {
    std::thread([&] {
      ASSERT_EQ(::setns(descriptor_.get(), CLONE_NEWNET), 0) << std::strerror(errno);
      action();
    }).join();
  }

  void shell(const std::string& script) const {
    run([&] {
      os::Command command;
      command.arguments = {"/bin/sh", "-ec", script};
      command.environment = {"PATH=/usr/sbin:/usr/bin:/sbin:/bin"};
      const auto output = os::run_for_output(command, 10'000, os::Context::with_timeout(milliseconds(20'000)));
      ASSERT_TRUE(output.has_value()) << script << ": " << output.error().message();
    });
  }

 private:
  UniqueFd descriptor_;
};

sockaddr_in address_of(const char* address, std::uint16_t port) {
  sockaddr_in result{};
  result.sin_family = AF_INET;
  result.sin_port = htons(port);
  EXPECT_EQ(::inet_pton(AF_INET, address, &result.sin_addr), 1);
  return result;
}

UniqueFd socket_in(const NetworkNamespace& where, int type) {
  UniqueFd result;
  where.run([&] { result.reset(::socket(AF_INET, type | SOCK_CLOEXEC, 0)); });
  const timeval patience{20, 0};
  EXPECT_EQ(::setsockopt(result.get(), SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience), 0);
  const int yes = 1;
  EXPECT_EQ(::setsockopt(result.get(), SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes), 0);
  return result;
}

UniqueFd bound(const NetworkNamespace& where, int type, const char* address, std::uint16_t port) {
  UniqueFd result = socket_in(where, type);
  const sockaddr_in name = address_of(address, port);
  EXPECT_EQ(::bind(result.get(), reinterpret_cast<const sockaddr*>(&name), sizeof name), 0) << std::strerror(errno);
  if (type == SOCK_STREAM) {
    EXPECT_EQ(::listen(result.get(), 64), 0);
  }
  return result;
}

UniqueFd connected(const NetworkNamespace& where, int type, const char* address, std::uint16_t port) {
  UniqueFd result = socket_in(where, type);
  const sockaddr_in name = address_of(address, port);
  EXPECT_EQ(::connect(result.get(), reinterpret_cast<const sockaddr*>(&name), sizeof name), 0) << std::strerror(errno);
  return result;
}

UniqueFd accepted(const UniqueFd& listener) {
  UniqueFd result(::accept4(listener.get(), nullptr, nullptr, SOCK_CLOEXEC));
  EXPECT_TRUE(result) << "nobody connected: " << std::strerror(errno);
  return result;
}

bool nobody_waits(const UniqueFd& listener) {
  return ::fcntl(listener.get(), F_SETFL, O_NONBLOCK) == 0 &&
         ::accept4(listener.get(), nullptr, nullptr, SOCK_CLOEXEC) < 0 && errno == EAGAIN;
}

void send_all(const UniqueFd& socket, std::string_view text) {
  while (!text.empty()) {
    const ssize_t sent = ::send(socket.get(), text.data(), text.size(), MSG_NOSIGNAL);
    ASSERT_GT(sent, 0) << std::strerror(errno);
    text.remove_prefix(static_cast<std::size_t>(sent));
  }
}

std::string receive(const UniqueFd& socket) {
  std::string buffer(70'000, '\0');
  const ssize_t size = ::recv(socket.get(), buffer.data(), buffer.size(), 0);
  EXPECT_GE(size, 0) << std::strerror(errno);
  buffer.resize(size < 0 ? 0 : static_cast<std::size_t>(size));
  return buffer;
}

std::string receive_exactly(const UniqueFd& socket, std::size_t size) {
  std::string buffer(size, '\0');
  const ssize_t got = ::recv(socket.get(), buffer.data(), size, MSG_WAITALL);
  EXPECT_EQ(got, static_cast<ssize_t>(size)) << std::strerror(errno);
  return buffer;
}

std::string receive_to_end(const UniqueFd& socket) {
  std::string result;
  for (std::string piece = receive(socket); !piece.empty(); piece = receive(socket)) {
    result += piece;
  }
  return result;
}

bool was_reset(const UniqueFd& socket) {
  char byte = 0;
  return ::recv(socket.get(), &byte, 1, 0) < 0 && errno == ECONNRESET;
}

class EgressServerTest : public ::testing::Test {
 protected:
  void SetUp() override {
    for (NetworkNamespace* name_space : {&guest_, &vm_, &host_, &remote_}) {
      *name_space = NetworkNamespace::create();
      if (!name_space->valid()) {
        GTEST_SKIP() << "no network namespace can be made here (root is needed): " << std::strerror(errno);
      }
    }
    vm_.shell("ip link set lo up; ip link add tap0 type veth peer name eth0 netns " + guest_.path() +
              "; ip address add 10.0.2.2/24 dev tap0; ip link set tap0 up\nnft -f - <<'END'\n" + kRules + "\nEND\n");
    guest_.shell(
        "ip link set lo up; ip address add 10.0.2.15/24 dev eth0; ip link set eth0 up; ip route add default via "
        "10.0.2.2");
    host_.shell("ip link set lo up; ip link add up0 type veth peer name eth0 netns " + remote_.path() +
                "; ip address add 198.51.100.1/24 dev up0; ip link set up0 up; ip route add default via 198.51.100.2");
    remote_.shell(
        "ip link set lo up; ip address add 198.51.100.2/24 dev eth0; ip link set eth0 up; "
        "ip address add 10.99.0.2/32 dev lo; ip address add 169.254.169.254/32 dev lo");
    resolv_conf_ = std::filesystem::temp_directory_path() / ("egress_test_resolv." + std::to_string(::getpid()));
    std::ofstream(resolv_conf_) << "# comment\nnameserver 198.51.100.2\n";
    options_.policy = *AddressPolicy::create({});
    options_.resolv_conf = resolv_conf_;
    options_.resolver_port = 5353;
  }

  void TearDown() override {
    server_.reset();
    std::filesystem::remove(resolv_conf_);
  }

  void serve(Egress egress = Egress::kInternet) {
    host_.run([&] {
      auto server = EgressServer::start(options_);
      ASSERT_TRUE(server.has_value());
      server_ = std::move(*server);
    });
    const Status added = server_->add("vm", listeners(), egress);
    ASSERT_TRUE(added.has_value()) << added.error().message();
  }

  EgressServer::Listeners listeners() const {
    return {bound(vm_, SOCK_STREAM, "10.0.2.2", 1),
            bound(vm_, SOCK_DGRAM, "10.0.2.2", 53),
            bound(vm_, SOCK_STREAM, "10.0.2.2", 53)};
  }

  NetworkNamespace guest_, vm_, host_, remote_;
  std::filesystem::path resolv_conf_;
  EgressServer::Options options_;
  std::unique_ptr<EgressServer> server_;
};

TEST_F(EgressServerTest, RelaysBothWaysAndPassesOnTheEndOfEitherSide) {
  serve();
  const UniqueFd listener = bound(remote_, SOCK_STREAM, "198.51.100.2", 7000);
  const UniqueFd client = connected(guest_, SOCK_STREAM, "198.51.100.2", 7000);
  const UniqueFd server = accepted(listener);
  const std::string request(3'000'000, 'q');
  const std::string answer(2'000'000, 'a');
  auto sent = std::async(std::launch::async, [&] {
    send_all(client, request);
    ::shutdown(client.get(), SHUT_WR);
  });
  EXPECT_EQ(receive_to_end(server), request);  // the end is seen while the other direction is open
  sent.get();
  auto answered = std::async(std::launch::async, [&] {
    send_all(server, answer);
    ::shutdown(server.get(), SHUT_WR);
  });
  EXPECT_EQ(receive_to_end(client), answer);
  answered.get();
}

TEST_F(EgressServerTest, ResetsConnectionsToDeniedAddressesAndNeverMakesThem) {
  serve();
  const UniqueFd private_listener = bound(remote_, SOCK_STREAM, "10.99.0.2", 80);
  const UniqueFd metadata_listener = bound(remote_, SOCK_STREAM, "169.254.169.254", 80);
  const UniqueFd host_listener = bound(host_, SOCK_STREAM, "0.0.0.0", 80);
  for (const char* destination : {"10.99.0.2", "169.254.169.254", "198.51.100.1"}) {
    EXPECT_TRUE(was_reset(connected(guest_, SOCK_STREAM, destination, 80))) << destination;
  }
  EXPECT_TRUE(nobody_waits(private_listener));
  EXPECT_TRUE(nobody_waits(metadata_listener));
  EXPECT_TRUE(nobody_waits(host_listener));
}

TEST_F(EgressServerTest, ResetsADirectConnectionToTheListener) {
  serve();
  EXPECT_TRUE(was_reset(connected(guest_, SOCK_STREAM, "10.0.2.2", 1)));
}

TEST_F(EgressServerTest, AnAllowedExceptionOpensAPrivateAddress) {
  AddressPolicy::Options exceptions;
  exceptions.allowed = {"10.99.0.2"};
  options_.policy = *AddressPolicy::create(exceptions);
  serve();
  const UniqueFd listener = bound(remote_, SOCK_STREAM, "10.99.0.2", 80);
  const UniqueFd client = connected(guest_, SOCK_STREAM, "10.99.0.2", 80);
  send_all(accepted(listener), "mirror");
  EXPECT_EQ(receive(client), "mirror");
}

TEST_F(EgressServerTest, ResetsWhenNobodyListensAtTheDestination) {
  serve();
  EXPECT_TRUE(was_reset(connected(guest_, SOCK_STREAM, "198.51.100.2", 9)));
}

TEST_F(EgressServerTest, PassesOnAReset) {
  serve();
  const UniqueFd listener = bound(remote_, SOCK_STREAM, "198.51.100.2", 7000);
  const UniqueFd client = connected(guest_, SOCK_STREAM, "198.51.100.2", 7000);
  UniqueFd server = accepted(listener);
  const linger now{1, 0};
  ASSERT_EQ(::setsockopt(server.get(), SOL_SOCKET, SO_LINGER, &now, sizeof now), 0);
  server.reset();
  EXPECT_TRUE(was_reset(client));
}

TEST_F(EgressServerTest, RefusesEverythingWithoutEgress) {
  serve(Egress::kNone);
  const UniqueFd listener = bound(remote_, SOCK_STREAM, "198.51.100.2", 7000);
  EXPECT_TRUE(was_reset(connected(guest_, SOCK_STREAM, "198.51.100.2", 7000)));
  EXPECT_TRUE(nobody_waits(listener));
  const UniqueFd asker = connected(guest_, SOCK_DGRAM, "10.0.2.2", 53);
  send_all(asker, std::string("\x12\x34\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00", 12));
  EXPECT_EQ(receive(asker), std::string("\x12\x34\x81\x85\x00\x00\x00\x00\x00\x00\x00\x00", 12));
}

TEST_F(EgressServerTest, ResetsConnectionsBeyondTheLimit) {
  options_.connections_per_vm_max = 2;
  serve();
  const UniqueFd listener = bound(remote_, SOCK_STREAM, "198.51.100.2", 7000);
  const UniqueFd first = connected(guest_, SOCK_STREAM, "198.51.100.2", 7000);
  const UniqueFd first_server = accepted(listener);
  UniqueFd second = connected(guest_, SOCK_STREAM, "198.51.100.2", 7000);
  UniqueFd second_server = accepted(listener);
  EXPECT_EQ(server_->connections("vm"), 2U);
  EXPECT_TRUE(was_reset(connected(guest_, SOCK_STREAM, "198.51.100.2", 7000)));
  second.reset();
  EXPECT_EQ(receive(second_server), "");  // passed on
  second_server.reset();
  while (server_->connections("vm") == 2) {
    std::this_thread::yield();
  }
  const UniqueFd third = connected(guest_, SOCK_STREAM, "198.51.100.2", 7000);
  send_all(accepted(listener), "again");
  EXPECT_EQ(receive(third), "again");
}

TEST_F(EgressServerTest, ResetsAConnectionThatIsIdleForTooLong) {
  options_.idle_timeout = milliseconds(50);
  serve();
  const UniqueFd listener = bound(remote_, SOCK_STREAM, "198.51.100.2", 7000);
  const UniqueFd client = connected(guest_, SOCK_STREAM, "198.51.100.2", 7000);
  const UniqueFd server = accepted(listener);
  EXPECT_TRUE(was_reset(client));
  EXPECT_TRUE(was_reset(server));
}

TEST_F(EgressServerTest, RemovingResetsWhatIsUnderWayAndTheIdCanBeUsedAgain) {
  serve();
  const UniqueFd listener = bound(remote_, SOCK_STREAM, "198.51.100.2", 7000);
  const UniqueFd client = connected(guest_, SOCK_STREAM, "198.51.100.2", 7000);
  const UniqueFd server = accepted(listener);
  const UniqueFd silent_resolver = bound(remote_, SOCK_DGRAM, "198.51.100.2", 5353);
  const UniqueFd asker = connected(guest_, SOCK_DGRAM, "10.0.2.2", 53);
  send_all(asker, std::string("\x12\x34\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00", 12));
  receive(silent_resolver);
  EXPECT_EQ(server_->add("vm", {}, Egress::kInternet).error().message(), "egress of vm: already served");
  server_->remove("vm");
  EXPECT_TRUE(was_reset(client));
  EXPECT_TRUE(was_reset(server));
  EXPECT_EQ(server_->connections("vm"), 0U);
  server_->remove("vm");
  EXPECT_TRUE(server_->add("vm", listeners(), Egress::kInternet).has_value());
}

TEST_F(EgressServerTest, RefusesDescriptorsThatAreNoSockets) {
  serve();
  const Status added = server_->add("other", {}, Egress::kInternet);
  ASSERT_FALSE(added.has_value());
  EXPECT_EQ(added.error().kind(), ErrorKind::kInvalidArgument);
  EXPECT_TRUE(server_
                  ->add("other",
                        {bound(vm_, SOCK_STREAM, "10.0.2.2", 2),
                         bound(vm_, SOCK_DGRAM, "10.0.2.2", 54),
                         bound(vm_, SOCK_STREAM, "10.0.2.2", 54)},
                        Egress::kInternet)
                  .has_value());
}

// A query for "a.b" of type A under the id 0x1234.
const std::string kQuery(
    "\x12\x34\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00\x01"
    "a\x01"
    "b\x00\x00\x01\x00\x01",
    21);

std::string answer_to(const std::string& query, std::size_t padding = 0) {
  std::string result = query;
  result[2] = static_cast<char>(result[2] | 0x80);
  return result + std::string(padding, 'p');
}

struct Asked {
  std::string query;
  sockaddr_in asker{};
};
Asked receive_query(const UniqueFd& resolver) {
  Asked result;
  result.query.resize(5'000);
  socklen_t length = sizeof result.asker;
  const ssize_t size = ::recvfrom(
      resolver.get(), result.query.data(), result.query.size(), 0, reinterpret_cast<sockaddr*>(&result.asker), &length);
  EXPECT_GT(size, 0) << std::strerror(errno);
  result.query.resize(size < 0 ? 0 : static_cast<std::size_t>(size));
  return result;
}
void send_answer(const UniqueFd& resolver, const Asked& asked, const std::string& answer) {
  EXPECT_EQ(::sendto(resolver.get(),
                     answer.data(),
                     answer.size(),
                     0,
                     reinterpret_cast<const sockaddr*>(&asked.asker),
                     sizeof asked.asker),
            static_cast<ssize_t>(answer.size()))
      << std::strerror(errno);
}

TEST_F(EgressServerTest, ForwardsDnsQueriesUnderRandomIdsFromRandomPorts) {
  serve();
  const UniqueFd resolver = bound(remote_, SOCK_DGRAM, "198.51.100.2", 5353);
  const UniqueFd asker = connected(guest_, SOCK_DGRAM, "10.0.2.2", 53);
  std::set<std::string> ids;
  std::set<in_port_t> ports;
  for (int i = 0; i < 8; ++i) {
    send_all(asker, kQuery);
    const Asked asked = receive_query(resolver);
    EXPECT_EQ(asked.query.substr(2), kQuery.substr(2));
    ids.insert(asked.query.substr(0, 2));
    ports.insert(asked.asker.sin_port);
    send_answer(resolver, asked, answer_to(asked.query, 100));
    EXPECT_EQ(receive(asker), answer_to(kQuery, 100));
  }
  EXPECT_GT(ids.size(), 4U);
  EXPECT_GT(ports.size(), 1U);
}

TEST_F(EgressServerTest, TakesNoAnswerToAnotherQuestionUnderAnotherIdOrFromAnotherAddress) {
  serve();
  const UniqueFd resolver = bound(remote_, SOCK_DGRAM, "198.51.100.2", 5353);
  const UniqueFd stranger = bound(remote_, SOCK_DGRAM, "198.51.100.2", 5354);
  const UniqueFd asker = connected(guest_, SOCK_DGRAM, "10.0.2.2", 53);
  send_all(asker, kQuery);
  const Asked asked = receive_query(resolver);
  std::string other_id = answer_to(asked.query, 1);
  other_id[0] = static_cast<char>(other_id[0] ^ 1);
  std::string other_question = answer_to(asked.query, 2);
  other_question[13] = 'x';
  send_answer(stranger, asked, answer_to(asked.query, 3));
  send_answer(resolver, asked, other_id);
  send_answer(resolver, asked, other_question);
  send_answer(resolver, asked, asked.query);  // a query is no answer
  send_answer(resolver, asked, answer_to(asked.query, 4));
  EXPECT_EQ(receive(asker), answer_to(kQuery, 4));
}

TEST_F(EgressServerTest, AnswersServerFailureWhenNoResolverDoes) {
  options_.resolver_timeout = milliseconds(20);
  serve();
  const UniqueFd asker = connected(guest_, SOCK_DGRAM, "10.0.2.2", 53);
  send_all(asker, kQuery);
  std::string expected = kQuery;
  expected[2] = '\x81';
  expected[3] = '\x82';
  EXPECT_EQ(receive(asker), expected);
}

TEST_F(EgressServerTest, AsksTheNextResolverWhenOneIsSilent) {
  options_.resolver_timeout = milliseconds(100);
  std::ofstream(resolv_conf_) << "nameserver 198.51.100.9\nnameserver 198.51.100.2\n";
  serve();
  const UniqueFd resolver = bound(remote_, SOCK_DGRAM, "198.51.100.2", 5353);
  const UniqueFd asker = connected(guest_, SOCK_DGRAM, "10.0.2.2", 53);
  send_all(asker, kQuery);
  const Asked asked = receive_query(resolver);
  send_answer(resolver, asked, answer_to(asked.query));
  EXPECT_EQ(receive(asker), answer_to(kQuery));
}

TEST_F(EgressServerTest, TruncatesAnAnswerThatIsTooLongForUdp) {
  serve();
  const UniqueFd resolver = bound(remote_, SOCK_DGRAM, "198.51.100.2", 5353);
  const UniqueFd asker = connected(guest_, SOCK_DGRAM, "10.0.2.2", 53);
  send_all(asker, kQuery);
  const Asked asked = receive_query(resolver);
  send_answer(resolver, asked, answer_to(asked.query, 5'000));
  std::string expected = answer_to(kQuery);
  expected[2] = static_cast<char>(expected[2] | 0x02);
  EXPECT_EQ(receive(asker), expected);
}

TEST_F(EgressServerTest, ForwardsDnsOverTcp) {
  serve();
  const UniqueFd resolver = bound(remote_, SOCK_STREAM, "198.51.100.2", 5353);
  const UniqueFd asker = connected(guest_, SOCK_STREAM, "10.0.2.2", 53);
  for (int i = 0; i < 2; ++i) {  // two queries on one connection
    send_all(asker, std::string("\0\x15", 2) + kQuery);
    const UniqueFd connection = accepted(resolver);
    const std::string asked = receive_exactly(connection, 2 + kQuery.size()).substr(2);
    EXPECT_EQ(asked.substr(2), kQuery.substr(2));
    const std::string answer = answer_to(asked, 40'000);
    send_all(connection, std::string({static_cast<char>(answer.size() >> 8), static_cast<char>(answer.size() & 0xff)}));
    send_all(connection, answer);
    EXPECT_EQ(receive_exactly(asker, 2 + answer.size()).substr(2), answer_to(kQuery, 40'000));
  }
}

}  // namespace
}  // namespace dormouse::network
