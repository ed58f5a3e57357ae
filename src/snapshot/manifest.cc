// SPDX-License-Identifier: Apache-2.0

#include "snapshot/manifest.h"

#include <boost/json.hpp>
#include <fmt/format.h>

#include "os/file.h"
#include "snapshot/sealed_json.h"

namespace dormouse::snapshot {
namespace json = boost::json;

std::string encode(const SnapshotManifest& manifest) {
  json::array disks;
  for (const std::string& serial : manifest.model.disks) {
    disks.emplace_back(serial);
  }
  const json::object object{
      {"format", SnapshotManifest::kFormat},
      {"machine",
       {{"acceleration", vmm::to_string(manifest.model.acceleration)},
        {"memory_mib", manifest.model.memory_mib},
        {"vcpus", manifest.model.vcpus},
        {"tsc_khz", manifest.model.tsc_khz},
        {"disks", std::move(disks)}}},
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
  return seal(object);
}

Result<SnapshotManifest> decode_snapshot(const std::string& text) {
  DM_ASSIGN(const json::object object, unseal(text, SnapshotManifest::kFormat, "the snapshot's manifest"), "");
  try {
    SnapshotManifest manifest;
    const json::object& machine = object.at("machine").as_object();
    DM_ASSIGN(manifest.model.acceleration,
              vmm::acceleration_from(std::string_view(machine.at("acceleration").as_string())),
              "");
    manifest.model.memory_mib = machine.at("memory_mib").to_number<std::uint32_t>();
    manifest.model.vcpus = machine.at("vcpus").to_number<std::uint32_t>();
    manifest.model.tsc_khz = machine.at("tsc_khz").to_number<std::uint64_t>();
    for (const json::value& serial : machine.at("disks").as_array()) {
      manifest.model.disks.emplace_back(serial.as_string());
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
    return manifest;
  } catch (const std::exception& error) {
    return fail(ErrorKind::kDataLoss, std::string("snapshot manifest: ") + error.what());
  }
}

Result<SnapshotManifest> read_snapshot(const std::filesystem::path& directory) {
  DM_ASSIGN(const std::string text, os::read_file(directory / kManifestFile, 1U << 20U), "snapshot");
  return decode_snapshot(text);
}

Status check_fits(const SnapshotManifest& manifest,
                  vmm::Acceleration acceleration,
                  const std::string& qemu_version,
                  std::uint64_t tsc_khz) {
  if (manifest.model.acceleration != acceleration) {
    return fail(ErrorKind::kConflict,
                fmt::format("the snapshot was made with {}, and this host runs {}: build the image again",
                            vmm::to_string(manifest.model.acceleration),
                            vmm::to_string(acceleration)));
  }
  if (manifest.qemu_version != qemu_version) {
    return fail(ErrorKind::kConflict,
                fmt::format("the snapshot was made with QEMU {}, and this host has {}: build the image again",
                            manifest.qemu_version,
                            qemu_version));
  }
  const std::uint64_t rate = manifest.model.tsc_khz;
  const std::uint64_t difference = rate > tsc_khz ? rate - tsc_khz : tsc_khz - rate;
  if (acceleration == vmm::Acceleration::kTcg && difference > rate / 1000) {
    return fail(
        ErrorKind::kConflict,
        fmt::format("the snapshot was made on a host whose time stamp counter runs at {} kHz, this one's runs at "
                    "{}: the guest's clock would run wrong; build the image again",
                    rate,
                    tsc_khz));
  }
  return {};
}

}  // namespace dormouse::snapshot
