// Connects by WebSocket, loses the connection and reconnects by any transport that works: node fallback.mjs URL
import { io } from "socket.io-client";

const socket = io(process.argv[2], {
  transports: ["websocket", "polling"],
  tryAllTransports: true,
  reconnectionDelay: 10,
});
const print = (row) => console.log(JSON.stringify(row));

socket.once("connect", () => {
  print({ transport: socket.io.engine.transport.name });
  socket.emit("here");
  socket.once("connect", async () => {
    const echo = await socket.emitWithAck("echo", "still here");
    print({ transport: socket.io.engine.transport.name, echo });
    socket.disconnect();
  });
});
