// SPDX-License-Identifier: Apache-2.0
//
// What the API's reads cost as records grow:
//
//    dm_api_load RECORDS CALLS CLIENTS
//
// puts as many images (with a version and a build each), VMs and connectors into a new metadata store, on the disk of the
// temporary directory, and sends each read CALLS times from one client, then CALLS times from CLIENTS clients at once. A call
// is a signed request handed to the API as the HTTP server does, with everything behind it, but no socket. Prints JSON: times
// in microseconds.

#include <algorithm>
#include <atomic>
#include <charconv>
#include <chrono>
#include <iostream>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include <boost/json.hpp>
#include <fmt/format.h>

#include "api/test_world.h"
#include "base/uuid.h"
#include "control/identifiers.h"
#include "control/record_codec.h"

namespace {

using namespace dormouse;
namespace json = boost::json;
using Microseconds = std::chrono::duration<double, std::micro>;

constexpr std::size_t kRowsPerTransaction = 500;
constexpr const char* kAccount = api::TestWorld::kAccount;

struct Names {
  std::vector<std::string> images;
  std::vector<std::string> vms;
  std::vector<std::string> connectors;
};

control::Image image_record(const std::string& name, WallTime created) {
  control::Image image;
  image.account = kAccount;
  image.id = make_uuid();
  image.arn = api::TestWorld::image_arn(name);
  image.name = name;
  image.state = control::ImageState::kCreated;
  image.latest_active_version = "1.0";
  image.tags = control::Tags{{"team", "load"}};
  image.created_at = image.updated_at = created;
  return image;
}

control::ImageVersion version_record(const control::Image& image) {
  control::ImageVersion version;
  version.account = kAccount;
  version.image_arn = image.arn;
  version.version = "1.0";
  version.state = control::VersionState::kSuccessful;
  version.status = control::VersionStatus::kActive;
  version.specification = test::ControlFixture::specification();
  version.created_at = version.updated_at = image.created_at;
  return version;
}

control::Build build_record(const control::Image& image) {
  control::Build build;
  build.account = kAccount;
  build.image_arn = image.arn;
  build.version = "1.0";
  build.build_id = make_uuid();
  build.state = control::BuildState::kSuccessful;
  build.architecture = "X86_64";
  build.chipset = "INTEL";
  build.chipset_generation = "1";
  build.created_at = image.created_at;
  return build;
}

// TERMINATED: the host has none.
control::Microvm vm_record(const control::Image& image) {
  control::Microvm vm;
  vm.account = kAccount;
  vm.microvm_id = "microvm-" + make_uuid();
  vm.state = control::MicrovmState::kTerminated;
  vm.endpoint_id = make_uuid();
  vm.endpoint = vm.endpoint_id + ".lambda-microvm.us-east-1.localhost";
  vm.image_arn = image.arn;
  vm.image_version = "1.0";
  vm.started_at = image.created_at;
  vm.terminated_at = image.created_at;
  vm.state_reason = "Success.";
  return vm;
}

control::NetworkConnector connector_record(const std::string& name, WallTime created) {
  control::NetworkConnector connector;
  connector.account = kAccount;
  connector.id = "nc-" + make_uuid();
  connector.arn = control::connector_arn({kAccount, api::TestWorld::kRegion}, connector.id);
  connector.name = name;
  connector.state = control::ConnectorState::kActive;
  connector.configuration = {{"subnet-1"}, std::nullopt, "IPv4", {"MicroVm"}};
  connector.operator_role = "arn:aws:iam::000000000000:role/operator";
  connector.created_at = connector.last_modified = created;
  return connector;
}

Names fill(api::TestWorld& world, std::size_t records) {
  Names names;
  const WallTime begun = world.control.clock.wall() - std::chrono::hours(1);
  store::Changes changes;
  for (std::size_t index = 0; index < records; ++index) {
    const WallTime created = control::rounded(begun + std::chrono::milliseconds(index));
    const control::Image image = image_record(fmt::format("image-{}", index), created);
    const control::Microvm vm = vm_record(image);
    const control::NetworkConnector connector = connector_record(fmt::format("connector-{}", index), created);
    names.images.push_back(image.arn);
    names.vms.push_back(vm.microvm_id);
    names.connectors.push_back(connector.id);
    changes.images.push_back(encode(image));
    changes.versions.push_back(encode(version_record(image)));
    changes.builds.push_back(encode(build_record(image)));
    changes.microvms.push_back(encode(vm));
    changes.connectors.push_back(encode(connector));
    if (changes.images.size() == kRowsPerTransaction || index + 1 == records) {
      if (const Status stored = world.control.metadata->apply(changes); !stored) {
        throw std::runtime_error(stored.error().message());
      }
      changes = {};
    }
  }
  return names;
}

struct Read {
  const char* name;
  std::string (*target)(const Names& names, std::size_t which);
};

const std::string& pick(const std::vector<std::string>& names, std::size_t which) {
  return names[which * 7919 % names.size()];
}

constexpr Read kReads[] = {
    {"GetMicrovmImage",
     [](const Names& names, std::size_t which) { return "/2025-09-09/microvm-images/" + pick(names.images, which); }},
    {"GetMicrovmImageVersion",
     [](const Names& names, std::size_t which) {
       return "/2025-09-09/microvm-images/" + pick(names.images, which) + "/versions/1.0";
     }},
    {"ListMicrovmImages", [](const Names&, std::size_t) { return std::string("/2025-09-09/microvm-images"); }},
    {"ListMicrovmImages one",
     [](const Names&, std::size_t) { return std::string("/2025-09-09/microvm-images?maxResults=1"); }},
    {"ListMicrovmImageVersions",
     [](const Names& names, std::size_t which) {
       return "/2025-09-09/microvm-images/" + pick(names.images, which) + "/versions";
     }},
    {"ListMicrovmImageBuilds",
     [](const Names& names, std::size_t which) {
       return "/2025-09-09/microvm-images/" + pick(names.images, which) + "/versions/1.0/builds";
     }},
    {"GetMicrovm",
     [](const Names& names, std::size_t which) { return "/2025-09-09/microvms/" + pick(names.vms, which); }},
    {"ListMicrovms", [](const Names&, std::size_t) { return std::string("/2025-09-09/microvms"); }},
    {"ListMicrovms of an image",
     [](const Names& names, std::size_t which) {
       return "/2025-09-09/microvms?imageIdentifier=" + pick(names.images, which) + "&imageVersion=1.0";
     }},
    {"GetNetworkConnector",
     [](const Names& names, std::size_t which) {
       return "/2026-04-04/network-connectors/" + pick(names.connectors, which);
     }},
    {"ListNetworkConnectors", [](const Names&, std::size_t) { return std::string("/2026-04-04/network-connectors"); }},
    {"ListTags",
     [](const Names& names, std::size_t which) { return "/2017-03-31/tags/" + pick(names.images, which); }},
};

json::object described(std::vector<double> microseconds, std::size_t failures, double elapsed) {
  std::sort(microseconds.begin(), microseconds.end());
  const auto at = [&](double part) {
    return microseconds[std::min(microseconds.size() - 1,
                                 static_cast<std::size_t>(part * static_cast<double>(microseconds.size())))];
  };
  json::object result;
  result["count"] = microseconds.size();
  result["failures"] = failures;
  result["p50"] = at(0.5);
  result["p99"] = at(0.99);
  result["maximum"] = microseconds.back();
  result["mean"] = elapsed / static_cast<double>(microseconds.size());  // of the whole: what one more call costs
  return result;
}

// `calls` of them by `clients` threads.
json::object measure(api::TestWorld& world, const Names& names, const Read& read, std::size_t calls, std::size_t clients) {
  std::vector<double> times(calls);
  std::atomic<std::size_t> next{0};
  std::atomic<std::size_t> failures{0};
  const auto work = [&] {
    for (std::size_t which = next++; which < calls; which = next++) {
      const api::TestRequest request{"GET", read.target(names, which)};
      const auto begun = std::chrono::steady_clock::now();
      const net::Response response = world.send(request);
      times[which] = Microseconds(std::chrono::steady_clock::now() - begun).count();
      failures += response.status == 200 ? 0U : 1U;
    }
  };
  const auto begun = std::chrono::steady_clock::now();
  std::vector<std::jthread> threads;
  for (std::size_t client = 0; client < clients; ++client) {
    threads.emplace_back(work);
  }
  threads.clear();
  return described(std::move(times), failures, Microseconds(std::chrono::steady_clock::now() - begun).count());
}

// A whole listing, page after page: the time of each page, first and last.
json::object walk(api::TestWorld& world) {
  std::vector<double> times;
  std::size_t items = 0;
  std::string target = "/2025-09-09/microvm-images";
  const auto all_begun = std::chrono::steady_clock::now();
  while (!target.empty()) {
    const auto begun = std::chrono::steady_clock::now();
    const net::Response response = world.send({"GET", target});
    times.push_back(Microseconds(std::chrono::steady_clock::now() - begun).count());
    const json::object page = json::parse(std::get<std::string>(response.body)).as_object();
    items += page.at("items").as_array().size();
    const json::value& token = page.at("nextToken");
    target = token.is_null() ? "" : "/2025-09-09/microvm-images?nextToken=" + json::value_to<std::string>(token);
  }
  const double elapsed = Microseconds(std::chrono::steady_clock::now() - all_begun).count();
  json::object result = described(std::move(times), 0, elapsed);
  result["items"] = items;
  return result;
}

std::optional<std::size_t> number(const char* text) {
  std::size_t value = 0;
  const std::string_view digits(text);
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), value);
  return error == std::errc() && end == digits.data() + digits.size() && value > 0 ? std::optional(value) : std::nullopt;
}

int run(std::size_t records, std::size_t calls, std::size_t clients) {
  api::TestWorld world;
  const auto begun = std::chrono::steady_clock::now();
  const Names names = fill(world, records);
  json::object result;
  result["records"] = records;
  result["clients"] = clients;
  result["fill_seconds"] = std::chrono::duration<double>(std::chrono::steady_clock::now() - begun).count();
  json::object alone;
  json::object together;
  for (const Read& read : kReads) {
    alone[read.name] = measure(world, names, read, calls, 1);
    together[read.name] = measure(world, names, read, calls, clients);
  }
  alone["ListMicrovmImages whole, by pages"] = walk(world);
  result["alone"] = std::move(alone);
  result["together"] = std::move(together);
  std::cout << json::serialize(result) << '\n';
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  const auto records = argc == 4 ? number(argv[1]) : std::nullopt;
  const auto calls = argc == 4 ? number(argv[2]) : std::nullopt;
  const auto clients = argc == 4 ? number(argv[3]) : std::nullopt;
  if (!records || !calls || !clients) {
    std::cerr << "usage: dm_api_load RECORDS CALLS CLIENTS, each 1 or more\n";
    return 2;
  }
  return run(*records, *calls, *clients);
}
