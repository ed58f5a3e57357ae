#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The S3 subset against its official clients: boto3, the aws CLI and the AWS SDK for JavaScript.

Starts dm_s3_test_server of the build directory (DORMOUSE_BUILD_DIR, else build/dev) over a directory that goes with the test.
"""

import hashlib
import http.client
import io
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import threading
import time
import unittest
import urllib.error
import urllib.parse
import urllib.request

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))
from tests.support import clients, suite  # noqa: E402

CLIENTS = ROOT / "tests/clients"

if __name__ == "__main__":
    clients.javascript(CLIENTS)  # first: run_with() drops what may be needed to reach the registries
    clients.run_with(CLIENTS / "requirements.txt")

import botocore.exceptions  # noqa: E402

from tests.support.s3_server import S3Server  # noqa: E402

MIB = 1 << 20


class S3TestCase(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.directory = tempfile.mkdtemp(prefix="dormouse-s3-")
        cls.server = S3Server(cls.directory)
        cls.s3 = cls.server.client()

    @classmethod
    def tearDownClass(cls):
        code = cls.server.stop()
        incoming = os.listdir(pathlib.Path(cls.directory) / "artifacts/incoming")
        shutil.rmtree(cls.directory)
        assert code == 0, f"the server ended with {code}"
        assert not incoming, f"left in incoming: {incoming}"

    def setUp(self):
        self.bucket = "b-" + hashlib.sha1(self.id().encode()).hexdigest()[:16]
        self.s3.create_bucket(Bucket=self.bucket)

    def refused(self, code, status, call, **arguments):
        with self.assertRaises(botocore.exceptions.ClientError) as caught:
            call(**arguments)
        response = caught.exception.response
        self.assertEqual((response["Error"]["Code"], response["ResponseMetadata"]["HTTPStatusCode"]), (code, status))
        return response["Error"]

    def keys(self):
        return [item["Key"] for item in self.s3.list_objects_v2(Bucket=self.bucket).get("Contents", [])]


class Boto3(S3TestCase):
    def test_object_comes_back_with_what_was_said_about_it(self):
        put = self.s3.put_object(
            Bucket=self.bucket, Key="a/b", Body=b"hello", ContentType="text/x", Metadata={"who": "me"}, CacheControl="no-cache"
        )
        self.assertEqual(put["ETag"], '"5d41402abc4b2a76b9719d911017c592"')
        got = self.s3.get_object(Bucket=self.bucket, Key="a/b")
        self.assertEqual(got["Body"].read(), b"hello")
        self.assertEqual((got["ContentType"], got["Metadata"], got["CacheControl"]), ("text/x", {"who": "me"}, "no-cache"))
        head = self.s3.head_object(Bucket=self.bucket, Key="a/b", ChecksumMode="ENABLED")
        self.assertEqual((head["ContentLength"], head["ChecksumCRC32"]), (5, "NhCmhg=="))
        self.assertNotIn("ContentEncoding", head)

    def test_ranges(self):
        self.s3.put_object(Bucket=self.bucket, Key="k", Body=b"0123456789")
        for text, expected in (("bytes=2-4", b"234"), ("bytes=7-", b"789"), ("bytes=-2", b"89"), ("bytes=5-99", b"56789")):
            got = self.s3.get_object(Bucket=self.bucket, Key="k", Range=text)
            self.assertEqual((got["Body"].read(), got["ResponseMetadata"]["HTTPStatusCode"]), (expected, 206))
        self.refused("InvalidRange", 416, self.s3.get_object, Bucket=self.bucket, Key="k", Range="bytes=10-")

    def test_conditions_of_gets_and_puts(self):
        etag = self.s3.put_object(Bucket=self.bucket, Key="k", Body=b"1")["ETag"]
        get = self.s3.get_object
        self.refused("304", 304, get, Bucket=self.bucket, Key="k", IfNoneMatch=etag)
        self.refused("PreconditionFailed", 412, get, Bucket=self.bucket, Key="k", IfMatch='"other"')
        self.assertEqual(get(Bucket=self.bucket, Key="k", IfMatch=etag)["Body"].read(), b"1")
        put = self.s3.put_object
        self.refused("PreconditionFailed", 412, put, Bucket=self.bucket, Key="k", Body=b"2", IfNoneMatch="*")
        self.refused("PreconditionFailed", 412, put, Bucket=self.bucket, Key="k", Body=b"2", IfMatch='"other"')
        put(Bucket=self.bucket, Key="k", Body=b"3", IfMatch=etag)
        self.assertEqual(get(Bucket=self.bucket, Key="k")["Body"].read(), b"3")

    def test_listing_is_sorted_paged_and_grouped(self):
        keys = ["a", "b/1", "b/2", "b/c/3", "d", "e/4", "é", "z z+%"]
        for key in keys:
            self.s3.put_object(Bucket=self.bucket, Key=key, Body=b"")
        for operation in ("list_objects", "list_objects_v2"):
            paginator = self.s3.get_paginator(operation)
            for size in (1, 2, 3, 1000):
                pages = list(paginator.paginate(Bucket=self.bucket, PaginationConfig={"PageSize": size}))
                self.assertEqual([i["Key"] for p in pages for i in p.get("Contents", [])], sorted(keys, key=str.encode))
                pages = list(paginator.paginate(Bucket=self.bucket, Delimiter="/", PaginationConfig={"PageSize": size}))
                self.assertEqual([i["Prefix"] for p in pages for i in p.get("CommonPrefixes", [])], ["b/", "e/"])
                self.assertEqual([i["Key"] for p in pages for i in p.get("Contents", [])], ["a", "d", "z z+%", "é"])
        page = self.s3.list_objects_v2(Bucket=self.bucket, Prefix="b/", Delimiter="/")
        self.assertEqual([i["Key"] for i in page["Contents"]], ["b/1", "b/2"])
        self.assertEqual(page["CommonPrefixes"], [{"Prefix": "b/c/"}])
        self.assertEqual(self.s3.list_objects_v2(Bucket=self.bucket, StartAfter="d", MaxKeys=1)["Contents"][0]["Key"], "e/4")

    def test_any_key_is_a_key_and_none_is_a_path(self):
        keys = ["../../../../tmp/x", "/absolute", "a//b", "ü €\U0001f600", " ", "a+b c", "%41", ".", "..", "a/./b", "k" * 1024, "&<>\"'"]
        for key in keys:
            self.s3.put_object(Bucket=self.bucket, Key=key, Body=key.encode())
        for key in keys:
            self.assertEqual(self.s3.get_object(Bucket=self.bucket, Key=key)["Body"].read(), key.encode(), key)
        self.assertEqual(self.keys(), sorted(keys, key=str.encode))
        self.refused("KeyTooLongError", 400, self.s3.put_object, Bucket=self.bucket, Key="k" * 1025, Body=b"")
        names = {path.name for path in pathlib.Path(self.directory).rglob("*") if path.is_file()}
        self.assertFalse([name for name in names if len(name) != 32 and not name.startswith("index.sqlite") and name != "credentials"])
        done = self.s3.delete_objects(Bucket=self.bucket, Delete={"Objects": [{"Key": key} for key in keys]})
        self.assertEqual(len(done["Deleted"]), len(keys))
        self.assertEqual(self.keys(), [])

    def test_buckets(self):
        self.assertIn(self.bucket, [bucket["Name"] for bucket in self.s3.list_buckets()["Buckets"]])
        self.assertIsNone(self.s3.get_bucket_location(Bucket=self.bucket)["LocationConstraint"])
        self.s3.head_bucket(Bucket=self.bucket)
        self.refused("404", 404, self.s3.head_bucket, Bucket="absent-bucket")
        self.refused("BucketAlreadyOwnedByYou", 409, self.s3.create_bucket, Bucket=self.bucket)
        self.s3.put_object(Bucket=self.bucket, Key="k", Body=b"")
        self.refused("BucketNotEmpty", 409, self.s3.delete_bucket, Bucket=self.bucket)
        self.s3.delete_object(Bucket=self.bucket, Key="k")
        self.s3.delete_object(Bucket=self.bucket, Key="k")  # again: no error
        self.s3.delete_bucket(Bucket=self.bucket)
        self.refused("NoSuchBucket", 404, self.s3.put_object, Bucket=self.bucket, Key="k", Body=b"")
        self.refused("NoSuchBucket", 404, self.s3.list_objects_v2, Bucket=self.bucket)
        self.refused("InvalidBucketName", 400, self.s3.create_bucket, Bucket="Upper")

    def test_missing_key_is_told_so(self):
        self.refused("NoSuchKey", 404, self.s3.get_object, Bucket=self.bucket, Key="absent")
        self.refused("404", 404, self.s3.head_object, Bucket=self.bucket, Key="absent")

    def test_copy_keeps_or_replaces_metadata(self):
        self.s3.put_object(Bucket=self.bucket, Key="a b", Body=b"x", Metadata={"m": "1"})
        self.s3.copy_object(Bucket=self.bucket, Key="c", CopySource={"Bucket": self.bucket, "Key": "a b"})
        self.assertEqual(self.s3.head_object(Bucket=self.bucket, Key="c")["Metadata"], {"m": "1"})
        copy = {"Bucket": self.bucket, "Key": "c"}
        self.refused("InvalidRequest", 400, self.s3.copy_object, CopySource=copy, **copy)
        self.s3.copy_object(CopySource=copy, MetadataDirective="REPLACE", Metadata={"m": "2"}, **copy)
        got = self.s3.get_object(Bucket=self.bucket, Key="c")
        self.assertEqual((got["Metadata"], got["Body"].read()), ({"m": "2"}, b"x"))

    def test_checksums_are_verified_and_a_wrong_one_leaves_nothing(self):
        for algorithm in ("CRC32", "SHA1", "SHA256"):
            put = self.s3.put_object(Bucket=self.bucket, Key=algorithm, Body=b"hello", ChecksumAlgorithm=algorithm)
            self.assertTrue(put[f"Checksum{algorithm}"])
        wrong = {
            "ChecksumCRC32": "AAAAAA==",
            "ChecksumCRC32C": "AAAAAA==",
            "ChecksumCRC64NVME": "AAAAAAAAAAA=",
            "ChecksumSHA1": "AAAAAAAAAAAAAAAAAAAAAAAAAAA=",
            "ChecksumSHA256": "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=",
            "ContentMD5": "AAAAAAAAAAAAAAAAAAAAAA==",
        }
        for name, value in wrong.items():
            self.refused("BadDigest", 400, self.s3.put_object, Bucket=self.bucket, Key="w", Body=b"hello", **{name: value})
        # Of "hello", computed elsewhere.
        self.s3.put_object(Bucket=self.bucket, Key="c", Body=b"hello", ChecksumCRC32C="mnG7TA==")
        self.assertEqual(self.keys(), ["CRC32", "SHA1", "SHA256", "c"])

    def test_large_object_goes_in_parts(self):
        body = os.urandom(20 * MIB + 5)
        self.s3.upload_fileobj(io.BytesIO(body), self.bucket, "large", ExtraArgs={"Metadata": {"m": "1"}})
        head = self.s3.head_object(Bucket=self.bucket, Key="large")
        self.assertEqual((head["ContentLength"], head["Metadata"]), (len(body), {"m": "1"}))
        parts = [body[i : i + 8 * MIB] for i in range(0, len(body), 8 * MIB)]
        etag = hashlib.md5(b"".join(hashlib.md5(part).digest() for part in parts)).hexdigest()
        self.assertEqual(head["ETag"], f'"{etag}-3"')
        target = io.BytesIO()
        self.s3.download_fileobj(self.bucket, "large", target)
        self.assertEqual(target.getvalue(), body)
        self.s3.copy({"Bucket": self.bucket, "Key": "large"}, self.bucket, "copy")  # UploadPartCopy
        self.assertEqual(self.s3.get_object(Bucket=self.bucket, Key="copy")["Body"].read(), body)

    def test_object_of_any_size_passes_through_little_memory(self):
        size, most = 256 * MIB, 32 * MIB
        before = self.server.memory()
        if before.keys() != {"VmRSS", "VmHWM"}:
            self.skipTest("/proc does not tell how much memory a process had at most")
        if self.server.is_sanitized():
            self.skipTest("a server with the address sanitizer keeps memory that it has freed")
        # Without the checksums that can be left out: they are tested elsewhere, and most of the time.
        s3 = self.server.client(request_checksum_calculation="when_required", s3={"payload_signing_enabled": False})
        with tempfile.TemporaryFile() as body:
            body.truncate(size)
            s3.put_object(Bucket=self.bucket, Key="whole", Body=body)
            body.seek(0)
            s3.upload_fileobj(body, self.bucket, "parts")
        for key in ("whole", "parts"):
            chunks = s3.get_object(Bucket=self.bucket, Key=key)["Body"].iter_chunks(MIB)
            self.assertEqual(sum(chunk.count(0) for chunk in chunks), size)
        self.assertRegex(s3.head_object(Bucket=self.bucket, Key="parts")["ETag"], '-32"$')
        s3.delete_objects(Bucket=self.bucket, Delete={"Objects": [{"Key": "whole"}, {"Key": "parts"}]})
        grown = self.server.memory()["VmHWM"] - before["VmRSS"]
        self.assertLess(grown, most, f"{grown / MIB:.1f} MiB more than before, for objects of {size // MIB} MiB")

    def test_multipart_upload_by_hand(self):
        name = {"Bucket": self.bucket, "Key": "k"}
        upload = {**name, "UploadId": self.s3.create_multipart_upload(**name, ChecksumAlgorithm="CRC32")["UploadId"]}
        first = self.s3.upload_part(**upload, PartNumber=1, Body=b"a" * (5 * MIB), ChecksumAlgorithm="CRC32")
        self.s3.upload_part(**upload, PartNumber=2, Body=b"old")
        second = self.s3.upload_part(**upload, PartNumber=2, Body=b"b", ChecksumAlgorithm="CRC32")
        self.assertEqual([part["PartNumber"] for part in self.s3.list_parts(**upload)["Parts"]], [1, 2])
        self.assertTrue(self.s3.list_parts(**upload, MaxParts=1)["IsTruncated"])
        self.assertEqual(self.s3.list_multipart_uploads(Bucket=self.bucket)["Uploads"][0]["Key"], "k")
        self.refused("NoSuchKey", 404, self.s3.get_object, **name)
        parts = [
            {"PartNumber": n, "ETag": part["ETag"], "ChecksumCRC32": part["ChecksumCRC32"]} for n, part in ((1, first), (2, second))
        ]
        complete = self.s3.complete_multipart_upload
        self.refused("InvalidPartOrder", 400, complete, **upload, MultipartUpload={"Parts": parts[::-1]})
        self.refused("InvalidPart", 400, complete, **upload, MultipartUpload={"Parts": [{**parts[0], "ETag": '"x"'}]})
        done = complete(**upload, MultipartUpload={"Parts": parts})
        self.assertRegex(done["ChecksumCRC32"], "-2$")
        self.assertEqual(self.s3.get_object(**name)["Body"].read()[-2:], b"ab")
        self.refused("NoSuchUpload", 404, self.s3.list_parts, **upload)

    def test_too_small_a_part_and_an_aborted_upload(self):
        name = {"Bucket": self.bucket, "Key": "k"}
        upload = {**name, "UploadId": self.s3.create_multipart_upload(**name)["UploadId"]}
        parts = [{"PartNumber": n, "ETag": self.s3.upload_part(**upload, PartNumber=n, Body=b"x")["ETag"]} for n in (1, 2)]
        self.refused("EntityTooSmall", 400, self.s3.complete_multipart_upload, **upload, MultipartUpload={"Parts": parts})
        self.refused("InvalidArgument", 400, self.s3.upload_part, **upload, PartNumber=10001, Body=b"x")
        self.s3.abort_multipart_upload(**upload)
        self.refused("NoSuchUpload", 404, self.s3.upload_part, **upload, PartNumber=1, Body=b"x")
        self.assertNotIn("Uploads", self.s3.list_multipart_uploads(Bucket=self.bucket))

    def test_what_is_not_implemented_says_so(self):
        self.refused("NotImplemented", 501, self.s3.get_bucket_acl, Bucket=self.bucket)
        self.refused("NotImplemented", 501, self.s3.get_bucket_versioning, Bucket=self.bucket)
        self.refused("NotImplemented", 501, self.s3.put_object, Bucket=self.bucket, Key="k", Body=b"", Tagging="a=b")
        self.assertEqual(self.keys(), [])


class Authentication(S3TestCase):
    def test_wrong_keys(self):
        wrong = self.server.client(secret="x" * 40)
        self.refused("SignatureDoesNotMatch", 403, wrong.list_buckets)
        unknown = self.server.client(key="AKIAUNKNOWNUNKNOWNXX")
        self.refused("InvalidAccessKeyId", 403, unknown.put_object, Bucket=self.bucket, Key="k", Body=b"x" * MIB)
        with self.assertRaises(urllib.error.HTTPError) as caught:
            urllib.request.urlopen(f"{self.server.url}/{self.bucket}/k")
        self.assertEqual(caught.exception.code, 403)
        self.assertIn(b"<Code>AccessDenied</Code>", caught.exception.read())
        caught.exception.close()

    def test_presigned_requests(self):
        for version in ("s3v4", "s3"):  # "s3": signature version 2, the default of boto3
            with self.subTest(version):
                self.check_presigned(self.server.client(signature_version=version))

    def check_presigned(self, client):
        def url(operation, **arguments):
            seconds = arguments.pop("seconds", 60)
            return client.generate_presigned_url(operation, {"Bucket": self.bucket, **arguments}, ExpiresIn=seconds)

        headers = {"Content-Type": "text/x"}  # urllib sends one in any case, and version 2 signs it
        address = url("put_object", Key="a b", ContentType="text/x")
        put = urllib.request.Request(address, data=b"presigned", headers=headers, method="PUT")
        urllib.request.urlopen(put).close()
        with urllib.request.urlopen(url("get_object", Key="a b", ResponseContentType="text/y")) as got:
            self.assertEqual((got.read(), got.headers["Content-Type"]), (b"presigned", "text/y"))
        expired = url("get_object", Key="a b", seconds=1)
        time.sleep(2.1)
        for address, code, text in (
            (expired, 403, b"Request has expired"),
            (url("get_object", Key="a b").replace("a%20b", "other"), 403, b"SignatureDoesNotMatch"),
        ):
            with self.assertRaises(urllib.error.HTTPError) as caught:
                urllib.request.urlopen(address)
            self.assertEqual(caught.exception.code, code)
            self.assertIn(text, caught.exception.read())
            caught.exception.close()

    def test_virtual_host_names_the_bucket(self):
        client = self.server.client(
            url=f"http://localhost:{self.server.port}", signature_version="s3v4", s3={"addressing_style": "virtual"}
        )
        self.s3.put_object(Bucket=self.bucket, Key="k/l", Body=b"x")
        url = urllib.parse.urlsplit(client.generate_presigned_url("get_object", {"Bucket": self.bucket, "Key": "k/l"}))
        self.assertEqual(url.netloc, f"{self.bucket}.localhost:{self.server.port}")
        connection = http.client.HTTPConnection("127.0.0.1", self.server.port)  # names below localhost may not resolve
        connection.request("GET", f"{url.path}?{url.query}", headers={"Host": url.netloc})
        self.assertEqual(connection.getresponse().read(), b"x")
        connection.close()


class AwsCli(S3TestCase):
    def aws(self, *arguments, code=0):
        program = pathlib.Path(sys.prefix) / "bin/aws"
        done = subprocess.run(
            [program, *arguments], env=self.server.environment(), capture_output=True, text=True, timeout=120, cwd=self.files
        )
        self.assertEqual(done.returncode, code, done.stderr + done.stdout)
        return done.stdout + done.stderr

    def setUp(self):
        super().setUp()
        self.files = pathlib.Path(tempfile.mkdtemp(prefix="dormouse-s3-files-"))
        self.addCleanup(shutil.rmtree, self.files)

    def test_everyday_commands(self):
        (self.files / "small").write_bytes(b"small")
        (self.files / "large").write_bytes(os.urandom(20 * MIB))
        bucket = "s3://" + self.bucket + "-cli"
        self.aws("s3", "mb", bucket)
        self.aws("s3", "cp", "small", bucket + "/dir/small", "--no-progress")
        self.aws("s3", "cp", "large", bucket + "/large", "--no-progress")
        listing = self.aws("s3", "ls", bucket + "/")
        self.assertIn("PRE dir/", listing)
        self.assertIn(f"{20 * MIB} large", listing)
        self.aws("s3", "cp", bucket + "/large", "again", "--no-progress")
        self.assertEqual((self.files / "again").read_bytes(), (self.files / "large").read_bytes())
        self.aws("s3", "mv", bucket + "/dir/small", bucket + "/moved", "--no-progress")
        self.assertIn("moved", self.aws("s3", "ls", bucket, "--recursive"))
        address = self.aws("s3", "presign", bucket + "/moved").strip()
        with urllib.request.urlopen(address) as got:
            self.assertEqual(got.read(), b"small")
        self.assertIn("BucketNotEmpty", self.aws("s3", "rb", bucket, code=1))
        self.aws("s3", "rm", bucket, "--recursive")
        self.aws("s3", "rb", bucket)

    def test_sync_in_both_directions(self):
        for name in ("t/a", "t/d/b", "t/d/ü c"):
            (self.files / name).parent.mkdir(parents=True, exist_ok=True)
            (self.files / name).write_text(name)
        target = f"s3://{self.bucket}/p"
        self.aws("s3", "sync", "t", target, "--no-progress")
        self.assertEqual(self.aws("s3", "sync", "t", target, "--no-progress"), "")
        self.aws("s3", "sync", target, "u", "--no-progress")
        self.assertEqual((self.files / "u/d/ü c").read_text(), "t/d/ü c")
        (self.files / "t/a").unlink()
        self.assertIn("delete: ", self.aws("s3", "sync", "t", target, "--delete", "--no-progress"))
        self.assertEqual(self.keys(), ["p/d/b", "p/d/ü c"])

    def test_stream_from_standard_input(self):
        program = pathlib.Path(sys.prefix) / "bin/aws"
        body = os.urandom(9 * MIB)
        subprocess.run(
            [program, "s3", "cp", "-", f"s3://{self.bucket}/stream"], env=self.server.environment(), input=body, timeout=120, check=True
        )
        self.assertEqual(self.s3.get_object(Bucket=self.bucket, Key="stream")["Body"].read(), body)


class JavaScript(S3TestCase):
    def test_streams_and_multipart(self):
        packages, bin_directory = clients.javascript(CLIENTS)
        if not (packages / "node_modules/@aws-sdk/lib-storage").exists():
            self.fail("tests/clients/package.json does not name @aws-sdk/lib-storage")
        script = packages / f"s3-{os.getpid()}.mjs"  # beside node_modules, where imports are looked up
        shutil.copy(ROOT / "tests/s3/client.mjs", script)
        self.addCleanup(script.unlink)
        done = subprocess.run(
            [bin_directory / "node", script, self.bucket],
            env=self.server.environment(),
            capture_output=True,
            text=True,
            timeout=120,
        )
        self.assertEqual(done.returncode, 0, done.stderr + done.stdout)
        self.assertEqual(self.keys(), ["checksummed", "large", "stream"])


class Crash(unittest.TestCase):
    def test_put_that_is_cut_by_kill_9_leaves_nothing(self):
        directory = tempfile.mkdtemp(prefix="dormouse-s3-crash-")
        self.addCleanup(shutil.rmtree, directory)
        server = S3Server(directory)
        blobs = pathlib.Path(directory) / "artifacts"
        try:
            s3 = server.client()
            s3.create_bucket(Bucket="crash")
            s3.put_object(Bucket="crash", Key="old", Body=b"old")
            reached, killed = threading.Event(), threading.Event()

            class Slow(io.BytesIO):
                def read(self, size=-1):
                    if self.tell() > 4 * MIB and not killed.is_set():
                        reached.set()
                        killed.wait(30)
                    return super().read(min(size, 65536) if size > 0 else 65536)

            def put():
                client = server.client(request_checksum_calculation="when_required", s3={"payload_signing_enabled": False})
                with self.assertRaises(Exception):
                    url = client.generate_presigned_url("put_object", {"Bucket": "crash", "Key": "old"})
                    parts = urllib.parse.urlsplit(url)
                    connection = http.client.HTTPConnection("127.0.0.1", server.port)
                    headers = {"Content-Length": str(8 * MIB)}
                    connection.request("PUT", f"{parts.path}?{parts.query}", body=Slow(bytes(8 * MIB)), headers=headers)
                    connection.getresponse()

            thread = threading.Thread(target=put)
            thread.start()
            self.assertTrue(reached.wait(30))
            deadline = time.monotonic() + 30
            while sum(path.stat().st_size for path in (blobs / "incoming").iterdir()) < MIB:
                self.assertLess(time.monotonic(), deadline, "nothing arrives")
                time.sleep(0.01)
            server.kill()
            killed.set()
            thread.join()
            server.start()
            s3 = server.client()
            self.assertEqual(s3.get_object(Bucket="crash", Key="old")["Body"].read(), b"old")
            self.assertEqual(os.listdir(blobs / "incoming"), [])
            self.assertEqual(len(os.listdir(blobs / "blobs")), 1)
        finally:
            if server.process.poll() is None:
                server.stop()


if __name__ == "__main__":
    suite.main()
