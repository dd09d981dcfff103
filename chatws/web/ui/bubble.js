/** One message as an element; its content is text, whatever it looks like. */

import { make } from "./dom.js";
import { dayOf, timeOf } from "./format.js";

/** @typedef {"sending" | "queued" | "sent" | "seen" | "failed"} MessageState */

const WORDS = { sending: "Sending…", queued: "Waiting for connection", sent: "Sent", seen: "Seen", failed: "Not sent" };

/**
 * @param {{content: string, side: "in" | "out" | "bot", author: string, time: string}} message
 * @returns {HTMLLIElement}
 */
export function bubble({ content, side, author, time }) {
  const item = make("li", { class: `message ${side}`, "data-time": time });
  if (author) item.append(make("p", { class: "message-author" }, author, ...(side === "bot" ? [botMark()] : [])));
  // `dir=auto` also isolates: an override character ends with its message.
  item.append(make("p", { class: "message-text", dir: "auto" }, content));
  const stamp = make("time", { datetime: time }, timeOf(time));
  item.append(make("p", { class: "message-meta" }, stamp, make("span", { class: "message-state" })));
  return item;
}

/** @param {string} timestamp */
export function dayLine(timestamp) {
  return make("li", { class: "day" }, make("span", {}, dayOf(timestamp)));
}

/**
 * @param {HTMLElement} item
 * @param {MessageState | null} state
 * @param {string} [why]
 */
export function showState(item, state, why) {
  if (state) item.dataset.state = state;
  else delete item.dataset.state;
  const label = item.querySelector(".message-state");
  if (label) label.textContent = state ? WORDS[state] + (why ? `: ${why}` : "") : "";
}

function botMark() {
  return make("span", { class: "message-bot" }, "bot");
}
