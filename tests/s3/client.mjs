// SPDX-License-Identifier: Apache-2.0
// What test_s3.py runs under Node: streams and multipart uploads. Argument: a bucket. Configuration: the environment.

import assert from "node:assert";
import { createHash, randomBytes } from "node:crypto";
import { Readable } from "node:stream";

import { GetObjectCommand, HeadObjectCommand, PutObjectCommand, S3Client } from "@aws-sdk/client-s3";
import { Upload } from "@aws-sdk/lib-storage";

const Bucket = process.argv[2];
const client = new S3Client({ forcePathStyle: true, endpoint: process.env.AWS_ENDPOINT_URL });

function* pieces(bytes) {
  for (let i = 0; i < bytes.length; i += 100_000) {
    yield bytes.subarray(i, i + 100_000);
  }
}

async function read(Key) {
  const got = await client.send(new GetObjectCommand({ Bucket, Key, ChecksumMode: "ENABLED" }));
  return Buffer.from(await got.Body.transformToByteArray());
}

// A stream of known length: aws-chunked with a trailing CRC32, no length of the encoded body.
const streamed = randomBytes(3_000_000);
await client.send(
  new PutObjectCommand({ Bucket, Key: "stream", Body: Readable.from(pieces(streamed)), ContentLength: streamed.length }),
);
assert(streamed.equals(await read("stream")));
const head = await client.send(new HeadObjectCommand({ Bucket, Key: "stream", ChecksumMode: "ENABLED" }));
assert.strictEqual(head.ETag, `"${createHash("md5").update(streamed).digest("hex")}"`);
assert.ok(head.ChecksumCRC32, "no CRC32 was kept");
assert.strictEqual(head.ContentEncoding, undefined);

// A stream of unknown length, in parts.
const large = randomBytes(20 * 1024 * 1024);
await new Upload({ client, params: { Bucket, Key: "large", Body: Readable.from(pieces(large)) } }).done();
assert(large.equals(await read("large")));

for (const ChecksumAlgorithm of ["CRC32", "CRC32C", "CRC64NVME", "SHA1", "SHA256"]) {
  const put = await client.send(new PutObjectCommand({ Bucket, Key: "checksummed", Body: "hello", ChecksumAlgorithm }));
  assert.ok(put[`Checksum${ChecksumAlgorithm}`], `no ${ChecksumAlgorithm} in the answer`);
  assert.strictEqual((await read("checksummed")).toString(), "hello");
}

await assert.rejects(client.send(new GetObjectCommand({ Bucket, Key: "absent" })), { name: "NoSuchKey" });
await assert.rejects(
  client.send(new PutObjectCommand({ Bucket, Key: "wrong", Body: "hello", ChecksumCRC32: "AAAAAA==" })),
  { name: "BadDigest" },
);
