// SPDX-License-Identifier: Apache-2.0

#pragma once

#include <chrono>
#include <deque>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>

#include <boost/json/object.hpp>
#include <boost/json/value.hpp>

#include "base/error.h"
#include "base/unique_fd.h"
#include "os/context.h"

namespace dormouse::vmm {

// A client of the QEMU Machine Protocol (QEMU documentation, "QMP specification") on a listening Unix socket of QEMU's.
//
// QEMU may have been taken over by its guest: lines are limited to kLineBytesMax and every answer is checked for its form.
// Not thread-safe: one owner at a time.
class Qmp {
 public:
  static constexpr std::size_t kLineBytesMax = 1U << 20U;
  static constexpr std::size_t kEventsMax = 256;  // kept until taken; older ones are dropped

  struct Event {
    std::string name;
    boost::json::object data;
  };

  // Connects and negotiates. The socket must exist.
  static Result<Qmp> connect(const std::filesystem::path& socket, const os::Context& context);

  // Runs one command; `descriptor` (borrowed, -1: none) goes along as SCM_RIGHTS. An error answer of QEMU's is kInternal
  // with its text.
  Result<boost::json::object> execute(std::string_view command,
                                      boost::json::object arguments,
                                      const os::Context& context,
                                      int descriptor = -1);
  Result<boost::json::object> execute(std::string_view command, const os::Context& context) {
    return execute(command, boost::json::object(), context);
  }
  // The same of a command whose answer need not be an object.
  Result<boost::json::value> execute_any(std::string_view command,
                                         boost::json::object arguments,
                                         const os::Context& context,
                                         int descriptor = -1);

  // The next event, waiting for it if there is none yet.
  Result<Event> next_event(const os::Context& context);
  // Reads what has arrived without waiting. kUnavailable when QEMU closed the connection.
  Status pump();
  std::optional<Event> take_event();

  int descriptor() const { return socket_.get(); }

 private:
  explicit Qmp(UniqueFd socket) : socket_(std::move(socket)) {}
  Result<boost::json::object> read_message(const os::Context& context);
  Result<bool> read_some();  // false: nothing there
  std::optional<std::string> take_line();
  void keep(boost::json::object&& message);

  UniqueFd socket_;
  std::string buffer_;
  std::deque<Event> events_;
};

// Whether QEMU reports that something the guest wrote found no space on the host.
bool is_out_of_space(const Qmp::Event& event);

}  // namespace dormouse::vmm
