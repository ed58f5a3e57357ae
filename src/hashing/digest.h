// SPDX-License-Identifier: Apache-2.0

#pragma once

#include <filesystem>
#include <memory>
#include <string>
#include <string_view>

#include "base/error.h"

struct evp_md_ctx_st;

namespace dormouse::hashing {

// SHA-256 over a sequence of named parts; two different sequences never give the same bytes to hash.
class Digest {
 public:
  Digest();
  ~Digest();
  Digest(const Digest&) = delete;
  Digest& operator=(const Digest&) = delete;

  void add(std::string_view name, std::string_view content);
  std::string finish();  // 64 lower-case hexadecimal digits; ends the use of this object

 private:
  void update(std::string_view bytes);

  struct Release {
    void operator()(evp_md_ctx_st* state) const;
  };
  std::unique_ptr<evp_md_ctx_st, Release> state_;
};

// SHA-256 of a text, and of a file's content, in hexadecimal.
std::string digest_of(std::string_view text);
Result<std::string> digest_of_file(const std::filesystem::path& path);

}  // namespace dormouse::hashing
