// SPDX-License-Identifier: Apache-2.0

#include "control/record_codec.h"

#include <charconv>
#include <chrono>
#include <utility>

#include <boost/json.hpp>
#include <fmt/core.h>

#include "control/lifecycle.h"

namespace dormouse::control {

namespace json = boost::json;

namespace {

// ---- values to JSON: members without a value are left out ----

json::value to_json(const std::string& value) { return json::value(value); }
json::value to_json(int value) { return json::value(value); }
json::value to_json(bool value) { return json::value(value); }
json::value to_json(std::uint64_t value) { return json::value(value); }
json::value to_json(WallTime value) {
  return json::value(
      std::int64_t{std::chrono::duration_cast<std::chrono::microseconds>(value.time_since_epoch()).count()});
}
json::value to_json(const std::map<std::string, std::string>& value) {
  json::object object;
  for (const auto& [key, text] : value) {
    object[key] = text;
  }
  return object;
}
json::value to_json(const Logging& logging);
json::value to_json(const HookSetting& setting);
json::value to_json(const Hooks& hooks);
json::value to_json(const ImageSpecification& specification);
json::value to_json(const IdlePolicy& policy);
json::value to_json(const host::VmExit& exit);
template <typename T>
json::value to_json(const std::vector<T>& values) {
  json::array array;
  for (const T& value : values) {
    array.push_back(to_json(value));
  }
  return array;
}

template <typename T>
void put(json::object& object, const char* name, const T& value) {
  object[name] = to_json(value);
}
template <typename T>
void put(json::object& object, const char* name, const std::optional<T>& value) {
  if (value) {
    object[name] = to_json(*value);
  }
}

// ---- JSON to values: a member of the wrong type is noted, and the record refused as a whole ----

class Reader {
 public:
  explicit Reader(const json::object& object, bool& broken) : object_(object), broken_(broken) {}

  template <typename T>
  void get(const char* name, T& target) {
    if (const json::value* value = object_.if_contains(name)) {
      read(*value, target);
    }
  }
  template <typename T>
  void get(const char* name, std::optional<T>& target) {
    if (const json::value* value = object_.if_contains(name)) {
      read(*value, target.emplace());
    }
  }
  // The object in member `name`, if there.
  std::optional<Reader> child(const char* name) {
    const json::value* value = object_.if_contains(name);
    if (value == nullptr) {
      return std::nullopt;
    }
    if (!value->is_object()) {
      broken_ = true;
      return std::nullopt;
    }
    return Reader(value->get_object(), broken_);
  }

 private:
  void read(const json::value& value, std::string& target) {
    if (const auto* text = value.if_string()) {
      target.assign(text->data(), text->size());
    } else {
      broken_ = true;
    }
  }
  void read(const json::value& value, bool& target) {
    if (const bool* flag = value.if_bool()) {
      target = *flag;
    } else {
      broken_ = true;
    }
  }
  void read(const json::value& value, int& target) { read_number(value, target); }
  void read(const json::value& value, std::uint64_t& target) { read_number(value, target); }
  void read(const json::value& value, WallTime& target) {
    std::int64_t microseconds = 0;
    read_number(value, microseconds);
    target = WallTime(std::chrono::microseconds(microseconds));
  }
  void read(const json::value& value, std::map<std::string, std::string>& target) {
    const auto* object = value.if_object();
    if (object == nullptr) {
      broken_ = true;
      return;
    }
    for (const auto& member : *object) {
      read(member.value(), target[member.key()]);
    }
  }
  template <typename T>
  void read(const json::value& value, std::vector<T>& target) {
    const auto* array = value.if_array();
    if (array == nullptr) {
      broken_ = true;
      return;
    }
    for (const auto& element : *array) {
      read(element, target.emplace_back());
    }
  }
  template <typename T>
  void read_number(const json::value& value, T& target) {
    json::error_code error;
    target = value.to_number<T>(error);
    broken_ = broken_ || error;
  }

  const json::object& object_;
  bool& broken_;
};

template <typename Enumeration, std::size_t kCount>
bool parse(const std::array<Enumeration, kCount>& all, const std::string& text, Enumeration& target) {
  for (const Enumeration value : all) {
    if (to_string(value) == text) {
      target = value;
      return true;
    }
  }
  return false;
}

Result<json::object> parse_document(const std::string& document) {
  json::error_code error;
  json::value value = json::parse(document, error);
  if (error || !value.is_object()) {
    return fail(ErrorKind::kDataLoss, "the document is no JSON object");
  }
  return std::move(value.get_object());
}

tl::unexpected<Error> broken_row(std::string_view what, const std::string& id) {
  return fail(ErrorKind::kDataLoss,
              fmt::format("{} {}: a column or member has a value that is none of ours", what, id));
}

// ---- the parts of records ----

json::value to_json(const Logging& logging) {
  json::object object;
  put(object, "disabled", logging.disabled);
  put(object, "log_group", logging.log_group);
  put(object, "log_stream", logging.log_stream);
  return object;
}
Logging read_logging(Reader reader) {
  Logging logging;
  reader.get("disabled", logging.disabled);
  reader.get("log_group", logging.log_group);
  reader.get("log_stream", logging.log_stream);
  return logging;
}

json::value to_json(const HookSetting& setting) {
  json::object object;
  put(object, "enabled", setting.enabled);
  put(object, "timeout_seconds", setting.timeout_seconds);
  put(object, "enabled_given", setting.enabled_given);
  return object;
}
void read_hook(Reader& parent, const char* name, HookSetting& setting) {
  if (auto reader = parent.child(name)) {
    reader->get("enabled", setting.enabled);
    reader->get("timeout_seconds", setting.timeout_seconds);
    reader->get("enabled_given", setting.enabled_given);
  }
}

json::value to_json(const Hooks& hooks) {
  json::object object;
  put(object, "port", hooks.port);
  put(object, "microvm_hooks_given", hooks.microvm_hooks_given);
  put(object, "run", hooks.run);
  put(object, "resume", hooks.resume);
  put(object, "suspend", hooks.suspend);
  put(object, "terminate", hooks.terminate);
  put(object, "image_hooks_given", hooks.image_hooks_given);
  put(object, "ready", hooks.ready);
  put(object, "validate", hooks.validate);
  return object;
}
Hooks read_hooks(Reader reader) {
  Hooks hooks;
  reader.get("port", hooks.port);
  reader.get("microvm_hooks_given", hooks.microvm_hooks_given);
  read_hook(reader, "run", hooks.run);
  read_hook(reader, "resume", hooks.resume);
  read_hook(reader, "suspend", hooks.suspend);
  read_hook(reader, "terminate", hooks.terminate);
  reader.get("image_hooks_given", hooks.image_hooks_given);
  read_hook(reader, "ready", hooks.ready);
  read_hook(reader, "validate", hooks.validate);
  return hooks;
}

json::value to_json(const ImageSpecification& specification) {
  json::object object;
  put(object, "base_image_arn", specification.base_image_arn);
  put(object, "base_image_version", specification.base_image_version);
  put(object, "build_role_arn", specification.build_role_arn);
  put(object, "code_artifact_uri", specification.code_artifact_uri);
  put(object, "description", specification.description);
  put(object, "logging", specification.logging);
  put(object, "egress_network_connectors", specification.egress_network_connectors);
  put(object, "cpu_architectures", specification.cpu_architectures);
  put(object, "minimum_memory_in_mib", specification.minimum_memory_in_mib);
  put(object, "additional_os_capabilities", specification.additional_os_capabilities);
  put(object, "hooks", specification.hooks);
  put(object, "environment_variables", specification.environment_variables);
  return object;
}
ImageSpecification read_specification(Reader reader) {
  ImageSpecification specification;
  reader.get("base_image_arn", specification.base_image_arn);
  reader.get("base_image_version", specification.base_image_version);
  reader.get("build_role_arn", specification.build_role_arn);
  reader.get("code_artifact_uri", specification.code_artifact_uri);
  reader.get("description", specification.description);
  if (auto logging = reader.child("logging")) {
    specification.logging = read_logging(*logging);
  }
  reader.get("egress_network_connectors", specification.egress_network_connectors);
  reader.get("cpu_architectures", specification.cpu_architectures);
  reader.get("minimum_memory_in_mib", specification.minimum_memory_in_mib);
  reader.get("additional_os_capabilities", specification.additional_os_capabilities);
  if (auto hooks = reader.child("hooks")) {
    specification.hooks = read_hooks(*hooks);
  }
  reader.get("environment_variables", specification.environment_variables);
  return specification;
}

json::value to_json(const IdlePolicy& policy) {
  json::object object;
  put(object, "max_idle_duration_seconds", policy.max_idle_duration_seconds);
  put(object, "suspended_duration_seconds", policy.suspended_duration_seconds);
  put(object, "auto_resume_enabled", policy.auto_resume_enabled);
  return object;
}
IdlePolicy read_idle_policy(Reader reader) {
  IdlePolicy policy;
  reader.get("max_idle_duration_seconds", policy.max_idle_duration_seconds);
  reader.get("suspended_duration_seconds", policy.suspended_duration_seconds);
  reader.get("auto_resume_enabled", policy.auto_resume_enabled);
  return policy;
}

constexpr std::array<std::pair<host::VmExit::Cause, const char*>, 4> kCauses = {{
    {host::VmExit::Cause::kApplicationExited, "application exited"},
    {host::VmExit::Cause::kVmmDied, "vmm died"},
    {host::VmExit::Cause::kGuestFailed, "guest failed"},
    {host::VmExit::Cause::kDiskFull, "disk full"},
}};

json::value to_json(const host::VmExit& exit) {
  json::object object;
  for (const auto& [cause, name] : kCauses) {
    if (cause == exit.cause) {
      object["cause"] = name;
    }
  }
  put(object, "exit_code", exit.exit_code);
  put(object, "signal", exit.signal);
  put(object, "out_of_memory", exit.out_of_memory);
  put(object, "last_output", exit.last_output);
  put(object, "sentence", exit.sentence);
  return object;
}
host::VmExit read_exit(Reader reader) {
  host::VmExit exit;
  std::string cause_name;
  reader.get("cause", cause_name);
  for (const auto& [cause, name] : kCauses) {
    if (cause_name == name) {
      exit.cause = cause;
    }
  }
  reader.get("exit_code", exit.exit_code);
  reader.get("signal", exit.signal);
  reader.get("out_of_memory", exit.out_of_memory);
  reader.get("last_output", exit.last_output);
  reader.get("sentence", exit.sentence);
  return exit;
}

}  // namespace

store::ImageRow encode(const Image& image) {
  json::object document;
  put(document, "latest_active_version", image.latest_active_version);
  put(document, "latest_failed_version", image.latest_failed_version);
  put(document, "tags", image.tags);
  put(document, "last_major_version", image.last_major_version);
  put(document, "updated_at", image.updated_at);
  return {.account = image.account,
          .id = image.id,
          .arn = image.arn,
          .name = image.name,
          .state = std::string(to_string(image.state)),
          .created_at = image.created_at,
          .document = json::serialize(document)};
}

Result<Image> decode(const store::ImageRow& row) {
  DM_ASSIGN(const json::object document, parse_document(row.document), row.arn);
  Image image;
  image.account = row.account;
  image.id = row.id;
  image.arn = row.arn;
  image.name = row.name;
  image.created_at = row.created_at;
  bool broken = !parse(kAllImageStates, row.state, image.state);
  Reader reader(document, broken);
  reader.get("latest_active_version", image.latest_active_version);
  reader.get("latest_failed_version", image.latest_failed_version);
  reader.get("tags", image.tags);
  reader.get("last_major_version", image.last_major_version);
  reader.get("updated_at", image.updated_at);
  if (broken) {
    return broken_row("image", row.arn);
  }
  return image;
}

store::VersionRow encode(const ImageVersion& version) {
  json::object document;
  put(document, "specification", version.specification);
  put(document, "state_reason", version.state_reason);
  put(document, "updated_at", version.updated_at);
  return {.image_arn = version.image_arn,
          .version = version.version,
          .ordinal = version_ordinal(version.version),
          .account = version.account,
          .state = std::string(to_string(version.state)),
          .status = std::string(to_string(version.status)),
          .created_at = version.created_at,
          .document = json::serialize(document)};
}

Result<ImageVersion> decode(const store::VersionRow& row) {
  DM_ASSIGN(const json::object document, parse_document(row.document), row.image_arn);
  ImageVersion version;
  version.account = row.account;
  version.image_arn = row.image_arn;
  version.version = row.version;
  version.created_at = row.created_at;
  bool broken =
      !parse(kAllVersionStates, row.state, version.state) || !parse(kAllVersionStatuses, row.status, version.status);
  Reader reader(document, broken);
  if (auto specification = reader.child("specification")) {
    version.specification = read_specification(*specification);
  }
  reader.get("state_reason", version.state_reason);
  reader.get("updated_at", version.updated_at);
  if (broken) {
    return broken_row("version", row.image_arn + " " + row.version);
  }
  return version;
}

store::BuildRow encode(const Build& build) {
  json::object document;
  put(document, "architecture", build.architecture);
  put(document, "chipset", build.chipset);
  put(document, "chipset_generation", build.chipset_generation);
  put(document, "state_reason", build.state_reason);
  put(document, "termination_reason_code", build.termination_reason_code);
  put(document, "memory_snapshot_bytes", build.memory_snapshot_bytes);
  put(document, "code_install_bytes", build.code_install_bytes);
  put(document, "disk_snapshot_bytes", build.disk_snapshot_bytes);
  put(document, "notices", build.notices);
  put(document, "phase", build.phase);
  return {.build_id = build.build_id,
          .account = build.account,
          .image_arn = build.image_arn,
          .version = build.version,
          .state = std::string(to_string(build.state)),
          .created_at = build.created_at,
          .document = json::serialize(document)};
}

Result<Build> decode(const store::BuildRow& row) {
  DM_ASSIGN(const json::object document, parse_document(row.document), row.build_id);
  Build build;
  build.account = row.account;
  build.image_arn = row.image_arn;
  build.version = row.version;
  build.build_id = row.build_id;
  build.created_at = row.created_at;
  bool broken = !parse(kAllBuildStates, row.state, build.state);
  Reader reader(document, broken);
  reader.get("architecture", build.architecture);
  reader.get("chipset", build.chipset);
  reader.get("chipset_generation", build.chipset_generation);
  reader.get("state_reason", build.state_reason);
  reader.get("termination_reason_code", build.termination_reason_code);
  reader.get("memory_snapshot_bytes", build.memory_snapshot_bytes);
  reader.get("code_install_bytes", build.code_install_bytes);
  reader.get("disk_snapshot_bytes", build.disk_snapshot_bytes);
  reader.get("notices", build.notices);
  reader.get("phase", build.phase);
  if (broken) {
    return broken_row("build", row.build_id);
  }
  return build;
}

store::MicrovmRow encode(const Microvm& microvm) {
  json::object document;
  put(document, "endpoint", microvm.endpoint);
  put(document, "memory_mib", microvm.memory_mib);
  put(document, "maximum_duration_seconds", microvm.maximum_duration_seconds);
  put(document, "suspended_at", microvm.suspended_at);
  put(document, "state_reason", microvm.state_reason);
  put(document, "termination_reason_code", microvm.termination_reason_code);
  put(document, "execution_role_arn", microvm.execution_role_arn);
  put(document, "idle_policy", microvm.idle_policy);
  put(document, "ingress_network_connectors", microvm.ingress_network_connectors);
  put(document, "egress_network_connectors", microvm.egress_network_connectors);
  put(document, "hooks", microvm.hooks);
  if (microvm.isolation) {
    put(document, "isolation", std::string(*microvm.isolation == host::Isolation::kKvm ? "kvm" : "tcg"));
  }
  put(document, "isolation_reason", microvm.isolation_reason);
  if (microvm.exit) {
    put(document, "exit", *microvm.exit);
  }
  put(document, "resumes", microvm.resumes);
  return {.microvm_id = microvm.microvm_id,
          .account = microvm.account,
          .endpoint_id = microvm.endpoint_id,
          .image_arn = microvm.image_arn,
          .image_version = microvm.image_version,
          .state = std::string(to_string(microvm.state)),
          .terminated = microvm.state == MicrovmState::kTerminated,
          .created_at = microvm.started_at,
          .terminated_at = microvm.terminated_at,
          .document = json::serialize(document)};
}

Result<Microvm> decode(const store::MicrovmRow& row) {
  DM_ASSIGN(const json::object document, parse_document(row.document), row.microvm_id);
  Microvm microvm;
  microvm.account = row.account;
  microvm.microvm_id = row.microvm_id;
  microvm.endpoint_id = row.endpoint_id;
  microvm.image_arn = row.image_arn;
  microvm.image_version = row.image_version;
  microvm.started_at = row.created_at;
  microvm.terminated_at = row.terminated_at;
  bool broken = !parse(kAllMicrovmStates, row.state, microvm.state);
  Reader reader(document, broken);
  reader.get("endpoint", microvm.endpoint);
  reader.get("memory_mib", microvm.memory_mib);
  reader.get("maximum_duration_seconds", microvm.maximum_duration_seconds);
  reader.get("suspended_at", microvm.suspended_at);
  reader.get("state_reason", microvm.state_reason);
  reader.get("termination_reason_code", microvm.termination_reason_code);
  reader.get("execution_role_arn", microvm.execution_role_arn);
  if (auto policy = reader.child("idle_policy")) {
    microvm.idle_policy = read_idle_policy(*policy);
  }
  reader.get("ingress_network_connectors", microvm.ingress_network_connectors);
  reader.get("egress_network_connectors", microvm.egress_network_connectors);
  if (auto hooks = reader.child("hooks")) {
    microvm.hooks = read_hooks(*hooks);
  }
  std::optional<std::string> isolation;
  reader.get("isolation", isolation);
  if (isolation) {
    microvm.isolation = *isolation == "kvm" ? host::Isolation::kKvm : host::Isolation::kTcg;
  }
  reader.get("isolation_reason", microvm.isolation_reason);
  if (auto exit = reader.child("exit")) {
    microvm.exit = read_exit(*exit);
  }
  reader.get("resumes", microvm.resumes);
  if (broken) {
    return broken_row("microvm", row.microvm_id);
  }
  return microvm;
}

namespace {

// Rows as JSON, for answers: an answer is the record as it was.
json::object to_object(const store::ImageRow& row) {
  json::object object;
  put(object, "id", row.id);
  put(object, "account", row.account);
  put(object, "arn", row.arn);
  put(object, "name", row.name);
  put(object, "state", row.state);
  put(object, "created_at", row.created_at);
  put(object, "document", row.document);
  return object;
}

json::object to_object(const store::VersionRow& row) {
  json::object object;
  put(object, "image_arn", row.image_arn);
  put(object, "version", row.version);
  put(object, "account", row.account);
  put(object, "state", row.state);
  put(object, "status", row.status);
  put(object, "created_at", row.created_at);
  put(object, "document", row.document);
  return object;
}

json::object to_object(const store::MicrovmRow& row) {
  json::object object;
  put(object, "microvm_id", row.microvm_id);
  put(object, "account", row.account);
  put(object, "endpoint_id", row.endpoint_id);
  put(object, "image_arn", row.image_arn);
  put(object, "image_version", row.image_version);
  put(object, "state", row.state);
  put(object, "created_at", row.created_at);
  put(object, "terminated_at", row.terminated_at);
  put(object, "document", row.document);
  return object;
}

}  // namespace

std::string encode_answer(const Images::Created& created) {
  json::object answer;
  answer["image"] = to_object(encode(created.image));
  answer["version"] = to_object(encode(created.version));
  return json::serialize(answer);
}

Result<Images::Created> decode_created(const std::string& document) {
  DM_ASSIGN(const json::object answer, parse_document(document), "");
  bool broken = false;
  Reader reader(answer, broken);
  store::ImageRow image;
  if (auto part = reader.child("image")) {
    part->get("id", image.id);
    part->get("account", image.account);
    part->get("arn", image.arn);
    part->get("name", image.name);
    part->get("state", image.state);
    part->get("created_at", image.created_at);
    part->get("document", image.document);
  }
  store::VersionRow version;
  if (auto part = reader.child("version")) {
    part->get("image_arn", version.image_arn);
    part->get("version", version.version);
    part->get("account", version.account);
    part->get("state", version.state);
    part->get("status", version.status);
    part->get("created_at", version.created_at);
    part->get("document", version.document);
  }
  if (broken) {
    return broken_row("answer", image.arn);
  }
  Images::Created created;
  DM_ASSIGN(created.image, decode(image), "");
  DM_ASSIGN(created.version, decode(version), "");
  return created;
}

std::string encode_answer(const Microvm& microvm) { return json::serialize(to_object(encode(microvm))); }

Result<Microvm> decode_microvm_answer(const std::string& document) {
  DM_ASSIGN(const json::object answer, parse_document(document), "");
  bool broken = false;
  Reader reader(answer, broken);
  store::MicrovmRow row;
  reader.get("microvm_id", row.microvm_id);
  reader.get("account", row.account);
  reader.get("endpoint_id", row.endpoint_id);
  reader.get("image_arn", row.image_arn);
  reader.get("image_version", row.image_version);
  reader.get("state", row.state);
  reader.get("created_at", row.created_at);
  reader.get("terminated_at", row.terminated_at);
  reader.get("document", row.document);
  if (broken) {
    return broken_row("answer", row.microvm_id);
  }
  return decode(row);
}

std::string printable(std::string_view bytes) {
  json::error_code error;
  std::string quoted = json::serialize(json::string_view(bytes.data(), bytes.size()));
  if (json::parse(quoted, error); !error) {
    return std::string(bytes);
  }
  std::string text;
  for (const char byte : bytes) {
    text += static_cast<unsigned char>(byte) < 0x80 ? byte : '?';
  }
  return text;
}

std::int64_t version_ordinal(const std::string& version) {
  constexpr std::int64_t kMinorsMax = 1'000'000;
  std::int64_t major = 0;
  std::int64_t minor = 0;
  const char* const end = version.data() + version.size();
  const auto [dot, major_error] = std::from_chars(version.data(), end, major);
  if (major_error != std::errc() || dot == end || *dot != '.') {
    return 0;
  }
  const auto [rest, minor_error] = std::from_chars(dot + 1, end, minor);
  if (minor_error != std::errc() || rest != end || minor < 0 || minor >= kMinorsMax || major > 1'000'000'000) {
    return 0;
  }
  return major * kMinorsMax + minor;
}

WallTime rounded(WallTime time) { return std::chrono::floor<std::chrono::microseconds>(time); }

}  // namespace dormouse::control
