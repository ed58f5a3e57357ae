// SPDX-License-Identifier: Apache-2.0
//
// The whole cycle through @aws-sdk/client-lambda-microvms and client-s3. Only endpoint, region and credentials are set, all
// in the environment. Argument: the zip of the build context.

import { createReadStream, readFileSync } from "node:fs";
import https from "node:https";
import { setTimeout as pause } from "node:timers/promises";
import { deepStrictEqual, match, ok, strictEqual } from "node:assert";
import {
  CreateMicrovmAuthTokenCommand,
  CreateMicrovmImageCommand,
  DeleteMicrovmImageCommand,
  GetMicrovmCommand,
  GetMicrovmImageCommand,
  LambdaMicrovmsClient,
  ResumeMicrovmCommand,
  RunMicrovmCommand,
  SuspendMicrovmCommand,
  TerminateMicrovmCommand,
} from "@aws-sdk/client-lambda-microvms";
import { CreateBucketCommand, DeleteObjectCommand, GetObjectCommand, PutObjectCommand, S3Client } from "@aws-sdk/client-s3";

const NAME = "javascript-counter";
const archive = process.argv[2];
const microvms = new LambdaMicrovmsClient({});
const s3 = new S3Client({});
const state = {};

async function waitFor(wanted, get, seconds = 900) {
  const deadline = Date.now() + seconds * 1000;
  for (;;) {
    const found = (await get()).state;
    if (found === wanted) return;
    ok(!["TERMINATED", "CREATE_FAILED"].includes(found), `it is ${found}`);
    ok(Date.now() < deadline, `still ${found} after ${seconds} s`);
    await pause(50);
  }
}

const getMicrovm = () => microvms.send(new GetMicrovmCommand({ microvmIdentifier: state.vm.microvmId }));

async function request() {
  const { authToken } = await microvms.send(
    new CreateMicrovmAuthTokenCommand({
      microvmIdentifier: state.vm.microvmId,
      expirationInMinutes: 5,
      allowedPorts: [{ allPorts: {} }],
    }),
  );
  return new Promise((resolve, reject) => {
    https
      .get(`https://${state.vm.endpoint}/`, { headers: { "X-aws-proxy-auth": authToken["X-aws-proxy-auth"] } }, (answer) => {
        let text = "";
        answer.on("data", (piece) => (text += piece));
        answer.on("end", () => (answer.statusCode === 200 ? resolve(JSON.parse(text)) : reject(new Error(`${answer.statusCode} ${text}`))));
      })
      .on("error", reject);
  });
}

const steps = {
  async bucket_takes_a_buffer_and_a_stream() {
    await s3.send(new CreateBucketCommand({ Bucket: "javascript-artifacts" }));
    const put = (Key, Body, more = {}) => s3.send(new PutObjectCommand({ Bucket: "javascript-artifacts", Key, Body, ...more }));
    await put("counter.zip", readFileSync(archive));
    const length = readFileSync(archive).length;
    await put("streamed.zip", createReadStream(archive), { ContentLength: length });
    const back = await s3.send(new GetObjectCommand({ Bucket: "javascript-artifacts", Key: "streamed.zip" }));
    deepStrictEqual(Buffer.from(await back.Body.transformToByteArray()), readFileSync(archive));
    await s3.send(new DeleteObjectCommand({ Bucket: "javascript-artifacts", Key: "streamed.zip" }));
  },

  async image_is_built() {
    const { imageArn } = await microvms.send(
      new CreateMicrovmImageCommand({
        name: NAME,
        baseImageArn: `arn:aws:lambda:${process.env.AWS_REGION}:aws:microvm-image:debian12-1`,
        buildRoleArn: "arn:aws:iam::000000000000:role/build",
        codeArtifact: { uri: "s3://javascript-artifacts/counter.zip" },
        resources: [{ minimumMemoryInMiB: 512 }],
        hooks: { port: 9000, microvmImageHooks: { ready: "ENABLED", readyTimeoutInSeconds: 300 } },
      }),
    );
    await waitFor("CREATED", () => microvms.send(new GetMicrovmImageCommand({ imageIdentifier: imageArn })));
    state.arn = imageArn;
  },

  async vm_is_launched_and_answers() {
    ok(state.arn, "an earlier step did not make the image");
    const idlePolicy = { maxIdleDurationSeconds: 3600, suspendedDurationSeconds: 3600, autoResumeEnabled: true };
    state.vm = await microvms.send(new RunMicrovmCommand({ imageIdentifier: state.arn, idlePolicy }));
    ok(state.vm.startedAt instanceof Date);
    await waitFor("RUNNING", getMicrovm);
    strictEqual((await request()).count, 1);
  },

  async suspended_vm_is_woken_by_a_request() {
    ok(state.vm, "an earlier step did not launch the VM");
    await microvms.send(new SuspendMicrovmCommand({ microvmIdentifier: state.vm.microvmId }));
    await waitFor("SUSPENDED", getMicrovm);
    strictEqual((await request()).count, 2);
  },

  async resume_is_an_operation_too() {
    ok(state.vm, "an earlier step did not launch the VM");
    await microvms.send(new SuspendMicrovmCommand({ microvmIdentifier: state.vm.microvmId }));
    await waitFor("SUSPENDED", getMicrovm);
    await microvms.send(new ResumeMicrovmCommand({ microvmIdentifier: state.vm.microvmId }));
    await waitFor("RUNNING", getMicrovm);
    strictEqual((await request()).count, 3);
  },

  async error_is_typed() {
    try {
      await microvms.send(new GetMicrovmCommand({ microvmIdentifier: "microvm-00000000-0000-4000-8000-000000000000" }));
    } catch (error) {
      strictEqual(error.name, "ResourceNotFoundException");
      match(error.message, /MicroVM not found: microvm-00000000/);
      return;
    }
    throw new Error("a VM that does not exist was found");
  },

  async vm_and_image_go() {
    ok(state.vm, "an earlier step did not launch the VM");
    await microvms.send(new TerminateMicrovmCommand({ microvmIdentifier: state.vm.microvmId }));
    const deadline = Date.now() + 120_000;
    while ((await getMicrovm()).state !== "TERMINATED") {
      ok(Date.now() < deadline, "not terminated after 120 s");
      await pause(50);
    }
    await microvms.send(new DeleteMicrovmImageCommand({ imageIdentifier: state.arn }));
  },
};

let passed = 0;
let failed = 0;
for (const [name, step] of Object.entries(steps)) {
  const begun = Date.now();
  try {
    await step();
    passed += 1;
    console.log(`PASS ${name} (${((Date.now() - begun) / 1000).toFixed(2)} s)`);
  } catch (error) {
    failed += 1;
    console.log(error.stack);
    console.log(`FAIL ${name}: ${String(error.message).split("\n")[0]}`);
  }
}
console.log(`${passed} passed, ${failed} failed, 0 skipped`);
process.exitCode = failed === 0 ? 0 : 1;
