/** First message of the thread: the site's greeting, with a name and a face. */

import { make } from "../ui/dom.js";
import { initialsOf } from "../ui/format.js";
import { linked } from "../ui/links.js";
import { texts } from "../ui/texts.js";

const MAX_NAME = 60;
const SAFE_SCHEMES = new Set(["https:", "http:"]);
/** Raster images only: an SVG image is a document. */
const SAFE_DATA = /^data:image\/(png|jpeg|gif|webp|avif);base64,/;

/**
 * @param {string | null} givenName of the agent or team
 * @param {string | null} avatar address of an image; initials without one, or if it cannot be loaded
 */
export function greeting(givenName, avatar) {
  const name = givenName?.trim().slice(0, MAX_NAME) || texts.team;
  const face = make("span", { class: "avatar", "aria-hidden": "true" }, initialsOf(name).slice(0, 2));
  const address = avatar && safeAddress(avatar);
  if (address) {
    const image = make("img", { src: address, alt: "", referrerpolicy: "no-referrer" });
    image.addEventListener("error", () => image.remove());
    face.append(image);
  }
  return make(
    "div",
    { class: "greeting" },
    face,
    make("p", { class: "message-author" }, name),
    make("p", { class: "greeting-text", dir: "auto" }, ...linked(texts.greeting)),
  );
}

/** @param {string} address */
function safeAddress(address) {
  if (SAFE_DATA.test(address)) return address;
  const url = URL.canParse(address) ? new URL(address) : null;
  return url && SAFE_SCHEMES.has(url.protocol) ? url.href : "";
}
