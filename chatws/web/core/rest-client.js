/** REST client for the first page load, log-in and the fallback without a socket. */

/** The request failed, or the response was not a reply of a chatws server. */
export class ServerUnreachable extends Error {
  /** @param {string} reason */
  constructor(reason) {
    super(reason);
    this.name = "ServerUnreachable";
  }
}

const TIMEOUT_MS = 12_000;

/** Requests to one server with one user's credentials. */
export class RestClient {
  #base;
  #headers;
  #fetch;

  /**
   * @param {string} base the server's origin; empty for the origin of the page
   * @param {() => Record<string, string>} headers `Authorization` or `X-Session-Id`
   * @param {typeof fetch} fetcher
   */
  constructor(base, headers = () => ({}), fetcher = fetch.bind(globalThis)) {
    this.#base = base.replace(/\/$/, "");
    this.#headers = headers;
    this.#fetch = fetcher;
  }

  /**
   * @param {string} path
   * @param {Record<string, string | number | undefined>} [query]
   * @returns {Promise<any>} the reply; `success` tells its two shapes apart
   * @throws {ServerUnreachable}
   */
  get(path, query = {}) {
    const given = Object.entries(query).filter(([, value]) => value !== undefined);
    const text = new URLSearchParams(given.map(([name, value]) => [name, String(value)])).toString();
    return this.#request(text ? `${path}?${text}` : path, { method: "GET" });
  }

  /**
   * @param {string} path
   * @param {object} [body]
   * @returns {Promise<any>} the reply; `success` tells its two shapes apart
   * @throws {ServerUnreachable}
   */
  post(path, body = {}) {
    const headers = { "Content-Type": "application/json" };
    return this.#request(path, { method: "POST", body: JSON.stringify(body), headers });
  }

  /**
   * @param {string} path
   * @param {RequestInit} request
   */
  async #request(path, request) {
    const headers = { ...request.headers, ...this.#headers() };
    try {
      const signal = AbortSignal.timeout(TIMEOUT_MS);
      const response = await this.#fetch(this.#base + path, { ...request, headers, signal });
      const reply = await response.json();
      if (typeof reply?.success === "boolean") return reply;
    } catch (failure) {
      throw new ServerUnreachable(failure instanceof Error ? failure.message : String(failure));
    }
    throw new ServerUnreachable("the response is not a reply of a chatws server");
  }
}
