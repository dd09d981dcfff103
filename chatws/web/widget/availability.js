/** Line below the title: whether an agent is online, and otherwise when the next office hours begin. */

/** @import {Presence} from "../core/protocol.js" */
/** @import {OfficeHours} from "./office-hours.js" */

import { formatOpening } from "../ui/format.js";
import { formatText, texts } from "../ui/texts.js";
import { nextOpening } from "./office-hours.js";

const REFRESH_MS = 60_000;

export class Availability {
  /** @type {Map<string, Presence["status"]>} agents who have joined the conversation, by user id */
  #presences = new Map();
  #agentsOnline = false;
  #label;
  #hours;
  #onChange;

  /**
   * @param {HTMLElement} label
   * @param {OfficeHours | null} hours
   * @param {() => void} onChange
   */
  constructor(label, hours, onChange) {
    this.#label = label;
    this.#hours = hours;
    this.#onChange = onChange;
    this.#render();
    if (hours) setInterval(() => this.#render(), REFRESH_MS);
  }

  /** Whether an agent in the conversation is not offline; without one, whether any agent was online at first. */
  get isAnyoneHere() {
    const known = [...this.#presences.values()];
    return known.length ? known.some((status) => status !== "offline") : this.#agentsOnline;
  }

  /** @param {boolean} agentsOnline as the server knew it when the session was opened */
  begin(agentsOnline) {
    this.#agentsOnline = agentsOnline;
    this.#changed();
  }

  /** @param {Presence} presence */
  update(presence) {
    this.#presences.set(presence.userId, presence.status);
    this.#changed();
  }

  #changed() {
    this.#render();
    this.#onChange();
  }

  #render() {
    const isHere = this.isAnyoneHere;
    const opening = isHere || !this.#hours ? null : nextOpening(this.#hours, new Date());
    this.#label.dataset.presence = isHere ? "online" : "offline";
    this.#label.textContent = isHere ? texts.weAreHere : opening ? backAt(opening) : texts.weAnswerHere;
  }
}

/** @param {Date} opening */
function backAt(opening) {
  const { day, time } = formatOpening(opening);
  return day ? formatText("backOn", { day, time }) : formatText("backToday", { time });
}
