/** Links in the text of messages: addresses with a safe scheme become anchors, everything else stays text. */

import { make } from "./dom.js";

const ADDRESS = /\b(?:https?:\/\/|mailto:)[^\s<>"'`]+/gi;
/** Characters after which an address has ended, although they may occur in one. */
const TRAILING = /[.,;:!?…]+$/;
const SAFE_SCHEMES = new Set(["http:", "https:", "mailto:"]);

/**
 * Return a message's text with its links as anchors that open a new tab without access to this page.
 * @param {string} text
 * @returns {Array<string | HTMLAnchorElement>}
 */
export function linked(text) {
  const parts = [];
  let end = 0;
  for (const match of text.matchAll(ADDRESS)) {
    const address = trimmed(match[0]);
    if (!isSafe(address)) continue;
    parts.push(text.slice(end, match.index), anchor(address));
    end = match.index + address.length;
  }
  return [...parts, text.slice(end)];
}

/**
 * Remove punctuation after an address, and a closing bracket that was not opened in it.
 * @param {string} address
 * @returns {string}
 */
function trimmed(address) {
  const bare = address.replace(TRAILING, "");
  const unbalanced = bare.endsWith(")") && bare.split(")").length > bare.split("(").length;
  return unbalanced ? trimmed(bare.slice(0, -1)) : bare;
}

/** @param {string} address */
function isSafe(address) {
  try {
    return SAFE_SCHEMES.has(new URL(address).protocol);
  } catch {
    return false;
  }
}

/** @param {string} href */
const anchor = (href) => make("a", { href, target: "_blank", rel: "noopener noreferrer nofollow" }, href);
