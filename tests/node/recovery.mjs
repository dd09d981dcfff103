// Clients with the guide's code only, which join once:
// node recovery.mjs URL OTHER_URL OTHER_PID SESSION_ID TOKEN CONVERSATION OTHER_CONVERSATION
import { io } from "socket.io-client";

const [url, otherUrl, otherPid, sessionId, token, conversationId, otherId] = process.argv.slice(2);
const next = (emitter, name) => new Promise((resolve) => emitter.once(name, resolve));
const sent = { [conversationId]: [], [otherId]: [] };

async function send(serverUrl, id) {
  const content = `message ${sent[id].length}`;
  const headers = { "Content-Type": "application/json", Authorization: `Bearer ${token}` };
  const body = JSON.stringify({ content });
  const response = await fetch(`${serverUrl}/api/conversations/${id}/messages`, { method: "POST", headers, body });
  if (!response.ok) throw new Error(await response.text());
  sent[id].push(content);
}

class Client {
  received = Object.fromEntries(Object.keys(sent).map((id) => [id, []]));

  constructor(auth, ids) {
    this.ids = ids;
    // The scenario reconnects, after messages were sent that the client misses.
    this.socket = io(url, { auth, reconnection: false, forceNew: true });
    this.socket.on("connect", () => (this.recovered = this.socket.recovered));
    this.socket.on("message_received", (data) => this.received[data.conversationId].push(data.content));
    this.joined = Promise.all(ids.map((id) => this.#join(id)));
  }

  #join(id) {
    this.socket.emit("join_conversation", id);
    return new Promise((resolve) =>
      this.socket.on("joined_conversation", ({ conversationId }) => conversationId === id && resolve()),
    );
  }

  async caughtUp() {
    while (this.ids.some((id) => this.received[id].length < sent[id].length)) {
      await next(this.socket, "message_received");
    }
  }
}

const customer = new Client({ sessionId }, [conversationId]);
const agent = new Client({ token }, [conversationId, otherId]);
const clients = [customer, agent];

async function reconnect(step, from, to, cut) {
  const ends = clients.map((client) => next(client.socket, "disconnect"));
  cut();
  await Promise.all(ends);
  for (const id of [conversationId, otherId, conversationId]) await send(from, id);
  while (!(await fetch(`${to}/health`).then((response) => response.ok, () => false))) {
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  for (const { socket } of clients) {
    socket.io.uri = to;
    socket.connect();
  }
  await Promise.all(clients.map((client) => next(client.socket, "connect")));
  for (const id of [conversationId, otherId]) await send(to, id);
  await Promise.all(clients.map((client) => client.caughtUp()));
  const [one, two] = clients;
  console.log(JSON.stringify({ step, recovered: [one.recovered, two.recovered], received: [one.received, two.received], sent }));
}

await Promise.all(clients.map((client) => client.joined));
for (const id of [conversationId, otherId]) await send(url, id);
await Promise.all(clients.map((client) => client.caughtUp()));
const close = () => clients.forEach(({ socket }) => socket.io.engine.close());
await reconnect("same server", url, url, close);
await reconnect("another server", url, otherUrl, close);
await reconnect("after kill -9", url, otherUrl, () => process.kill(Number(otherPid), "SIGKILL"));
for (const { socket } of clients) socket.disconnect();
