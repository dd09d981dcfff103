/** Draft of a message, kept in a storage across page loads. */

/**
 * Return the `draft` option of a composer.
 * @param {Storage | null} storage null if the browser denies access: the draft lasts as long as the page
 * @param {string} key
 */
export function draftIn(storage, key) {
  return {
    load: () => storage?.getItem(key) ?? "",
    /** @param {string} text */
    save(text) {
      try {
        if (text) storage?.setItem(key, text);
        else storage?.removeItem(key);
      } catch {
        // The storage is full.
      }
    },
  };
}
