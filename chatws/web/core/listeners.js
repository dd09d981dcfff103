/** Callbacks by name; one that fails does not keep the others from hearing. */

/** @template {Record<string, (...values: any[]) => void>} Events  any: each name has its own values */
export class Listeners {
  /** @type {Map<keyof Events, Set<(...values: any[]) => void>>} */
  #byName = new Map();

  /**
   * Call `listener` from now on; the function returned ends that.
   * @template {keyof Events} Name
   * @param {Name} name
   * @param {Events[Name]} listener
   * @returns {() => void}
   */
  on(name, listener) {
    const listeners = this.#byName.get(name) ?? new Set();
    this.#byName.set(name, listeners.add(listener));
    return () => void listeners.delete(listener);
  }

  /**
   * @template {keyof Events} Name
   * @param {Name} name
   * @param {Parameters<Events[Name]>} values
   */
  emit(name, ...values) {
    for (const listener of [...(this.#byName.get(name) ?? [])]) {
      try {
        listener(...values);
      } catch (failure) {
        globalThis.reportError(failure);
      }
    }
  }

  clear() {
    this.#byName.clear();
  }
}
