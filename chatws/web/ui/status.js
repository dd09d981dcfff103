/** The connection's state in words and colour; colour never stands alone. */

/** @import {ConnectionDetail, ConnectionState} from "../core/connection.js" */

/**
 * @param {HTMLElement} pill
 * @param {ConnectionState} state
 * @param {ConnectionDetail} [detail]
 */
export function showStatus(pill, state, detail) {
  const words = { connected: "Connected", reconnecting: "Reconnecting…", disconnected: "Disconnected" };
  pill.dataset.state = state;
  pill.textContent = words[state];
  pill.title = detail && detail.attempt > 0 ? `${detail.reason}; attempt ${detail.attempt}` : (detail?.reason ?? "");
}

/**
 * @param {HTMLElement} label
 * @param {import("../core/protocol.js").Presence["status"] | null} status null while nobody knows
 */
export function showPresence(label, status) {
  label.dataset.presence = status ?? "";
  label.textContent = { online: "Online", away: "Away", busy: "Busy", offline: "Offline", "": "unknown" }[status ?? ""];
}
