#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Makes vectors.json: requests signed by botocore, for src/aws/sigv4_test.cc.

Usage: python3 -m venv VENV && VENV/bin/pip install boto3 && VENV/bin/python generate.py > vectors.json
"""

import datetime
import json
import sys
from urllib.parse import urlsplit

import botocore
import botocore.auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

ACCESS_KEY = "AKIAIOSFODNN7EXAMPLE"
SECRET = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"
NOW = datetime.datetime(2026, 1, 2, 3, 4, 5, tzinfo=datetime.timezone.utc)


def freeze_time():
    botocore.auth.get_current_datetime = lambda remove_tzinfo=True: NOW.replace(tzinfo=None) if remove_tzinfo else NOW


SIGNERS = {
    "header": (botocore.auth.SigV4Auth, botocore.auth.S3SigV4Auth),
    "presigned": (botocore.auth.SigV4QueryAuth, botocore.auth.S3SigV4QueryAuth),
}


def vector(name, form, service, method, url, headers=None, body="", region="us-east-1", context=None):
    request = AWSRequest(method=method, url=url, data=body.encode(), headers=headers or {})
    request.context.update(context or {})
    request.headers["Host"] = urlsplit(url).netloc
    before = [[key, value] for key, value in request.headers.items()]
    signer = SIGNERS[form][service == "s3"](Credentials(ACCESS_KEY, SECRET), service, region)
    signer.add_auth(request)
    parts = urlsplit(request.url)
    return {
        "name": name,
        "form": form,
        "service": service,
        "region": region,
        "method": method,
        "path": parts.path,
        "query": parts.query,
        "unsigned_query": urlsplit(url).query,
        "unsigned_headers": before,
        "headers": [[key, value] for key, value in request.headers.items()],
        "body": body,
    }


HOST = "http://127.0.0.1:9600"
VECTORS = [
    ("list images", "header", "lambda", "GET", HOST + "/2025-09-09/microvm-images"),
    ("arn in the path", "header", "lambda", "GET",
     HOST + "/2025-09-09/microvm-images/arn%3Aaws%3Alambda%3Aus-east-1%3A000000000000%3Amicrovm-image%3Ax"),
    ("json body", "header", "lambda", "POST", HOST + "/2025-09-09/microvms",
     {"Content-Type": "application/json"}, '{"imageIdentifier":"arn:aws:x"}'),
    ("query with reserved characters", "header", "lambda", "GET",
     HOST + "/2025-09-09/microvms?nextToken=a%3D%3D%2F%2B&maxResults=5&empty="),
    ("doubled slash and dot segments", "header", "lambda", "GET", HOST + "/a//b/./c/../d/"),
    ("inner white space of a value", "header", "lambda", "GET", HOST + "/", {"X-Amz-Test": "  a   b  "}),
    ("presigned get", "presigned", "lambda", "GET", HOST + "/2025-09-09/microvms?maxResults=1"),
    ("s3 get of an odd key", "header", "s3", "GET", HOST + "/bucket/a%20b%2Bc%3Ad//e%25/./%C3%BC"),
    ("s3 put", "header", "s3", "PUT", HOST + "/bucket/key", {"Content-Type": "text/plain"}, "hello"),
    ("s3 subresource", "header", "s3", "POST", HOST + "/bucket/key?uploads"),
    ("s3 virtual host", "header", "s3", "GET", "http://bucket.localhost:9600/?list-type=2&prefix=a%2Fb&encoding-type=url"),
    ("s3 presigned get", "presigned", "s3", "GET", HOST + "/bucket/k%C3%A9y?response-content-type=text%2Fplain"),
    ("s3 in another region", "header", "s3", "GET", HOST + "/bucket/key", None, "", "eu-west-1"),
]


def version_2():
    """A presigned URL of S3's older form; it expires an hour after NOW."""
    botocore.auth.time.time = NOW.timestamp
    url = HOST + "/bucket/a%20b?response-content-type=text%2Fplain&prefix=x"
    request = AWSRequest(method="GET", url=url)
    botocore.auth.HmacV1QueryAuth(Credentials(ACCESS_KEY, SECRET), expires=3600).add_auth(request)
    parts = urlsplit(request.url)
    return {"method": "GET", "host": "127.0.0.1:9600", "path": parts.path, "query": parts.query}


def main():
    freeze_time()
    vectors = [vector(*arguments) for arguments in VECTORS]
    json.dump({"botocore": botocore.__version__, "access_key": ACCESS_KEY, "secret": SECRET,
               "time": NOW.strftime("%Y%m%dT%H%M%SZ"), "vectors": vectors, "version_2": version_2()}, sys.stdout, indent=1)
    print()


if __name__ == "__main__":
    main()
