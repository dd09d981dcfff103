// Connects by WebSocket, loses it, and comes back by whatever works: node fallback.mjs URL
import { io } from "socket.io-client";

const socket = io(process.argv[2], {
  transports: ["websocket", "polling"],
  tryAllTransports: true,
  reconnectionDelay: 10,
});
const say = (row) => console.log(JSON.stringify(row));

socket.once("connect", () => {
  say({ transport: socket.io.engine.transport.name });
  socket.emit("here");
  socket.once("connect", async () => {
    const echo = await socket.emitWithAck("echo", "still here");
    say({ transport: socket.io.engine.transport.name, echo });
    socket.disconnect();
  });
});
