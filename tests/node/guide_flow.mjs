// Complete Customer Chat Flow and Complete Agent Chat Flow of the guide, with its plain payloads only.
// node guide_flow.mjs URL TRANSPORTS SESSION_ID TOKEN CONVERSATION_ID
import { io } from "socket.io-client";

const [url, transports, sessionId, token, conversationId] = process.argv.slice(2);
const options = { transports: transports.split(","), forceNew: true };
const print = (row) => console.log(JSON.stringify(row));

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
  const authenticated = once(socket, "authenticated");
  await once(socket, "connect");
  return { socket, identity: await authenticated };
}

// 1. and 2. Initialize, wait for connection
const customer = await open({ sessionId });
print({ step: "customer authenticated", ...customer.identity });

// 3. Join the room, without a callback as the guide does
const joined = once(customer.socket, "joined_conversation");
customer.socket.emit("join_conversation", conversationId);
print({ step: "customer joined", ...(await joined) });

const agent = await open({ token });
print({ step: "agent authenticated", ...agent.identity });
const agentJoined = once(agent.socket, "joined_conversation");
const agentSeen = once(customer.socket, "presence_update", (p) => p.userId === agent.identity.userId);
agent.socket.emit("join_conversation", conversationId);
print({ step: "agent joined", ...(await agentJoined) });
print({ step: "customer received agent presence", ...(await agentSeen) });

// 6. Typing: shown to the other user and cleared by the message
const typing = once(agent.socket, "typing_indicator", (t) => t.isTyping);
customer.socket.emit("typing_start", conversationId);
print({ step: "agent received typing start", ...(await typing) });

// 5. Send; 4. the listeners receive it
const received = once(agent.socket, "message_received");
const echo = once(customer.socket, "message_received");
const typingGone = once(agent.socket, "typing_indicator", (t) => !t.isTyping);
const ack = await acked(customer.socket, "send_message", { conversationId, content: "Hello! \u{1F44B} äöü" });
print({ step: "customer acked", ...ack });
print({ step: "agent received", ...(await received) });
print({ step: "customer received own", ...(await echo) });
print({ step: "agent received typing end", ...(await typingGone) });

// Agent: reply, with and without a callback
const reply = once(customer.socket, "message_received", (m) => m.content === "How can I help?");
const replyAck = await acked(agent.socket, "send_message", { conversationId, content: "How can I help?" });
print({ step: "agent acked", ...replyAck });
print({ step: "customer received", ...(await reply) });
const unacked = once(customer.socket, "message_received", (m) => m.content === "No callback");
agent.socket.emit("send_message", { conversationId, content: "No callback" });
print({ step: "customer received without ack", ...(await unacked) });

// DevTools: an invalid event without a callback gets an `error` event
const failed = once(customer.socket, "error");
customer.socket.emit("send_message", { conversationId: "not joined", content: "x" });
print({ step: "customer received error", ...(await failed) });

print({ step: "transports", customer: customer.socket.io.engine.transport.name, agent: agent.socket.io.engine.transport.name });

// Leave and disconnect: the agent is notified of the customer offline after the grace period
const left = once(customer.socket, "left_conversation");
customer.socket.emit("leave_conversation", conversationId);
print({ step: "customer left", ...(await left) });
customer.socket.emit("join_conversation", conversationId);
await once(customer.socket, "joined_conversation");
const offline = once(agent.socket, "presence_update", (p) => p.status === "offline");
customer.socket.disconnect();
print({ step: "agent received customer offline", ...(await offline) });
agent.socket.disconnect();
