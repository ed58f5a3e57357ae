// SPDX-License-Identifier: Apache-2.0
//
// dormouse-vmm-launch NETNS_FD UID ACCELERATION PROGRAM [ARGUMENT...]: becomes PROGRAM inside the network namespace, as user
// and group UID, without capabilities or any way to gain some; with ACCELERATION kvm, also of the group of /dev/kvm. A static
// program: what is preloaded into PROGRAM must not meet root.
//
// dormouse-vmm-launch --probe-kvm DEVICE: with the same rights, runs a guest loop of a million iterations on DEVICE, and prints
// how many microseconds it took. Exits with EX_NOPERM when they do not suffice to open it. The caller sets a deadline: on some
// hosts it never ends.

#include <fcntl.h>
#include <grp.h>
#include <linux/kvm.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sysexits.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <system_error>

namespace {

[[noreturn]] void die(const char* what) {
  std::fprintf(stderr, "dormouse-vmm-launch: %s: %s\n", what, std::generic_category().message(errno).c_str());
  std::exit(126);
}

constexpr const char* kKvm = "/dev/kvm";
constexpr unsigned kProbeUser = 65'534;  // nobody

// The group that may use the device, where there is one besides root's.
bool group_of(const char* device, gid_t& group) {
  struct stat status{};
  constexpr mode_t kReadWrite = S_IRGRP | S_IWGRP;
  if (::stat(device, &status) != 0 || (status.st_mode & kReadWrite) != kReadWrite || status.st_gid == 0) {
    return false;
  }
  group = status.st_gid;
  return true;
}

// `device`: what it is to open itself; none: nothing.
void become_unprivileged(unsigned id, const char* device) {
  for (int capability = 0; ::prctl(PR_CAPBSET_READ, capability, 0, 0, 0) >= 0; ++capability) {
    if (::prctl(PR_CAPBSET_READ, capability, 0, 0, 0) == 1 && ::prctl(PR_CAPBSET_DROP, capability, 0, 0, 0) != 0) {
      die("drop a capability");
    }
  }
  gid_t group = 0;
  const std::size_t groups = device != nullptr && group_of(device, group) ? 1 : 0;
  if (::setgroups(groups, &group) != 0 || ::setresgid(id, id, id) != 0 || ::setresuid(id, id, id) != 0) {
    die("change user");
  }
  if (::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) {
    die("set no_new_privs");
  }
  const rlimit no_core{0, 0};
  if (::setrlimit(RLIMIT_CORE, &no_core) != 0) {
    die("forbid core dumps");
  }
  ::umask(0077);
}

// Real mode, at address 0: mov ecx, 1000000; 1: dec ecx; jnz 1; hlt.
constexpr unsigned char kLoop[] = {0x66, 0xb9, 0x40, 0x42, 0x0f, 0x00, 0x66, 0x49, 0x75, 0xfc, 0xf4};

int probe_kvm(const char* device) {
  if (::geteuid() == 0) {
    become_unprivileged(kProbeUser, device);
  }
  const int kvm = ::open(device, O_RDWR | O_CLOEXEC);
  if (kvm < 0) {
    const int reason = errno;  // before anything else sets it
    std::fprintf(stderr, "dormouse-vmm-launch: open %s: %s\n", device, std::generic_category().message(reason).c_str());
    return reason == EACCES || reason == EPERM ? EX_NOPERM : EX_UNAVAILABLE;
  }
  const int vm = ::ioctl(kvm, KVM_CREATE_VM, 0);
  if (vm < 0) {
    die("create a VM");
  }
  void* const memory = ::mmap(nullptr, 0x1000, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED) {
    die("map memory");
  }
  std::memcpy(memory, kLoop, sizeof kLoop);
  kvm_userspace_memory_region region{};
  region.memory_size = 0x1000;
  region.userspace_addr = reinterpret_cast<__u64>(memory);
  if (::ioctl(vm, KVM_SET_USER_MEMORY_REGION, &region) != 0) {
    die("give the VM memory");
  }
  const int vcpu = ::ioctl(vm, KVM_CREATE_VCPU, 0);
  const int size = ::ioctl(kvm, KVM_GET_VCPU_MMAP_SIZE, 0);
  if (vcpu < 0 || size < 0) {
    die("create a vCPU");
  }
  auto* const run = static_cast<kvm_run*>(
      ::mmap(nullptr, static_cast<std::size_t>(size), PROT_READ | PROT_WRITE, MAP_SHARED, vcpu, 0));
  kvm_sregs special{};
  if (run == MAP_FAILED || ::ioctl(vcpu, KVM_GET_SREGS, &special) != 0) {
    die("map the vCPU");
  }
  special.cs.base = 0;
  special.cs.selector = 0;
  kvm_regs registers{};
  registers.rflags = 2;
  if (::ioctl(vcpu, KVM_SET_SREGS, &special) != 0 || ::ioctl(vcpu, KVM_SET_REGS, &registers) != 0) {
    die("set registers");
  }
  const auto start = std::chrono::steady_clock::now();
  if (::ioctl(vcpu, KVM_RUN, 0) != 0) {
    die("run the vCPU");
  }
  const auto took = std::chrono::duration_cast<std::chrono::microseconds>(std::chrono::steady_clock::now() - start);
  if (run->exit_reason != KVM_EXIT_HLT) {
    std::fprintf(stderr, "dormouse-vmm-launch: the guest loop ended with exit reason %u\n", run->exit_reason);
    return 1;
  }
  std::printf("%lld\n", static_cast<long long>(took.count()));
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc == 3 && std::strcmp(argv[1], "--probe-kvm") == 0) {
    return probe_kvm(argv[2]);
  }
  if (argc < 5) {
    std::fputs("usage: dormouse-vmm-launch NETNS_FD UID ACCELERATION PROGRAM [ARGUMENT...]\n", stderr);
    return 2;
  }
  const int name_space = std::atoi(argv[1]);
  const auto id = static_cast<unsigned>(std::strtoul(argv[2], nullptr, 10));
  if (id == 0) {
    std::fputs("dormouse-vmm-launch: UID must not be 0\n", stderr);
    return 2;
  }
  if (::setns(name_space, CLONE_NEWNET) != 0) {
    die("enter the network namespace");
  }
  ::close(name_space);
  become_unprivileged(id, std::strcmp(argv[3], "kvm") == 0 ? kKvm : nullptr);
  ::execv(argv[4], argv + 4);
  die(argv[4]);
}
