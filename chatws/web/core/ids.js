/** Random ids, available without TLS too, where browsers do not offer `crypto.randomUUID`. */

const BYTES = 16;

/** @returns {string} 32 hexadecimal digits */
export function newId() {
  const bytes = crypto.getRandomValues(new Uint8Array(BYTES));
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}
