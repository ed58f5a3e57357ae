// SPDX-License-Identifier: Apache-2.0

#include "snapshot/vm_files.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>

#include <boost/json.hpp>
#include <fmt/format.h>

#include "faults/fault_point.h"
#include "os/sparse_copy.h"
#include "snapshot/checksum.h"
#include "snapshot/guest_memory.h"
#include "snapshot/sealed_json.h"

namespace dormouse::snapshot {
namespace {

namespace json = boost::json;

constexpr std::size_t kRecordBytesMax = 64U << 10U;

std::string_view to_text(Egress egress) { return egress == Egress::kNone ? "none" : "internet"; }
Egress egress_from(std::string_view text) { return text == "none" ? Egress::kNone : Egress::kInternet; }

void check_format(const json::object& object, Formats formats) {
  const int format = object.at("format").to_number<int>();
  if (format < formats.oldest || format > formats.newest) {
    throw std::runtime_error(fmt::format("this version reads formats {} to {}", formats.oldest, formats.newest));
  }
}

std::string engine_in(const json::object& object) {
  const json::value* const engine = object.if_contains("engine");
  return engine == nullptr ? std::string() : json::value_to<std::string>(*engine);
}

std::string encode(const SuspendedRecord& record) {
  return seal({{"format", SuspendedRecord::kFormats.newest},
               {"snapshot", record.snapshot.string()},
               {"engine", record.engine},
               {"egress", to_text(record.egress)},
               {"state_checksum", record.state_checksum},
               {"overlay_checksum", record.overlay_checksum},
               {"output_offset", record.output_offset}});
}

constexpr const char* kReplaced[] = {"overlay.qcow2", "state", "pages"};  // by a rollback

}  // namespace

Result<VmRecord> VmFiles::read_record() const {
  DM_ASSIGN(const std::string text, os::read_file(directory_ / "vm.json", kRecordBytesMax), "");
  try {
    const json::value value = json::parse(text);
    const json::object& object = value.as_object();
    check_format(object, VmRecord::kFormats);
    VmRecord record;
    record.snapshot = json::value_to<std::string>(object.at("snapshot"));
    record.engine = engine_in(object);
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
  const json::object object{{"format", VmRecord::kFormats.newest},
                            {"snapshot", record.snapshot.string()},
                            {"engine", record.engine},
                            {"egress", to_text(record.egress)},
                            {"user", record.user},
                            {"boot_id", record.boot_id},
                            {"pid", record.pid},
                            {"process_start_time", record.process_start_time}};
  return os::publish_file(directory_ / "vm.json", json::serialize(object) + "\n", 0600, os::Durability::kVolatile);
}

bool VmFiles::is_suspended() const { return ::access(suspended().c_str(), F_OK) == 0; }

namespace {

Result<SuspendedRecord> read_suspended_from(const std::filesystem::path& path) {
  DM_ASSIGN(const std::string text, os::read_file(path, kRecordBytesMax), "");
  const std::string name = path.filename().string();
  DM_ASSIGN(const json::object object, unseal(text, SuspendedRecord::kFormats, name), "");
  try {
    SuspendedRecord record;
    record.snapshot = json::value_to<std::string>(object.at("snapshot"));
    record.engine = engine_in(object);
    record.egress = egress_from(std::string_view(object.at("egress").as_string()));
    record.state_checksum = object.at("state_checksum").to_number<std::uint64_t>();
    record.overlay_checksum = object.at("overlay_checksum").to_number<std::uint64_t>();
    record.output_offset = object.at("output_offset").to_number<std::uint64_t>();
    return record;
  } catch (const std::exception& error) {
    return fail(ErrorKind::kDataLoss, name + ": " + error.what());
  }
}

}  // namespace

Result<SuspendedRecord> VmFiles::read_suspended() const { return read_suspended_from(suspended()); }

Result<VmFiles::Named> VmFiles::named() const {
  Named named;
  const auto add = [&](const auto& record) -> Status {
    if (record && !record->engine.empty()) {
      named.engines.insert(record->engine);
    }
    if (record && !record->snapshot.empty()) {
      named.snapshots.insert(record->snapshot);
    }
    return record || record.error().errno_value() == ENOENT ? Status() : fail(Error(record.error()));
  };
  // It is not durable: of a VM that slept when the host crashed it may be anything, and says nothing.
  if (const Status added = add(read_record()); !added && !is_suspended()) {
    return fail(Error(added.error()).with_context(directory_.string()));
  }
  // In this order: the end of a rollback makes the second of the first.
  DM_TRY(add(read_suspended_from(rollback_record())), directory_.string());
  DM_TRY(add(read_suspended_from(suspended())), directory_.string());
  return named;
}

Status VmFiles::publish_suspended(const SuspendedRecord& record) const {
  return write_suspended(record, os::Durability::kDurable);
}

Status VmFiles::write_suspended(const SuspendedRecord& record, os::Durability durability) const {
  return os::publish_file(suspended(), encode(record), 0600, durability);
}

Status VmFiles::consume_suspended() const { return os::rename_durably(suspended(), directory_ / "consumed.json"); }

Status VmFiles::restore_suspended() const { return os::rename_durably(directory_ / "consumed.json", suspended()); }

Status VmFiles::sync_state() const {
  for (const std::filesystem::path& path : {state(), pages()}) {
    DM_TRY(os::sync_file(path), "");
  }
  return {};
}

Status VmFiles::sum(SuspendedRecord& record) const {
  DM_ASSIGN(const UniqueFd state_file, os::open_file(state(), O_RDONLY), "");
  DM_ASSIGN(record.state_checksum, checksum_of(state_file), "state");
  DM_ASSIGN(const UniqueFd overlay_file, os::open_file(overlay(), O_RDONLY), "");
  DM_ASSIGN(record.overlay_checksum, checksum_of(overlay_file), "overlay");
  return {};
}

Status VmFiles::verify(const SuspendedRecord& record) const {
  DM_ASSIGN(const UniqueFd overlay_file, os::open_file(overlay(), O_RDONLY), "");
  DM_TRY(snapshot::verify(overlay_file, record.overlay_checksum, "the VM's disk"), "");
  DM_ASSIGN(const UniqueFd state_file, os::open_file(state(), O_RDONLY), "");
  DM_TRY(snapshot::verify(state_file, record.state_checksum, "the VM's device state"), "");
  DM_ASSIGN(const UniqueFd pages_file, os::open_file(pages(), O_RDONLY), "");
  return check_pages(pages_file);
}

UniqueFd VmFiles::remove_suspended_files() const {
  UniqueFd last(::open(pages().c_str(), O_RDWR | O_CLOEXEC));
  for (const char* const name : {"state", "pages", "consumed.json"}) {
    ::unlink((directory_ / name).c_str());
  }
  return last;
}

Status VmFiles::prepare_rollback(const VmFiles& checkpoint, const os::Context& context) const {
  DM_TRY(os::remove_tree(rollback_directory()), "");
  DM_TRY(os::make_directories(rollback_directory()), "");
  for (const char* const name : kReplaced) {
    const std::filesystem::path copy = rollback_directory() / name;
    DM_TRY(os::copy_sparsely(checkpoint.directory() / name, copy, context), "");
    DM_TRY(os::sync_file(copy), "");
  }
  DM_TRY(os::sync_directory(rollback_directory()), "");
  return os::sync_directory(directory_);
}

Status VmFiles::publish_rollback(const SuspendedRecord& record) const {
  return os::publish_file(rollback_record(), encode(record), 0600, os::Durability::kDurable);
}

bool VmFiles::rollback_is_pending() const { return ::access(rollback_record().c_str(), F_OK) == 0; }

Status VmFiles::finish_rollback() const {
  if (!rollback_is_pending()) {
    return {};
  }
  for (const char* const name : kReplaced) {
    const std::filesystem::path replacement = rollback_directory() / name;
    if (::rename(replacement.c_str(), (directory_ / name).c_str()) != 0 && errno != ENOENT) {  // ENOENT: done before
      return fail_errno("move " + replacement.string());
    }
    DM_TRY(faults::reach("rollback.file_replaced", {directory_.filename().native()}), "");
  }
  DM_TRY(os::sync_directory(directory_), "");
  DM_TRY(faults::reach("rollback.files_replaced", {directory_.filename().native()}), "");
  DM_TRY(os::rename_durably(rollback_record(), suspended()), "");
  return os::remove_tree(rollback_directory());
}

void VmFiles::abandon_rollback() const {
  if (!rollback_is_pending()) {
    (void)os::remove_tree(rollback_directory());
  }
}

}  // namespace dormouse::snapshot
