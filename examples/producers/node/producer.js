// Sends one CloudEvent to troth with the CloudEvents SDK of JavaScript, over HTTP or Kafka.
"use strict";

const { parseArgs } = require("node:util");
const { CloudEvent, HTTP, Kafka } = require("cloudevents");
const client = require("kafkajs");

const TIMEOUT_MS = 30_000;
const WANTED = ["to", "mode", "type", "source", "id", "key", "data"];

// The command line, the same in every language.
function commandLine() {
  const options = Object.fromEntries([...WANTED, "time"].map((name) => [name, { type: "string" }]));
  const { values } = parseArgs({ options });
  const missing = WANTED.filter((name) => values[name] === undefined);
  if (missing.length > 0) throw new Error(`missing: ${missing.map((name) => `--${name}`).join(" ")}`);
  if (!["binary", "structured"].includes(values.mode)) throw new Error("--mode binary|structured");
  return values;
}

// The event; the SDK makes the key of its record from `partitionkey`.
function eventOf(given) {
  return new CloudEvent({
    type: given.type,
    source: given.source,
    id: given.id,
    partitionkey: given.key,
    datacontenttype: "application/json",
    ...(given.time && { time: given.time }),
    data: JSON.parse(given.data),
  });
}

// POST /v1/events with the key of TROTH_KEY.
async function overHttp(event, given) {
  const message = given.mode === "binary" ? HTTP.binary(event) : HTTP.structured(event);
  const answer = await fetch(new URL("/v1/events", given.to), {
    method: "POST",
    headers: { ...message.headers, Authorization: `Bearer ${process.env.TROTH_KEY}` },
    body: message.body,
    signal: AbortSignal.timeout(TIMEOUT_MS),
  });
  const text = await answer.text();
  if (!answer.ok) throw new Error(`${answer.status} ${text}`);
  console.log(text);
}

// Sends a record, and waits until every replica in sync has it.
async function overKafka(event, given) {
  const message = given.mode === "binary" ? Kafka.binary(event) : Kafka.structured(event);
  // Attributes that the event does not have come from the SDK as headers without a value.
  const headers = Object.fromEntries(
    Object.entries(message.headers).filter(([, value]) => value !== undefined),
  );
  const { host, pathname } = new URL(given.to);
  const kafka = new client.Kafka({ brokers: [host], logLevel: client.logLevel.ERROR });
  const producer = kafka.producer({
    idempotent: true,
    createPartitioner: client.Partitioners.DefaultPartitioner,
  });
  await producer.connect();
  try {
    // The SDK hands data on as an object; a client of Kafka wants its bytes.
    const value =
      typeof message.value === "string" ? message.value : JSON.stringify(message.value);
    const [place] = await producer.send({
      topic: pathname.slice(1),
      acks: -1,
      timeout: TIMEOUT_MS,
      messages: [{ key: message.key, value, headers }],
    });
    console.log(JSON.stringify({ partition: place.partition, offset: Number(place.baseOffset) }));
  } finally {
    await producer.disconnect();
  }
}

async function main() {
  const given = commandLine();
  const event = eventOf(given);
  await (given.to.startsWith("kafka://") ? overKafka(event, given) : overHttp(event, given));
}

main().catch((error) => {
  console.error(error.message);
  process.exit(1);
});
