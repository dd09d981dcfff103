/** Random ids, also on pages without TLS, where `crypto.randomUUID` does not exist. */

const BYTES = 16;

/** @returns {string} 32 hexadecimal digits */
export function newId() {
  const bytes = crypto.getRandomValues(new Uint8Array(BYTES));
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}
