// Generator process on Artillery's own runner and Socket.IO engine. A user of Artillery sends one second after the last
// ack, not on a schedule, and latencies count from the actual time of sending.
import { once } from "node:events";
import { createInterface } from "node:readline";
import core from "@artilleryio/int-core";

console.log("loaded");
const input = createInterface({ input: process.stdin }).on("close", () => process.exit(0));
const [line] = await once(input, "line");
const plan = JSON.parse(line);
const users = plan.rooms.flatMap((room) => room.members.map((auth) => [room.conversation_id, auth]));
const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

const acks = [];
let sent = 0;
let joined = 0;
let startSending;
const sendingStarted = new Promise((resolve) => { startSending = resolve; });

// Called by each user after joining its room and before its first message.
function waitForAll(context, events, done) {
  joined += 1;
  if (joined === users.length) measure(events);
  sendingStarted.then(() => setTimeout(done, (Math.random() * 1000) / plan.rate));
}

function count(context, events, done) {
  sent += 1;
  done();
}

async function measure(events) {
  console.log("ready");
  await pause(500);
  events.on("histogram", (name, ms) => name === "socketio.response_time" && acks.push(Math.round(ms * 1000)));
  startSending();
  await pause((plan.seconds + 1) * 1000);
  console.log(JSON.stringify({ sent, acks_us: acks }));
}

const message = { conversationId: "{{ conversationId }}", content: plan.content };
const send = [{ function: "count" }, { emit: ["send_message", message], acknowledge: {} }, { think: 1 / plan.rate }];
const flow = [
  { emit: ["join_conversation", "{{ conversationId }}"], acknowledge: {} },
  { function: "waitForAll" },
  { loop: send, count: Math.floor(plan.seconds * plan.rate) },
];
const config = {
  target: plan.url,
  phases: [{ arrivalCount: users.length, duration: Math.ceil(users.length / plan.connects_per_s) }],
  socketio: { transports: ["websocket"], forceNew: true, reconnection: false, auth: "{{ auth }}" },
  payload: { fields: ["conversationId", "auth"], order: "sequence" },
  processor: { waitForAll, count },
};
const runner = await core.runner.runner({ config, scenarios: [{ engine: "socketio", flow }] }, users, {});
runner.run();
