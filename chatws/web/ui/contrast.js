/** Contrast of colours (WCAG 2), and the page's colours that follow from an accent. */

/** Colours of bubbles, notices and pages in the two schemes, as in theme.css. */
const SURFACES = { light: "#ffffff", dark: "#161a22" };
const TEXT = { light: "#171a21", dark: "#e9ecf2" };
/** Contrast that a focus outline needs (WCAG 2.2, 1.4.11). */
const OUTLINE_CONTRAST = 3;
/** Below this contrast, an area is not told apart from the page and gets an edge. */
const AREA_CONTRAST = 1.5;
/** Luminance at which black and white have the same contrast. */
const MIDDLE = 0.179;

/**
 * Return `#rrggbb` for a colour in hexadecimal notation, or null.
 * @param {string} colour
 */
export function parseColour(colour) {
  const long = colour.replace(/^#(.)(.)(.)$/, "#$1$1$2$2$3$3");
  return /^#[0-9a-f]{6}$/i.test(long) ? long : null;
}

/** Return black or white, whichever has more contrast: at least 4.5:1. @param {string} background `#rrggbb` */
export const textOn = (background) => (luminance(background) > MIDDLE ? "#000000" : "#ffffff");

/**
 * Use an accent on the page, so that text on it, its edges and outlines stay visible in both schemes.
 * @param {string} accent `#rrggbb`
 */
export function applyAccent(accent) {
  const text = textOn(accent);
  const edge = `color-mix(in srgb, ${text} 35%, ${accent})`;
  /** @param {"light" | "dark"} scheme */
  const outline = (scheme) => (contrast(accent, SURFACES[scheme]) >= OUTLINE_CONTRAST ? accent : TEXT[scheme]);
  /** @param {"light" | "dark"} scheme */
  const border = (scheme) => (contrast(accent, SURFACES[scheme]) >= AREA_CONTRAST ? "transparent" : edge);
  const { style } = document.documentElement;
  style.setProperty("--accent", accent);
  style.setProperty("--on-accent", text);
  style.setProperty("--accent-soft", `color-mix(in srgb, ${accent} 14%, var(--surface))`);
  style.setProperty("--accent-edge", `light-dark(${border("light")}, ${border("dark")})`);
  style.setProperty("--focus", `light-dark(${outline("light")}, ${outline("dark")})`);
}

/**
 * @param {string} first `#rrggbb`
 * @param {string} second
 */
function contrast(first, second) {
  const [high, low] = [luminance(first), luminance(second)].sort((one, other) => other - one);
  return (high + 0.05) / (low + 0.05);
}

/** @param {string} colour `#rrggbb` */
function luminance(colour) {
  const parts = [1, 3, 5].map((at) => parseInt(colour.slice(at, at + 2), 16) / 255);
  const [red, green, blue] = parts.map((part) => (part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4));
  return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
}
