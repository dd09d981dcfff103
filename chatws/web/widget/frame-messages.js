/** What the widget's frame and the launcher on the page around it tell each other: open, closed, how much is unread. */

export class Frame {
  /** Whether the customer can see it; a page of its own always is. */
  isOpen = true;
  #unread = 0;
  #wasOpened = false;
  /** @type {Array<() => void>} */
  #openers = [];

  /** @param {HTMLButtonElement} closeButton */
  constructor(closeButton) {
    if (window.parent === window) return;
    closeButton.hidden = false;
    closeButton.addEventListener("click", () => this.#tell("close"));
    document.addEventListener("keydown", (event) => event.key === "Escape" && this.#tell("close"));
    window.addEventListener("message", (event) => {
      if (event.source === window.parent) this.#heard(event.data?.chatws);
    });
    this.#tell("ready");
  }

  /** @param {() => void} listener called whenever the customer opens the frame */
  onOpen(listener) {
    this.#openers.push(listener);
    if (this.#wasOpened && this.isOpen) listener();
  }

  /** A message arrived. */
  hear() {
    if (this.isOpen && !document.hidden) return;
    this.#unread += 1;
    this.#tell("unread");
  }

  /** @param {unknown} word */
  #heard(word) {
    if (word !== "open" && word !== "closed") return;
    this.isOpen = word === "open";
    if (!this.isOpen) return;
    this.#wasOpened = true;
    this.#unread = 0;
    for (const listener of this.#openers) listener();
  }

  /** @param {"ready" | "close" | "unread"} word */
  #tell(word) {
    // To any parent: who may frame us is the server's decision, and a number of messages is no secret.
    window.parent.postMessage({ chatws: word, unread: this.#unread }, "*");
  }
}
