// SPDX-License-Identifier: Apache-2.0
//
// Against the agent itself, run in an ordinary process (--test-listen).

#include "host/agent_client.h"

#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <thread>

#include <gtest/gtest.h>

#include "protocol/frame.h"
#include "protocol/limits.h"

namespace dormouse::host {
namespace {

using namespace std::chrono_literals;
namespace fs = std::filesystem;

os::Context soon() { return os::Context::with_timeout(20s); }

Result<UniqueFd> dial_path(const std::string& path) {
  UniqueFd socket(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  std::copy(path.begin(), path.end(), address.sun_path);
  if (::connect(socket.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
    return fail(ErrorKind::kUnavailable, "connect to " + path);
  }
  return socket;
}

class AgentClientTest : public testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = (fs::temp_directory_path() / "agent-client-XXXXXX").string();
    directory_ = ::mkdtemp(pattern.data());
    path_ = directory_ / "agent";
  }
  void TearDown() override {
    if (pid_ > 0) {
      ::kill(pid_, SIGKILL);
      ::waitpid(pid_, nullptr, 0);
    }
    fs::remove_all(directory_);
  }

  void start_agent(const std::string& application = "exec sleep 1000") {
    const std::string listen = "unix:" + path_;
    const char* const arguments[] = {
        DM_AGENT_PROGRAM, "--test-listen", listen.c_str(), "--test-application", application.c_str(), nullptr};
    ASSERT_EQ(::posix_spawn(&pid_, DM_AGENT_PROGRAM, nullptr, nullptr, const_cast<char* const*>(arguments), environ),
              0);
  }

  AgentClient client() const {
    return AgentClient([path = path_](const os::Context&) { return dial_path(path); }, protocol::kVersion);
  }

  protocol::Exec shell(const std::string& script) const {
    protocol::Exec request;
    request.argv = {"sh", "-c", script};
    return request;
  }

  fs::path directory_;
  std::string path_;
  pid_t pid_ = -1;
};

// A listener on 127.0.0.1 that the agent can be asked to connect to.
struct Listener {
  Listener() : socket(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    EXPECT_EQ(::bind(socket.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address), 0);
    EXPECT_EQ(::listen(socket.get(), 256), 0);
    socklen_t size = sizeof address;
    EXPECT_EQ(::getsockname(socket.get(), reinterpret_cast<sockaddr*>(&address), &size), 0);
    port = ntohs(address.sin_port);
  }
  UniqueFd accept() const { return UniqueFd(::accept4(socket.get(), nullptr, nullptr, SOCK_CLOEXEC)); }

  UniqueFd socket;
  std::uint16_t port = 0;
};

void send_all(int socket, std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t count = ::send(socket, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (count < 0) {
      pollfd entry{socket, POLLOUT, 0};
      ASSERT_EQ(errno, EAGAIN);
      ASSERT_EQ(::poll(&entry, 1, 20000), 1);
      continue;
    }
    bytes.remove_prefix(static_cast<std::size_t>(count));
  }
}

std::string receive_to_end(int socket) {
  std::string bytes;
  char buffer[65536];
  for (;;) {
    pollfd entry{socket, POLLIN, 0};
    if (::poll(&entry, 1, 20000) != 1) {
      return bytes + "(no end)";
    }
    const ssize_t count = ::recv(socket, buffer, sizeof buffer, 0);
    if (count <= 0) {
      return count == 0 ? bytes : bytes + "(error)";
    }
    bytes.append(buffer, static_cast<std::size_t>(count));
  }
}

TEST_F(AgentClientTest, WaitsForAnAgentThatIsNotThereYet) {
  std::thread late([&] { start_agent(); });
  const auto answer = client().hello(soon());
  late.join();
  ASSERT_TRUE(answer) << answer.error().message();
  EXPECT_EQ(answer->version, 1U);
  EXPECT_EQ(answer->role, protocol::Role::kApplication);
  EXPECT_EQ(answer->application, protocol::ApplicationState::kNone);
}

TEST_F(AgentClientTest, GivesUpAtItsDeadlineAndSaysWhatItTried) {
  const auto answer = client().hello(os::Context::with_timeout(50ms));
  ASSERT_FALSE(answer);
  EXPECT_EQ(answer.error().kind(), ErrorKind::kDeadlineExceeded);
  EXPECT_EQ(answer.error().message(), "reach the guest agent: out of time, last: connect to " + path_);
}

TEST_F(AgentClientTest, StopsWhenCancelled) {
  const os::Cancellation cancellation;
  cancellation.cancel();
  const auto answer = client().hello(os::Context(cancellation, std::chrono::steady_clock::now() + 1h));
  ASSERT_FALSE(answer);
  EXPECT_EQ(answer.error().kind(), ErrorKind::kCancelled);
}

TEST_F(AgentClientTest, ExecSeparatesStreamsAndTellsTheExitCode) {
  start_agent();
  std::string out;
  std::string err;
  ExecStreams streams;
  streams.on_stdout = [&](std::string_view text) { out += text; };
  streams.on_stderr = [&](std::string_view text) { err += text; };
  auto request = shell("echo \"$GREETING\"; pwd; echo oops >&2; exit 7");
  request.environment["GREETING"] = "hello";
  request.working_directory = "/tmp";
  const auto exit = client().exec(request, streams, soon());
  ASSERT_TRUE(exit) << exit.error().message();
  EXPECT_EQ(exit->status.exit_code, 7);
  EXPECT_EQ(out, "hello\n/tmp\n");
  EXPECT_EQ(err, "oops\n");
}

TEST_F(AgentClientTest, ExecPassesLargeInputThrough) {
  start_agent();
  const fs::path file = directory_ / "input";
  std::string content;
  for (int i = 0; content.size() < (std::size_t{3} << 20); ++i) {
    content += std::to_string(i) + ",";
  }
  {
    UniqueFd out(::open(file.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0600));
    ASSERT_EQ(::write(out.get(), content.data(), content.size()), static_cast<ssize_t>(content.size()));
  }
  const UniqueFd input(::open(file.c_str(), O_RDONLY | O_CLOEXEC));
  std::string out;
  ExecStreams streams;
  streams.input = input.get();
  streams.on_stdout = [&](std::string_view text) { out += text; };
  const auto exit = client().exec(shell("cat"), streams, soon());
  ASSERT_TRUE(exit) << exit.error().message();
  EXPECT_EQ(exit->status.exit_code, 0);
  EXPECT_TRUE(out == content);
}

TEST_F(AgentClientTest, ExecTellsTheExitOfAProcessThatReadsNoInput) {
  start_agent();
  const UniqueFd input(::open("/dev/zero", O_RDONLY | O_CLOEXEC));
  ExecStreams streams;
  streams.input = input.get();
  const auto exit = client().exec(shell("exec <&-; exit 4"), streams, soon());
  ASSERT_TRUE(exit) << exit.error().message();
  EXPECT_EQ(exit->status.exit_code, 4);
}

// Whoever had the named pipe open for reading is gone: opening it for writing without blocking fails.
void expect_no_reader(const fs::path& pipe) {
  const auto deadline = std::chrono::steady_clock::now() + 10s;
  int wrong = 0;
  while (wrong != ENXIO && std::chrono::steady_clock::now() < deadline) {
    const UniqueFd writer(::open(pipe.c_str(), O_WRONLY | O_NONBLOCK | O_CLOEXEC));
    wrong = writer ? 0 : errno;
  }
  EXPECT_EQ(wrong, ENXIO);
}

TEST_F(AgentClientTest, ExecKillsTheWholeGroupAtItsTimeout) {
  start_agent();
  const fs::path pipe = directory_ / "pipe";
  ASSERT_EQ(::mkfifo(pipe.c_str(), 0600), 0);
  UniqueFd writer(::open(pipe.c_str(), O_RDWR | O_CLOEXEC));
  auto request = shell("cat " + pipe.string() + " & wait");
  request.timeout_ms = 200;
  const auto exit = client().exec(request, {}, soon());
  ASSERT_TRUE(exit) << exit.error().message();
  EXPECT_EQ(exit->status.signal, SIGKILL);
  EXPECT_TRUE(exit->timed_out);
  writer.reset();
  expect_no_reader(pipe);
}

TEST_F(AgentClientTest, ExecKillsTheProcessWhenTheHostGivesUp) {
  start_agent();
  const fs::path pipe = directory_ / "pipe";
  ASSERT_EQ(::mkfifo(pipe.c_str(), 0600), 0);
  UniqueFd writer(::open(pipe.c_str(), O_RDWR | O_CLOEXEC));
  const os::Cancellation cancellation;
  ExecStreams streams;
  streams.on_stdout = [&](std::string_view) { cancellation.cancel(); };
  const auto given_up = client().exec(shell("exec <" + pipe.string() + "; echo ready; exec cat"),
                                      streams,
                                      os::Context(cancellation, std::chrono::steady_clock::now() + 20s));
  ASSERT_FALSE(given_up);
  EXPECT_EQ(given_up.error().kind(), ErrorKind::kCancelled);
  writer.reset();
  expect_no_reader(pipe);
}

TEST_F(AgentClientTest, ExecNamesAProgramThatIsMissing) {
  start_agent();
  protocol::Exec request;
  request.argv = {"no-such-program"};
  request.environment["PATH"] = "/bin";
  const auto exit = client().exec(request, {}, soon());
  ASSERT_FALSE(exit);
  EXPECT_EQ(exit.error().kind(), ErrorKind::kNotFound);
  EXPECT_EQ(exit.error().message(), "guest agent: no program \"no-such-program\" in PATH /bin");
}

TEST_F(AgentClientTest, ConnectIsAStreamBothWaysAndKeepsHalfClose) {
  start_agent();
  const Listener listener;
  const auto stream = client().connect(listener.port, soon());
  ASSERT_TRUE(stream) << stream.error().message();
  const UniqueFd peer = listener.accept();
  send_all(stream->get(), "question");
  ::shutdown(stream->get(), SHUT_WR);
  EXPECT_EQ(receive_to_end(peer.get()), "question");
  send_all(peer.get(), "answer after the end of the question");
  ::shutdown(peer.get(), SHUT_WR);
  EXPECT_EQ(receive_to_end(stream->get()), "answer after the end of the question");
}

TEST_F(AgentClientTest, ConnectCarriesMuchInBothDirectionsOfManyConnections) {
  start_agent();
  const Listener listener;
  constexpr int kConnections = 20;
  const std::string bytes(std::size_t{1} << 20, 'x');
  std::vector<std::thread> threads;
  std::vector<UniqueFd> streams;
  for (int i = 0; i < kConnections; ++i) {
    auto stream = client().connect(listener.port, soon());
    ASSERT_TRUE(stream) << stream.error().message();
    streams.push_back(std::move(*stream));
    threads.emplace_back([peer = listener.accept()] {  // echoes
      const std::string received = receive_to_end(peer.get());
      send_all(peer.get(), received);
    });
  }
  for (const UniqueFd& stream : streams) {
    send_all(stream.get(), bytes);
    ::shutdown(stream.get(), SHUT_WR);
  }
  for (const UniqueFd& stream : streams) {
    EXPECT_TRUE(receive_to_end(stream.get()) == bytes);
  }
  for (std::thread& thread : threads) {
    thread.join();
  }
}

TEST_F(AgentClientTest, ConnectSaysThatNobodyListens) {
  start_agent();
  std::uint16_t port = 0;
  {
    const Listener listener;
    port = listener.port;
  }
  const auto stream = client().connect(port, soon());
  ASSERT_FALSE(stream);
  EXPECT_EQ(stream.error().kind(), ErrorKind::kUnavailable);
  EXPECT_EQ(stream.error().message(),
            "guest agent: connect to port " + std::to_string(port) + " of the guest: Connection refused");
}

TEST_F(AgentClientTest, ConnectTellsTheHostWhenTheApplicationResets) {
  start_agent();
  const Listener listener;
  const auto stream = client().connect(listener.port, soon());
  ASSERT_TRUE(stream);
  {
    const UniqueFd peer = listener.accept();
    const linger reset{1, 0};
    ::setsockopt(peer.get(), SOL_SOCKET, SO_LINGER, &reset, sizeof reset);
  }
  pollfd entry{stream->get(), POLLIN, 0};
  ASSERT_EQ(::poll(&entry, 1, 20000), 1);
  char byte = 0;
  EXPECT_LE(::recv(stream->get(), &byte, 1, 0), 0);
}

// Watches until the exit or until `enough` bytes have come.
std::string watch_output(const AgentClient& client,
                         std::uint64_t from,
                         std::size_t enough,
                         std::optional<protocol::ApplicationExit>& exit,
                         std::uint64_t* dropped = nullptr) {
  const auto socket = client.watch(from, soon());
  EXPECT_TRUE(socket);
  protocol::WatchDecoder decoder(from);
  std::string output;
  while (socket && output.size() < enough && !exit) {
    auto event = decoder.next();
    EXPECT_TRUE(event) << (event ? "" : event.error().message());
    if (!event) {
      return output;
    }
    if (!*event) {
      pollfd entry{socket->get(), POLLIN, 0};
      char buffer[4096];
      EXPECT_EQ(::poll(&entry, 1, 20000), 1);
      const ssize_t count = ::recv(socket->get(), buffer, sizeof buffer, 0);
      EXPECT_GT(count, 0);
      if (count <= 0) {
        return output;
      }
      decoder.feed({buffer, static_cast<std::size_t>(count)});
    } else if (const auto* const chunk = std::get_if<protocol::OutputChunk>(&**event)) {
      output += chunk->bytes;
      if (dropped != nullptr) {
        *dropped += chunk->dropped;
      }
    } else {
      exit = std::get<protocol::ApplicationExit>(**event);
    }
  }
  return output;
}

TEST_F(AgentClientTest, WatchGivesTheOutputAndTheExitAlsoLater) {
  start_agent("echo one; echo \"$TWO\" >&2; exit 5");
  protocol::StartApplication request;
  request.environment["TWO"] = "two";
  ASSERT_TRUE(client().start_application(request, soon()));
  for (int i = 0; i < 2; ++i) {
    std::optional<protocol::ApplicationExit> exit;
    EXPECT_EQ(watch_output(client(), 0, SIZE_MAX, exit), "one\ntwo\n");
    ASSERT_TRUE(exit);
    EXPECT_EQ(exit->status.exit_code, 5);
    EXPECT_EQ(exit->last_output, "one\ntwo\n");
    EXPECT_FALSE(exit->out_of_memory);
  }
  EXPECT_EQ(client().hello(soon())->application, protocol::ApplicationState::kExited);
}

TEST_F(AgentClientTest, WatchGoesOnWhereAnEarlierOneStopped) {
  start_agent("echo first; sleep 1000");
  ASSERT_TRUE(client().start_application({}, soon()));
  std::optional<protocol::ApplicationExit> exit;
  EXPECT_EQ(watch_output(client(), 0, 6, exit), "first\n");
  EXPECT_EQ(watch_output(client(), 2, 4, exit), "rst\n");
}

TEST_F(AgentClientTest, WatchTellsHowMuchOutputWasLost) {
  start_agent("head -c 200000 /dev/zero | tr '\\0' x; echo end");
  ASSERT_TRUE(client().start_application({}, soon()));
  std::optional<protocol::ApplicationExit> exit;
  watch_output(client(), 0, SIZE_MAX, exit);  // to the end
  exit.reset();
  std::uint64_t dropped = 0;
  const std::string output = watch_output(client(), 0, SIZE_MAX, exit, &dropped);
  EXPECT_EQ(output.size(), 65536U);
  EXPECT_TRUE(output.ends_with("xend\n"));
  EXPECT_EQ(dropped + output.size(), 200004U);
  EXPECT_EQ(exit->last_output.size(), 4096U);
}

TEST_F(AgentClientTest, WatchFromBeyondTheEndIsRefused) {
  start_agent();
  const auto socket = client().watch(5, soon());
  ASSERT_TRUE(socket);
  protocol::WatchDecoder decoder(5);
  const std::string bytes = receive_to_end(socket->get());
  decoder.feed(bytes);
  const auto event = decoder.next();
  ASSERT_FALSE(event);
  EXPECT_EQ(event.error().message(), "watch: watch from offset 5, the application has written 0 bytes");
}

TEST_F(AgentClientTest, StartsTheApplicationOnlyOnce) {
  start_agent();
  ASSERT_TRUE(client().start_application({}, soon()));
  const auto again = client().start_application({}, soon());
  ASSERT_FALSE(again);
  EXPECT_EQ(again.error().code, "already_started");
  EXPECT_EQ(again.error().error.kind(), ErrorKind::kConflict);
}

TEST_F(AgentClientTest, AnOrdinaryProcessRefusesWhatOnlyAMachineCan) {
  start_agent();
  const auto frozen = client().freeze({}, soon());
  ASSERT_FALSE(frozen);
  EXPECT_EQ(frozen.error().message(), "guest agent: freeze: the application is not running but none");
  EXPECT_EQ(client().shutdown(soon()).error().message(), "guest agent: this agent runs in an ordinary process");
}

TEST_F(AgentClientTest, AgentRefusesWhatIsNoRequestAndLivesOn) {
  start_agent();
  ASSERT_TRUE(client().hello(soon()));
  const std::string hostile[] = {std::string("\xFF\xFF\xFF\xFF\x01", 5),
                                 protocol::encode_frame(protocol::FrameType::kStdin, "x"),
                                 protocol::encode_frame(protocol::FrameType::kRequest, "{}"),
                                 std::string("GET / HTTP/1.1\r\n\r\n")};
  for (const std::string& bytes : hostile) {
    const auto socket = dial_path(path_);
    ASSERT_TRUE(socket);
    send_all(socket->get(), bytes);
    protocol::FrameDecoder decoder;
    const std::string answer = receive_to_end(socket->get()).substr(0, 65536);
    decoder.feed(answer.substr(0, answer.find("(error)")));
    const auto frame = decoder.next();
    ASSERT_TRUE(frame && *frame) << answer;
    EXPECT_EQ((*frame)->type, protocol::FrameType::kRefusal);
  }
  EXPECT_TRUE(client().hello(soon()));
}

// Answers every connection with the same bytes, as a hostile guest might.
class HostileAgent {
 public:
  explicit HostileAgent(std::string answer) : answer_(std::move(answer)) {}

  AgentClient client() {
    return AgentClient([this](const os::Context&) { return connect(); }, protocol::kVersion);
  }

  // What each connection carried.
  std::vector<std::string> received() const {
    std::vector<std::string> found;
    for (const UniqueFd& guest : guests_) {
      found.push_back(receive_to_end(guest.get()));
    }
    return found;
  }

  int connections = 0;

 private:
  Result<UniqueFd> connect() {
    ++connections;
    int ends[2];
    if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0) {
      return fail_errno("socketpair");
    }
    const UniqueFd guest(ends[1]);
    send_all(guest.get(), answer_);
    guests_.emplace_back(::dup(guest.get()));
    ::shutdown(guest.get(), SHUT_WR);
    return UniqueFd(ends[0]);
  }

  const std::string answer_;
  std::vector<UniqueFd> guests_;
};

TEST(AgentClient, BelievesNoGuestThatBreaksTheProtocol) {
  HostileAgent endless(std::string("\xFF\xFF\xFF\x7F\x02", 5));
  EXPECT_EQ(endless.client().hello(soon()).error().message(),
            "guest agent: frame of type 2 has 2147483647 bytes, the limit is 65536");
  HostileAgent foreign(protocol::encode_frame(protocol::FrameType::kStdout, "x"));
  EXPECT_EQ(foreign.client().thaw({}, soon()).error().message(), "guest agent: answered with a frame of type 6");
  HostileAgent odd(protocol::encode_frame(protocol::FrameType::kAnswer, "{\"x\":1}"));
  EXPECT_EQ(odd.client().thaw({}, soon()).error().message(), "guest agent: answer: unknown member \"x\"");
  EXPECT_EQ(odd.client().thaw({}, soon()).error().kind(), ErrorKind::kInternal);
}

// What becomes of a restored guest whose agent answers so.
std::string end_of_restored(const protocol::RestoredAnswer& answer, bool thaw) {
  HostileAgent agent(protocol::encode_frame(protocol::FrameType::kAnswer, protocol::encode(answer)));
  protocol::Restored request;
  request.entropy = std::string(64, 'x');
  request.thaw = thaw;
  const Status restored = agent.client().restored(request, soon());
  return restored ? "" : restored.error().message();
}

TEST(AgentClient, AGuestThatDoesNotConfirmItsReseedingIsNotRestored) {
  EXPECT_EQ(end_of_restored({512, 0, 0, true}, true), "");
  EXPECT_EQ(end_of_restored({256, 3, 1, false}, false), "");
  EXPECT_EQ(end_of_restored({255, 0, 0, true}, true),
            "guest agent: it was reseeded with 255 bits, and 256 are the least: it must not run");
  EXPECT_EQ(end_of_restored({0, 0, 0, true}, true),
            "guest agent: it was reseeded with 0 bits, and 256 are the least: it must not run");
  EXPECT_EQ(end_of_restored({512, 0, 0, false}, true), "guest agent: its application was not thawed, and was to be");
  EXPECT_EQ(end_of_restored({512, 0, 0, true}, false), "guest agent: its application was thawed, and was not to be");
}

TEST(AgentClient, AsksAgainWhenTheConnectionIsLostButStartsNothingTwice) {
  HostileAgent silent("");
  const auto hello = silent.client().hello(os::Context::with_timeout(200ms));
  ASSERT_FALSE(hello);
  EXPECT_EQ(hello.error().kind(), ErrorKind::kDeadlineExceeded);
  EXPECT_GT(silent.connections, 1);
  silent.connections = 0;
  EXPECT_FALSE(silent.client().start_application({}, soon()));
  EXPECT_EQ(silent.connections, 1);
}

TEST(AgentClient, TheClockOfAGuestThatWasSlowToReachIsNotLate) {
  HostileAgent silent("");
  const auto now = [] {
    return std::chrono::duration_cast<std::chrono::nanoseconds>(std::chrono::system_clock::now().time_since_epoch());
  };
  std::int64_t last = now().count();
  protocol::Restored restored;
  restored.entropy = std::string(64, 'x');
  EXPECT_FALSE(silent.client().restored(restored, os::Context::with_timeout(200ms)));
  const std::vector<std::string> attempts = silent.received();
  EXPECT_GT(attempts.size(), 1);
  for (const std::string& bytes : attempts) {
    protocol::FrameDecoder decoder;
    decoder.feed(bytes);
    const auto frame = decoder.next();
    ASSERT_TRUE(frame && *frame);
    const auto request = protocol::decode_request((*frame)->payload);
    ASSERT_TRUE(request);
    const std::int64_t told = std::get<protocol::Restored>(*request).unix_time_ns;
    EXPECT_GT(told, last) << "each attempt has the time of its own";
    last = told;
  }
}

}  // namespace
}  // namespace dormouse::host
