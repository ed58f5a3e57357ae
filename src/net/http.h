// SPDX-License-Identifier: Apache-2.0
//
// What an HTTP exchange is to the rest of the program: plain values, and the two interfaces that answer requests.

#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include <tl/expected.hpp>

#include "base/unique_fd.h"

namespace dormouse::net {

// ASCII only, as field names are.
bool equal_ignoring_case(std::string_view a, std::string_view b);

// Header fields in the order of the wire. Names compare without regard to case and may occur more than once.
class Headers {
 public:
  using Field = std::pair<std::string, std::string>;

  Headers() = default;
  Headers(std::initializer_list<Field> fields) : fields_(fields) {}

  void add(std::string name, std::string value) { fields_.emplace_back(std::move(name), std::move(value)); }
  void set(std::string_view name, std::string value);  // in place of all fields of that name
  void remove(std::string_view name);
  // The first field of that name.
  std::optional<std::string_view> find(std::string_view name) const;
  std::vector<std::string_view> all(std::string_view name) const;
  bool contains(std::string_view name) const { return find(name).has_value(); }

  auto begin() const { return fields_.begin(); }
  auto end() const { return fields_.end(); }
  std::size_t size() const { return fields_.size(); }
  std::span<const Field> fields() const { return fields_; }

 private:
  std::vector<Field> fields_;
};

struct RequestHead {
  std::string method;  // as sent, e.g. "GET"
  std::string target;  // origin form as sent, nothing decoded: path, and "?query" if there is one
  std::string path;    // of target, nothing decoded; begins with '/'
  std::string query;   // of target, nothing decoded, without '?'
  Headers headers;
  std::optional<std::uint64_t> content_length;  // none: no body, or chunked
  std::string peer_address;                     // "127.0.0.1:54321"
};

// Bytes of a file as a body; length is what the client is told, so the file must not get shorter.
struct FileRange {
  UniqueFd file;
  std::uint64_t offset = 0;
  std::uint64_t length = 0;
};

// The server adds Content-Length, Date and Connection itself. For HEAD the body is measured and not sent, a FileRange
// needs no file then.
struct Response {
  int status = 200;
  Headers headers;
  std::variant<std::string, FileRange> body;
};

// {"message": `message`} as application/json.
Response json_message(int status, std::string_view message);

// One request whose head was accepted. Calls come one at a time, from worker threads, and may block.
class Exchange {
 public:
  virtual ~Exchange() = default;

  // The next piece of the body, at most kBodyPieceMax bytes, valid during the call. A refusal is sent as the answer;
  // the rest of the body is then dropped and finish() is not called.
  virtual tl::expected<void, Response> on_body(std::span<const std::byte> piece) = 0;

  // The body is complete: the answer. If the client vanishes first, the exchange is destroyed instead.
  virtual Response finish() = 0;
};
inline constexpr std::size_t kBodyPieceMax = 256 * 1024;

class Handler {
 public:
  virtual ~Handler() = default;

  // Called on a worker thread for each request, by several at a time; may block. A refusal is the answer: the client's
  // body is not asked for. `head` stays valid until the exchange is destroyed.
  virtual tl::expected<std::unique_ptr<Exchange>, Response> begin(const RequestHead& head) = 0;
};

inline tl::unexpected<Response> refuse(Response response) { return tl::unexpected<Response>(std::move(response)); }

}  // namespace dormouse::net
