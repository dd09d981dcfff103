// Connects once and prints the result: node connect.mjs URL TRANSPORTS [AUTH_JSON [CA_FILE]]
import { readFileSync } from "node:fs";
import { io } from "socket.io-client";

const [url, transports, auth = "{}", caFile] = process.argv.slice(2);
const socket = io(url, {
  transports: transports.split(","),
  auth: JSON.parse(auth),
  reconnection: false,
  ...(caFile ? { ca: readFileSync(caFile) } : {}),
});

const finish = (result) => {
  console.log(JSON.stringify(result));
  socket.disconnect();
};
socket.on("connect", () => finish({ event: "connect", transport: socket.io.engine.transport.name }));
socket.on("connect_error", (error) => finish({ event: "connect_error", message: error.message, data: error.data }));
