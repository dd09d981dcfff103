// Servers for the guide's events, each broken in one way: node broken_server.mjs [--fault NAME]...
// Without --fault, all of them. Prints {"NAME": PORT, ...} once they listen.
import { parseArgs } from "node:util";
import { isMainThread, parentPort, Worker, workerData } from "node:worker_threads";
import { GuideServer, roomOf } from "./guide_server.mjs";

const DELAY_MS = 150;
const FREEZE_MS = 500;
const MAX_CONNECTIONS = 15;

/** Returns a function that is true on every nth call, beginning with the first. */
const every = (n) => {
  let calls = 0;
  return () => calls++ % n === 0;
};

const FAULTS = {
  none: GuideServer,

  "leaks-some-messages": class extends GuideServer {
    #leaks = every(100);
    deliver(socket, message) {
      if (this.#leaks()) this.io.emit("message_received", message);
      else super.deliver(socket, message);
    }
  },

  "leaks-all-messages": class extends GuideServer {
    deliver(socket, message) {
      this.io.emit("message_received", message);
    }
  },

  // A lookup by the wrong key: the message gets the id of the room in which it arrives.
  "delivers-to-wrong-room": class extends GuideServer {
    #isMisled = every(2);
    deliver(socket, message) {
      const rooms = [...this.io.sockets.adapter.rooms.keys()].filter((room) => room.startsWith("conversation:"));
      const other = rooms.find((room) => room !== roomOf(message.conversationId));
      if (this.#isMisled()) message.conversationId = other.slice("conversation:".length);
      super.deliver(socket, message);
    }
  },

  "loses-typing": class extends GuideServer {
    #starts = 0;
    startTyping(socket, id) {
      if (this.#starts++ % 10 < 3) return;
      super.startTyping(socket, id);
    }
  },

  "never-sends-typing": class extends GuideServer {
    sendTyping() {}
  },

  "never-ends-typing": class extends GuideServer {
    stopTyping() {}
  },

  "never-expires-typing": class extends GuideServer {
    startTyping(socket, id) {
      this.sendTyping(socket, id, true);
    }
  },

  "joins-slowly": class extends GuideServer {
    join(socket, id) {
      setTimeout(() => super.join(socket, id), 3000);
    }
  },

  "authenticates-slowly": class extends GuideServer {
    confirm(socket) {
      setTimeout(() => super.confirm(socket), 1000);
    }
  },

  "never-authenticates": class extends GuideServer {
    confirm() {}
  },

  "acks-late": class extends GuideServer {
    ack(reply) {
      setTimeout(() => super.ack(reply), DELAY_MS);
    }
  },

  "swallows-acks": class extends GuideServer {
    #swallows = every(200);
    ack(reply) {
      if (!this.#swallows()) super.ack(reply);
    }
  },

  "acks-twice": class extends GuideServer {
    accept(socket) {
      const { packet } = socket;
      const isAck = ({ type }) => type === 3;
      socket.packet = (...parameters) => {
        packet.apply(socket, parameters);
        if (isAck(parameters[0])) packet.apply(socket, parameters);
      };
      super.accept(socket);
    }
  },

  "acks-with-nothing": class extends GuideServer {
    ack(reply) {
      reply();
    }
  },

  "acks-with-another-shape": class extends GuideServer {
    ack(reply) {
      reply({ status: "ok" });
    }
  },

  "delays-everything": class extends GuideServer {
    confirm(socket) {
      setTimeout(() => super.confirm(socket), DELAY_MS);
    }
    join(socket, id) {
      setTimeout(() => super.join(socket, id), DELAY_MS);
    }
    receive(socket, request, reply) {
      setTimeout(() => super.receive(socket, request, reply), DELAY_MS);
    }
    startTyping(socket, id) {
      setTimeout(() => super.startTyping(socket, id), DELAY_MS);
    }
  },

  // Runs in a thread of its own, whose event loop it blocks.
  freezes: class extends GuideServer {
    constructor() {
      super();
      const frozen = new Int32Array(new SharedArrayBuffer(4));
      setInterval(() => Atomics.wait(frozen, 0, 0, FREEZE_MS), 5 * FREEZE_MS);
    }
  },

  "refuses-connections": class extends GuideServer {
    admit(socket, next) {
      if (this.io.sockets.sockets.size >= MAX_CONNECTIONS) next(new Error("server full"));
      else super.admit(socket, next);
    }
  },

  "drops-connections": class extends GuideServer {
    #drops = every(20);
    accept(socket) {
      super.accept(socket);
      if (this.#drops()) setTimeout(() => socket.conn.close(), 1000);
    }
  },
};

const listenInThread = (name) => new Promise((resolve, reject) => {
  const thread = new Worker(new URL(import.meta.url), { workerData: name });
  thread.on("message", resolve).on("error", reject);
});

if (isMainThread) {
  const { values } = parseArgs({ options: { fault: { type: "string", multiple: true } } });
  const ports = {};
  for (const name of values.fault ?? Object.keys(FAULTS))
    ports[name] = name === "freezes" ? await listenInThread(name) : await new FAULTS[name]().listen();
  console.log(JSON.stringify(ports));
} else parentPort.postMessage(await new FAULTS[workerData]().listen());
