/** Log-in form, and the agent's token in the session storage of the tab. */

/** @import {LoginAck, Refused} from "../core/protocol.js" */

import { RestClient } from "../core/rest-client.js";
import { find } from "../ui/dom.js";

const TOKEN_KEY = "auth_token";
const USER_KEY = "auth_user";

export class Login {
  #rest = new RestClient("", () => this.#authorization());
  #form = find("#login-form", HTMLFormElement);
  #devButton = find("#login-dev", HTMLButtonElement);
  #onLogin;

  /** @param {() => void} onLogin */
  constructor(onLogin) {
    this.#onLogin = onLogin;
    this.#devButton.addEventListener("click", () => void this.#request("/api/dev/token", {}));
    this.#form.addEventListener("submit", (event) => {
      event.preventDefault();
      void this.#request("/api/auth/login", Object.fromEntries(new FormData(this.#form)));
    });
  }

  get token() {
    return sessionStorage.getItem(TOKEN_KEY);
  }

  get userId() {
    return sessionStorage.getItem(USER_KEY) ?? "";
  }

  /** Show the form instead of the dashboard. @param {string} problem */
  show(problem = "") {
    find("#dashboard", HTMLElement).hidden = true;
    find("#login", HTMLElement).hidden = false;
    this.#devButton.hidden = document.documentElement.dataset.mode !== "dev";
    find("#login-problem", HTMLElement).textContent = problem;
  }

  /** Fetch a fresh token; null if the log-in is too old. */
  async renewToken() {
    /** @type {LoginAck | Refused} */
    const login = await this.#rest.post("/api/auth/refresh");
    return login.success ? this.#store(login) : null;
  }

  /** Invalidate all tokens of the agent and forget the one of this tab. */
  async logOut() {
    await this.#rest.post("/api/auth/logout").catch(() => null);
    this.forget();
  }

  forget() {
    sessionStorage.removeItem(TOKEN_KEY);
    sessionStorage.removeItem(USER_KEY);
  }

  /**
   * @param {string} path
   * @param {object} body
   */
  async #request(path, body) {
    try {
      /** @type {LoginAck | Refused} */
      const login = await this.#rest.post(path, body);
      if (!login.success) return this.show(login.error.message);
      this.#store(login);
      this.#onLogin();
    } catch {
      this.show("The server cannot be reached.");
    }
  }

  /** @param {LoginAck} login */
  #store(login) {
    sessionStorage.setItem(TOKEN_KEY, login.token);
    sessionStorage.setItem(USER_KEY, login.user.userId);
    return login.token;
  }

  /** @returns {Record<string, string>} */
  #authorization() {
    return this.token ? { Authorization: `Bearer ${this.token}` } : {};
  }
}
