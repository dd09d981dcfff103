// Chat with its own event names, to show a mapping file: node server.mjs [FAULT]
//
// A client names itself in the auth field `nick`; nicknames that begin with "staff" belong to agents. FAULT is for tests:
// drop (one message in ten is acked and not delivered), leak (to members of other rooms), badack (the ack is "ok").
// Prints {"port": N} once it listens; PORT chooses the port.
import { createServer } from "node:http";
import { Server } from "socket.io";

const fault = process.argv[2] ?? "";
const http = createServer((request, response) => {
  if (request.url !== "/status") return response.writeHead(404).end();
  response.writeHead(200, { "Content-Type": "application/json" });
  response.end(JSON.stringify({ up: true, clients: io.engine.clientsCount }));
});
const io = new Server(http, { path: "/realtime/" });
const chat = io.of("/chat");
const owners = new Map(); // room: its first guest; other guests may not enter
let messages = 0;

chat.use((socket, next) => {
  const { nick } = socket.handshake.auth;
  if (typeof nick !== "string" || !/^[\w-]{1,40}$/.test(nick)) return next(new Error("no nickname"));
  socket.data.user = { id: nick, nick, kind: nick.startsWith("staff") ? "staff" : "guest" };
  next();
});

chat.on("connection", (socket) => {
  const { user } = socket.data;
  const isIn = (room) => typeof room === "string" && socket.rooms.has(room);
  const presence = (room, state) => socket.to(room).emit("room:presence", { id: user.id, state });
  socket.emit("welcome", { me: user });

  socket.on("room:enter", ({ room } = {}, ack) => {
    if (typeof room !== "string") return ack?.({ ok: false, reason: "no room" });
    if (user.kind === "guest" && !owners.has(room)) owners.set(room, user.id);
    if (user.kind === "guest" && owners.get(room) !== user.id) return ack?.({ ok: false, reason: "not your room" });
    socket.join(room);
    presence(room, "here");
    ack?.({ ok: true, members: chat.adapter.rooms.get(room).size });
  });

  socket.on("room:exit", ({ room } = {}, ack) => {
    socket.leave(room);
    ack?.({ ok: true });
  });

  socket.on("chat message", ({ room, text } = {}, ack) => {
    if (!isIn(room) || typeof text !== "string" || !text.trim()) return ack?.({ ok: false, reason: "not accepted" });
    messages += 1;
    const message = { id: messages, room, text, from: user, at: Date.now() };
    if (fault !== "drop" || messages % 10) chat.to(room).emit("chat message", message);
    if (fault === "leak") chat.except(room).emit("chat message", message);
    ack?.(fault === "badack" ? "ok" : { ok: true, id: messages });
  });

  socket.on("user typing", (room, isTyping) => {
    if (!isIn(room)) return;
    clearTimeout(socket.data.typing);
    socket.to(room).emit("user typing", room, user, isTyping);
    if (isTyping) socket.data.typing = setTimeout(() => socket.to(room).emit("user typing", room, user, false), 3000);
  });

  socket.on("disconnecting", () => {
    clearTimeout(socket.data.typing);
    for (const room of socket.rooms) presence(room, "gone");
  });
});

http.listen(Number(process.env.PORT ?? 0), "127.0.0.1", () => console.log(JSON.stringify({ port: http.address().port })));
