// SPDX-License-Identifier: Apache-2.0

#include "build_context/zip_for_tests.h"

#include <zlib.h>

#include <stdexcept>

namespace dormouse::build_context {

namespace {

// Little-endian.
void put(std::string& out, std::uint64_t value, int bytes) {
  for (int i = 0; i < bytes; ++i) {
    out += static_cast<char>(value >> (8 * i));
  }
}

const Bytef* bytes_of(std::string_view data) {
  return static_cast<const Bytef*>(static_cast<const void*>(data.data()));
}

}  // namespace

std::uint32_t crc32_for_tests(std::string_view data) {
  return static_cast<std::uint32_t>(::crc32(0, bytes_of(data), static_cast<uInt>(data.size())));
}

std::string deflate_for_tests(std::string_view data) {
  uLongf size = ::compressBound(data.size());
  std::string out(size, '\0');
  Bytef* const target = static_cast<Bytef*>(static_cast<void*>(out.data()));
  if (::compress2(target, &size, bytes_of(data), data.size(), Z_BEST_COMPRESSION) != Z_OK) {
    throw std::runtime_error("compress2");
  }
  return out.substr(2, size - 6);  // without the frame of zlib (RFC 1950): two bytes before, four after
}

ZipForTests& ZipForTests::add(const Entry& entry) {
  return append(entry, entry.data, crc32_for_tests(entry.data), static_cast<std::uint32_t>(entry.data.size()));
}

ZipForTests& ZipForTests::deflated(std::string_view name, std::string_view data) {
  Entry entry;
  entry.name = name;
  entry.method = 8;
  return append(entry, deflate_for_tests(data), crc32_for_tests(data), static_cast<std::uint32_t>(data.size()));
}

ZipForTests& ZipForTests::append(const Entry& entry, std::string_view packed, std::uint32_t crc, std::uint32_t size) {
  std::string common;  // what both headers have
  put(common, 20, 2);  // version needed
  put(common, entry.flags, 2);
  put(common, entry.method, 2);
  put(common, 0x6000, 2);  // 12:00:00
  put(common, 0x58c1, 2);  // 2024-06-01
  put(common, crc ^ entry.crc_xor, 4);
  put(common, packed.size(), 4);
  put(common, std::uint64_t{size} + entry.size_added, 4);
  put(common, entry.name.size(), 2);
  put(common, 0, 2);  // extra fields

  directory_ += "PK\x01\x02";
  put(directory_, 20, 1);
  put(directory_, entry.system, 1);
  directory_ += common;
  put(directory_, 0, 2);  // comment
  put(directory_, 0, 2);  // disk
  put(directory_, 0, 2);  // internal attributes
  put(directory_, std::uint64_t{entry.mode} << 16U, 4);
  put(directory_, content_.size(), 4);
  directory_ += entry.name;

  content_ += "PK\x03\x04" + common + entry.name;
  content_ += packed;
  ++entries_;
  return *this;
}

std::string ZipForTests::bytes() const {
  std::string out = content_ + directory_ + "PK\x05\x06";
  put(out, 0, 4);  // disks
  put(out, entries_, 2);
  put(out, entries_, 2);
  put(out, directory_.size(), 4);
  put(out, content_.size(), 4);
  put(out, 0, 2);  // comment
  return out;
}

}  // namespace dormouse::build_context
