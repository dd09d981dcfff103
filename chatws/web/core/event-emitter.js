/** Event emitter with typed event names; an exception in one listener does not affect the others. */

/** @template {Record<string, (...values: any[]) => void>} Events  any: each event has its own arguments */
export class EventEmitter {
  /** @type {Map<keyof Events, Set<(...values: any[]) => void>>} */
  #byName = new Map();

  /**
   * Register a listener and return the function that removes it.
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
}
