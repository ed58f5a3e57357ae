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

State begin() {
  State state(EVP_MD_CTX_new(), &EVP_MD_CTX_free);
  if (!state || EVP_DigestInit_ex(state.get(), EVP_sha256(), nullptr) != 1) {
    throw std::bad_alloc();
  }
  return state;
}

std::string finish_hexadecimal(EVP_MD_CTX* state) {
  std::array<unsigned char, EVP_MAX_MD_SIZE> bytes{};
  unsigned int size = 0;
  EVP_DigestFinal_ex(state, bytes.data(), &size);
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

Digest::Digest() : state_(EVP_MD_CTX_new()) {
  if (!state_ || EVP_DigestInit_ex(state_.get(), EVP_sha256(), nullptr) != 1) {
    throw std::bad_alloc();
  }
}

Digest::~Digest() = default;

void Digest::update(std::string_view bytes) { EVP_DigestUpdate(state_.get(), bytes.data(), bytes.size()); }

void Digest::add(std::string_view name, std::string_view content) {
  for (const std::string_view part : {name, content}) {
    update(std::to_string(part.size()) + ":");
    update(part);
  }
}

std::string Digest::finish() { return finish_hexadecimal(state_.get()); }

std::string digest_of(std::string_view text) {
  const State state = begin();
  EVP_DigestUpdate(state.get(), text.data(), text.size());
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
    EVP_DigestUpdate(state.get(), buffer.data(), static_cast<std::size_t>(got));
  }
}

}  // namespace dormouse::hashing
