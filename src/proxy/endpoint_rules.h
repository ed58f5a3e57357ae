// SPDX-License-Identifier: Apache-2.0
//
// What the endpoint reads from and changes in the headers of requests and answers: pure functions (specification sections
// 7.2 to 7.4 and 7.6). Includes Beast.

#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include <boost/beast/http/fields.hpp>
#include <boost/beast/http/message.hpp>

namespace dormouse::proxy {

inline constexpr std::uint16_t kDefaultPort = 8080;

// An answer that the endpoint gives in the application's place. An empty text is an empty body.
struct Refusal {
  unsigned status = 502;
  std::string_view text;        // static
  int retry_after_seconds = 0;  // 0: not said
};
inline constexpr Refusal kMissingAuthentication{403, "Request missing authentication"};
inline constexpr Refusal kAuthenticationFailed{403, "Token authentication failed"};
inline constexpr Refusal kPortDenied{403, "Access to port denied"};
inline constexpr Refusal kInvalidPort{400, "Invalid port"};
inline constexpr Refusal kBadRequest{400, "Bad request"};
inline constexpr Refusal kTooManyRequests{429, "Too many requests"};
inline constexpr Refusal kTooManyConnections{429, "Too many connections"};
inline constexpr Refusal kBadGateway{502, ""};

using Fields = boost::beast::http::fields;
using RequestHeader = boost::beast::http::request_header<>;
using ResponseHeader = boost::beast::http::response_header<>;

// What a request offers, from x-aws-proxy-* or from WebSocket subprotocols; the headers win.
struct Offer {
  std::string token;                // empty: none
  std::optional<std::string> port;  // as written
  bool marker = false;              // the subprotocol "lambda-microvms" was offered
};
Offer offer_of(const RequestHeader& request, bool upgrade);

// 1 to 65535, digits only.
std::optional<std::uint16_t> parse_port(std::string_view text);

// The first label of the host name, in lower case; empty when there is not exactly one Host or it has no second label.
std::string endpoint_id_of(const Fields& request);

// A request to change protocols that passes: HTTP/1.1, a Connection and an Upgrade header, no body, not to HTTP/2.
bool is_upgrade(const RequestHeader& request, bool has_body);

// Whether the message can be forwarded at all: a target that is a path (or "*" of OPTIONS), no CONNECT, and a framing that
// every server understands alike.
bool is_forwardable(const RequestHeader& request);

// Changes a request to what the application gets: without x-aws-proxy-*, the endpoint's subprotocols and what concerns the
// client's connection alone (RFC 9110 section 7.6.1), with x-amzn-requestid. Host stays.
void make_forwardable(RequestHeader& request, bool upgrade, const std::string& request_id);

// Changes an answer to what the client gets, likewise. With `marker`, one to an upgrade that selects no subprotocol selects
// "lambda-microvms".
void make_answerable(ResponseHeader& response, bool upgraded, bool marker, const std::string& request_id);

}  // namespace dormouse::proxy
