/** Element of one message; the content is always inserted as text, its links as anchors. */

import { make } from "./dom.js";
import { dayOf, timeOf } from "./format.js";
import { linked } from "./links.js";
import { texts } from "./texts.js";

/** @typedef {"sending" | "queued" | "sent" | "seen" | "failed"} MessageState */

/**
 * @param {{content: string, side: "in" | "out" | "bot", author: string, time: string}} message
 * @returns {HTMLLIElement}
 */
export function bubble({ content, side, author, time }) {
  const item = make("li", { class: `message ${side}`, "data-time": time });
  if (author) item.append(make("p", { class: "message-author" }, author, ...(side === "bot" ? [botLabel()] : [])));
  // `dir=auto` isolates the text: a bidirectional override cannot affect other messages.
  item.append(make("p", { class: "message-text", dir: "auto" }, ...linked(content)));
  const sentTime = make("time", { datetime: time }, timeOf(time));
  item.append(make("p", { class: "message-meta" }, sentTime, make("span", { class: "message-state" })));
  return item;
}

/** @param {string} timestamp */
export function daySeparator(timestamp) {
  return make("li", { class: "day" }, make("span", {}, dayOf(timestamp)));
}

/**
 * @param {HTMLElement} item
 * @param {MessageState | null} state
 * @param {string} [reason]
 */
export function showState(item, state, reason) {
  if (state) item.dataset.state = state;
  else delete item.dataset.state;
  const label = item.querySelector(".message-state");
  if (label) label.textContent = state ? texts[state] + (reason ? `: ${reason}` : "") : "";
}

function botLabel() {
  return make("span", { class: "message-bot" }, texts.bot);
}
