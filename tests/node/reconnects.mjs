// Returns after each way to lose a connection: node reconnects.mjs URL OTHER_URL SESSION_ID TOKEN
import { io } from "socket.io-client";

const [url, otherUrl, sessionId, token] = process.argv.slice(2);
const report = (step, result) => console.log(JSON.stringify({ step, ...result }));
const next = (emitter, name) => new Promise((resolve) => emitter.once(name, resolve));
const connect = (auth) => io(url, { transports: ["websocket"], forceNew: true, auth, reconnectionDelay: 50 });

const agent = connect({ token });
await next(agent, "authenticated");
await agent.emitWithAck("subscribe_inbox", {});
const [first, second] = [connect({ sessionId }), connect({ sessionId })];
const { userId } = (await Promise.all([next(first, "authenticated"), next(second, "authenticated")]))[0];
await first.emitWithAck("join_conversation", "conv-1");
await first.emitWithAck("send_message", { conversationId: "conv-1", content: "Hello!" });
report("connected", { userId, socketId: first.id });

first.io.engine.close();
await next(first, "authenticated");
report("one of two tabs", {});

const offline = new Promise((resolve) =>
  agent.on("presence_update", (presence) => {
    if (presence.userId === userId && presence.status === "offline") resolve();
  }),
);
first.disconnect();
second.disconnect();
await offline;
first.connect();
await next(first, "authenticated");
report("after the grace", {});

second.io.uri = otherUrl;
second.connect();
await next(second, "authenticated");
report("another server", {});

await Promise.all([next(first, "disconnect"), next(agent, "disconnect")]);
await Promise.all([next(first, "authenticated"), next(agent, "authenticated")]);
report("after kill -9", {});
for (const socket of [first, second, agent]) socket.disconnect();
