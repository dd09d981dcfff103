/** Storage of unsent messages: the tab's session storage, where the browser permits it. */

/** @returns {Storage | null} null if the browser denies access, or outside a browser */
export function tabStorage() {
  try {
    return globalThis.sessionStorage ?? null;
  } catch {
    return null;
  }
}
