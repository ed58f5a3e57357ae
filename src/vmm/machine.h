// SPDX-License-Identifier: Apache-2.0
//
// What a QEMU process is started with. Everything that the device state depends on is in MachineModel: a snapshot carries
// it, and the process that loads the snapshot is started with the same.

#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/error.h"

namespace dormouse::vmm {

enum class Acceleration { kKvm, kTcg };
std::string_view to_string(Acceleration acceleration);
Result<Acceleration> acceleration_from(std::string_view text);

// The machine that qemu_arguments() describes, its processor and its size aside. With anything changed there that a guest or a device
// state can tell, a type is added and qemu_arguments() goes on describing this one too: what was saved on it is loaded on no other.
inline constexpr char kMachineType[] = "microvm-1";

// The processor of new guests, as QEMU's -cpu has it.
std::string processor_of(Acceleration acceleration);

struct MachineModel {
  Acceleration acceleration = Acceleration::kTcg;
  std::uint32_t memory_mib = 0;
  std::uint32_t vcpus = 1;
  std::uint64_t tsc_khz = 0;       // the host's rate; a TCG guest reads the host's counter
  std::vector<std::string> disks;  // serials, in the order of the devices
  std::string processor;           // processor_of(), of the version that made the guest
};

// A disk's backing, as descriptors by number in the QEMU process.
struct Disk {
  std::string serial;
  bool read_only = false;
  int base_descriptor = -1;     // raw
  int overlay_descriptor = -1;  // qcow2 over it, -1: none; the base is then read-only
};

// The descriptors' numbers in the QEMU process.
struct MachineDescriptors {
  int tap = -1;  // -1: no network
  int qmp_listener = -1;
  int console = -1;  // write end, -1: none
  int memory = -1;   // the memory file: read-write when `shared`, else read-only
  bool shared = false;
};

// Block nodes of a disk: the raw file, and the qcow2 file over it.
std::string base_node_of(const std::string& serial);
std::string overlay_node_of(const std::string& serial);

struct BootImage {
  std::string kernel;  // paths readable by the VM's user
  std::string initramfs;
  std::string command_line;
};

// QEMU's arguments, without the program. `boot` null: the process waits for a device state (-incoming defer).
std::vector<std::string> qemu_arguments(const MachineModel& model,
                                        const MachineDescriptors& descriptors,
                                        const std::vector<Disk>& disks,
                                        const BootImage* boot);

}  // namespace dormouse::vmm
