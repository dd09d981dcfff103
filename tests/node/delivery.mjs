// Delivery options of the official client: retries, timeouts, volatile events, auth as a function, namespaces.
// node delivery.mjs URL TRANSPORTS [URL TRANSPORTS]…: all at once, each row with the number of its pair
import { io } from "socket.io-client";

const next = (socket, event) => new Promise((resolve) => socket.once(event, resolve));
const acked = (socket, ...args) => new Promise((resolve) => socket.emit(...args, resolve));

async function deliver(pair, url, transports) {
  const options = { transports: transports.split(","), tryAllTransports: true, reconnectionDelay: 10, forceNew: true };
  const print = (step, row = {}) => console.log(JSON.stringify({ pair, step, ...row }));

  let visits = 0;
  const socket = io(url, { ...options, auth: (callback) => callback({ visit: ++visits }) });
  await next(socket, "connect");

  // A message without an ack is retried, and later messages wait for it.
  // The longer ack timeout, where an ack is expected, allows for a slow machine.
  const [flaky, silent] = [3000, 400].map((ackTimeout) => io(url, { ...options, retries: 3, ackTimeout }));
  await Promise.all([next(flaky, "connect"), next(silent, "connect")]);
  const answers = ["one", "two"].map(
    (value) => new Promise((resolve) => flaky.emit("flaky", value, (error, answer) => resolve(error?.message ?? answer))),
  );
  const unacked = new Promise((resolve) => silent.emit("silent", "gone", (error) => resolve(error?.message)));
  const behind = new Promise((resolve) => silent.emit("echo", "behind", (error, answer) => resolve(answer)));
  print("retries", { answers: await Promise.all(answers) });
  print("retries used up", { error: await unacked, behind: await behind });
  flaky.disconnect();
  silent.disconnect();

  const late = await socket.timeout(100).emitWithAck("silent", "late").catch((error) => error.message);
  print("timeout", { late, echo: await acked(socket, "echo", "after") });

  // While disconnected, volatile events are dropped and others buffered for the next connection.
  socket.disconnect();
  socket.volatile.emit("note", "volatile");
  socket.emit("note", "buffered");
  socket.connect();
  await next(socket, "connect");
  print("buffered", { echo: await acked(socket, "echo", "back") });

  // After the server closes the transport, the client reconnects with a new socket id.
  const previousId = socket.id;
  const reason = next(socket, "disconnect");
  const reconnected = next(socket, "connect");
  socket.emit("drop");
  print("dropped", { reason: await reason });
  await reconnected;
  print("reconnected", { is_new: socket.id !== previousId, echo: await acked(socket, "echo", "again") });

  // Namespaces share one connection and are independent.
  const admin = socket.io.socket("/admin", { auth: { key: "right" } });
  await next(admin, "connect");
  print("namespace", { admin: await acked(admin, "echo", 1), main: await acked(socket, "echo", 2) });
  admin.disconnect();
  print("namespace left", { main: await acked(socket, "echo", 3) });
  admin.connect();
  await next(admin, "connect");
  print("namespace entered again", { admin: await acked(admin, "echo", 4) });
  const refused = io(`${url}/admin`, { ...options, reconnection: false, auth: { key: "wrong" } });
  const { message, data } = await next(refused, "connect_error");
  const missing = io(`${url}/nowhere`, { ...options, reconnection: false });
  print("refused", { message, data, missing: (await next(missing, "connect_error")).message });

  print("transport", { name: socket.io.engine.transport.name, visits });
  for (const open of [socket, admin, refused, missing]) open.disconnect();
}

const pairs = process.argv.slice(2);
for (let at = 0; at < pairs.length; at += 2) void deliver(at / 2, pairs[at], pairs[at + 1]);
