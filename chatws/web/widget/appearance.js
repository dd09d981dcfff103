/** Options of the widget's page, given by the launcher in its address: texts, language and colours. */

import { applyAccent, parseColour } from "../ui/contrast.js";
import { find } from "../ui/dom.js";
import { setLocale } from "../ui/format.js";
import { setTexts, texts } from "../ui/texts.js";
import { LANGUAGES } from "./languages.js";

const MAX_TITLE = 60;
const MAX_GREETING = 300;

/** Apply the options to the page. @param {URLSearchParams} options */
export function applyAppearance(options) {
  const language = (options.get("language") || navigator.language).slice(0, 2).toLowerCase();
  if (LANGUAGES[language]) {
    setTexts(LANGUAGES[language]);
    document.documentElement.lang = language;
  }
  if (options.get("language")) setLocale(language);
  const title = options.get("title")?.slice(0, MAX_TITLE);
  const greeting = options.get("greeting")?.slice(0, MAX_GREETING);
  setTexts({ ...(title && { title }), ...(greeting && { greeting }) });
  document.title = find("#title", HTMLElement).textContent = texts.title;
  find("#agent-presence", HTMLElement).textContent = texts.weAnswerHere;
  find("#status", HTMLElement).textContent = texts.connecting;
  find("#close", HTMLElement).setAttribute("aria-label", texts.close);
  find("#handoff", HTMLElement).textContent = texts.handoff;
  const theme = options.get("theme");
  if (theme === "light" || theme === "dark") document.documentElement.dataset.theme = theme;
  const accent = parseColour(options.get("accent") ?? "");
  if (accent) applyAccent(accent);
}
