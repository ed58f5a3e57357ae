// SPDX-License-Identifier: Apache-2.0

#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "net/http.h"

namespace dormouse::artifacts {

inline constexpr std::string_view kS3Namespace = "http://s3.amazonaws.com/doc/2006-03-01/";

// Writes an XML document, element by element. Text is escaped; characters that XML cannot hold become references, as S3
// writes them (clients that may meet them ask for encoding-type=url).
class XmlWriter {
 public:
  XmlWriter& open(std::string_view element, std::string_view xml_namespace = {});
  XmlWriter& close(std::string_view element);
  XmlWriter& content(std::string_view value);
  XmlWriter& text(std::string_view element, std::string_view value);
  XmlWriter& number(std::string_view element, std::uint64_t value) { return text(element, std::to_string(value)); }
  XmlWriter& boolean(std::string_view element, bool value) { return text(element, value ? "true" : "false"); }

  std::string take() { return std::move(text_); }

 private:
  std::string text_ = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n";
};

net::Response xml_response(int status, XmlWriter xml);

}  // namespace dormouse::artifacts
