// What the official client's own options promise: retries, timeouts, volatile, auth as a function, namespaces.
// node delivery.mjs URL TRANSPORTS
import { io } from "socket.io-client";

const [url, transports] = process.argv.slice(2);
const options = { transports: transports.split(","), tryAllTransports: true, reconnectionDelay: 10, forceNew: true };
const say = (step, row = {}) => console.log(JSON.stringify({ step, ...row }));
const next = (socket, event) => new Promise((resolve) => socket.once(event, resolve));
const acked = (socket, ...args) => new Promise((resolve) => socket.emit(...args, resolve));

let visits = 0;
const socket = io(url, { ...options, auth: (use) => use({ visit: ++visits }) });
await next(socket, "connect");

// A message that is not acked is sent again, and those behind it wait.
// The time for an answer is a busy machine's where one comes.
const [patient, hopeless] = [1200, 400].map((ackTimeout) => io(url, { ...options, retries: 3, ackTimeout }));
await Promise.all([next(patient, "connect"), next(hopeless, "connect")]);
const answers = ["one", "two"].map(
  (value) => new Promise((resolve) => patient.emit("flaky", value, (error, answer) => resolve(error?.message ?? answer))),
);
const lost = new Promise((resolve) => hopeless.emit("silent", "gone", (error) => resolve(error?.message)));
const behind = new Promise((resolve) => hopeless.emit("echo", "behind", (error, answer) => resolve(answer)));
say("retries", { answers: await Promise.all(answers) });
say("retries used up", { error: await lost, behind: await behind });
patient.disconnect();
hopeless.disconnect();

const late = await socket.timeout(100).emitWithAck("silent", "late").catch((error) => error.message);
say("timeout", { late, echo: await acked(socket, "echo", "after") });

// Away: what is volatile is dropped, the rest waits for the next connection.
socket.disconnect();
socket.volatile.emit("note", "volatile");
socket.emit("note", "buffered");
socket.connect();
await next(socket, "connect");
say("away", { echo: await acked(socket, "echo", "back") });

// The server closes the transport: the client comes back by itself, as somebody new.
const before = socket.id;
const reason = next(socket, "disconnect");
const back = next(socket, "connect");
socket.emit("drop");
say("dropped", { reason: await reason });
await back;
say("came back", { is_new: socket.id !== before, echo: await acked(socket, "echo", "again") });

// Namespaces of one connection live apart.
const admin = socket.io.socket("/admin", { auth: { key: "right" } });
await next(admin, "connect");
say("namespace", { admin: await acked(admin, "echo", 1), main: await acked(socket, "echo", 2) });
admin.disconnect();
say("namespace left", { main: await acked(socket, "echo", 3) });
admin.connect();
await next(admin, "connect");
say("namespace entered again", { admin: await acked(admin, "echo", 4) });
const refused = io(`${url}/admin`, { ...options, reconnection: false, auth: { key: "wrong" } });
const { message, data } = await next(refused, "connect_error");
const missing = io(`${url}/nowhere`, { ...options, reconnection: false });
say("refused", { message, data, missing: (await next(missing, "connect_error")).message });

say("transport", { name: socket.io.engine.transport.name, visits });
for (const open of [socket, admin, refused, missing]) open.disconnect();
