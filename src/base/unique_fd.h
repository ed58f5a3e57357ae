// SPDX-License-Identifier: Apache-2.0

#pragma once

#include <unistd.h>

#include <utility>

namespace dormouse {

// Owns at most one file descriptor and closes it exactly once.
//
// A bare `int` descriptor in this code is always borrowed; owning one is spelled UniqueFd. Descriptors are opened with
// O_CLOEXEC without exception: one that a child is to have is named when the child is spawned. close()'s result is
// ignored: who needs written data to be durable calls fsync first.
class [[nodiscard]] UniqueFd {
 public:
  static constexpr int kEmpty = -1;

  UniqueFd() = default;
  explicit UniqueFd(int fd) noexcept : fd_(fd) {}  // takes ownership; -1 means empty
  ~UniqueFd() { reset(); }
  UniqueFd(UniqueFd&& other) noexcept : fd_(other.release()) {}
  UniqueFd& operator=(UniqueFd&& other) noexcept {
    reset(other.release());
    return *this;
  }
  UniqueFd(const UniqueFd&) = delete;
  UniqueFd& operator=(const UniqueFd&) = delete;

  int get() const noexcept { return fd_; }
  explicit operator bool() const noexcept { return fd_ != kEmpty; }

  // Gives up ownership: the caller must close the returned descriptor.
  [[nodiscard]] int release() noexcept { return std::exchange(fd_, kEmpty); }

  // Closes the owned descriptor, if any, and takes `fd` instead.
  void reset(int fd = kEmpty) noexcept {
    if (const int old = std::exchange(fd_, fd); old != kEmpty) {
      ::close(old);
    }
  }

 private:
  int fd_ = kEmpty;
};

}  // namespace dormouse
