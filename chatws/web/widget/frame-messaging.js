/** Message channel between the widget's frame and the launcher on the embedding page. */

/** Characters of a received message that the launcher shows while the chat is closed. */
const PREVIEW_CHARACTERS = 140;

export class FrameChannel {
  /** Whether the frame is visible; always true for a page that is not embedded. */
  isOpen = true;
  #unread = 0;
  /** @type {Array<(takeFocus: boolean) => void>} */
  #openListeners = [];
  #isEmbedded = window.parent !== window;

  /** @param {HTMLButtonElement} closeButton */
  constructor(closeButton) {
    if (!this.#isEmbedded) return;
    this.isOpen = false;
    closeButton.hidden = false;
    closeButton.addEventListener("click", () => this.#post("close"));
    document.addEventListener("keydown", (event) => event.key === "Escape" && this.#post("close"));
    document.addEventListener("visibilitychange", () => this.#resetUnread());
    window.addEventListener("message", (event) => {
      if (event.source === window.parent) this.#receive(event.data);
    });
  }

  /** Report to the launcher that the page runs. Register listeners before. */
  ready() {
    this.#post("ready");
  }

  /** @param {(takeFocus: boolean) => void} listener called every time the frame is opened */
  onOpen(listener) {
    this.#openListeners.push(listener);
  }

  /** Report that the customer has written, so that the launcher reads the unread count on the site's next page. */
  reportUse() {
    this.#post("used");
  }

  /**
   * Count a received message as unread unless the customer sees it; return whether it is.
   * @param {string} name
   * @param {string} text
   */
  countUnread(name, text) {
    if (this.isOpen && !document.hidden) return false;
    this.#unread += 1;
    this.#post("unread", { unread: this.#unread, reply: { name, text: text.slice(0, PREVIEW_CHARACTERS) } });
    return true;
  }

  #resetUnread() {
    if (!this.isOpen || document.hidden || this.#unread === 0) return;
    this.#unread = 0;
    this.#post("unread", { unread: 0 });
  }

  /** @param {any} message any: from the embedding page */
  #receive(message) {
    if (message?.chatws !== "open" && message?.chatws !== "closed") return;
    this.isOpen = message.chatws === "open";
    this.#resetUnread();
    if (this.isOpen) for (const listener of this.#openListeners) listener(message.focus === true);
  }

  /**
   * @param {"ready" | "close" | "unread" | "used"} type
   * @param {object} [more]
   */
  #post(type, more = {}) {
    // Any parent origin: the server's policy decides which sites may embed the frame, and show its messages.
    if (this.#isEmbedded) window.parent.postMessage({ chatws: type, ...more }, "*");
  }
}
