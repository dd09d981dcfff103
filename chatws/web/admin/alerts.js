/** Notifications of new messages: sound, desktop notification, and the number of unread conversations in the title. */

/** @import {Conversation} from "../core/protocol.js" */

import { find } from "../ui/dom.js";
import { chime } from "../ui/sound.js";

const SOUND_KEY = "chatws.sound";
const DESKTOP_KEY = "chatws.desktop";
const TITLE = document.title;

export class Alerts {
  #sound = new Toggle("#sound", "Notification sound", SOUND_KEY, true);
  #desktop = new Toggle("#desktop", "Desktop notifications", DESKTOP_KEY, false);
  #onOpen;

  /**
   * @param {(conversationId: string) => void} onOpen called for a clicked notification
   * @param {(text: string) => void} showWarning
   */
  constructor(onOpen, showWarning) {
    this.#onOpen = onOpen;
    this.#desktop.button.hidden = !("Notification" in globalThis);
    this.#desktop.confirm = async () => {
      const isGranted = (await Notification.requestPermission()) === "granted";
      if (!isGranted) showWarning("The browser does not permit notifications of this page.");
      return isGranted;
    };
  }

  /** Play the sound, and show a notification if the page is in the background. @param {Conversation} conversation */
  notify(conversation) {
    if (this.#sound.isOn) chime();
    if (this.#desktop.isOn && Notification.permission === "granted" && !isPageActive()) this.#showDesktop(conversation);
  }

  /** @param {number} conversations number of conversations with unread messages */
  showUnread(conversations) {
    document.title = conversations ? `(${conversations}) ${TITLE}` : TITLE;
  }

  /** @param {Conversation} conversation */
  #showDesktop({ conversationId, customer, lastMessage }) {
    // The same tag: a later notification of a conversation replaces the earlier one.
    const notification = new Notification(customer.userName, { body: lastMessage?.content, tag: conversationId });
    notification.onclick = () => {
      window.focus();
      notification.close();
      this.#onOpen(conversationId);
    };
  }
}

/** Whether the agent can see the page: it is visible and has the focus. */
export const isPageActive = () => !document.hidden && document.hasFocus();

/** Button that switches something on or off, kept in the browser. */
class Toggle {
  /** Asked before switching on. @type {() => Promise<boolean>} */
  confirm = () => Promise.resolve(true);
  #name;
  #key;

  /**
   * @param {string} selector
   * @param {string} name
   * @param {string} key
   * @param {boolean} isOnByDefault
   */
  constructor(selector, name, key, isOnByDefault) {
    this.button = find(selector, HTMLButtonElement);
    this.#name = name;
    this.#key = key;
    this.#show((localStorage.getItem(key) ?? (isOnByDefault ? "on" : "off")) === "on");
    this.button.addEventListener("click", async () => this.#show(!this.isOn && (await this.confirm())));
  }

  get isOn() {
    return this.button.getAttribute("aria-pressed") === "true";
  }

  /** @param {boolean} isOn */
  #show(isOn) {
    this.button.setAttribute("aria-pressed", String(isOn));
    this.button.title = `${this.#name}: ${isOn ? "on" : "off"}`;
    localStorage.setItem(this.#key, isOn ? "on" : "off");
  }
}
