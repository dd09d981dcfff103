// Server for the guide's events only, on the official socket.io package: node guide_server.mjs
// Prints {"port": N} once it listens. Accepts sessions named "session-..." and tokens named "token-...".
import { createServer } from "node:http";
import { Server } from "socket.io";

const TYPING_MS = 3000;
const http = createServer((request, response) => {
  if (request.url !== "/health") return response.writeHead(404).end();
  response.writeHead(200, { "Content-Type": "application/json" });
  response.end(JSON.stringify({ status: "ok", websocket: { connections: io.engine.clientsCount, status: "healthy" } }));
});
const io = new Server(http);
const owners = new Map();

const identify = (auth) => {
  if (typeof auth?.token === "string" && auth.token.startsWith("token-"))
    return { userId: auth.token, userName: auth.token, role: "admin" };
  if (typeof auth?.sessionId === "string" && auth.sessionId.startsWith("session-"))
    return { userId: auth.sessionId, userName: auth.sessionId, role: "customer" };
  return null;
};

const mayJoin = (user, conversationId) => {
  if (typeof conversationId !== "string") return false;
  if (user.role === "admin") return true;
  if (!owners.has(conversationId)) owners.set(conversationId, user.userId);
  return owners.get(conversationId) === user.userId;
};

const connectionsOf = (room, userId) => [...(io.sockets.adapter.rooms.get(room) ?? [])]
  .filter((id) => io.sockets.sockets.get(id)?.data.user?.userId === userId).length;

io.use((socket, next) => {
  const { token, sessionId } = socket.handshake.auth;
  socket.data.user = identify(socket.handshake.auth);
  next(socket.data.user || (token === undefined && sessionId === undefined) ? undefined : new Error("unauthorized"));
});

io.on("connection", (socket) => {
  const timers = new Map();
  const sendPresence = (room, status) => {
    const { userId } = socket.data.user;
    socket.to(room).emit("presence_update", { userId, status, timestamp: new Date().toISOString() });
  };
  const sendTyping = (conversationId, isTyping) => {
    const { userId, userName } = socket.data.user;
    clearTimeout(timers.get(conversationId));
    if (isTyping) timers.set(conversationId, setTimeout(() => sendTyping(conversationId, false), TYPING_MS));
    socket.to(`conversation:${conversationId}`).emit("typing_indicator", { userId, userName, isTyping });
  };
  const inRoom = (id) => typeof id === "string" && socket.rooms.has(`conversation:${id}`);
  if (socket.data.user) socket.emit("authenticated", socket.data.user);
  socket.on("authenticate", (auth) => {
    socket.data.user ??= identify(auth);
    if (socket.data.user) socket.emit("authenticated", socket.data.user);
    else socket.emit("error", { message: "unauthorized" });
  });
  socket.on("join_conversation", (conversationId) => {
    if (!socket.data.user || !mayJoin(socket.data.user, conversationId)) return socket.emit("error", { message: "no" });
    socket.join(`conversation:${conversationId}`);
    socket.emit("joined_conversation", { conversationId });
    sendPresence(`conversation:${conversationId}`, "online");
  });
  socket.on("leave_conversation", (conversationId) => {
    socket.leave(`conversation:${conversationId}`);
    socket.emit("left_conversation", { conversationId });
  });
  socket.on("send_message", (message, ack) => {
    const { conversationId, content } = message ?? {};
    if (!inRoom(conversationId) || typeof content !== "string" || !content) return ack?.({ success: false });
    const sender = socket.data.user;
    const timestamp = new Date().toISOString();
    io.to(`conversation:${conversationId}`).emit("message_received", { conversationId, content, sender, timestamp });
    ack?.({ success: true });
  });
  socket.on("typing_start", (id) => inRoom(id) && sendTyping(id, true));
  socket.on("typing_stop", (id) => inRoom(id) && sendTyping(id, false));
  socket.on("disconnecting", () => {
    timers.forEach(clearTimeout);
    if (!socket.data.user) return;
    for (const room of socket.rooms)
      if (room.startsWith("conversation:") && connectionsOf(room, socket.data.user.userId) <= 1) sendPresence(room, "offline");
  });
});

http.listen(0, "127.0.0.1", () => console.log(JSON.stringify({ port: http.address().port })));
