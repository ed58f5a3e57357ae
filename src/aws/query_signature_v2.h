// SPDX-License-Identifier: Apache-2.0
//
// S3's older presigned URLs (AWSAccessKeyId, Expires, Signature), which `aws s3 presign` of version 1 and boto3 make unless
// told otherwise. Only this form of Signature Version 2 is known here. Source: "Signing and authenticating REST requests",
// S3 developer guide.

#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "aws/authorization.h"
#include "aws/sigv4.h"

namespace dormouse::aws {

// Names below which "<bucket>.<name>" in Host means a bucket, for clients on this machine.
std::vector<std::string> default_s3_host_names();

// The bucket that a Host header names in virtual-host style, or "": then the path's first segment does.
std::string bucket_of_host(std::string_view host, const std::vector<std::string>& host_names);

bool has_query_signature_v2(const QueryParameters& parameters);

// What X-Amz-Signature is to version 4: base64 of an HMAC-SHA1. Covers method, path, Content-MD5, Content-Type, x-amz-*
// headers, and of the query the subresources and response-* alone.
std::string query_signature_v2(const WireRequest& request,
                               const QueryParameters& parameters,
                               std::string_view secret,
                               const std::vector<std::string>& host_names);

}  // namespace dormouse::aws
