// SPDX-License-Identifier: Apache-2.0

#include "vmm/machine.h"

#include <fmt/format.h>

namespace dormouse::vmm {

std::string base_node_of(const std::string& serial) { return "base-" + serial; }
std::string overlay_node_of(const std::string& serial) { return "overlay-" + serial; }

namespace {

constexpr char kMac[] = "52:54:00:00:02:0f";

// A buffer for translated code that fits the applications measured; the default is a share of the host's memory.
constexpr char kTcg[] = "tcg,thread=multi,tb-size=32";

void add_disk(std::vector<std::string>& arguments, const Disk& disk, int index) {
  const std::string base_node = base_node_of(disk.serial);
  const bool base_read_only = disk.read_only || disk.overlay_descriptor >= 0;
  arguments.insert(arguments.end(), {"-add-fd", fmt::format("fd={},set={}", disk.base_descriptor, 2 * index + 1)});
  arguments.insert(arguments.end(),
                   {"-blockdev",
                    fmt::format("driver=raw,node-name={},read-only={},discard=unmap,file.driver=file,file.locking=off,"
                                "file.filename=/dev/fdset/{}",
                                base_node,
                                base_read_only ? "on" : "off",
                                2 * index + 1)});
  std::string node = base_node;
  if (disk.overlay_descriptor >= 0) {
    node = overlay_node_of(disk.serial);
    arguments.insert(arguments.end(), {"-add-fd", fmt::format("fd={},set={}", disk.overlay_descriptor, 2 * index + 2)});
    arguments.insert(arguments.end(),
                     {"-blockdev",
                      fmt::format("driver=qcow2,node-name={},discard=unmap,file.driver=file,file.locking=off,"
                                  "file.filename=/dev/fdset/{},backing={}",
                                  node,
                                  2 * index + 2,
                                  base_node)});
  }
  // An I/O error is the guest's to see: without this a full disk would stop the VM silently.
  arguments.insert(arguments.end(),
                   {"-device",
                    fmt::format("virtio-blk-device,id={},drive={},serial={},{}",
                                disk.serial,
                                node,
                                disk.serial,
                                disk.read_only ? "rerror=report" : "werror=report,rerror=report")});
}

}  // namespace

std::string_view to_string(Acceleration acceleration) {
  switch (acceleration) {
    case Acceleration::kKvm: return "kvm";
    case Acceleration::kTcg: return "tcg";
  }
  return "?";
}

// Under TCG: Nehalem, since nothing then takes the paths for wider vectors, which are slow when emulated; arat, or the
// guest never goes tickless.
std::string processor_of(Acceleration acceleration) {
  return acceleration == Acceleration::kKvm ? "host,migratable=on" : "Nehalem,+arat";
}

Result<Acceleration> acceleration_from(std::string_view text) {
  if (text == "kvm") {
    return Acceleration::kKvm;
  }
  if (text == "tcg") {
    return Acceleration::kTcg;
  }
  return fail(ErrorKind::kInvalidArgument, fmt::format("acceleration '{}': must be kvm or tcg", text));
}

std::vector<std::string> qemu_arguments(const MachineModel& model,
                                        const MachineDescriptors& descriptors,
                                        const std::vector<Disk>& disks,
                                        const BootImage* boot) {
  std::vector<std::string> arguments = {
      "-M",
      "microvm,x-option-roms=off,pit=off,pic=off,rtc=on,isa-serial=on,acpi=on,memory-backend=ram",
      "-accel",
      model.acceleration == Acceleration::kKvm ? "kvm" : kTcg,
      "-cpu",
      model.processor,
      "-smp",
      std::to_string(model.vcpus),
      "-m",
      fmt::format("{}M", model.memory_mib),
      "-nodefaults",
      "-no-user-config",
      "-display",
      "none",
      "-no-reboot",
      "-S",
      "-object",
      fmt::format("memory-backend-file,id=ram,size={}M,mem-path=/proc/self/fd/{},share={},reserve=off",
                  model.memory_mib,
                  descriptors.memory,
                  descriptors.shared ? "on" : "off"),
      "-object",
      "rng-random,id=entropy,filename=/dev/urandom",
      "-device",
      "virtio-rng-device,rng=entropy",
      "-sandbox",
      "on,obsolete=deny,elevateprivileges=deny,spawn=deny,resourcecontrol=deny",
      "-chardev",
      fmt::format("socket,id=qmp,fd={},server=on,wait=off", descriptors.qmp_listener),
      "-mon",
      "chardev=qmp,mode=control",
      "-global",
      "migration.send-configuration=off",
  };
  if (descriptors.tap >= 0) {
    arguments.insert(arguments.end(), {"-netdev", fmt::format("tap,id=net,fd={}", descriptors.tap)});
    arguments.insert(arguments.end(), {"-device", fmt::format("virtio-net-device,netdev=net,mac={}", kMac)});
  }
  int index = 0;
  for (const Disk& disk : disks) {
    add_disk(arguments, disk, index++);
  }
  if (descriptors.console >= 0) {
    arguments.insert(arguments.end(), {"-add-fd", fmt::format("fd={},set=99", descriptors.console)});
    arguments.insert(arguments.end(), {"-chardev", "file,id=console,append=on,path=/dev/fdset/99"});
  } else {
    arguments.insert(arguments.end(), {"-chardev", "null,id=console"});
  }
  arguments.insert(arguments.end(), {"-serial", "chardev:console"});
  if (boot) {
    arguments.insert(arguments.end(),
                     {"-kernel", boot->kernel, "-initrd", boot->initramfs, "-append", boot->command_line});
  } else {
    arguments.insert(arguments.end(), {"-incoming", "defer"});
  }
  return arguments;
}

}  // namespace dormouse::vmm
