// Sends wrong credentials with `authenticate` and at CONNECT, then too many messages and an invalid request: node auth_failure.mjs URL SESSION_ID
import { io } from "socket.io-client";

const [url, sessionId] = process.argv.slice(2);
const report = (step, result) => console.log(JSON.stringify({ step, ...result }));
const next = (emitter, name) => new Promise((resolve) => emitter.once(name, resolve));

for (const credentials of [{ token: "not-a-token" }, {}, null, 5]) {
  const stranger = io(url, { transports: ["websocket"], forceNew: true });
  await next(stranger, "connect");
  const transport = next(stranger.io, "close");
  const disconnect = next(stranger, "disconnect");
  const ack = await stranger.emitWithAck("authenticate", credentials);
  const refusedAt = performance.now();
  const reason = await disconnect;
  await transport;
  report("authenticate", { ack, reason, ms: performance.now() - refusedAt, active: stranger.active });
}

const refused = io(url, { transports: ["websocket"], forceNew: true, auth: { token: "not-a-token" } });
const closed = next(refused.io, "close");
const { data } = await next(refused, "connect_error");
const connectRefusedAt = performance.now();
await closed;
report("connect", { data, ms: performance.now() - connectRefusedAt });

const customer = io(url, { transports: ["websocket"], forceNew: true, auth: { sessionId } });
await next(customer, "authenticated");
await customer.emitWithAck("join_conversation", "conv-1");
const error = next(customer, "error");
for (let number = 0; number < 40; number += 1) {
  customer.emit("send_message", { conversationId: "conv-1", content: `message ${number}` });
}
report("error", await error);
const empty = new Promise((resolve) =>
  customer.on("error", (failure) => {
    if (failure.code === "bad_request") resolve(failure);
  }),
);
customer.emit("join_conversation", 5);
report("invalid", await empty);
customer.disconnect();
