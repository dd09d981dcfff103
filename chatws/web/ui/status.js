/** Labels for connection state and presence, as text and colour. */

/** @import {ConnectionDetail, ConnectionState} from "../core/connection.js" */

import { texts } from "./texts.js";

/**
 * @param {HTMLElement} label
 * @param {ConnectionState} state
 * @param {ConnectionDetail} [detail]
 */
export function showStatus(label, state, detail) {
  label.dataset.state = state;
  label.textContent = texts[state];
  label.title = detail && detail.attempt > 0 ? `${detail.reason}; attempt ${detail.attempt}` : (detail?.reason ?? "");
}

/**
 * @param {HTMLElement} label
 * @param {import("../core/protocol.js").Presence["status"] | null} status null while unknown
 */
export function showPresence(label, status) {
  label.dataset.presence = status ?? "";
  label.textContent = { online: "Online", away: "Away", busy: "Busy", offline: "Offline", "": "unknown" }[status ?? ""];
}
