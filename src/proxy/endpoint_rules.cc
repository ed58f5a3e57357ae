// SPDX-License-Identifier: Apache-2.0

#include "proxy/endpoint_rules.h"

#include <algorithm>
#include <cctype>
#include <charconv>
#include <vector>

#include <boost/beast/http/rfc7230.hpp>

namespace dormouse::proxy {

namespace http = boost::beast::http;
using http::field;

namespace {

constexpr std::string_view kMarker = "lambda-microvms";
constexpr std::string_view kTokenPrefix = "lambda-microvms.authentication.";
constexpr std::string_view kPortPrefix = "lambda-microvms.port.";
constexpr std::string_view kReservedPrefix = "x-aws-proxy-";
constexpr std::string_view kRequestId = "x-amzn-requestid";

std::string_view view(boost::core::string_view text) { return {text.data(), text.size()}; }

std::string lower(std::string_view text) {
  std::string result(text);
  std::transform(
      result.begin(), result.end(), result.begin(), [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return result;
}

// The members of all headers of that name, which are lists (RFC 9110 section 5.6.1).
std::vector<std::string> list_of(const Fields& fields, field name) {
  std::vector<std::string> result;
  const auto [first, last] = fields.equal_range(name);
  for (auto header = first; header != last; ++header) {
    std::string_view rest = view(header->value());
    while (!rest.empty()) {
      const std::size_t comma = rest.find(',');
      std::string_view member = rest.substr(0, comma);
      rest.remove_prefix(comma == std::string_view::npos ? rest.size() : comma + 1);
      while (!member.empty() && (member.front() == ' ' || member.front() == '\t')) {
        member.remove_prefix(1);
      }
      while (!member.empty() && (member.back() == ' ' || member.back() == '\t')) {
        member.remove_suffix(1);
      }
      if (!member.empty()) {
        result.emplace_back(member);
      }
    }
  }
  return result;
}

bool is_ours(std::string_view subprotocol) {
  return subprotocol == kMarker || subprotocol.starts_with(kTokenPrefix) || subprotocol.starts_with(kPortPrefix);
}

// Headers of one connection: those that Connection names and those that RFC 9110 section 7.6.1 lists. Transfer-Encoding
// stays, because the framing does.
void erase_connection_headers(Fields& fields) {
  for (const std::string& name : list_of(fields, field::connection)) {
    const std::string folded = lower(name);
    if (folded != "transfer-encoding" && folded != "content-length" && folded != "host") {
      fields.erase(name);
    }
  }
  for (const field name : {field::connection,
                           field::keep_alive,
                           field::proxy_connection,
                           field::te,
                           field::trailer,
                           field::upgrade,
                           field::proxy_authenticate,
                           field::proxy_authorization}) {
    fields.erase(name);
  }
  fields.erase("HTTP2-Settings");
}

void keep_foreign_subprotocols(Fields& fields) {
  const std::vector<std::string> offered = list_of(fields, field::sec_websocket_protocol);
  std::string kept;
  for (const std::string& subprotocol : offered) {
    if (!is_ours(subprotocol)) {
      kept += (kept.empty() ? "" : ", ") + subprotocol;
    }
  }
  fields.erase(field::sec_websocket_protocol);
  if (!kept.empty()) {
    fields.set(field::sec_websocket_protocol, kept);
  }
}

// "" when the header is absent, its value when there is one, a value that is never valid when there are several.
std::string single(const Fields& fields, std::string_view name) {
  const auto count = fields.count(name);
  if (count > 1) {
    return "several";
  }
  return count == 0 ? std::string() : std::string(view(fields[name]));
}

}  // namespace

Offer offer_of(const RequestHeader& request, bool upgrade) {
  Offer offer;
  offer.token = single(request, "x-aws-proxy-auth");
  if (request.count("x-aws-proxy-port") > 0) {
    offer.port = single(request, "x-aws-proxy-port");
  }
  if (!upgrade) {
    return offer;
  }
  const std::vector<std::string> offered = list_of(request, field::sec_websocket_protocol);
  offer.marker = std::find(offered.begin(), offered.end(), kMarker) != offered.end();
  for (const std::string& subprotocol : offered) {
    if (subprotocol.starts_with(kTokenPrefix) && offer.token.empty() && offer.marker) {
      offer.token = subprotocol.substr(kTokenPrefix.size());
    } else if (subprotocol.starts_with(kPortPrefix) && !offer.port) {
      offer.port = subprotocol.substr(kPortPrefix.size());
    }
  }
  return offer;
}

std::optional<std::uint16_t> parse_port(std::string_view text) {
  std::uint16_t port = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), port);
  if (error != std::errc() || end != text.data() + text.size() || port == 0) {
    return std::nullopt;
  }
  return port;
}

std::string endpoint_id_of(const Fields& request) {
  if (request.count(field::host) != 1) {
    return {};
  }
  const std::string_view host = view(request[field::host]);
  const std::size_t dot = host.find('.');
  return dot == std::string_view::npos ? std::string() : lower(host.substr(0, dot));
}

bool is_upgrade(const RequestHeader& request, bool has_body) {
  if (request.version() < 11 || has_body || request.count(field::upgrade) == 0 ||
      !http::token_list{request[field::connection]}.exists("upgrade")) {
    return false;
  }
  const std::vector<std::string> protocols = list_of(request, field::upgrade);
  return std::none_of(protocols.begin(), protocols.end(), [](const std::string& name) { return lower(name) == "h2c"; });
}

bool is_forwardable(const RequestHeader& request) {
  const std::string_view target = view(request.target());
  const bool is_path = !target.empty() && target.front() == '/';
  if (request.method() == http::verb::connect ||
      (!is_path && !(target == "*" && request.method() == http::verb::options))) {
    return false;
  }
  if (request.count(field::transfer_encoding) == 0) {
    return request.count(field::content_length) <= 1;
  }
  return request.version() >= 11 && request.count(field::transfer_encoding) == 1 &&
         request.count(field::content_length) == 0 && lower(view(request[field::transfer_encoding])) == "chunked";
}

void make_forwardable(RequestHeader& request, bool upgrade, const std::string& request_id) {
  const std::string protocols(view(request[field::upgrade]));
  std::vector<std::string> reserved;
  for (const auto& header : request) {
    if (lower(view(header.name_string())).starts_with(kReservedPrefix)) {
      reserved.emplace_back(view(header.name_string()));
    }
  }
  for (const std::string& name : reserved) {
    request.erase(name);
  }
  erase_connection_headers(request);
  request.version(11);
  if (upgrade) {
    keep_foreign_subprotocols(request);
    request.set(field::upgrade, protocols);
    request.set(field::connection, "Upgrade");
  } else {
    request.set(field::connection, "close");
  }
  request.set(boost::core::string_view(kRequestId.data(), kRequestId.size()), request_id);
}

void make_answerable(ResponseHeader& response, bool upgraded, bool marker, const std::string& request_id) {
  const std::string protocols(view(response[field::upgrade]));
  erase_connection_headers(response);
  response.version(11);
  if (upgraded) {
    response.set(field::upgrade, protocols);
    response.set(field::connection, "Upgrade");
    if (marker && response.count(field::sec_websocket_protocol) == 0) {
      response.set(field::sec_websocket_protocol, boost::core::string_view(kMarker.data(), kMarker.size()));
    }
  }
  response.set(boost::core::string_view(kRequestId.data(), kRequestId.size()), request_id);
}

}  // namespace dormouse::proxy
