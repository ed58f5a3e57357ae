// SPDX-License-Identifier: Apache-2.0

#include "snapshot/manifest.h"

#include <algorithm>
#include <iterator>
#include <vector>

#include <boost/json.hpp>
#include <fmt/format.h>
#include <fmt/ranges.h>

#include "os/file.h"

namespace dormouse::snapshot {
namespace json = boost::json;

std::string encode(const SnapshotManifest& manifest) {
  json::array disks;
  for (const std::string& serial : manifest.model.disks) {
    disks.emplace_back(serial);
  }
  json::object object{
      {"format", SnapshotManifest::kFormats.newest},
      {"engine", manifest.engine},
      {"machine",
       {{"type", manifest.machine_type},
        {"processor", manifest.model.processor},
        {"acceleration", vmm::to_string(manifest.model.acceleration)},
        {"memory_mib", manifest.model.memory_mib},
        {"vcpus", manifest.model.vcpus},
        {"tsc_khz", manifest.model.tsc_khz},
        {"disks", std::move(disks)}}},
      {"processor",
       {{"vendor", manifest.processor.vendor}, {"features", json::value_from(manifest.processor.features)}}},
      {"guest", {{"kernel_sha256", manifest.kernel_sha256}, {"agent_protocol", manifest.agent_protocol}}},
      {"base_key", manifest.base_key},
      {"qemu_version", manifest.qemu_version},
      {"all_capabilities", manifest.all_capabilities},
      {"memory_bytes", manifest.memory_bytes},
      {"state_bytes", manifest.state_bytes},
      {"disk_bytes", manifest.disk_bytes},
      {"checksums",
       {{"memory", manifest.checksums.memory},
        {"state", manifest.checksums.state},
        {"disk", manifest.checksums.disk},
        {"root", manifest.checksums.root},
        {"containers", manifest.checksums.containers}}},
      {"output_bytes", manifest.output_bytes},
  };
  if (manifest.run_hook_port) {
    object["run_hook_port"] = *manifest.run_hook_port;
  }
  return seal(object);
}

namespace {

Result<vmm::MachineModel> decode_model(const json::object& machine) {
  vmm::MachineModel model;
  DM_ASSIGN(model.acceleration, vmm::acceleration_from(std::string_view(machine.at("acceleration").as_string())), "");
  model.memory_mib = machine.at("memory_mib").to_number<std::uint32_t>();
  model.vcpus = machine.at("vcpus").to_number<std::uint32_t>();
  model.tsc_khz = machine.at("tsc_khz").to_number<std::uint64_t>();
  for (const json::value& serial : machine.at("disks").as_array()) {
    model.disks.emplace_back(serial.as_string());
  }
  return model;
}

// What format 3 has and format 2 has not.
void decode_origin(const json::object& object, SnapshotManifest& manifest) {
  manifest.engine = json::value_to<std::string>(object.at("engine"));
  const json::object& machine = object.at("machine").as_object();
  manifest.machine_type = json::value_to<std::string>(machine.at("type"));
  manifest.model.processor = json::value_to<std::string>(machine.at("processor"));
  const json::object& processor = object.at("processor").as_object();
  manifest.processor.vendor = json::value_to<std::string>(processor.at("vendor"));
  manifest.processor.features = json::value_to<std::set<std::string>>(processor.at("features"));
  const json::object& guest = object.at("guest").as_object();
  manifest.kernel_sha256 = json::value_to<std::string>(guest.at("kernel_sha256"));
  manifest.agent_protocol = guest.at("agent_protocol").to_number<std::uint64_t>();
}

}  // namespace

Result<SnapshotManifest> decode_snapshot(const std::string& text) {
  DM_ASSIGN(const json::object object, unseal(text, SnapshotManifest::kFormats, "the snapshot's manifest"), "");
  try {
    SnapshotManifest manifest;
    DM_ASSIGN(manifest.model, decode_model(object.at("machine").as_object()), "");
    if (object.at("format").as_int64() >= 3) {
      decode_origin(object, manifest);
    } else {
      manifest.machine_type = "microvm-1";
      manifest.model.processor =
          manifest.model.acceleration == vmm::Acceleration::kKvm ? "host,migratable=on" : "Nehalem,+arat";
    }
    manifest.base_key = json::value_to<std::string>(object.at("base_key"));
    manifest.qemu_version = json::value_to<std::string>(object.at("qemu_version"));
    manifest.all_capabilities = object.at("all_capabilities").as_bool();
    manifest.memory_bytes = object.at("memory_bytes").to_number<std::uint64_t>();
    manifest.state_bytes = object.at("state_bytes").to_number<std::uint64_t>();
    manifest.disk_bytes = object.at("disk_bytes").to_number<std::uint64_t>();
    const json::object& checksums = object.at("checksums").as_object();
    manifest.checksums.memory = checksums.at("memory").to_number<std::uint64_t>();
    manifest.checksums.state = checksums.at("state").to_number<std::uint64_t>();
    manifest.checksums.disk = checksums.at("disk").to_number<std::uint64_t>();
    manifest.checksums.root = checksums.at("root").to_number<std::uint64_t>();
    manifest.checksums.containers = checksums.at("containers").to_number<std::uint64_t>();
    if (const json::value* const output = object.if_contains("output_bytes")) {
      manifest.output_bytes = output->to_number<std::uint64_t>();
    }
    if (const json::value* const port = object.if_contains("run_hook_port")) {
      manifest.run_hook_port = port->to_number<std::uint16_t>();
    }
    return manifest;
  } catch (const std::exception& error) {
    return fail(ErrorKind::kDataLoss, std::string("snapshot manifest: ") + error.what());
  }
}

namespace {

Status check_counter(const vmm::MachineModel& model, const Platform& platform) {
  const std::uint64_t rate = model.tsc_khz;
  const std::uint64_t difference = rate > platform.tsc_khz ? rate - platform.tsc_khz : platform.tsc_khz - rate;
  if (difference > rate / 1000) {
    return fail(
        ErrorKind::kConflict,
        fmt::format("the snapshot was made on a host whose time stamp counter runs at {} kHz, this one's runs at "
                    "{}: the guest's clock would run wrong; build the image again",
                    rate,
                    platform.tsc_khz));
  }
  return {};
}

// A guest keeps using what it once found its processor to have.
Status check_processor(const SnapshotManifest& manifest, const Platform& platform) {
  const os::ProcessorFacts& seen = manifest.processor;
  if (seen.vendor != platform.processor.vendor && !seen.features.empty()) {
    return fail(
        ErrorKind::kConflict,
        fmt::format("the snapshot was made on a processor of {}, and this host's is of {}: build the image again",
                    seen.vendor,
                    platform.processor.vendor));
  }
  std::vector<std::string> missing;
  std::set_difference(seen.features.begin(),
                      seen.features.end(),
                      platform.processor.features.begin(),
                      platform.processor.features.end(),
                      std::back_inserter(missing));
  if (!missing.empty()) {
    return fail(
        ErrorKind::kConflict,
        fmt::format("the snapshot's guest saw a processor with {}, which this host's lacks: build the image again",
                    fmt::join(missing, ", ")));
  }
  return {};
}

}  // namespace

Result<SnapshotManifest> read_snapshot(const std::filesystem::path& directory) {
  DM_ASSIGN(const std::string text, os::read_file(directory / kManifestFile, 1U << 20U), "snapshot");
  return decode_snapshot(text);
}

Status check_fits(const SnapshotManifest& manifest, const Platform& platform) {
  const vmm::MachineModel& model = manifest.model;
  if (manifest.machine_type != vmm::kMachineType) {
    return fail(ErrorKind::kConflict,
                fmt::format("the snapshot is of a machine '{}', and this version runs '{}': build the image again",
                            manifest.machine_type,
                            vmm::kMachineType));
  }
  const auto& [oldest, newest] = platform.agent_protocols;
  if (manifest.agent_protocol < oldest || manifest.agent_protocol > newest) {
    return fail(
        ErrorKind::kConflict,
        fmt::format("the snapshot's agent speaks version {} of the protocol, and this daemon speaks {} to {}: build "
                    "the image again",
                    manifest.agent_protocol,
                    oldest,
                    newest));
  }
  if (model.acceleration != platform.acceleration) {
    return fail(ErrorKind::kConflict,
                fmt::format("the snapshot was made with {}, and this host runs {}: build the image again",
                            vmm::to_string(model.acceleration),
                            vmm::to_string(platform.acceleration)));
  }
  return model.acceleration == vmm::Acceleration::kTcg ? check_counter(model, platform)
                                                       : check_processor(manifest, platform);
}

}  // namespace dormouse::snapshot
