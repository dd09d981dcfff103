/** Message channel between the widget's frame and the launcher on the embedding page. */

export class FrameChannel {
  /** Whether the frame is visible; always true for a page that is not embedded. */
  isOpen = true;
  #unread = 0;
  #wasOpened = false;
  /** @type {Array<() => void>} */
  #openListeners = [];

  /** @param {HTMLButtonElement} closeButton */
  constructor(closeButton) {
    if (window.parent === window) return;
    closeButton.hidden = false;
    closeButton.addEventListener("click", () => this.#post("close"));
    document.addEventListener("keydown", (event) => event.key === "Escape" && this.#post("close"));
    window.addEventListener("message", (event) => {
      if (event.source === window.parent) this.#receive(event.data?.chatws);
    });
    this.#post("ready");
  }

  /** @param {() => void} listener called every time the customer opens the frame */
  onOpen(listener) {
    this.#openListeners.push(listener);
    if (this.#wasOpened && this.isOpen) listener();
  }

  /** Count a received message as unread unless the customer sees it. */
  countUnread() {
    if (this.isOpen && !document.hidden) return;
    this.#unread += 1;
    this.#post("unread");
  }

  /** @param {unknown} type */
  #receive(type) {
    if (type !== "open" && type !== "closed") return;
    this.isOpen = type === "open";
    if (!this.isOpen) return;
    this.#wasOpened = true;
    this.#unread = 0;
    for (const listener of this.#openListeners) listener();
  }

  /** @param {"ready" | "close" | "unread"} type */
  #post(type) {
    // Any parent origin: the server's policy decides which sites may embed the frame, and the count is not secret.
    window.parent.postMessage({ chatws: type, unread: this.#unread }, "*");
  }
}
