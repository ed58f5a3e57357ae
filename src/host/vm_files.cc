// SPDX-License-Identifier: Apache-2.0

#include "host/vm_files.h"

#include <unistd.h>

#include <boost/json.hpp>
#include <fmt/format.h>

#include "os/file.h"
#include "snapshot/sealed_json.h"

namespace dormouse::host {
namespace {

namespace json = boost::json;

constexpr std::size_t kRecordBytesMax = 64U << 10U;

std::string_view to_text(Egress egress) { return egress == Egress::kNone ? "none" : "internet"; }
Egress egress_from(std::string_view text) { return text == "none" ? Egress::kNone : Egress::kInternet; }

void check_format(const json::object& object, int format) {
  if (object.at("format").to_number<int>() != format) {
    throw std::runtime_error(fmt::format("this version reads format {}", format));
  }
}

}  // namespace

Result<VmRecord> VmFiles::read_record() const {
  DM_ASSIGN(const std::string text, os::read_file(directory_ / "vm.json", kRecordBytesMax), "");
  try {
    const json::value value = json::parse(text);
    const json::object& object = value.as_object();
    check_format(object, VmRecord::kFormat);
    VmRecord record;
    record.snapshot = json::value_to<std::string>(object.at("snapshot"));
    record.egress = egress_from(std::string_view(object.at("egress").as_string()));
    record.user = object.at("user").to_number<unsigned>();
    record.boot_id = json::value_to<std::string>(object.at("boot_id"));
    record.pid = object.at("pid").to_number<int>();
    record.process_start_time = object.at("process_start_time").to_number<std::uint64_t>();
    return record;
  } catch (const std::exception& error) {
    return fail(ErrorKind::kDataLoss, std::string("vm.json: ") + error.what());
  }
}

Status VmFiles::write_record(const VmRecord& record) const {
  const json::object object{{"format", VmRecord::kFormat},
                            {"snapshot", record.snapshot.string()},
                            {"egress", to_text(record.egress)},
                            {"user", record.user},
                            {"boot_id", record.boot_id},
                            {"pid", record.pid},
                            {"process_start_time", record.process_start_time}};
  return os::publish_file(directory_ / "vm.json", json::serialize(object) + "\n", 0600, os::Durability::kVolatile);
}

bool VmFiles::is_suspended() const { return ::access(suspended().c_str(), F_OK) == 0; }

Result<SuspendedRecord> VmFiles::read_suspended() const {
  DM_ASSIGN(const std::string text, os::read_file(suspended(), kRecordBytesMax), "");
  DM_ASSIGN(const json::object object, snapshot::unseal(text, SuspendedRecord::kFormat, "suspended.json"), "");
  try {
    SuspendedRecord record;
    record.snapshot = json::value_to<std::string>(object.at("snapshot"));
    record.egress = egress_from(std::string_view(object.at("egress").as_string()));
    record.qemu_version = json::value_to<std::string>(object.at("qemu_version"));
    record.state_checksum = object.at("state_checksum").to_number<std::uint64_t>();
    record.overlay_checksum = object.at("overlay_checksum").to_number<std::uint64_t>();
    record.output_offset = object.at("output_offset").to_number<std::uint64_t>();
    return record;
  } catch (const std::exception& error) {
    return fail(ErrorKind::kDataLoss, std::string("suspended.json: ") + error.what());
  }
}

Status VmFiles::publish_suspended(const SuspendedRecord& record) const {
  const json::object object{{"format", SuspendedRecord::kFormat},
                            {"snapshot", record.snapshot.string()},
                            {"egress", to_text(record.egress)},
                            {"qemu_version", record.qemu_version},
                            {"state_checksum", record.state_checksum},
                            {"overlay_checksum", record.overlay_checksum},
                            {"output_offset", record.output_offset}};
  return os::publish_file(suspended(), snapshot::seal(object), 0600, os::Durability::kDurable);
}

Status VmFiles::consume_suspended() const { return os::rename_durably(suspended(), directory_ / "consumed.json"); }

void VmFiles::remove_suspended_files() const {
  for (const char* const name : {"state", "pages", "consumed.json"}) {
    ::unlink((directory_ / name).c_str());
  }
}

}  // namespace dormouse::host
