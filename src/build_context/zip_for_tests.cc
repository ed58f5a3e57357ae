// SPDX-License-Identifier: Apache-2.0

#include "build_context/zip_for_tests.h"

#include <archive.h>
#include <archive_entry.h>

#include <memory>
#include <stdexcept>

#include <boost/crc.hpp>

namespace dormouse::build_context {

namespace {

// Little-endian.
void put(std::string& out, std::uint64_t value, int bytes) {
  for (int i = 0; i < bytes; ++i) {
    out += static_cast<char>(value >> (8 * i));
  }
}

}  // namespace

std::uint32_t crc32_for_tests(std::string_view data) {
  boost::crc_32_type crc;
  crc.process_bytes(data.data(), data.size());
  return crc.checksum();
}

std::string deflate_for_tests(std::string_view data) {
  std::string out(data.size() + 1000, '\0');
  std::size_t size = 0;
  const std::unique_ptr<archive, decltype(&archive_write_free)> writer(archive_write_new(), &archive_write_free);
  const std::unique_ptr<archive_entry, decltype(&archive_entry_free)> entry(archive_entry_new(), &archive_entry_free);
  archive_entry_set_filetype(entry.get(), AE_IFREG);
  const auto must = [](bool done) {
    if (!done) {
      throw std::runtime_error("libarchive");
    }
  };
  must(archive_write_set_format_raw(writer.get()) == ARCHIVE_OK);
  must(archive_write_add_filter_gzip(writer.get()) == ARCHIVE_OK);
  must(archive_write_set_bytes_in_last_block(writer.get(), 1) == ARCHIVE_OK);
  must(archive_write_open_memory(writer.get(), out.data(), out.size(), &size) == ARCHIVE_OK);
  must(archive_write_header(writer.get(), entry.get()) == ARCHIVE_OK);
  must(archive_write_data(writer.get(), data.data(), data.size()) == static_cast<la_ssize_t>(data.size()));
  must(archive_write_close(writer.get()) == ARCHIVE_OK);
  return out.substr(10, size - 18);  // without header and trailer of gzip (RFC 1952)
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
