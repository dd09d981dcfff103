// A contender of the generator benchmark on npm's socket.io-client: one process, open schedule, messages only.
import { once } from "node:events";
import { createInterface } from "node:readline";
import { io } from "socket.io-client";

console.log("loaded");
const input = createInterface({ input: process.stdin }).on("close", () => process.exit(0));
const [line] = await once(input, "line");
const plan = JSON.parse(line);
const users = plan.rooms.flatMap((room) => room.members.map((auth) => ({ auth, conversationId: room.conversation_id })));
const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

const began = performance.now();
await Promise.all(users.map(async (user, turn) => {
  await pause(Math.max(0, began + (turn / plan.connects_per_s) * 1000 - performance.now()));
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
const talk = async (user) => {
  for (let due = begin + (Math.random() * 1000) / plan.rate; due < end; due += 1000 / plan.rate) {
    await pause(Math.max(0, due - performance.now()));
    const message = { conversationId: user.conversationId, content: plan.content };
    sent += 1;
    user.socket.emit("send_message", message, (ack) => ack.success && acks.push(Math.round((performance.now() - due) * 1000)));
  }
};
await Promise.all(users.map(talk));
await pause(1000);
console.log(JSON.stringify({ sent, acks_us: acks }));
