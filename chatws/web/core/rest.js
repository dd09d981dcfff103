/** The same chat over REST: for the first load, for log-in, and where no socket can be had. */

/** No answer could be had, or none that is ours. */
export class Unreachable extends Error {
  /** @param {string} reason */
  constructor(reason) {
    super(reason);
    this.name = "Unreachable";
  }
}

const TIMEOUT_MS = 12_000;

/** One server, with one user's credentials. */
export class Rest {
  #base;
  #headers;
  #fetch;

  /**
   * @param {string} base the server's origin; empty for the page's own
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
   * @returns {Promise<any>} the reply: `success` says which of the contract's shapes it has
   * @throws {Unreachable}
   */
  get(path, query = {}) {
    const given = Object.entries(query).filter(([, value]) => value !== undefined);
    const text = new URLSearchParams(given.map(([name, value]) => [name, String(value)])).toString();
    return this.#ask(text ? `${path}?${text}` : path, { method: "GET" });
  }

  /**
   * @param {string} path
   * @param {object} [body]
   * @returns {Promise<any>} the reply: `success` says which of the contract's shapes it has
   * @throws {Unreachable}
   */
  post(path, body = {}) {
    const headers = { "Content-Type": "application/json" };
    return this.#ask(path, { method: "POST", body: JSON.stringify(body), headers });
  }

  /**
   * @param {string} path
   * @param {RequestInit} request
   */
  async #ask(path, request) {
    const headers = { ...request.headers, ...this.#headers() };
    try {
      const signal = AbortSignal.timeout(TIMEOUT_MS);
      const response = await this.#fetch(this.#base + path, { ...request, headers, signal });
      const reply = await response.json();
      if (typeof reply?.success === "boolean") return reply;
    } catch (failure) {
      throw new Unreachable(failure instanceof Error ? failure.message : String(failure));
    }
    throw new Unreachable("the answer is not one of this server's");
  }
}
