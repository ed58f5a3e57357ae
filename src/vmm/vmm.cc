// SPDX-License-Identifier: Apache-2.0

#include "vmm/vmm.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <utility>

#include <boost/json/serialize.hpp>
#include <boost/json/value.hpp>
#include <fmt/format.h>

#include "os/file.h"
#include "os/unix_socket.h"
#include "vmm/engine_layout.h"

namespace dormouse::vmm {
namespace {

namespace fs = std::filesystem;
namespace json = boost::json;

constexpr char kQmpSocket[] = "qmp.sock";
constexpr char kMessages[] = "qemu.log";
constexpr std::size_t kConsoleBytesMax = 16U << 10U;

// Numbers of the descriptors in the QEMU process.
constexpr int kNamespaceFd = 3;
constexpr int kTapFd = 4;
constexpr int kQmpFd = 5;
constexpr int kMemoryFd = 6;
constexpr int kConsoleFd = 7;
constexpr int kEngineFd = 8;
constexpr int kKernelFd = 9;
constexpr int kInitramfsFd = 10;
constexpr int kFirstDiskFd = 11;

Result<UniqueFd> listen_at(const fs::path& path) {
  UniqueFd socket(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  DM_ASSIGN(const os::UnixAddress address, os::unix_address(path), "");
  ::unlink(path.c_str());
  if (!socket || ::bind(socket.get(), address.get(), sizeof address.address) != 0 || ::listen(socket.get(), 4) != 0) {
    return fail_errno("listen at " + path.string());
  }
  return socket;
}

// Below the descriptor, so that the VM's user needs no way through the directories above the engine's.
std::string of_engine(const char* path) { return fmt::format("/proc/self/fd/{}/{}", kEngineFd, path); }

std::vector<Disk> pass(const std::vector<DiskFiles>& all, os::SpawnRequest& spawn) {
  std::vector<Disk> disks;
  int next = kFirstDiskFd;
  for (const DiskFiles& files : all) {
    Disk disk{.serial = files.serial, .read_only = files.read_only};
    disk.base_descriptor = next++;
    spawn.descriptors.emplace_back(files.base.get(), disk.base_descriptor);
    if (files.overlay) {
      disk.overlay_descriptor = next++;
      spawn.descriptors.emplace_back(files.overlay.get(), disk.overlay_descriptor);
    }
    disks.push_back(disk);
  }
  return disks;
}

// What stands before QEMU's own arguments, and its environment.
void start_with(os::SpawnRequest& spawn, const VmmRequest& request) {
  spawn.environment = {"PATH=/usr/bin:/bin",
                       "DORMOUSE_DATA_DIRECTORY=" + request.data_directory.string(),
                       "DORMOUSE_VM=" + request.name};
  spawn.arguments = {request.launcher,
                     std::to_string(kNamespaceFd),
                     std::to_string(request.user),
                     std::string(to_string(request.model.acceleration))};
  if (request.engine < 0) {
    spawn.arguments.push_back(request.system_qemu);
    return;
  }
  spawn.descriptors.emplace_back(request.engine, kEngineFd);
  spawn.environment.push_back("QEMU_MODULE_DIR=" + of_engine(kEngineModules));
  spawn.arguments.insert(
      spawn.arguments.end(),
      {of_engine(kEngineLoader), "--inhibit-cache", "--library-path", of_engine(kEngineLibraries), "--argv0", "qemu"});
  if (!request.shared) {
    spawn.arguments.insert(spawn.arguments.end(), {"--preload", of_engine(kEngineShim)});
    spawn.environment.push_back("DORMOUSE_TEMPLATE_FD=" + std::to_string(kMemoryFd));
  }
  spawn.arguments.insert(spawn.arguments.end(), {of_engine(kEngineQemu), "-bios", of_engine(kEngineFirmware)});
}

}  // namespace

// Reads the guest's console so that the guest never waits for it, and keeps the end of what it said.
class Vmm::ConsoleReader {
 public:
  explicit ConsoleReader(UniqueFd read_end) : read_end_(std::move(read_end)), thread_([this] { read(); }) {}
  ~ConsoleReader() {
    stop_.cancel();
    thread_.join();
  }
  ConsoleReader(const ConsoleReader&) = delete;
  ConsoleReader& operator=(const ConsoleReader&) = delete;

  std::string text() const {
    const std::lock_guard lock(mutex_);
    return text_;
  }

 private:
  void read() {
    const os::Context context(stop_, SteadyTime::max());
    std::array<char, 4096> piece;
    while (context.wait(read_end_.get(), POLLIN, "read the console")) {
      const ssize_t got = ::read(read_end_.get(), piece.data(), piece.size());
      if (got <= 0) {
        return;
      }
      const std::lock_guard lock(mutex_);
      text_.append(piece.data(), static_cast<std::size_t>(got));
      if (text_.size() > 2 * kConsoleBytesMax) {
        text_.erase(0, text_.size() - kConsoleBytesMax);
      }
    }
  }

  UniqueFd read_end_;
  os::Cancellation stop_;
  mutable std::mutex mutex_;
  std::string text_;  // guarded by mutex_
  std::thread thread_;
};

Vmm::Vmm(os::Process process, Qmp qmp, std::unique_ptr<ConsoleReader> console)
    : process_(std::move(process)), qmp_(std::move(qmp)), console_(std::move(console)) {}

Vmm::~Vmm() = default;

Result<std::unique_ptr<Vmm>> Vmm::start(VmmRequest request, const os::Context& context) {
  DM_ASSIGN(UniqueFd listener, listen_at(request.directory / kQmpSocket), "");
  DM_ASSIGN(const UniqueFd null, os::open_file("/dev/null", O_RDWR), "");
  DM_ASSIGN(
      const UniqueFd messages, os::open_file(request.directory / kMessages, O_WRONLY | O_CREAT | O_APPEND, 0600), "");

  os::SpawnRequest spawn;
  spawn.descriptors = {{null.get(), 0},
                       {messages.get(), 1},
                       {messages.get(), 2},
                       {request.network_namespace, kNamespaceFd},
                       {listener.get(), kQmpFd},
                       {request.memory.get(), kMemoryFd}};
  MachineDescriptors descriptors{
      .tap = -1, .qmp_listener = kQmpFd, .console = -1, .memory = kMemoryFd, .shared = request.shared};
  if (request.tap) {
    spawn.descriptors.emplace_back(request.tap.get(), kTapFd);
    descriptors.tap = kTapFd;
  }
  UniqueFd console_read;
  UniqueFd console_write;
  BootImage boot;
  if (request.boot) {
    spawn.descriptors.emplace_back(request.boot->kernel.get(), kKernelFd);
    spawn.descriptors.emplace_back(request.boot->initramfs.get(), kInitramfsFd);
    boot = BootImage{fmt::format("/proc/self/fd/{}", kKernelFd),
                     fmt::format("/proc/self/fd/{}", kInitramfsFd),
                     request.boot->command_line};
    int ends[2];
    if (::pipe2(ends, O_CLOEXEC) != 0) {
      return fail_errno("pipe");
    }
    console_read.reset(ends[0]);
    console_write.reset(ends[1]);
    spawn.descriptors.emplace_back(console_write.get(), kConsoleFd);
    descriptors.console = kConsoleFd;
  }
  const std::vector<Disk> disks = pass(request.disks, spawn);
  start_with(spawn, request);
  const std::vector<std::string> qemu =
      qemu_arguments(request.model, descriptors, disks, request.boot ? &boot : nullptr);
  spawn.arguments.insert(spawn.arguments.end(), qemu.begin(), qemu.end());
  DM_ASSIGN(os::Process process, os::Process::spawn(spawn), "");
  console_write.reset();

  // The socket listens already, so connecting succeeds at once and the greeting comes when QEMU is ready. With our copy of
  // the listener closed, a QEMU that ends takes the connection along.
  listener.reset();
  auto qmp = Qmp::connect(request.directory / kQmpSocket, context.within(std::chrono::seconds(30)));
  if (!qmp) {
    process.kill(SIGKILL);
    (void)process.wait(os::Context::with_timeout(std::chrono::seconds(10)));
    const std::string said = Vmm::messages(request.directory);
    return fail(std::move(qmp).error().with_context("start QEMU" + (said.empty() ? "" : " (it said: " + said + ")")));
  }
  std::unique_ptr<ConsoleReader> console;
  if (console_read) {
    console = std::make_unique<ConsoleReader>(std::move(console_read));
  }
  return std::unique_ptr<Vmm>(new Vmm(std::move(process), *std::move(qmp), std::move(console)));
}

Result<std::unique_ptr<Vmm>> Vmm::attach(os::Process process, const fs::path& directory, const os::Context& context) {
  DM_ASSIGN(Qmp qmp, Qmp::connect(directory / kQmpSocket, context), "attach to QEMU");
  return std::unique_ptr<Vmm>(new Vmm(std::move(process), std::move(qmp), nullptr));
}

Status Vmm::replace_overlay(const std::string& serial, const UniqueFd& overlay, const os::Context& context) {
  constexpr int kSet = 101;
  const std::lock_guard lock(mutex_);
  DM_TRY(qmp_.execute("add-fd", {{"fdset-id", kSet}}, context, overlay.get()), "");
  json::object file{{"driver", "file"}, {"filename", fmt::format("/dev/fdset/{}", kSet)}, {"locking", "off"}};
  DM_TRY(qmp_.execute("blockdev-add",
                      {{"driver", "qcow2"},
                       {"node-name", "own-" + serial},
                       {"discard", "unmap"},
                       {"file", std::move(file)},
                       {"backing", base_node_of(serial)}},
                      context),
         "");
  DM_TRY(qmp_.execute("qom-set",
                      {{"path", "/machine/peripheral/" + serial}, {"property", "drive"}, {"value", "own-" + serial}},
                      context),
         "");
  DM_TRY(qmp_.execute("blockdev-del", {{"node-name", overlay_node_of(serial)}}, context), "");
  return {};
}

Status Vmm::load_state(const UniqueFd& state, const os::Context& context) {
  const std::lock_guard lock(mutex_);
  json::object capability{{"capability", "events"}, {"state", true}};
  DM_TRY(qmp_.execute("migrate-set-capabilities", {{"capabilities", json::array{std::move(capability)}}}, context), "");
  DM_TRY(qmp_.execute("getfd", {{"fdname", "state"}}, context, state.get()), "");
  DM_TRY(qmp_.execute("migrate-incoming", {{"uri", "fd:state"}}, context), "");
  for (;;) {
    DM_ASSIGN(const Qmp::Event event, qmp_.next_event(context), "load the device state");
    if (event.name != "MIGRATION") {
      continue;
    }
    const json::value* const status = event.data.if_contains("status");
    if (status && *status == "completed") {
      return {};
    }
    if (status && *status == "failed") {
      return fail(ErrorKind::kDataLoss, "load the device state: QEMU refused it");
    }
  }
}

Status Vmm::run(const os::Context& context) {
  const std::lock_guard lock(mutex_);
  DM_TRY(qmp_.execute("cont", context), "");
  return {};
}

Result<bool> Vmm::is_running(const os::Context& context) {
  const std::lock_guard lock(mutex_);
  DM_ASSIGN(const json::object status, qmp_.execute("query-status", context), "");
  const json::value* const running = status.if_contains("running");
  return running && running->is_bool() && running->get_bool();
}

Result<std::string> Vmm::version(const os::Context& context) {
  const std::lock_guard lock(mutex_);
  DM_ASSIGN(const json::object answer, qmp_.execute("query-version", context), "");
  try {
    const json::object& qemu = answer.at("qemu").as_object();
    return fmt::format("{}.{}.{}",
                       qemu.at("major").to_number<int>(),
                       qemu.at("minor").to_number<int>(),
                       qemu.at("micro").to_number<int>());
  } catch (const std::exception& error) {
    return fail(ErrorKind::kInternal, std::string("ask QEMU for its version: ") + error.what());
  }
}

Result<std::string> Vmm::ask_monitor(std::string_view command, const os::Context& context) {
  const std::lock_guard lock(mutex_);
  DM_ASSIGN(const json::value answer,
            qmp_.execute_any("human-monitor-command", {{"command-line", command}}, context),
            std::string(command));
  return answer.is_string() ? std::string(answer.get_string()) : json::serialize(answer);
}

Status Vmm::stop(const os::Context& context) {
  const std::lock_guard lock(mutex_);
  DM_TRY(qmp_.execute("stop", context), "");
  return {};
}

Status Vmm::save_state(const UniqueFd& state, const os::Context& context) {
  const std::lock_guard lock(mutex_);
  DM_TRY(qmp_.execute("add-fd", {{"fdset-id", 100}}, context, state.get()), "");
  auto saved = qmp_.execute("xen-save-devices-state", {{"filename", "/dev/fdset/100"}, {"live", false}}, context);
  // Also when saving failed: the set's number is used again.
  auto removed = qmp_.execute("remove-fd", {{"fdset-id", 100}}, context);
  DM_TRY(saved, "");
  DM_TRY(removed, "");
  return {};
}

Result<os::ProcessEnd> Vmm::kill(const os::Context& context) {
  process_.kill(SIGKILL);
  return process_.wait(context);
}

Result<std::vector<Qmp::Event>> Vmm::take_events() {
  const std::lock_guard lock(mutex_);
  DM_TRY(qmp_.pump(), "");
  std::vector<Qmp::Event> events;
  while (auto event = qmp_.take_event()) {
    events.push_back(*std::move(event));
  }
  return events;
}

std::string Vmm::console() const { return console_ ? console_->text() : std::string(); }

std::string Vmm::messages(const fs::path& directory) {
  auto text = os::read_file(directory / kMessages, 1U << 20U);
  if (!text) {
    return {};
  }
  while (!text->empty() && text->back() == '\n') {
    text->pop_back();
  }
  constexpr std::size_t kMax = 1000;
  return text->size() > kMax ? text->substr(text->size() - kMax) : *text;
}

}  // namespace dormouse::vmm
