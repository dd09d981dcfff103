// Server for the guide's events only, on the official socket.io package: node guide_server.mjs
// Prints {"port": N} once it listens. Accepts sessions named "session-..." and tokens named "token-...".
// Subclasses replace single methods to inject faults.
import { createServer } from "node:http";
import { fileURLToPath } from "node:url";
import { Server } from "socket.io";

const TYPING_MS = 3000;

export const roomOf = (conversationId) => `conversation:${conversationId}`;

const identify = (auth) => {
  if (typeof auth?.token === "string" && auth.token.startsWith("token-"))
    return { userId: auth.token, userName: auth.token, role: "admin" };
  if (typeof auth?.sessionId === "string" && auth.sessionId.startsWith("session-"))
    return { userId: auth.sessionId, userName: auth.sessionId, role: "customer" };
  return null;
};

export class GuideServer {
  #owners = new Map();

  constructor() {
    this.http = createServer((request, response) => this.answer(request, response));
    this.io = new Server(this.http);
    this.io.use((socket, next) => this.admit(socket, next));
    this.io.on("connection", (socket) => this.accept(socket));
  }

  listen() {
    return new Promise((resolve) => this.http.listen(0, "127.0.0.1", () => resolve(this.http.address().port)));
  }

  answer(request, response) {
    if (request.url !== "/health") return response.writeHead(404).end();
    const connections = this.io.engine.clientsCount;
    response.writeHead(200, { "Content-Type": "application/json" });
    response.end(JSON.stringify({ status: "ok", websocket: { connections, status: "healthy" } }));
  }

  admit(socket, next) {
    const { token, sessionId } = socket.handshake.auth;
    socket.data.user = identify(socket.handshake.auth);
    next(socket.data.user || (token === undefined && sessionId === undefined) ? undefined : new Error("unauthorized"));
  }

  accept(socket) {
    socket.data.typingTimers = new Map();
    if (socket.data.user) this.confirm(socket);
    socket.on("authenticate", (auth) => {
      socket.data.user ??= identify(auth);
      if (socket.data.user) this.confirm(socket);
      else socket.emit("error", { message: "unauthorized" });
    });
    socket.on("join_conversation", (id) => this.join(socket, id));
    socket.on("leave_conversation", (id) => {
      socket.leave(roomOf(id));
      socket.emit("left_conversation", { conversationId: id });
    });
    socket.on("send_message", (message, reply) => this.receive(socket, message, reply ?? (() => {})));
    socket.on("typing_start", (id) => this.#isIn(socket, id) && this.startTyping(socket, id));
    socket.on("typing_stop", (id) => this.#isIn(socket, id) && this.stopTyping(socket, id));
    socket.on("disconnecting", () => this.#leaveAll(socket));
  }

  confirm(socket) {
    socket.emit("authenticated", socket.data.user);
  }

  join(socket, id) {
    if (!socket.data.user || !this.#mayJoin(socket.data.user, id)) return socket.emit("error", { message: "no" });
    socket.join(roomOf(id));
    socket.emit("joined_conversation", { conversationId: id });
    this.sendPresence(socket, id, "online");
  }

  receive(socket, request, reply) {
    const { conversationId, content } = request ?? {};
    if (!this.#isIn(socket, conversationId) || typeof content !== "string" || !content)
      return reply({ success: false });
    const timestamp = new Date().toISOString();
    this.deliver(socket, { conversationId, content, sender: socket.data.user, timestamp });
    this.ack(reply);
  }

  deliver(socket, message) {
    this.io.to(roomOf(message.conversationId)).emit("message_received", message);
  }

  ack(reply) {
    reply({ success: true });
  }

  startTyping(socket, id) {
    this.sendTyping(socket, id, true);
    clearTimeout(socket.data.typingTimers.get(id));
    socket.data.typingTimers.set(id, setTimeout(() => this.stopTyping(socket, id), TYPING_MS));
  }

  stopTyping(socket, id) {
    clearTimeout(socket.data.typingTimers.get(id));
    this.sendTyping(socket, id, false);
  }

  sendTyping(socket, id, isTyping) {
    const { userId, userName } = socket.data.user;
    socket.to(roomOf(id)).emit("typing_indicator", { userId, userName, isTyping });
  }

  sendPresence(socket, id, status) {
    const { userId } = socket.data.user;
    socket.to(roomOf(id)).emit("presence_update", { userId, status, timestamp: new Date().toISOString() });
  }

  #isIn(socket, id) {
    return typeof id === "string" && socket.rooms.has(roomOf(id));
  }

  #mayJoin(user, id) {
    if (typeof id !== "string") return false;
    if (user.role === "admin") return true;
    if (!this.#owners.has(id)) this.#owners.set(id, user.userId);
    return this.#owners.get(id) === user.userId;
  }

  #leaveAll(socket) {
    socket.data.typingTimers.forEach(clearTimeout);
    for (const room of socket.data.user ? socket.rooms : []) {
      const [, id] = room.split(/^conversation:/);
      if (id !== undefined && this.#connectionsOf(room, socket.data.user.userId) <= 1)
        this.sendPresence(socket, id, "offline");
    }
  }

  #connectionsOf(room, userId) {
    const members = [...(this.io.sockets.adapter.rooms.get(room) ?? [])];
    return members.filter((id) => this.io.sockets.sockets.get(id)?.data.user?.userId === userId).length;
  }
}

if (process.argv[1] === fileURLToPath(import.meta.url))
  console.log(JSON.stringify({ port: await new GuideServer().listen() }));
