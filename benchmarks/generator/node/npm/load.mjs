// Generator process on npm's socket.io-client: open schedule, messages only.
import { once } from "node:events";
import { createInterface } from "node:readline";
import { io } from "socket.io-client";

console.log("loaded");
const input = createInterface({ input: process.stdin }).on("close", () => process.exit(0));
const [line] = await once(input, "line");
const plan = JSON.parse(line);
const users = plan.rooms.flatMap((room) => room.members.map((auth) => ({ auth, conversationId: room.conversation_id })));
const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

const started = performance.now();
await Promise.all(users.map(async (user, index) => {
  await pause(Math.max(0, started + (index / plan.connects_per_s) * 1000 - performance.now()));
  user.socket = io(plan.url, { auth: user.auth, transports: ["websocket"], forceNew: true, reconnection: false });
  user.socket.on("message_received", (message) => message.content);
  await new Promise((resolve) => user.socket.once("authenticated", resolve));
  await user.socket.emitWithAck("join_conversation", user.conversationId);
}));
console.log("ready");

const begin = performance.now() + 500;
const end = begin + plan.seconds * 1000;
const acks = [];
let sent = 0;
const send = async (user) => {
  for (let scheduled = begin + (Math.random() * 1000) / plan.rate; scheduled < end; scheduled += 1000 / plan.rate) {
    await pause(Math.max(0, scheduled - performance.now()));
    const message = { conversationId: user.conversationId, content: plan.content };
    sent += 1;
    user.socket.emit("send_message", message, (ack) => ack.success && acks.push(Math.round((performance.now() - scheduled) * 1000)));
  }
};
await Promise.all(users.map(send));
await pause(1000);
console.log(JSON.stringify({ sent, acks_us: acks }));
