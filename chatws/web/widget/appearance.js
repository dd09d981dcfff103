/** Options of the widget's page, given by the launcher in its address: texts, language and colours. */

import { applyAccent, parseColour } from "../ui/contrast.js";
import { find } from "../ui/dom.js";
import { setLocale } from "../ui/format.js";
import { setTexts, texts } from "../ui/texts.js";
import { LANGUAGES } from "./languages.js";

const MAX_TITLE = 60;
const MAX_GREETING = 300;

/**
 * Apply the options to the page.
 * @param {URLSearchParams} options
 * @param {string} moreTexts texts of a language that is not shipped, as a JSON object
 */
export function applyAppearance(options, moreTexts) {
  const language = (options.get("language") || navigator.language).slice(0, 2).toLowerCase();
  const translated = LANGUAGES[language] ?? {};
  const given = parseTexts(moreTexts);
  setTexts({ ...translated, ...given });
  if (language in LANGUAGES || Object.keys(given).length) document.documentElement.lang = language;
  if (options.get("language")) setLocale(language);
  const title = options.get("title")?.slice(0, MAX_TITLE);
  const greeting = options.get("greeting")?.slice(0, MAX_GREETING);
  setTexts({ ...(title && { title }), ...(greeting && { greeting }) });
  document.title = find("#title", HTMLElement).textContent = texts.title;
  find("#status", HTMLElement).textContent = texts.connecting;
  find("#close", HTMLElement).setAttribute("aria-label", texts.close);
  find("#handoff", HTMLElement).textContent = texts.handoff;
  const theme = options.get("theme");
  if (theme === "light" || theme === "dark") document.documentElement.dataset.theme = theme;
  const accent = parseColour(options.get("accent") ?? "");
  if (accent) applyAccent(accent);
}

/**
 * @param {string} json
 * @returns {Partial<import("../ui/texts.js").Texts>}
 */
function parseTexts(json) {
  try {
    return Object.fromEntries(Object.entries(JSON.parse(json)).filter(([name, text]) => name in texts && typeof text === "string"));
  } catch {
    // None are given, or the site's file is no JSON object.
    return {};
  }
}
