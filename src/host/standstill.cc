// SPDX-License-Identifier: Apache-2.0

#include "host/standstill.h"

#include <poll.h>

#include <algorithm>
#include <array>
#include <utility>

#include <fmt/format.h>

#include "protocol/requests.h"

namespace dormouse::host {

using std::chrono::milliseconds;
using std::chrono::seconds;

namespace {

constexpr milliseconds kPatienceMax = std::chrono::minutes(2);
constexpr int kLooks = 12;                     // within a patience
constexpr int kQuestions = 2;                  // likewise
constexpr double kBusyShare = .02;             // of one processor: an idle guest of two vCPUs needs less
constexpr std::uint64_t kTrafficBytes = 4096;  // more than one question to the agent, between two looks
constexpr seconds kExamination{30};
constexpr seconds kMonitorAnswer{5};
constexpr std::size_t kStateBytesMax = 48U << 10U;

// Prints what the guest's processes wait for. Ends with 0 when an instruction of the user's own is under way, which is in
// namespaces of its own, and none of its threads waits for a disk; else with 1.
constexpr const char* kExamine = R"sh(
exec 2>/dev/null
cat /proc/[0-9]*/task/[0-9]*/stat | sed 's/^\([0-9]*\) (\(.*\)) /\1\t\2\t/' >/tmp/threads
awk -F '\t' '{ split($3, f, " "); if (f[1] == "D" || int(f[7] / 2097152) % 2 == 0) print $1, f[1], $2 }' /tmp/threads |
while read -r id state name; do
  echo "thread $id $state ($name) in $(cat /proc/$id/wchan)"
  [ "$state" = D ] && cat /proc/$id/stack
done
grep -E 'CPU|virtio|LOC|RES|CAL' /proc/interrupts
dmesg | tail -n 15
awk -F '\t' '{ split($3, f, " "); if (f[1] == "D") stuck = 1 } END { exit stuck }' /tmp/threads || exit 1
readlink /proc/[0-9]*/ns/pid | grep -qvxF "$(readlink /proc/1/ns/pid)"
)sh";

struct Examination {
  bool answered = false;
  bool waits_for_user = false;
  std::string text;
};

Examination examine_inside(const AgentClient& agent, const os::Context& context) {
  Examination found;
  protocol::Exec exec;
  exec.argv = {"/bin/sh", "-c", kExamine};
  const auto collect = [&](std::string_view text) {
    found.text.append(text.substr(0, kStateBytesMax - std::min(kStateBytesMax, found.text.size())));
  };
  const auto ended = agent.exec(exec, ExecStreams{collect, nullptr, -1}, context.within(kExamination));
  found.answered = ended.has_value();
  found.waits_for_user = ended && ended->status.exit_code == 0;
  return found;
}

std::string describe(Guest& guest, const Examination& inside) {
  std::string text = "threads of QEMU:\n" + os::describe_threads(guest.vmm().process().pid());
  for (const char* const command :
       {"info status", "info cpus", "info blockstats", "info lapic 0", "info pic", "info registers -a"}) {
    const auto said = guest.vmm().ask_monitor(command, os::Context::with_timeout(kMonitorAnswer));
    text += fmt::format("({}) {}\n", command, said ? *said : said.error().message());
    if (!said && said.error().kind() == ErrorKind::kDeadlineExceeded) {
      break;
    }
  }
  text += "in the guest:\n" + inside.text + (inside.answered ? "" : "(its agent does not answer)\n");
  text += "on its console:\n" + guest.vmm().console() + "\n";
  return text.substr(0, kStateBytesMax);
}

}  // namespace

// --- judge ---

bool StandstillJudge::moved(const Sample& sample) const {
  const os::ProcessActivity& now = sample.activity;
  const os::ProcessActivity& before = last_->activity;
  // What waited for a processor would have run.
  const auto busy = (now.ran - before.ran) + std::max(now.waited - before.waited, milliseconds(0));
  const std::chrono::duration<double, std::milli> passed = sample.at - last_->at;
  return static_cast<double>(busy.count()) > kBusyShare * passed.count() ||
         now.network_bytes > before.network_bytes + kTrafficBytes || now.waits_for_disk ||
         sample.output_bytes != last_->output_bytes;
}

bool StandstillJudge::still(const Sample& sample) {
  if (!last_ || moved(sample)) {
    moved_at_ = sample.at;
  }
  last_ = sample;
  if (sample.at - moved_at_ < patience_) {
    return false;
  }
  moved_at_ = sample.at;
  return true;
}

// --- guard ---

milliseconds StandstillGuard::patience_of(milliseconds build_timeout) {
  return std::min(kPatienceMax, build_timeout / 4);
}

StandstillGuard::StandstillGuard(Guest& guest, const os::Context& outer, milliseconds patience)
    : guest_(guest), outer_(outer), patience_(patience), answered_at_(SteadyTime::clock::now()), thread_([this] {
        watch();
      }) {}

StandstillGuard::~StandstillGuard() {
  done_.cancel();
  thread_.join();
}

bool StandstillGuard::pause() const {
  std::array<pollfd, 2> entries{pollfd{outer_.cancellation().descriptor(), POLLIN, 0},
                                pollfd{done_.descriptor(), POLLIN, 0}};
  return ::poll(entries.data(), entries.size(), static_cast<int>((patience_ / kLooks).count())) <= 0;
}

void StandstillGuard::watch() {
  StandstillJudge judge(patience_);
  for (int look = 1; !stood_still_ && pause(); ++look) {
    const auto activity = os::activity_of(guest_.vmm().process().pid());
    if (!activity) {
      break;  // the process ended, which somebody else tells
    }
    if (judge.still({SteadyTime::clock::now(), *activity, output_bytes_})) {
      examine();
    } else if (look % (kLooks / kQuestions) == 0) {
      ask_for_life();
    }
  }
  inner_.cancel();
}

// An agent that is silent for a moment may be short of processors or of memory; one that is silent for long is lost.
void StandstillGuard::ask_for_life() {
  const auto answer = guest_.agent().hello(os::Context(done_, SteadyTime::clock::now() + patience_ / (2 * kQuestions)));
  const SteadyTime now = SteadyTime::clock::now();
  if (answer) {
    answered_at_ = now;
  } else if (!done_.cancelled() && now - answered_at_ >= 2 * patience_) {
    reason_ = fmt::format("its agent has not answered for {} s: {}",
                          std::chrono::duration_cast<seconds>(now - answered_at_).count(),
                          answer.error().message());
    state_ = describe(guest_, {});
    stood_still_ = true;
  }
}

void StandstillGuard::examine() {
  const Examination inside = examine_inside(guest_.agent(), os::Context(done_, SteadyTime::max()));
  if (done_.cancelled() || inside.waits_for_user) {
    return;
  }
  reason_ = fmt::format("it has done nothing for {} s{}",
                        std::chrono::duration_cast<seconds>(patience_).count(),
                        inside.answered ? "" : ", and its agent does not answer");
  state_ = describe(guest_, inside);
  stood_still_ = true;
}

std::string state_of(Guest& guest) {
  return describe(guest, examine_inside(guest.agent(), os::Context::with_timeout(kExamination)));
}

}  // namespace dormouse::host
