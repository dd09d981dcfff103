// The guide's Complete Customer Chat Flow and Complete Agent Chat Flow, with plain payloads and nothing of our own.
// node guide_flow.mjs URL TRANSPORTS SESSION_ID TOKEN CONVERSATION_ID
import { io } from "socket.io-client";

const [url, transports, sessionId, token, conversationId] = process.argv.slice(2);
const options = { transports: transports.split(","), forceNew: true };
const say = (row) => console.log(JSON.stringify(row));

const once = (socket, event, test = () => true) =>
  new Promise((resolve) => {
    const listener = (payload) => {
      if (!test(payload)) return;
      socket.off(event, listener);
      resolve(payload);
    };
    socket.on(event, listener);
  });

const acked = (socket, event, payload) => new Promise((resolve) => socket.emit(event, payload, resolve));

async function open(auth) {
  const socket = io(url, { ...options, auth });
  const greeting = once(socket, "authenticated");
  await once(socket, "connect");
  return { socket, greeting: await greeting };
}

// 1. and 2. Initialize, wait for connection
const customer = await open({ sessionId });
say({ step: "customer authenticated", ...customer.greeting });

// 3. Join the room, without a callback as the guide does
const joined = once(customer.socket, "joined_conversation");
customer.socket.emit("join_conversation", conversationId);
say({ step: "customer joined", ...(await joined) });

const agent = await open({ token });
say({ step: "agent authenticated", ...agent.greeting });
const agentJoined = once(agent.socket, "joined_conversation");
const agentSeen = once(customer.socket, "presence_update", (p) => p.userId === agent.greeting.userId);
agent.socket.emit("join_conversation", conversationId);
say({ step: "agent joined", ...(await agentJoined) });
say({ step: "customer sees agent", ...(await agentSeen) });

// 6. Typing: shown to the other side, and gone with the message
const typing = once(agent.socket, "typing_indicator", (t) => t.isTyping);
customer.socket.emit("typing_start", conversationId);
say({ step: "agent sees typing", ...(await typing) });

// 5. Send; 4. the listeners hear it
const received = once(agent.socket, "message_received");
const echo = once(customer.socket, "message_received");
const typingGone = once(agent.socket, "typing_indicator", (t) => !t.isTyping);
const ack = await acked(customer.socket, "send_message", { conversationId, content: "Hello! \u{1F44B} äöü" });
say({ step: "customer acked", ...ack });
say({ step: "agent received", ...(await received) });
say({ step: "customer received own", ...(await echo) });
say({ step: "agent sees typing gone", ...(await typingGone) });

// Agent: reply, with and without a callback
const reply = once(customer.socket, "message_received", (m) => m.content === "How can I help?");
const replyAck = await acked(agent.socket, "send_message", { conversationId, content: "How can I help?" });
say({ step: "agent acked", ...replyAck });
say({ step: "customer received", ...(await reply) });
const quiet = once(customer.socket, "message_received", (m) => m.content === "No callback");
agent.socket.emit("send_message", { conversationId, content: "No callback" });
say({ step: "customer received without ack", ...(await quiet) });

// DevTools: an event that is wrong and has no callback gets `error`
const failed = once(customer.socket, "error");
customer.socket.emit("send_message", { conversationId: "not joined", content: "x" });
say({ step: "customer told of an error", ...(await failed) });

say({ step: "transports", customer: customer.socket.io.engine.transport.name, agent: agent.socket.io.engine.transport.name });

// Leave and disconnect: the other side sees the customer go offline after the grace
const left = once(customer.socket, "left_conversation");
customer.socket.emit("leave_conversation", conversationId);
say({ step: "customer left", ...(await left) });
customer.socket.emit("join_conversation", conversationId);
await once(customer.socket, "joined_conversation");
const offline = once(agent.socket, "presence_update", (p) => p.status === "offline");
customer.socket.disconnect();
say({ step: "agent sees customer offline", ...(await offline) });
agent.socket.disconnect();
