// SPDX-License-Identifier: Apache-2.0

#include "control/sessions.h"

#include <utility>

#include "aws/credentials.h"
#include "aws/digest.h"
#include "aws/encoding.h"
#include "control/document.h"

namespace dormouse::control {

namespace {

constexpr std::size_t kSignatureSize = 32;  // bytes of an HMAC-SHA-256
constexpr std::size_t kSecretSize = 40;     // characters, as those of lasting keys

}  // namespace

template <typename Document>
void members(Document& document, typename Document::template As<Sessions::Session>& session) {
  document("k", session.access_key);
  document("a", session.account);
  document("r", session.role_name);
  document("i", session.role_id);
  document("s", session.name);
  document("e", session.expires_at);
}

std::string Sessions::secret_of(std::string_view content) const {
  return aws::to_base64(aws::hmac_sha256(key_, std::string("secret\n").append(content))).substr(0, kSecretSize);
}

Sessions::Issued Sessions::issue(Session session) const {
  session.access_key = aws::new_access_key("ASIA");
  const std::string content = to_document(session);
  const std::string signature = aws::hmac_sha256(key_, "token\n" + content);
  return {std::move(session), secret_of(content), aws::to_base64(signature + content)};
}

std::optional<Sessions::Opened> Sessions::open(std::string_view token) const {
  const auto bytes = aws::from_base64(token);
  if (!bytes || bytes->size() < kSignatureSize) {
    return std::nullopt;
  }
  const std::string content = bytes->substr(kSignatureSize);
  if (!aws::equal_in_constant_time(std::string_view(*bytes).substr(0, kSignatureSize),
                                   aws::hmac_sha256(key_, "token\n" + content))) {
    return std::nullopt;
  }
  Opened opened;
  if (!from_document(content, opened.session)) {
    return std::nullopt;
  }
  opened.secret = secret_of(content);
  return opened;
}

}  // namespace dormouse::control
