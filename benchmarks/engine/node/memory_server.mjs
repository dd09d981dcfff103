// Chat server on Node's socket.io, in memory, without authentication, limits and database.
import { randomUUID } from "node:crypto";
import { createServer } from "node:http";
import { Server } from "socket.io";

const http = createServer((_request, response) => response.end());
const io = new Server(http, { perMessageDeflate: false });
const heads = new Map();

io.on("connection", (socket) => {
  const user = { userId: socket.id, userName: "Bench", role: socket.handshake.auth.token ? "admin" : "customer" };
  socket.emit("authenticated", user);
  socket.on("join_conversation", (conversationId, ack) => {
    socket.join(`conversation:${conversationId}`);
    socket.emit("joined_conversation", { conversationId });
    ack({ success: true });
  });
  socket.on("send_message", ({ conversationId, content, clientMessageId }, ack) => {
    const seq = (heads.get(conversationId) ?? 0) + 1;
    heads.set(conversationId, seq);
    const timestamp = new Date().toISOString();
    const messageId = randomUUID();
    const message = { conversationId, content, sender: user, timestamp, messageId, seq, clientMessageId };
    io.to(`conversation:${conversationId}`).emit("message_received", message);
    ack({ success: true, messageId, seq, timestamp });
  });
});

http.listen(0, "127.0.0.1", () => console.log(`listening on http://127.0.0.1:${http.address().port}`));
