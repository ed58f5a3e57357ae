// SPDX-License-Identifier: Apache-2.0

#include "artifacts/xml.h"

#include <utility>

#include <fmt/core.h>

namespace dormouse::artifacts {

namespace {

std::string escape(std::string_view text) {
  std::string escaped;
  escaped.reserve(text.size());
  for (const char c : text) {
    switch (c) {
      case '&': escaped += "&amp;"; break;
      case '<': escaped += "&lt;"; break;
      case '>': escaped += "&gt;"; break;
      case '"': escaped += "&quot;"; break;
      default:
        if (static_cast<unsigned char>(c) < 0x20 && c != '\t' && c != '\n') {
          escaped += fmt::format("&#x{:x};", static_cast<unsigned>(c));
        } else {
          escaped += c;
        }
    }
  }
  return escaped;
}

}  // namespace

XmlWriter& XmlWriter::open(std::string_view element, std::string_view xml_namespace) {
  text_ +=
      xml_namespace.empty() ? fmt::format("<{}>", element) : fmt::format("<{} xmlns=\"{}\">", element, xml_namespace);
  return *this;
}

XmlWriter& XmlWriter::close(std::string_view element) {
  text_ += fmt::format("</{}>", element);
  return *this;
}

XmlWriter& XmlWriter::content(std::string_view value) {
  text_ += escape(value);
  return *this;
}

XmlWriter& XmlWriter::text(std::string_view element, std::string_view value) {
  text_ += fmt::format("<{}>{}</{}>", element, escape(value), element);
  return *this;
}

net::Response xml_response(int status, XmlWriter xml) {
  net::Response response;
  response.status = status;
  response.headers.add("Content-Type", "application/xml");
  response.body = xml.take();
  return response;
}

}  // namespace dormouse::artifacts
