/** Input of a conversation: a reply to the customer or a note for agents, with drafts and canned replies. */

/** @import {Drafts} from "./drafts.js" */

import { Composer } from "../ui/composer.js";
import { find, make } from "../ui/dom.js";
import { CannedReplies } from "./canned-replies.js";

/** @typedef {"reply" | "note"} Mode */
/**
 * @typedef {object} ComposerCallbacks
 * @property {(text: string) => void} onReply
 * @property {(text: string) => void} onNote
 * @property {(isTyping: boolean) => void} onTyping
 */

const MODES = /** @type {Mode[]} */ (["reply", "note"]);
const LABELS = { reply: "Reply", note: "Note" };
const PLACEHOLDERS = { reply: "Write a reply", note: "Write a note for agents" };

export class ComposerPanel {
  #panel = make("div", { class: "composer-panel" });
  /** @type {HTMLTextAreaElement | null} */
  #area = null;
  #conversationId;
  #customerName;
  #drafts;
  #callbacks;

  /**
   * @param {HTMLElement} root
   * @param {{conversationId: string, customer: {userName: string}}} conversation
   * @param {Drafts} drafts
   * @param {ComposerCallbacks} callbacks
   */
  constructor(root, { conversationId, customer }, drafts, callbacks) {
    this.#conversationId = conversationId;
    this.#customerName = customer.userName;
    this.#drafts = drafts;
    this.#callbacks = callbacks;
    root.append(this.#panel);
    this.choose("reply");
  }

  focus() {
    this.#area?.focus();
  }

  /** Switch between reply and note; each has its own draft. @param {Mode} mode */
  choose(mode) {
    const tools = make("div", { class: "composer-tools", role: "group", "aria-label": "Write" });
    this.#panel.replaceChildren(tools);
    this.#panel.dataset.mode = mode;
    const draft = `${mode}:${this.#conversationId}`;
    const isReply = mode === "reply";
    new Composer(this.#panel, {
      label: LABELS[mode],
      onSend: (text) => {
        (isReply ? this.#callbacks.onReply : this.#callbacks.onNote)(text);
        this.#drafts.set(draft, "");
      },
      onTyping: (isTyping) => isReply && this.#callbacks.onTyping(isTyping),
    });
    const area = (this.#area = find("textarea", HTMLTextAreaElement, this.#panel));
    area.placeholder = PLACEHOLDERS[mode];
    area.value = this.#drafts.get(draft);
    area.dispatchEvent(new Event("input"));
    area.addEventListener("input", () => this.#drafts.set(draft, area.value));
    tools.append(...MODES.map((one) => this.#modeButton(one, one === mode)));
    if (!isReply) return;
    const replies = new CannedReplies(area, this.#customerName);
    tools.append(replies.button);
    this.#panel.insertBefore(replies.menu, tools);
  }

  /**
   * @param {Mode} mode
   * @param {boolean} isChosen
   */
  #modeButton(mode, isChosen) {
    const button = make("button", { class: "filter", type: "button", "aria-pressed": isChosen ? "true" : "false" }, LABELS[mode]);
    button.addEventListener("click", () => {
      this.choose(mode);
      this.focus();
    });
    return button;
  }
}
