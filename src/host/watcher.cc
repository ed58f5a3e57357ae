// SPDX-License-Identifier: Apache-2.0

#include "host/watcher.h"

#include <poll.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>

#include <array>
#include <cerrno>
#include <system_error>
#include <variant>

#include <boost/json/value.hpp>
#include <fmt/format.h>

#include "base/log.h"
#include "host/application_end.h"
#include "host/process_guard.h"

namespace dormouse::host {
namespace {

// What of a guest is watched: the low two bits of an epoll key.
enum Source { kProcess = 0, kQmp = 1, kAgent = 2 };
constexpr std::size_t kOutputBytesMax = 64U << 10U;  // read of one guest before the others have their turn

// Or will at once: its connections may be gone before it is.
bool has_ended(const os::Process& process) {
  constexpr int kEndMilliseconds = 1000;
  pollfd ended{process.descriptor(), POLLIN, 0};
  return ::poll(&ended, 1, kEndMilliseconds) == 1;
}

VmExit vmm_exit(Guest& guest) {
  VmExit exit;
  const auto end = guest.vmm().process().wait(os::Context::with_timeout(std::chrono::milliseconds(100)));
  if (end && end->exit_code == 0) {
    exit.cause = VmExit::Cause::kGuestFailed;
    exit.sentence = "The guest's kernel stopped.";
    return exit;
  }
  exit.cause = VmExit::Cause::kVmmDied;
  exit.signal = end ? end->signal : std::nullopt;
  exit.sentence =
      fmt::format("The virtual machine monitor ended unexpectedly ({}).", end ? end->describe() : "unknown");
  return exit;
}

}  // namespace

struct Watcher::Watched {
  std::uint64_t key;
  std::string id;
  Guest* guest;
  UniqueFd agent;
  protocol::WatchDecoder decoder;
  std::uint64_t own_from;
  bool reported = false;
};

Watcher::Watcher(ExitHandler on_exit, OutputHandler on_output, OutputWanted wanted)
    : on_exit_(std::move(on_exit)),
      on_output_(std::move(on_output)),
      wanted_(std::move(wanted)),
      epoll_(::epoll_create1(EPOLL_CLOEXEC)),
      wake_(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {
  epoll_event event{};
  event.events = EPOLLIN;
  event.data.u64 = 0;
  if (!epoll_ || !wake_ || ::epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, wake_.get(), &event) != 0) {
    throw std::system_error(errno, std::generic_category(), "watcher");
  }
  thread_ = std::thread([this] { loop(); });
}

Watcher::~Watcher() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  const std::uint64_t one = 1;
  [[maybe_unused]] const auto written = ::write(wake_.get(), &one, sizeof one);
  thread_.join();
}

Status Watcher::register_source(Watched& watched, int source, int descriptor) {
  epoll_event event{};
  event.events = EPOLLIN | EPOLLRDHUP;
  event.data.u64 = watched.key << 2U | static_cast<unsigned>(source);
  if (::epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, descriptor, &event) != 0) {
    return fail_errno("watch " + watched.id);
  }
  return {};
}

Status Watcher::add(const std::string& id,
                    Guest& guest,
                    std::uint64_t output_from,
                    std::uint64_t own_from,
                    const os::Context& context) {
  return insert(id, guest, output_from, own_from, false, context);
}

Status Watcher::add_output(const std::string& id, Guest& guest, const os::Context& context) {
  return insert(id, guest, 0, 0, true, context);
}

Status Watcher::insert(const std::string& id,
                       Guest& guest,
                       std::uint64_t output_from,
                       std::uint64_t own_from,
                       bool output_alone,
                       const os::Context& context) {
  const std::uint64_t from = wanted_(id).value_or(output_from);
  const ProcessGuard guard(guest.vmm().process(), context);
  auto agent = guard.told(guest.agent().watch(from, guard.context()));
  if (!agent && (output_alone || !has_ended(guest.vmm().process()))) {
    return fail(std::move(agent).error().with_context("watch " + id));
  }
  const std::lock_guard lock(mutex_);
  const std::uint64_t key = next_key_++;
  auto made = std::make_unique<Watched>(
      Watched{key, id, &guest, agent ? *std::move(agent) : UniqueFd(), protocol::WatchDecoder(from), own_from, false});
  Watched& watched = *made;
  watched_.emplace(key, std::move(made));
  if (output_alone) {
    return register_source(watched, kAgent, watched.agent.get());
  }
  DM_TRY(register_source(watched, kProcess, guest.vmm().process().descriptor()), "");
  if (!watched.agent) {
    return {};  // it has ended, and that is what is reported
  }
  DM_TRY(register_source(watched, kQmp, guest.vmm().qmp_descriptor()), "");
  return register_source(watched, kAgent, watched.agent.get());
}

std::uint64_t Watcher::remove(const std::string& id) {
  const std::lock_guard lock(mutex_);
  std::uint64_t offset = 0;
  for (auto it = watched_.begin(); it != watched_.end();) {
    if (it->second->id != id) {
      ++it;
      continue;
    }
    Watched& watched = *it->second;
    offset = watched.decoder.next_offset();
    for (const int descriptor :
         {watched.guest->vmm().process().descriptor(), watched.guest->vmm().qmp_descriptor(), watched.agent.get()}) {
      ::epoll_ctl(epoll_.get(), EPOLL_CTL_DEL, descriptor, nullptr);
    }
    it = watched_.erase(it);
  }
  return offset;
}

std::uint64_t Watcher::output_offset(const std::string& id) {
  const std::lock_guard lock(mutex_);
  const auto found =
      std::find_if(watched_.begin(), watched_.end(), [&](const auto& entry) { return entry.second->id == id; });
  return found == watched_.end() ? 0 : found->second->decoder.next_offset();
}

void Watcher::loop() {
  std::array<epoll_event, 64> events;
  for (;;) {
    const int count = ::epoll_wait(epoll_.get(), events.data(), static_cast<int>(events.size()), -1);
    const std::lock_guard lock(mutex_);
    if (stopping_) {
      return;
    }
    for (int i = 0; i < count; ++i) {
      const std::uint64_t data = events[static_cast<std::size_t>(i)].data.u64;
      const auto found = watched_.find(data >> 2U);
      if (found != watched_.end() && !found->second->reported) {
        handle(*found->second, static_cast<int>(data & 3U));
      }
    }
  }
}

void Watcher::handle(Watched& watched, int source) {
  if (source == kAgent) {
    read_output(watched);
    return;
  }
  if (source == kProcess) {
    report(watched, vmm_exit(*watched.guest));
    return;
  }
  const auto events = watched.guest->vmm().take_events();
  if (!events) {
    // QEMU closed its side: the process's end follows, and that is the event that tells how.
    ::epoll_ctl(epoll_.get(), EPOLL_CTL_DEL, watched.guest->vmm().qmp_descriptor(), nullptr);
    return;
  }
  for (const vmm::Qmp::Event& event : *events) {
    if (vmm::is_out_of_space(event)) {
      VmExit exit;
      exit.cause = VmExit::Cause::kDiskFull;
      exit.sentence = "The host's disk is full: the virtual machine could not write to its disk.";
      report(watched, std::move(exit));
      return;
    }
  }
}

void Watcher::pass_on(const Watched& watched, const protocol::OutputChunk& output) const {
  std::string_view bytes = output.bytes;
  OutputPiece piece{output.offset, output.dropped, bytes, false};
  if (output.offset < watched.own_from) {
    piece.of_image = true;
    piece.bytes = bytes.substr(0, watched.own_from - output.offset);
    on_output_(watched.id, piece);
    bytes.remove_prefix(piece.bytes.size());
    piece = {output.offset + piece.bytes.size(), 0, bytes, false};
  }
  if (!piece.bytes.empty()) {
    on_output_(watched.id, piece);
  }
}

void Watcher::read_output(Watched& watched) {
  std::array<char, 8192> piece;
  for (std::size_t total = 0; total < kOutputBytesMax;) {
    const ssize_t got = ::recv(watched.agent.get(), piece.data(), piece.size(), MSG_DONTWAIT);
    if (got < 0 && (errno == EAGAIN || errno == EINTR)) {
      break;
    }
    if (got <= 0) {
      // The guest's agent let go. If the whole guest died, the process's end tells; else nobody watches any more.
      ::epoll_ctl(epoll_.get(), EPOLL_CTL_DEL, watched.agent.get(), nullptr);
      log::debug("a guest's agent closed its watch", {{"vm", watched.id}});
      break;
    }
    total += static_cast<std::size_t>(got);
    watched.decoder.feed({piece.data(), static_cast<std::size_t>(got)});
  }
  for (;;) {
    auto event = watched.decoder.next();
    if (!event) {
      VmExit exit;
      exit.cause = VmExit::Cause::kGuestFailed;
      exit.sentence = "The guest's agent broke its protocol.";
      log::warning("a guest broke the agent protocol", {{"vm", watched.id}, {"error", event.error().message()}});
      report(watched, std::move(exit));
      return;
    }
    if (!*event) {
      return;
    }
    if (const auto* const output = std::get_if<protocol::OutputChunk>(&**event)) {
      pass_on(watched, *output);
    } else {
      report(watched, to_vm_exit(std::get<protocol::ApplicationExit>(**event)));
      return;
    }
  }
}

void Watcher::report(Watched& watched, VmExit exit) {
  watched.reported = true;
  // Level-triggered sources would be reported for ever.
  for (const int descriptor :
       {watched.guest->vmm().process().descriptor(), watched.guest->vmm().qmp_descriptor(), watched.agent.get()}) {
    ::epoll_ctl(epoll_.get(), EPOLL_CTL_DEL, descriptor, nullptr);
  }
  on_exit_(watched.id, exit);
}

}  // namespace dormouse::host
