// SPDX-License-Identifier: Apache-2.0

#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace dormouse::build_context {

// Writes zip archives byte by byte (APPNOTE.TXT 4.3), wrong ones too. For tests.
class ZipForTests {
 public:
  struct Entry {
    std::string name;
    std::string data;              // as stored
    std::uint32_t mode = 0100644;  // st_mode; 0: unknown
    std::uint16_t flags = 0;       // bit 0: encrypted, bit 11: the name is UTF-8
    std::uint16_t method = 0;      // 0 stored, 8 deflated
    std::uint32_t crc_xor = 0;     // makes the checksum wrong
    std::uint32_t size_added = 0;  // makes the unpacked size wrong
    std::uint8_t system = 3;       // that made it: 3 Unix, 0 DOS
  };

  ZipForTests& add(const Entry& entry);
  ZipForTests& file(std::string_view name, std::string_view data = "") {
    return add({std::string(name), std::string(data)});
  }
  ZipForTests& directory(std::string_view name) { return add({std::string(name), "", 040755}); }
  ZipForTests& link(std::string_view name, std::string_view target) {
    return add({std::string(name), std::string(target), 0120777});
  }
  // `data` deflated.
  ZipForTests& deflated(std::string_view name, std::string_view data);

  std::string bytes() const;

 private:
  ZipForTests& append(const Entry& entry, std::string_view packed, std::uint32_t crc, std::uint32_t size);

  std::string content_;
  std::string directory_;
  std::uint16_t entries_ = 0;
};

// The raw deflate stream of `data`.
std::string deflate_for_tests(std::string_view data);
std::uint32_t crc32_for_tests(std::string_view data);

}  // namespace dormouse::build_context
