// A contender of the generator benchmark on Artillery's own runner and Socket.IO engine. A user of Artillery sends again
// a second after the ack, not on a schedule, and its latencies begin when the message leaves.
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
let entered = 0;
let letTalk;
const talking = new Promise((resolve) => { letTalk = resolve; });

// Called by each user between entering its room and talking.
function enter(context, events, done) {
  entered += 1;
  if (entered === users.length) measure(events);
  talking.then(() => setTimeout(done, (Math.random() * 1000) / plan.rate));
}

function count(context, events, done) {
  sent += 1;
  done();
}

async function measure(events) {
  console.log("ready");
  await pause(500);
  events.on("histogram", (name, ms) => name === "socketio.response_time" && acks.push(Math.round(ms * 1000)));
  letTalk();
  await pause((plan.seconds + 1) * 1000);
  console.log(JSON.stringify({ sent, acks_us: acks }));
}

const message = { conversationId: "{{ conversationId }}", content: plan.content };
const talk = [{ function: "count" }, { emit: ["send_message", message], acknowledge: {} }, { think: 1 / plan.rate }];
const flow = [
  { emit: ["join_conversation", "{{ conversationId }}"], acknowledge: {} },
  { function: "enter" },
  { loop: talk, count: Math.floor(plan.seconds * plan.rate) },
];
const config = {
  target: plan.url,
  phases: [{ arrivalCount: users.length, duration: Math.ceil(users.length / plan.connects_per_s) }],
  socketio: { transports: ["websocket"], forceNew: true, reconnection: false, auth: "{{ auth }}" },
  payload: { fields: ["conversationId", "auth"], order: "sequence" },
  processor: { enter, count },
};
const runner = await core.runner.runner({ config, scenarios: [{ engine: "socketio", flow }] }, users, {});
runner.run();
