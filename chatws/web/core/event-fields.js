/**
 * Check of incoming events: the fields without which the chat client cannot use them.
 */

/** Events that the chat client or a page reads, with the fields that must not be missing. @type {Map<string, string[]>} */
const READ_FIELDS = new Map([
  ["message_received", ["conversationId", "seq", "content", "sender"]],
  ["typing_indicator", ["conversationId", "userId"]],
  ["presence_update", ["userId"]],
  ["message_read", ["conversationId", "userId"]],
  ["conversation_updated", ["conversation"]],
  ["positions", []],
  ["note_added", ["conversationId", "noteId", "author"]],
  ["bot_notice", ["conversationId"]],
  ["error", []],
]);

/**
 * Whether an event has the fields that the chat client reads; one that has not is dropped, and `history` fills the gap.
 * @param {string} name
 * @param {any} payload any: its type depends on the event name
 */
export function isReadable(name, payload) {
  const fields = READ_FIELDS.get(name);
  return !fields || (typeof payload === "object" && payload !== null && fields.every((field) => payload[field] != null));
}
