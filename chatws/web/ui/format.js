/** Formatting of times and names in the browser's locale, or in the one of `setLocale`. */

/** @type {string | undefined} */
let locale;
/** Formats of the locale, made when first used. */
let formats = /** @type {ReturnType<typeof makeFormats> | null} */ (null);

const DAY_MS = 86_400_000;

/** @param {string} language BCP 47 tag */
export function setLocale(language) {
  [locale, formats] = [language, null];
}

/** @param {string | Date} timestamp */
export const timeOf = (timestamp) => currentFormats().clock.format(new Date(timestamp));

/** @param {string} timestamp */
export function dayOf(timestamp) {
  const days = Math.round((startOfDay(new Date(timestamp)) - startOfDay(new Date())) / DAY_MS);
  const words = days >= -1 ? currentFormats().relative.format(days, "day") : currentFormats().date.format(new Date(timestamp));
  return words.charAt(0).toUpperCase() + words.slice(1);
}

/** Format a time of today as time and an older one as day, for lists. @param {string} timestamp */
export function shortTimeOf(timestamp) {
  return startOfDay(new Date(timestamp)) === startOfDay(new Date()) ? timeOf(timestamp) : dayOf(timestamp);
}

/** Return the weekday, empty for today, and the time of a later moment. @param {Date} moment */
export function formatOpening(moment) {
  const { weekday, clock } = currentFormats();
  const isToday = startOfDay(moment) === startOfDay(new Date());
  return { day: isToday ? "" : weekday.format(moment), time: clock.format(moment) };
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

function currentFormats() {
  formats ??= makeFormats();
  return formats;
}

const makeFormats = () => ({
  clock: new Intl.DateTimeFormat(locale, { hour: "2-digit", minute: "2-digit" }),
  date: new Intl.DateTimeFormat(locale, { weekday: "short", day: "numeric", month: "short" }),
  weekday: new Intl.DateTimeFormat(locale, { weekday: "long" }),
  relative: new Intl.RelativeTimeFormat(locale, { numeric: "auto" }),
});
