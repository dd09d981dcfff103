/** Socket.IO connection: connection state, authenticated identity and reconnection policy. */

/** @import {Authenticated, ErrorCode, Failed} from "./protocol.js" */

import { reconnectDelayMs } from "./backoff.js";

/** @typedef {"connected" | "disconnected" | "reconnecting"} ConnectionState */
/**
 * `socketId` is the id of an open connection, as in the server's log.
 * @typedef {{reason: string, attempt: number, delayMs: number, socketId?: string}} ConnectionDetail
 */
/** @typedef {{reason: string, code?: ErrorCode, byServer?: boolean, retryAfterMs?: number}} ConnectionEnd */
/**
 * Failure of an attempt: a CONNECT_ERROR has `data`, a failed poll the HTTP status and the request.
 * @typedef {Error & {data?: {code?: ErrorCode}, description?: unknown, context?: any}} AttemptError
 */

/**
 * Callbacks of a connection.
 * @typedef {object} ConnectionObserver
 * @property {(identity: Authenticated) => void} opened
 * @property {() => void} closed
 * @property {(state: ConnectionState, detail: ConnectionDetail) => void} stateChanged
 * @property {(name: string, payload: any) => void} event any: the payload's type depends on the event name
 */

/** Uptime after which the backoff restarts; a server that accepts and drops connections must not cause a tight loop. */
const STABLE_AFTER_MS = 5_000;
/** Upper bound of the `retryAfterMs` of a draining server, and of the `Retry-After` of a busy one. */
const MAX_RETRY_AFTER_MS = 60_000;
/** A draining server closes the connection within 10 s (contract); after this time the client closes it. */
const DRAIN_TIMEOUT_MS = 15_000;
const TRANSPORT_TIMEOUT_MS = 10_000;
/** Timeout from opening the transport to the server's `authenticated`. */
const OPEN_TIMEOUT_MS = 12_000;

/** Codes of a refused CONNECT after which another attempt may succeed (contract: Errors). @type {Set<ErrorCode>} */
const TRANSIENT_CODES = new Set([
  "connection_limit", "draining", "internal", "rate_limited", "slow", "storage_unavailable", "timeout",
]);

/** Transports of the library, in its order. */
const TRANSPORTS = ["polling", "websocket"];

/** Reasons of attempts without any response: that of socket.io-client, and that of `#openTimedOut`. */
const SILENT_ATTEMPTS = new Set(["timeout", "the server does not respond"]);

/** HTTP statuses that may have a `Retry-After`. @type {Set<unknown>} */
const BUSY_STATUSES = new Set([429, 503]);

/** One socket.io-client socket, reconnected by this class instead of by the library. */
export class Connection {
  /** @type {ConnectionState} */
  state = "disconnected";
  reason = "not connected yet";
  /** @type {Authenticated | null} */
  identity = null;
  /** Error that ended all reconnection attempts; null while another attempt is possible. @type {Failed | null} */
  failure = null;
  reconnects = 0;
  /** Failed attempts since the last successful one. */
  failedAttempts = 0;
  /** Number of the current or last connection; identifies replies that belong to an earlier one. */
  number = 0;
  /** @type {number | null} */
  openedAt = null;
  uptimeMs = 0;
  #authenticated = false;
  /** Between `start` and the final disconnect. */
  #started = false;
  /** The delay before the next attempt is running. */
  #waiting = false;
  #suspended = false;
  /** Transports of the current or last attempt, in the order in which they are tried. @type {string[]} */
  #transports = [];
  /** Attempts since the last stable connection, for the backoff. */
  #attempt = 0;
  /** @type {number | null} Reconnection delay from the server's `server_draining`; null while it is not draining. */
  #drainAfterMs = null;
  /** @type {Failed | null} Last `error` event, reported as the cause of a following DISCONNECT. */
  #lastError = null;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #timer;
  /** @type {any} any: socket.io-client is loaded as a separate script, without types here */
  #socket = null;

  /**
   * @param {object} options
   * @param {(url: string, options: object) => any} options.io socket.io-client's `io`
   * @param {string} options.url
   * @param {() => Record<string, string>} options.auth called before every attempt
   * @param {(() => Promise<boolean>) | null} options.renew fetches fresh credentials; false if there are none
   * @param {{transports?: string[]}} options.socketOptions more options for `io`
   * @param {number} options.maxAttempts
   * @param {() => number} options.random
   * @param {() => number} options.now
   * @param {ConnectionObserver} observer
   */
  constructor(options, observer) {
    this.#options = options;
    this.#observer = observer;
  }

  #options;
  #observer;

  /** Whether requests can be sent. */
  get ready() {
    return this.#authenticated && this.#drainAfterMs === null;
  }

  /** Connect and stay connected until `stop` or a final failure. */
  start() {
    this.#started = true;
    this.failure = null;
    this.#transports = this.#options.socketOptions.transports ?? TRANSPORTS;
    this.#socket = this.#options.io(this.#options.url, {
      ...this.#options.socketOptions,
      auth: (/** @type {(auth: object) => void} */ callback) => callback({ ...this.#options.auth(), recovery: "off" }),
      autoConnect: false,
      forceNew: true,
      reconnection: false,
      timeout: TRANSPORT_TIMEOUT_MS,
    });
    this.#listen();
    this.#open();
  }

  /** Disconnect and do not reconnect. */
  stop() {
    this.#started = false;
    this.failure = { message: "The connection was closed.", code: "timeout", retryable: false };
    clearTimeout(this.#timer);
    this.#socket?.disconnect();
    if (this.state !== "disconnected") this.#setState("disconnected", "client disconnect");
  }

  /** Simulate an outage: close the transport abruptly and do not reconnect until `resume`. */
  suspend() {
    this.#suspended = true;
    clearTimeout(this.#timer);
    this.closeTransport();
  }

  /** End the outage started by `suspend`. */
  resume() {
    this.#suspended = false;
    this.retryNow();
  }

  /** Start the next attempt now instead of at the end of its delay, for instance when the browser is online again. */
  retryNow() {
    if (this.#started && this.#waiting && !this.#suspended) this.#open();
  }

  /** Close the transport of a connection that no longer responds; the reconnection policy applies. */
  closeTransport() {
    this.#socket?.io.engine?.close();
  }

  /**
   * @param {string} name
   * @param {unknown} payload
   * @param {number} timeoutMs
   * @returns {Promise<any>} the reply; rejected on timeout or disconnect
   */
  request(name, payload, timeoutMs) {
    return this.#socket.timeout(timeoutMs).emitWithAck(name, payload);
  }

  #open() {
    clearTimeout(this.#timer);
    this.#waiting = false;
    this.#timer = setTimeout(() => this.#openTimedOut(), OPEN_TIMEOUT_MS);
    // A refused WebSocket is followed by a poll at once: only the response to a poll shows the `Retry-After`.
    const tryAllTransports = this.#transports[0] === "websocket";
    Object.assign(this.#socket.io.opts, { transports: this.#transports, tryAllTransports });
    this.#socket.connect();
  }

  /** Fail the attempt because the server did not send `authenticated` in time. */
  #openTimedOut() {
    const wasConnected = this.#socket.connected;
    this.#socket.disconnect();
    // A socket that was never connected emits no `disconnect`.
    if (!wasConnected) void this.#onEnd({ reason: "the server does not respond" });
  }

  #listen() {
    const socket = this.#socket;
    socket.on("connect_error", (/** @type {AttemptError} */ error) =>
      void this.#onEnd({ reason: error.message, code: error.data?.code, retryAfterMs: retryAfterMs(error) }),
    );
    socket.on("disconnect", (/** @type {string} */ reason) =>
      void this.#onEnd({ reason, byServer: reason === "io server disconnect" }),
    );
    socket.onAny((/** @type {string} */ name, /** @type {any} */ payload) => this.#onEvent(name, payload));
  }

  /**
   * @param {string} name
   * @param {any} payload any: its type depends on the event name
   */
  #onEvent(name, payload) {
    if (name === "authenticated") return this.#onAuthenticated(payload);
    if (name === "error") this.#lastError = payload;
    if (name === "server_draining") {
      this.#drainAfterMs = Math.min(payload.retryAfterMs, MAX_RETRY_AFTER_MS);
      this.#timer = setTimeout(() => this.closeTransport(), DRAIN_TIMEOUT_MS);
    }
    this.#observer.event(name, payload);
  }

  /** @param {Authenticated} identity */
  #onAuthenticated(identity) {
    clearTimeout(this.#timer);
    if (this.openedAt !== null) return;
    if (this.number > 0) this.reconnects += 1;
    this.number += 1;
    this.identity = identity;
    this.openedAt = this.#options.now();
    this.#authenticated = true;
    this.failedAttempts = 0;
    this.#lastError = null;
    this.#observer.opened(identity);
    this.#setState("connected", "connected");
  }

  /** @param {ConnectionEnd} end */
  async #onEnd(end) {
    clearTimeout(this.#timer);
    this.#chooseTransport(this.openedAt !== null, end.reason);
    const durationMs = this.openedAt === null ? 0 : this.#options.now() - this.openedAt;
    this.uptimeMs += durationMs;
    if (durationMs >= STABLE_AFTER_MS) this.#attempt = 0;
    if (this.openedAt !== null) {
      this.openedAt = null;
      this.#authenticated = false;
      this.#observer.closed();
    }
    const drainAfterMs = this.#drainAfterMs;
    this.#drainAfterMs = null;
    if (!this.#started) return;
    if (await this.#isFinal(end, drainAfterMs !== null)) {
      this.#started = false;
      this.failure = this.#failureOf(end);
      this.#setState("disconnected", end.reason);
      this.#observer.event("error", this.failure);
      return;
    }
    if (this.#started) this.#scheduleReconnect(end, drainAfterMs);
  }

  /**
   * Choose the transport that the next attempt tries first.
   *
   * After a lost connection or a silent poll it is a WebSocket, which opens a TCP connection: a poll may use an idle one of
   * the browser that has died with the other. After other failures it is polling: some proxies break each WebSocket.
   * @param {boolean} wasOpen
   * @param {string} reason
   */
  #chooseTransport(wasOpen, reason) {
    const isPollSilent = this.#transports[0] === "polling" && SILENT_ATTEMPTS.has(reason);
    const first = wasOpen || isPollSilent ? "websocket" : "polling";
    this.#transports = this.#transports.toSorted((one, other) => Number(other === first) - Number(one === first));
  }

  /**
   * Whether no further attempt can succeed.
   * @param {ConnectionEnd} end
   * @param {boolean} draining
   */
  async #isFinal(end, draining) {
    if (end.byServer && !draining) return true;
    if (end.code === "token_expired") return !(await this.#renewCredentials());
    if (end.code && !TRANSIENT_CODES.has(end.code)) return true;
    return this.failedAttempts >= this.#options.maxAttempts;
  }

  /**
   * Return the error to report for a final disconnect: the server's last `error` event, if it sent one.
   * @param {ConnectionEnd} end
   * @returns {Failed}
   */
  #failureOf(end) {
    if (end.byServer) return this.#lastError ?? { message: end.reason, code: "unauthorized", retryable: false };
    return { message: end.reason, code: end.code ?? "timeout", retryable: false };
  }

  async #renewCredentials() {
    try {
      return (await this.#options.renew?.()) ?? false;
    } catch {
      // The renewal request failed; the next attempt repeats it.
      return true;
    }
  }

  /**
   * @param {ConnectionEnd} end
   * @param {number | null} drainAfterMs
   */
  #scheduleReconnect({ reason, retryAfterMs = 0 }, drainAfterMs) {
    const backoffMs = Math.max(retryAfterMs, reconnectDelayMs(this.#attempt, this.#options.random));
    const delayMs = this.#suspended ? 0 : (drainAfterMs ?? backoffMs);
    this.#attempt += 1;
    this.failedAttempts += 1;
    this.#waiting = true;
    if (!this.#suspended) this.#timer = setTimeout(() => this.#open(), delayMs);
    this.#setState("reconnecting", reason, delayMs);
  }

  /**
   * @param {ConnectionState} state
   * @param {string} reason
   */
  #setState(state, reason, delayMs = 0) {
    this.state = state;
    this.reason = reason;
    this.#observer.stateChanged(state, { reason, attempt: this.failedAttempts, delayMs, socketId: this.#socket?.id });
  }
}

/**
 * Return the delay that a busy server requests; undefined over a WebSocket, as browsers hide the response to its handshake.
 * @param {AttemptError} error
 * @returns {number | undefined}
 */
function retryAfterMs(error) {
  if (!BUSY_STATUSES.has(error.description)) return undefined;
  const seconds = Number.parseInt(error.context?.getResponseHeader?.("Retry-After"), 10);
  return Number.isNaN(seconds) ? undefined : Math.min(seconds * 1000, MAX_RETRY_AFTER_MS);
}
