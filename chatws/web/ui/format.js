/** Formatting of times and names in the browser's locale. */

const clock = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit" });
const date = new Intl.DateTimeFormat(undefined, { weekday: "short", day: "numeric", month: "short" });
const relative = new Intl.RelativeTimeFormat(undefined, { numeric: "auto" });

const DAY_MS = 86_400_000;

/** @param {string | Date} timestamp */
export const timeOf = (timestamp) => clock.format(new Date(timestamp));

/** @param {string} timestamp */
export function dayOf(timestamp) {
  const days = Math.round((startOfDay(new Date(timestamp)) - startOfDay(new Date())) / DAY_MS);
  const words = days >= -1 ? relative.format(days, "day") : date.format(new Date(timestamp));
  return words.charAt(0).toUpperCase() + words.slice(1);
}

/** Format a time of today as time and an older one as day, for lists. @param {string} timestamp */
export function shortTimeOf(timestamp) {
  return startOfDay(new Date(timestamp)) === startOfDay(new Date()) ? timeOf(timestamp) : dayOf(timestamp);
}

/** @param {number} ms */
export const durationOf = (ms) => (ms < 1_000 ? `${Math.max(1, Math.round(ms))} ms` : `${(ms / 1_000).toFixed(1)} s`);

/** @param {string} name */
export function initialsOf(name) {
  const words = name.split(/\s+/).filter(Boolean);
  return (words.length > 1 ? [words[0], words[words.length - 1]] : words).map((word) => [...word][0]).join("").toUpperCase();
}

/** @param {Date} day */
const startOfDay = (day) => new Date(day.getFullYear(), day.getMonth(), day.getDate()).getTime();
