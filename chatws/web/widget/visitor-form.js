/** Forms that ask the visitor for a name and a mail address. */

import { make } from "../ui/dom.js";
import { formatText, texts } from "../ui/texts.js";

const MAX_NAME = 80;
const MAX_EMAIL = 254;

/** @typedef {"name" | "email"} Field */

/**
 * Show a form in place of the conversation; resolve with its values when it is sent.
 * @param {HTMLElement} root contains the conversation
 * @param {Field[]} fields
 * @param {boolean} takeFocus
 * @returns {Promise<Record<string, string>>}
 */
export function askBeforeChat(root, fields, takeFocus) {
  const inputs = fields.map((field) => input(field));
  const labels = inputs.map((one) => make("label", { class: "label" }, labelOf(one), one));
  const button = make("button", { class: "button-primary", type: "submit" }, texts.startChat);
  const lead = make("h2", {}, texts.beforeStart);
  const form = make("form", { class: "visitor-form" }, lead, ...labels, button);
  // The style sheet hides what follows the form.
  root.prepend(form);
  if (takeFocus) inputs[0].focus();
  return new Promise((resolve) => {
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      form.remove();
      resolve(Object.fromEntries(inputs.map((one) => [one.name, one.value.trim()])));
    });
  });
}

/** Request of a mail address while no agent is online. */
export class LeaveMail {
  #form;
  #input = input("email");
  #isDone = false;

  /**
   * @param {HTMLElement} composer the form is shown above it
   * @param {(email: string) => Promise<string>} save returns the reason of a refusal, empty if the address is stored
   */
  constructor(composer, save) {
    const status = make("p", { class: "leave-mail-status", role: "status" });
    const button = make("button", { class: "button-primary", type: "submit" }, texts.send);
    const label = make("label", { for: "leave-mail-address" }, texts.leaveMail);
    this.#input.id = "leave-mail-address";
    this.#input.placeholder = texts.yourMail;
    this.#form = make("form", { class: "leave-mail", hidden: true }, label, this.#input, button, status);
    composer.before(this.#form);
    this.#form.addEventListener("submit", async (event) => {
      event.preventDefault();
      button.disabled = true;
      const email = this.#input.value.trim();
      const problem = await save(email);
      button.disabled = false;
      status.textContent = problem || formatText("mailKept", { email });
      if (problem) return;
      this.#isDone = true;
      for (const element of [label, this.#input, button]) element.remove();
    });
  }

  /** Show or hide the form; the confirmation stays. @param {boolean} isWanted */
  show(isWanted) {
    this.#form.hidden = !isWanted && !this.#isDone;
  }
}

/** @param {Field} field */
function input(field) {
  const limit = field === "email" ? MAX_EMAIL : MAX_NAME;
  const type = field === "email" ? "email" : "text";
  return make("input", { class: "field", name: field, type, autocomplete: field, maxlength: limit, required: true });
}

/** @param {HTMLInputElement} one */
const labelOf = (one) => (one.name === "email" ? texts.yourMail : texts.yourName);
