// SPDX-License-Identifier: Apache-2.0
//
// What the host asks of the guest agent; one request a connection. docs/formats/agent-protocol.md says what each does.
// decode_request() is strict: unknown members and operations are errors, every value has its range.

#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/error.h"

namespace dormouse::protocol {

using Environment = std::map<std::string, std::string>;

struct Hello {
  bool operator==(const Hello&) const = default;
};

struct StartApplication {
  Environment environment;  // the image version's: over the container image's
  Environment injected;     // the platform's: over both
  bool all_capabilities = false;
  std::string hostname = "localhost";
  std::optional<std::uint64_t> memory_max_bytes;  // nothing: all but a small reserve

  bool operator==(const StartApplication&) const = default;
};

struct Watch {
  std::uint64_t from = 0;  // offset in the application's output, in bytes since it started

  bool operator==(const Watch&) const = default;
};

struct Freeze {
  bool sync = false;
  bool drop_caches = false;
  bool keep_connections = false;  // the host's others: the guest runs on soon

  bool operator==(const Freeze&) const = default;
};

struct Restored {
  std::string entropy;  // raw bytes
  std::int64_t unix_time_ns = 0;
  bool thaw = true;
  std::optional<std::string> hostname;
  std::optional<std::string> machine_id;

  bool operator==(const Restored&) const = default;
};

struct Thaw {
  std::optional<std::int64_t> unix_time_ns;  // the clock is set before: the guest stood still

  bool operator==(const Thaw&) const = default;
};

struct Connect {
  std::uint16_t port = 0;

  bool operator==(const Connect&) const = default;
};

struct Exec {
  std::vector<std::string> argv;
  Environment environment;  // the whole of it, but for PATH and HOME, which have defaults
  std::string working_directory = "/";
  std::uint64_t timeout_ms = 0;  // 0: as long as the connection lives
  bool takes_stdin = false;      // false: /dev/null

  bool operator==(const Exec&) const = default;
};

struct Shutdown {
  bool operator==(const Shutdown&) const = default;
};

using Request = std::variant<Hello, StartApplication, Watch, Freeze, Restored, Thaw, Connect, Exec, Shutdown>;

// The payload of a request frame, as an agent of this version of the protocol understands it. kConflict for a version that is not
// within kOldestVersion and kVersion, kInvalidArgument when the payload exceeds kRequestBytesMax.
Result<std::string> encode_request(const Request& request, std::uint64_t version);

// Of version kVersion: what an agent is built with. kInvalidArgument names what is wrong.
Result<Request> decode_request(std::string_view payload);

// RFC 1123: letters, digits and inner hyphens, at most 63.
bool is_hostname(std::string_view text);
// machine-id(5): 32 lower-case hexadecimal digits, not all of them 0.
bool is_machine_id(std::string_view text);

}  // namespace dormouse::protocol
