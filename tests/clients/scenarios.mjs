// SPDX-License-Identifier: Apache-2.0
//
// Calls operations of @aws-sdk/client-lambda-microvms for the suite `scenarios`: a line of JSON on standard input for each
// call, {operation, input, pages}, and one on standard output for its answer, {output} or {name, message} of its error.

import { createInterface } from "node:readline";
import * as sdk from "@aws-sdk/client-lambda-microvms";

const client = new sdk.LambdaMicrovmsClient({});

async function collect(operation, input, { of, items }) {
  const found = [];
  for await (const page of sdk[`paginate${operation}`]({ client, pageSize: of }, input)) {
    found.push(...page[items]);
  }
  return { [items]: found };
}

async function call({ operation, input, pages }) {
  if (pages) {
    return collect(operation, input, pages);
  }
  const { $metadata, ...output } = await client.send(new sdk[`${operation}Command`](input));
  return output;
}

// The error's class must be the one that the package exports under the error's name.
function described(error) {
  const known = sdk[error.name];
  if (!known || !(error instanceof known) || !(error instanceof sdk.LambdaMicrovmsServiceException)) {
    return { name: `an error of class ${error.constructor.name} named ${error.name}`, message: error.message };
  }
  return { name: error.name, message: error.message };
}

for await (const line of createInterface({ input: process.stdin })) {
  let answer;
  try {
    answer = { output: await call(JSON.parse(line)) };
  } catch (error) {
    answer = described(error);
  }
  process.stdout.write(`${JSON.stringify(answer)}\n`);
}
