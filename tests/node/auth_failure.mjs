// Sends wrong credentials with `authenticate`, then too many messages: node auth_failure.mjs URL SESSION_ID
import { io } from "socket.io-client";

const [url, sessionId] = process.argv.slice(2);
const report = (step, result) => console.log(JSON.stringify({ step, ...result }));
const next = (emitter, name) => new Promise((resolve) => emitter.once(name, resolve));

const stranger = io(url, { transports: ["websocket"], forceNew: true });
await next(stranger, "connect");
const transport = next(stranger.io, "close");
const disconnect = next(stranger, "disconnect");
report("ack", await stranger.emitWithAck("authenticate", { token: "not-a-token" }));
const refusedAt = performance.now();
report("disconnect", { reason: await disconnect });
await transport;
report("closed", { ms: performance.now() - refusedAt, active: stranger.active });

const customer = io(url, { transports: ["websocket"], forceNew: true, auth: { sessionId } });
await next(customer, "authenticated");
await customer.emitWithAck("join_conversation", "conv-1");
const error = next(customer, "error");
for (let number = 0; number < 40; number += 1) {
  customer.emit("send_message", { conversationId: "conv-1", content: `message ${number}` });
}
report("error", await error);
customer.disconnect();
