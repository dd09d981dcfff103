/** Row of a conversation in the list. */

/** @import {Conversation, Message, Presence} from "../core/protocol.js" */
/** @import {Attention} from "./attention.js" */

import { find, make } from "../ui/dom.js";
import { initialsOf, shortTimeOf } from "../ui/format.js";

/** Unread messages are counted up to this number; the server examines the newest 100 messages. */
const MAX_UNREAD_SHOWN = 99;

const STATUS_LABELS = { bot: "Bot", queued: "In the queue", assigned: "Assigned", resolved: "Resolved" };

/** States that the rows show. @type {WeakMap<HTMLElement, string>} */
const filled = new WeakMap();

/**
 * Create an empty row.
 * @param {string} conversationId
 * @param {() => void} onOpen
 */
export function makeRow(conversationId, onOpen) {
  const button = make("button", { type: "button", class: "row", "data-id": conversationId });
  button.addEventListener("click", onOpen);
  return make("li", {}, button);
}

/**
 * Fill a row with the current state.
 * @param {HTMLElement} row
 * @param {Conversation} conversation
 * @param {Attention} attention
 * @param {{presence: Presence["status"], isOpen: boolean, isFound: boolean, message: Message | null}} state `isFound`: by
 *   a search, which also finds mail addresses
 */
export function fillRow(row, conversation, attention, state) {
  const { unread, waitingSince, notice } = attention;
  const { presence, isOpen, isFound, message } = state;
  const { customer, customerEmail, status, assignee, updatedAt } = conversation;
  // Most rows are the same after an event; times of today change their form at midnight.
  const shown = JSON.stringify([conversation, attention, state, new Date().toDateString()]);
  if (filled.get(row) === shown) return;
  filled.set(row, shown);
  const avatar = make("span", { class: "avatar", "data-presence": presence, title: presence, "aria-hidden": "true" });
  avatar.append(initialsOf(customer.userName));
  const tag = assignee && status === "assigned" ? assignee.userName : STATUS_LABELS[status];
  const footer = make("span", { class: "row-footer" }, make("span", { class: "tag", "data-status": status }, tag));
  if (waitingSince && status !== "resolved") {
    footer.append(make("time", { class: "row-waiting", datetime: waitingSince }, `waiting since ${shortTimeOf(waitingSince)}`));
  }
  const button = find("button", HTMLButtonElement, row);
  button.replaceChildren(
    avatar,
    make("span", { class: "row-name", dir: "auto", title: customer.userName }, customer.userName),
    make("span", { class: "visually-hidden" }, presence),
    make("time", { class: "row-time", datetime: updatedAt }, shortTimeOf(updatedAt)),
    make("span", { class: "row-preview", dir: "auto" }, message?.content ?? "No message yet"),
    ...(unread ? [unreadBadge(unread)] : []),
    footer,
  );
  if (isFound && customerEmail) button.append(make("span", { class: "row-mail" }, make("bdi", {}, customerEmail)));
  if (notice) button.append(make("span", { class: "row-notice" }, notice));
  button.setAttribute("aria-current", String(isOpen));
  button.classList.toggle("has-unread", unread > 0);
}

/** @param {number} count */
function unreadBadge(count) {
  const text = count > MAX_UNREAD_SHOWN ? `${MAX_UNREAD_SHOWN}+` : String(count);
  return make("span", { class: "unread" }, text, make("span", { class: "visually-hidden" }, " unread"));
}
