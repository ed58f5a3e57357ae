// SPDX-License-Identifier: Apache-2.0

#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace dormouse::agent {

// The last bytes that the application wrote, addressed by their offset since it started. Takes memory as output comes.
class OutputRing {
 public:
  explicit OutputRing(std::size_t capacity) : capacity_(capacity) {}

  void append(std::string_view bytes);  // drops the oldest beyond the capacity

  std::uint64_t begin() const { return end_ - (end_ < capacity_ ? end_ : capacity_); }  // oldest byte still here
  std::uint64_t end() const { return end_; }                                            // bytes ever appended

  // Bytes from `offset`, at most `bytes_max`. begin() <= offset <= end().
  std::string read(std::uint64_t offset, std::size_t bytes_max) const;

 private:
  std::size_t capacity_;
  std::uint64_t end_ = 0;
  std::vector<char> bytes_;  // byte with offset o at o % capacity_
};

}  // namespace dormouse::agent
