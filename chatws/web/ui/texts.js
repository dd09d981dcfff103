/** Texts of the shared components and of the widget; English until `setTexts` replaces them. */

export const texts = {
  areTyping: "{names} are typing…",
  backOn: "We are back on {day} at {time}",
  backToday: "We are back today at {time}",
  beforeStart: "Before we start",
  bot: "bot",
  cannotOpen: "The chat cannot be opened right now.",
  characters: "{count} of {limit}",
  close: "Close chat",
  connected: "Connected",
  connecting: "Connecting…",
  disconnected: "Disconnected",
  failed: "Not sent",
  greeting: "Hello! How can we help?",
  handoff: "Talk to a human",
  isTyping: "{names} is typing…",
  joined: "{name} has joined the conversation.",
  leaveMail: "No agent is online right now. Leave your mail address, and we will answer there.",
  limited: "Limited connection: answers take a few seconds.",
  mailKept: "Thank you. We will answer to {email}.",
  messages: "Messages",
  newMessage: "1 new message",
  newMessages: "{count} new messages",
  offline: "No connection. Your messages are sent as soon as it is restored.",
  placeholder: "Write a message",
  queued: "Waiting for connection",
  reconnecting: "Reconnecting…",
  reload: "Reload the page to start again.",
  resolved: "The conversation was resolved. Write to reopen it.",
  retry: "Send again",
  seen: "Seen",
  send: "Send",
  sending: "Sending…",
  sent: "Sent",
  startChat: "Start the chat",
  team: "Our team",
  title: "Chat with us",
  unreachable: "The chat cannot be reached. Trying again…",
  weAnswerHere: "We will answer here",
  weAreHere: "We are here",
  yourMail: "Your mail address",
  yourMessage: "Your message",
  yourName: "Your name",
};

/** @typedef {typeof texts} Texts */

/** @param {Partial<Texts>} translated texts that are missing stay English */
export function setTexts(translated) {
  Object.assign(texts, translated);
}

/**
 * Return a text with its placeholders filled in.
 * @param {keyof Texts} name
 * @param {Record<string, string | number>} values
 */
export function formatText(name, values) {
  return texts[name].replace(/\{(\w+)\}/g, (placeholder, key) => String(values[key] ?? placeholder));
}
