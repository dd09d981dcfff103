/** Office hours of a site: their notation, and the time of the next opening. */

/** Minutes of the week, counted from Monday, 00:00, in the site's time zone; `to` may exceed the week.
 * @typedef {{from: number, to: number}} Opening */

/** @typedef {{openings: Opening[], timeZone: string}} OfficeHours */

const DAYS = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];
const DAY_MIN = 24 * 60;
const WEEK_MIN = 7 * DAY_MIN;
const MINUTE_MS = 60_000;
const RANGE = /^(mon|tue|wed|thu|fri|sat|sun)(?:-(mon|tue|wed|thu|fri|sat|sun))?\s+(\d{1,2}):(\d\d)-(\d{1,2}):(\d\d)$/;

/**
 * Read hours such as `Mon-Fri 9:00-17:00, Sat 10:00-12:00`; a range that ends before it begins ends on the next day.
 * @param {string} notation
 * @param {string} timeZone IANA name, such as `Europe/Berlin`
 * @returns {OfficeHours | null} null if the notation or the time zone is unknown
 */
export function parseOfficeHours(notation, timeZone) {
  const openings = [];
  for (const part of notation.toLowerCase().split(/[,;]/)) {
    const match = RANGE.exec(part.trim());
    if (!match) return null;
    const [first, last] = [match[1], match[2] ?? match[1]].map((day) => DAYS.indexOf(day));
    const [from, to] = [Number(match[3]) * 60 + Number(match[4]), Number(match[5]) * 60 + Number(match[6])];
    if (from >= DAY_MIN || to > DAY_MIN) return null;
    for (let day = first; ; day = (day + 1) % 7) {
      openings.push({ from: day * DAY_MIN + from, to: day * DAY_MIN + to + (to <= from ? DAY_MIN : 0) });
      if (day === last) break;
    }
  }
  try {
    minuteOfWeek(new Date(), timeZone);
  } catch {
    return null;
  }
  return { openings, timeZone };
}

/**
 * Return when the office opens next; null while it is open.
 * @param {OfficeHours} hours
 * @param {Date} now
 */
export function nextOpening({ openings, timeZone }, now) {
  const minute = minuteOfWeek(now, timeZone);
  const isOpen = openings.some(({ from, to }) => (minute - from + WEEK_MIN) % WEEK_MIN < to - from);
  if (isOpen) return null;
  const wait = Math.min(...openings.map(({ from }) => (from - minute + WEEK_MIN) % WEEK_MIN));
  const opening = new Date(Math.floor(now.getTime() / MINUTE_MS + wait) * MINUTE_MS);
  // The clock may change in between: correct the difference, half a week at most.
  const drift = (minute + wait - minuteOfWeek(opening, timeZone) + 1.5 * WEEK_MIN) % WEEK_MIN - WEEK_MIN / 2;
  return new Date(opening.getTime() + drift * MINUTE_MS);
}

/**
 * @param {Date} time
 * @param {string} timeZone
 */
function minuteOfWeek(time, timeZone) {
  const format = new Intl.DateTimeFormat("en-US", { timeZone, weekday: "short", hour: "2-digit", minute: "2-digit", hourCycle: "h23" });
  const parts = Object.fromEntries(format.formatToParts(time).map(({ type, value }) => [type, value]));
  return DAYS.indexOf(parts.weekday.toLowerCase()) * DAY_MIN + Number(parts.hour) * 60 + Number(parts.minute);
}
