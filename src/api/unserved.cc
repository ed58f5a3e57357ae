// SPDX-License-Identifier: Apache-2.0

#include "api/unserved.h"

#include <algorithm>
#include <utility>

#include <boost/json.hpp>
#include <fmt/format.h>

#include "api/query_answer.h"

namespace dormouse::api {
namespace {

struct NamedService {
  std::string_view signing_name;
  std::string_view variable;  // after AWS_ENDPOINT_URL_: the service id of the SDKs
};

// Services whose id in the SDKs is not their signing name.
constexpr NamedService kServices[] = {
    {"cloudcontrolapi", "CLOUDCONTROL"},
    {"cognito-idp", "COGNITO_IDENTITY_PROVIDER"},
    {"elasticfilesystem", "EFS"},
    {"elasticloadbalancing", "ELASTIC_LOAD_BALANCING_V2"},
    {"elasticmapreduce", "EMR"},
    {"es", "OPENSEARCH"},
    {"events", "EVENTBRIDGE"},
    {"execute-api", "APIGATEWAYMANAGEMENTAPI"},
    {"logs", "CLOUDWATCH_LOGS"},
    {"monitoring", "CLOUDWATCH"},
    {"secretsmanager", "SECRETS_MANAGER"},
    {"servicecatalog", "SERVICE_CATALOG"},
    {"ses", "SESV2"},
    {"states", "SFN"},
    {"tagging", "RESOURCE_GROUPS_TAGGING_API"},
};

bool reads_xml(std::string_view signing_name, std::string_view content_type) {
  constexpr std::string_view kXmlServices[] = {"cloudfront", "route53", "s3express", "s3-outposts"};
  return content_type.starts_with("application/x-www-form-urlencoded") ||
         std::find(std::begin(kXmlServices), std::end(kXmlServices), signing_name) != std::end(kXmlServices);
}

}  // namespace

std::string endpoint_variable(std::string_view signing_name) {
  std::string variable = "AWS_ENDPOINT_URL_";
  for (const NamedService& service : kServices) {
    if (service.signing_name == signing_name) {
      return variable.append(service.variable);
    }
  }
  for (const char character : signing_name) {
    const bool lower = character >= 'a' && character <= 'z';
    const bool kept = (character >= '0' && character <= '9') || (character >= 'A' && character <= 'Z');
    variable += lower ? static_cast<char>(character - 'a' + 'A') : kept ? character : '_';
  }
  return variable;
}

net::Response answer_unserved(std::string_view signing_name,
                              const std::string& region,
                              const net::Headers& request_headers,
                              const std::string& request_id) {
  const std::string message = fmt::format(
      "Dormouse does not serve '{0}'. Set {1} to an endpoint that does, such as https://{0}.{2}.amazonaws.com, or "
      "point "
      "only the services of Dormouse here, as `dormouse env` prints them.",
      signing_name,
      endpoint_variable(signing_name),
      region);
  const std::string_view content_type = request_headers.find("Content-Type").value_or("");
  if (reads_xml(signing_name, content_type)) {
    return query_error(501, "ServiceNotServed", message, request_id);
  }
  boost::json::object body;
  body["__type"] = "ServiceNotServed";
  body["message"] = message;
  net::Response response;
  response.status = 501;
  response.headers.add(
      "Content-Type",
      content_type.starts_with("application/x-amz-json") ? std::string(content_type) : "application/json");
  response.headers.add("x-amzn-errortype", "ServiceNotServed");
  response.body = boost::json::serialize(body);
  return response;
}

}  // namespace dormouse::api
