/** Arrow keys in a column of buttons. */

/**
 * Move the focus with the arrow keys, Home and End; return false for other keys and at the ends.
 * @param {KeyboardEvent} event
 * @param {Iterable<HTMLButtonElement>} column
 */
export function moveFocus(event, column) {
  const buttons = [...column];
  const index = buttons.findIndex((button) => button === document.activeElement);
  /** @type {Record<string, number>} */
  const targets = { ArrowDown: index + 1, ArrowUp: index - 1, Home: 0, End: buttons.length - 1 };
  const target = buttons[targets[event.key]];
  if (!target) return false;
  event.preventDefault();
  target.focus();
  return true;
}
