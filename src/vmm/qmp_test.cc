// SPDX-License-Identifier: Apache-2.0

#include "vmm/qmp.h"

#include <sys/socket.h>
#include <unistd.h>

#include <filesystem>
#include <string>
#include <thread>
#include <vector>

#include <boost/json.hpp>
#include <gtest/gtest.h>

#include "os/unix_socket.h"

namespace dormouse::vmm {
namespace {

using std::chrono::milliseconds;

// The other end of QMP: says what the test scripts, one piece after each line that it reads.
class ScriptedPeer {
 public:
  explicit ScriptedPeer(std::vector<std::string> pieces) {
    // Longer than sun_path: a data directory may lie deep.
    directory_ =
        std::filesystem::temp_directory_path() / ("qmp-test-" + std::to_string(::getpid())) / std::string(120, 'd');
    std::filesystem::create_directories(directory_);
    listener_.reset(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
    const auto address = os::unix_address(path());
    EXPECT_TRUE(address);
    EXPECT_EQ(::bind(listener_.get(), address->get(), sizeof address->address), 0);
    EXPECT_EQ(::listen(listener_.get(), 1), 0);
    thread_ = std::thread([this, pieces = std::move(pieces)] {
      const UniqueFd connection(::accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC));
      for (std::size_t i = 0; i < pieces.size(); ++i) {
        if (i > 0) {
          char c = 0;
          while (::read(connection.get(), &c, 1) == 1 && c != '\n') {
          }
        }
        if (::send(connection.get(), pieces[i].data(), pieces[i].size(), MSG_NOSIGNAL) < 0) {
          return;
        }
      }
    });
  }
  ~ScriptedPeer() {
    ::shutdown(listener_.get(), SHUT_RDWR);
    thread_.join();
    std::filesystem::remove_all(directory_.parent_path());
  }
  ScriptedPeer(const ScriptedPeer&) = delete;
  ScriptedPeer& operator=(const ScriptedPeer&) = delete;

  std::filesystem::path path() const { return directory_ / "qmp.sock"; }

 private:
  std::filesystem::path directory_;
  UniqueFd listener_;
  std::thread thread_;
};

const std::string kGreeting = "{\"QMP\": {\"version\": {}, \"capabilities\": []}}\r\n";
const std::string kDone = "{\"return\": {}}\r\n";

os::Context soon() { return os::Context::with_timeout(milliseconds(2000)); }

TEST(QmpTest, AnEventBetweenCommandAndAnswerIsKept) {
  ScriptedPeer peer(
      {kGreeting, kDone, "{\"event\": \"STOP\", \"data\": {\"a\": 1}}\r\n{\"return\": {\"status\": \"paused\"}}\r\n"});
  auto qmp = Qmp::connect(peer.path(), soon());
  ASSERT_TRUE(qmp) << qmp.error().message();
  const auto answer = qmp->execute("query-status", soon());
  ASSERT_TRUE(answer) << answer.error().message();
  EXPECT_EQ(answer->at("status"), "paused");
  const auto event = qmp->take_event();
  ASSERT_TRUE(event);
  EXPECT_EQ(event->name, "STOP");
}

TEST(QmpTest, AnAnswerThatIsNoObjectIsTakenByWhoExpectsOne) {
  ScriptedPeer peer({kGreeting, kDone, "{\"return\": \"* CPU #0: thread_id=7\"}\r\n"});
  auto qmp = Qmp::connect(peer.path(), soon());
  ASSERT_TRUE(qmp);
  const auto answer = qmp->execute_any("human-monitor-command", {{"command-line", "info cpus"}}, soon());
  ASSERT_TRUE(answer) << answer.error().message();
  EXPECT_EQ(*answer, "* CPU #0: thread_id=7");
}

TEST(QmpTest, ARefusalCarriesTheCommandAndQemusText) {
  ScriptedPeer peer({kGreeting, kDone, "{\"error\": {\"class\": \"GenericError\", \"desc\": \"no such thing\"}}\r\n"});
  auto qmp = Qmp::connect(peer.path(), soon());
  ASSERT_TRUE(qmp);
  const auto answer = qmp->execute("cont", soon());
  ASSERT_FALSE(answer);
  EXPECT_EQ(answer.error().message(), "QMP cont: no such thing");
}

TEST(QmpTest, APeerThatIsNotQmpIsRefused) {
  ScriptedPeer peer({"{\"hello\": 1}\r\n"});
  const auto qmp = Qmp::connect(peer.path(), soon());
  ASSERT_FALSE(qmp);
  EXPECT_EQ(qmp.error().message(), "QMP greeting: not of the expected form");
}

TEST(QmpTest, ALineThatIsNoJsonIsAnError) {
  ScriptedPeer peer({kGreeting, kDone, "nonsense\n"});
  auto qmp = Qmp::connect(peer.path(), soon());
  ASSERT_TRUE(qmp);
  const auto answer = qmp->execute("cont", soon());
  ASSERT_FALSE(answer);
  EXPECT_EQ(answer.error().message(), "QMP cont: QMP: a line that is no JSON object");
}

TEST(QmpTest, AnEndlessLineIsCutOff) {
  ScriptedPeer peer({kGreeting, kDone, std::string(Qmp::kLineBytesMax + 10'000, 'x')});
  auto qmp = Qmp::connect(peer.path(), soon());
  ASSERT_TRUE(qmp);
  const auto answer = qmp->execute("cont", soon());
  ASSERT_FALSE(answer);
  EXPECT_EQ(answer.error().message(), "QMP cont: QMP: a line longer than 1048576 bytes");
}

TEST(QmpTest, AQemuThatGoesAwayIsUnavailable) {
  ScriptedPeer peer({kGreeting, kDone});
  auto qmp = Qmp::connect(peer.path(), soon());
  ASSERT_TRUE(qmp);
  const auto answer = qmp->execute("cont", soon());
  ASSERT_FALSE(answer);
  EXPECT_EQ(answer.error().kind(), ErrorKind::kUnavailable);
}

TEST(QmpTest, KnowsAnErrorForWantOfSpaceByEitherOfItsForms) {
  const auto event = [](const char* name, const char* data) {
    return Qmp::Event{name, boost::json::parse(data).get_object()};
  };
  EXPECT_TRUE(is_out_of_space(event("BLOCK_IO_ERROR", R"({"nospace": true})")));
  EXPECT_TRUE(is_out_of_space(event("BLOCK_IO_ERROR", R"({"reason": "No space left on device"})")));
  EXPECT_FALSE(is_out_of_space(event("BLOCK_IO_ERROR", R"({"nospace": false, "reason": "Input/output error"})")));
  EXPECT_FALSE(is_out_of_space(event("BLOCK_IO_ERROR", "{}")));
  EXPECT_FALSE(is_out_of_space(event("STOP", R"({"nospace": true})")));
}

TEST(QmpTest, ASocketThatIsNotThereIsNamed) {
  const auto qmp = Qmp::connect(std::filesystem::temp_directory_path() / "no-such-socket", soon());
  ASSERT_FALSE(qmp);
  EXPECT_NE(qmp.error().message().find("no-such-socket: No such file or directory"), std::string::npos);
}

}  // namespace
}  // namespace dormouse::vmm
