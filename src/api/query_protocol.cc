// SPDX-License-Identifier: Apache-2.0

#include "api/query_protocol.h"

#include <algorithm>

#include <fmt/format.h>

#include "api/uri.h"

namespace dormouse::api {
namespace {

constexpr std::string_view kNamespace = "https://sts.amazonaws.com/doc/2011-06-15/";

// Actions of the real service that clients may try.
constexpr std::string_view kActions[] = {
    "AssumeRole",
    "AssumeRoleWithSAML",
    "AssumeRoleWithWebIdentity",
    "DecodeAuthorizationMessage",
    "GetAccessKeyInfo",
    "GetFederationToken",
    "GetSessionToken",
};

std::string escaped(std::string_view text) {
  std::string result;
  for (const char character : text) {
    switch (character) {
      case '&': result += "&amp;"; break;
      case '<': result += "&lt;"; break;
      case '>': result += "&gt;"; break;
      case '"': result += "&quot;"; break;
      default: result += static_cast<unsigned char>(character) < 0x20 ? ' ' : character; break;
    }
  }
  return result;
}

net::Response xml(int status, std::string body) {
  net::Response response;
  response.status = status;
  response.headers.add("Content-Type", "text/xml");
  response.body = std::move(body);
  return response;
}

std::string action_of(const QueryRequest& request) {
  for (const std::string_view form : {request.query, request.body}) {
    for (const Parameter& parameter : parse_query(form).value_or(std::vector<Parameter>())) {
      if (parameter.name == "Action") {
        return parameter.value;
      }
    }
  }
  return "";
}

net::Response caller_identity(const QueryRequest& request) {
  return xml(200,
             fmt::format("<GetCallerIdentityResponse xmlns=\"{0}\">\n"
                         "  <GetCallerIdentityResult>\n"
                         "    <Arn>arn:aws:iam::{1}:root</Arn>\n"
                         "    <UserId>{1}</UserId>\n"
                         "    <Account>{1}</Account>\n"
                         "  </GetCallerIdentityResult>\n"
                         "  <ResponseMetadata>\n"
                         "    <RequestId>{2}</RequestId>\n"
                         "  </ResponseMetadata>\n"
                         "</GetCallerIdentityResponse>\n",
                         kNamespace,
                         escaped(request.account),
                         request.request_id));
}

}  // namespace

net::Response query_error(int status, std::string_view code, std::string_view message, std::string_view request_id) {
  net::Response response = xml(status,
                               fmt::format("<ErrorResponse xmlns=\"{}\">\n"
                                           "  <Error>\n"
                                           "    <Type>Sender</Type>\n"
                                           "    <Code>{}</Code>\n"
                                           "    <Message>{}</Message>\n"
                                           "  </Error>\n"
                                           "  <RequestId>{}</RequestId>\n"
                                           "</ErrorResponse>\n",
                                           kNamespace,
                                           escaped(code),
                                           escaped(message),
                                           request_id));
  return response;
}

net::Response answer_sts(const QueryRequest& request) {
  const std::string action = action_of(request);
  if (action == "GetCallerIdentity") {
    return caller_identity(request);
  }
  if (std::find(std::begin(kActions), std::end(kActions), action) != std::end(kActions)) {
    return query_error(501, "NotImplemented", fmt::format("{} is not available yet", action), request.request_id);
  }
  return query_error(400,
                     "InvalidAction",
                     fmt::format("Could not find operation '{}' for version 2011-06-15", action),
                     request.request_id);
}

}  // namespace dormouse::api
