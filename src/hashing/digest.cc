// SPDX-License-Identifier: Apache-2.0

#include "hashing/digest.h"

#include <fcntl.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <new>
#include <vector>

#include <openssl/evp.h>

#include "os/file.h"

namespace dormouse::hashing {
namespace {

using State = std::unique_ptr<EVP_MD_CTX, decltype(&EVP_MD_CTX_free)>;

// OpenSSL fails here for want of memory alone; a digest of less than all bytes must not come out.
void require(bool succeeded) {
  if (!succeeded) {
    throw std::bad_alloc();
  }
}

State begin() {
  State state(EVP_MD_CTX_new(), &EVP_MD_CTX_free);
  require(state && EVP_DigestInit_ex(state.get(), EVP_sha256(), nullptr) == 1);
  return state;
}

std::string finish_hexadecimal(EVP_MD_CTX* state) {
  std::array<unsigned char, EVP_MAX_MD_SIZE> bytes{};
  unsigned int size = 0;
  require(EVP_DigestFinal_ex(state, bytes.data(), &size) == 1);
  static constexpr std::string_view kDigits = "0123456789abcdef";
  std::string text;
  for (unsigned int i = 0; i < size; ++i) {
    text += kDigits[bytes[i] >> 4U];
    text += kDigits[bytes[i] & 15U];
  }
  return text;
}

}  // namespace

void Digest::Release::operator()(evp_md_ctx_st* state) const { EVP_MD_CTX_free(state); }

Digest::Digest() : state_(begin().release()) {}

Digest::~Digest() = default;

void Digest::update(std::string_view bytes) {
  require(EVP_DigestUpdate(state_.get(), bytes.data(), bytes.size()) == 1);
}

void Digest::add(std::string_view name, std::string_view content) {
  for (const std::string_view part : {name, content}) {
    update(std::to_string(part.size()) + ":");
    update(part);
  }
}

std::string Digest::finish() { return finish_hexadecimal(state_.get()); }

std::string digest_of(std::string_view text) {
  const State state = begin();
  require(EVP_DigestUpdate(state.get(), text.data(), text.size()) == 1);
  return finish_hexadecimal(state.get());
}

Result<std::string> digest_of_file(const std::filesystem::path& path) {
  DM_ASSIGN(const UniqueFd file, os::open_file(path, O_RDONLY), "");
  const State state = begin();
  std::vector<char> buffer(1U << 20U);
  for (;;) {
    const ssize_t got = ::read(file.get(), buffer.data(), buffer.size());
    if (got < 0 && errno == EINTR) {
      continue;
    }
    if (got < 0) {
      return fail_errno("read " + path.string());
    }
    if (got == 0) {
      return finish_hexadecimal(state.get());
    }
    require(EVP_DigestUpdate(state.get(), buffer.data(), static_cast<std::size_t>(got)) == 1);
  }
}

}  // namespace dormouse::hashing
