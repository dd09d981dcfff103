/** The connection: whether there is a link, who we are on it, and what follows its end. */

/** @import {Authenticated, ErrorCode, Failed} from "./protocol.js" */

import { reconnectDelayMs } from "./backoff.js";

/** @typedef {"connected" | "disconnected" | "reconnecting"} ConnectionState */
/** @typedef {{reason: string, attempt: number, delayMs: number}} ConnectionDetail */
/** @typedef {{reason: string, code?: ErrorCode, byServer?: boolean}} LinkEnd */

/**
 * What the connection tells its owner.
 * @typedef {object} Owner
 * @property {(identity: Authenticated) => void} up
 * @property {() => void} down
 * @property {(state: ConnectionState, detail: ConnectionDetail) => void} change
 * @property {(name: string, payload: any) => void} event any: the table decides, by name
 */

/** A link that lived this long starts the backoff anew; otherwise a server that accepts and drops would be hammered. */
const STABLE_AFTER_MS = 5_000;
/** No server may send a client away for longer. */
const MAX_RETRY_AFTER_MS = 60_000;
/** A draining server closes within 10 s (contract); after this the client does. */
const DRAIN_TIMEOUT_MS = 15_000;
const TRANSPORT_TIMEOUT_MS = 10_000;
/** From opening the transport to the server's `authenticated`. */
const OPEN_TIMEOUT_MS = 12_000;

/** Codes of a refused CONNECT that another attempt may overcome (contract: Errors). @type {Set<ErrorCode>} */
const PASSING = new Set([
  "connection_limit", "draining", "internal", "rate_limited", "slow", "storage_unavailable", "timeout",
]);

/** Keeps one socket.io socket connected with a reconnection policy of its own. */
export class Connection {
  /** @type {ConnectionState} */
  state = "disconnected";
  reason = "not connected yet";
  /** @type {Authenticated | null} */
  identity = null;
  /** Why there will be no other link; null as long as there may be one. @type {Failed | null} */
  failure = null;
  reconnects = 0;
  /** Attempts without success since the last link. */
  failures = 0;
  /** Rises with every link, so that answers of an older one are told apart. */
  link = 0;
  /** @type {number | null} */
  openedAt = null;
  uptimeMs = 0;
  #up = false;
  #wanted = false;
  /** Between two attempts. */
  #waiting = false;
  #suspended = false;
  #attempt = 0;
  /** @type {number | null} Come back after this: the server said that it stops. */
  #drainAfterMs = null;
  /** @type {Failed | null} The server's last words, which explain a DISCONNECT. */
  #lastError = null;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #timer;
  /** @type {any} any: socket.io-client comes as a script of its own, without types here */
  #socket = null;

  /**
   * @param {object} options
   * @param {(url: string, options: object) => any} options.io socket.io-client's `io`
   * @param {string} options.url
   * @param {() => Record<string, string>} options.auth asked for at every attempt
   * @param {(() => Promise<boolean>) | null} options.renew gets fresh credentials; false when none can be had
   * @param {object} options.socketOptions more options for `io`, such as `transports`
   * @param {number} options.maxAttempts
   * @param {() => number} options.random
   * @param {() => number} options.now
   * @param {Owner} owner
   */
  constructor(options, owner) {
    this.#options = options;
    this.#owner = owner;
  }

  #options;
  #owner;

  /** Whether requests may leave. */
  get up() {
    return this.#up && this.#drainAfterMs === null;
  }

  /** Begin to connect, for ever or until `stop`. */
  start() {
    this.#wanted = true;
    this.failure = null;
    this.#socket = this.#options.io(this.#options.url, {
      ...this.#options.socketOptions,
      auth: (/** @type {(auth: object) => void} */ give) => give(this.#options.auth()),
      autoConnect: false,
      forceNew: true,
      reconnection: false,
      timeout: TRANSPORT_TIMEOUT_MS,
    });
    this.#listen();
    this.#open();
  }

  /** Disconnect for good. */
  stop() {
    this.#wanted = false;
    this.failure = { message: "The connection was closed.", code: "timeout" };
    clearTimeout(this.#timer);
    this.#socket?.disconnect();
    if (this.state !== "disconnected") this.#change("disconnected", "client disconnect");
  }

  /** Cut the link as a network would, and stay away until `resume`. */
  suspend() {
    this.#suspended = true;
    clearTimeout(this.#timer);
    this.drop();
  }

  /** End `suspend`. */
  resume() {
    this.#suspended = false;
    this.hurry();
  }

  /** Try again now instead of at the end of the delay: the network is back. */
  hurry() {
    if (this.#wanted && this.#waiting && !this.#suspended) this.#open();
  }

  /** Close a link that seems dead; what follows is decided as for any other end. */
  drop() {
    this.#socket?.io.engine?.close();
  }

  /**
   * @param {string} name
   * @param {unknown} payload
   * @param {number} timeoutMs
   * @returns {Promise<any>} the reply; rejected when none came
   */
  request(name, payload, timeoutMs) {
    return this.#socket.timeout(timeoutMs).emitWithAck(name, payload);
  }

  #open() {
    clearTimeout(this.#timer);
    this.#waiting = false;
    this.#timer = setTimeout(() => this.#giveUp(), OPEN_TIMEOUT_MS);
    this.#socket.connect();
  }

  /** The server's `authenticated` did not come: a peer that stays silent is like any other failure. */
  #giveUp() {
    const hears = this.#socket.connected;
    this.#socket.disconnect();
    // A socket that was never connected tells nobody that it is closed.
    if (!hears) void this.#ended({ reason: "the server does not answer" });
  }

  #listen() {
    const socket = this.#socket;
    socket.on("connect_error", (/** @type {Error & {data?: {code?: ErrorCode}}} */ error) =>
      void this.#ended({ reason: error.message, code: error.data?.code }),
    );
    socket.on("disconnect", (/** @type {string} */ reason) =>
      void this.#ended({ reason, byServer: reason === "io server disconnect" }),
    );
    socket.onAny((/** @type {string} */ name, /** @type {any} */ payload) => this.#heard(name, payload));
  }

  /**
   * @param {string} name
   * @param {any} payload any: the table decides, by name
   */
  #heard(name, payload) {
    if (name === "authenticated") return this.#opened(payload);
    if (name === "error") this.#lastError = payload;
    if (name === "server_draining") {
      this.#drainAfterMs = Math.min(payload.retryAfterMs, MAX_RETRY_AFTER_MS);
      this.#timer = setTimeout(() => this.drop(), DRAIN_TIMEOUT_MS);
    }
    this.#owner.event(name, payload);
  }

  /** @param {Authenticated} identity */
  #opened(identity) {
    clearTimeout(this.#timer);
    if (this.openedAt !== null) return;
    if (this.link > 0) this.reconnects += 1;
    this.link += 1;
    this.identity = identity;
    this.openedAt = this.#options.now();
    this.#up = true;
    this.failures = 0;
    this.#lastError = null;
    this.#owner.up(identity);
    this.#change("connected", "connected");
  }

  /** @param {LinkEnd} end */
  async #ended(end) {
    clearTimeout(this.#timer);
    const livedMs = this.openedAt === null ? 0 : this.#options.now() - this.openedAt;
    this.uptimeMs += livedMs;
    if (livedMs >= STABLE_AFTER_MS) this.#attempt = 0;
    if (this.openedAt !== null) {
      this.openedAt = null;
      this.#up = false;
      this.#owner.down();
    }
    const drainAfterMs = this.#drainAfterMs;
    this.#drainAfterMs = null;
    if (!this.#wanted) return;
    if (await this.#isFinal(end, drainAfterMs !== null)) {
      this.#wanted = false;
      this.failure = this.#explain(end);
      this.#change("disconnected", end.reason);
      this.#owner.event("error", this.failure);
      return;
    }
    if (this.#wanted) this.#again(end.reason, drainAfterMs);
  }

  /**
   * Whether no other attempt makes sense.
   * @param {LinkEnd} end
   * @param {boolean} draining
   */
  async #isFinal(end, draining) {
    if (end.byServer && !draining) return true;
    if (end.code === "token_expired") return !(await this.#renewed());
    if (end.code && !PASSING.has(end.code)) return true;
    return this.failures >= this.#options.maxAttempts;
  }

  /**
   * The server's last words, if it had any.
   * @param {LinkEnd} end
   * @returns {Failed}
   */
  #explain(end) {
    if (end.byServer) return this.#lastError ?? { message: end.reason, code: "unauthorized" };
    return { message: end.reason, code: end.code ?? "timeout" };
  }

  async #renewed() {
    try {
      return (await this.#options.renew?.()) ?? false;
    } catch {
      // The server could not be asked; the next attempt asks again.
      return true;
    }
  }

  /**
   * @param {string} reason
   * @param {number | null} drainAfterMs
   */
  #again(reason, drainAfterMs) {
    const delayMs = this.#suspended ? 0 : (drainAfterMs ?? reconnectDelayMs(this.#attempt, this.#options.random));
    this.#attempt += 1;
    this.failures += 1;
    this.#waiting = true;
    if (!this.#suspended) this.#timer = setTimeout(() => this.#open(), delayMs);
    this.#change("reconnecting", reason, delayMs);
  }

  /**
   * @param {ConnectionState} state
   * @param {string} reason
   */
  #change(state, reason, delayMs = 0) {
    this.state = state;
    this.reason = reason;
    this.#owner.change(state, { reason, attempt: this.failures, delayMs });
  }
}
