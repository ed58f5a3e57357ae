// SPDX-License-Identifier: Apache-2.0
//
// What the daemon needs of this machine, one check at a time. A check never changes anything that stays.

#pragma once

#include <string>
#include <vector>

#include "cli/profile.h"
#include "os/context.h"

namespace dormouse::cli {

struct Check {
  enum class Verdict { kGood, kNote, kBad };  // kNote: works, but worth knowing
  std::string name;
  Verdict verdict = Verdict::kGood;
  std::string found;
  std::string remedy;  // empty when good
};

// Each is independent of the others.
Check check_root();
Check check_capabilities();
Check check_tun();
Check check_namespaces(const os::Context& context);
Check check_qemu(const os::Context& context);
std::vector<Check> check_programs();
Check check_names();
Check check_disk(const Profile& profile);
Check check_memory();
Check check_acceleration(const os::Context& context);
Check check_overlay();
Check check_cgroups();
Check check_shares();  // of the processors among VMs of several sizes
Check check_base();
Check check_engine(const Profile& profile);
Check check_daemon(const Profile& profile, const os::Context& context);

std::vector<Check> all_checks(const Profile& profile, const os::Context& context);

// For tests: what a field such as "CapEff" of /proc/self/status lacks of what the daemon needs, by name.
std::vector<std::string> missing_capabilities(std::uint64_t effective);
// {7, 2} of "QEMU emulator version 7.2.19 (Debian ...)"; {0, 0} when it is none.
std::pair<int, int> qemu_version(std::string_view text);

}  // namespace dormouse::cli
