// "Where is my click?": what became of one event, and why it does not count.

import { ApiError, ask } from "./api.js";
import { h } from "./dom.js";
import { count, duration, sentence, shortDay } from "./format.js";
import { problem } from "./panel.js";
import { href, zoneOf } from "./state.js";
import { link } from "./table.js";

/** @typedef {import("./panel.js").View} View */
/** @typedef {import("./state.js").State} State */

/** @type {Record<string, string>} */
const STATES = { joined: "Joined", waiting: "Waiting for its session", dead_letter: "Dead letter", never_seen: "Never seen" };

/** @param {View} view @param {State} now @param {string} [sessionId] */
export function lookupForm(view, now, sessionId = "") {
  const event = h("input", { type: "search", required: true, maxlength: "512", placeholder: "event_id", size: "18", "aria-label": "Event id" });
  const session = h("input", { type: "search", maxlength: "512", value: sessionId, placeholder: "session_id, if you know it", size: "24", "aria-label": "Session id of the event, if known" });
  const found = h("output", { class: "found" });
  return h("form", {
    class: "line",
    oninput: () => found.replaceChildren(),
    onsubmit: async (/** @type {Event} */ submitted) => {
      submitted.preventDefault();
      found.replaceChildren("…");
      found.replaceChildren(...(await lookup(view, now, event.value, session.value)));
    },
  }, h("span", null, "Where is my click? "), event, session, h("button", { type: "submit" }, "Look up"), found);
}

/** @param {View} view @param {State} now @param {string} eventId @param {string} sessionId @returns {Promise<Node[]>} */
async function lookup(view, now, eventId, sessionId) {
  try {
    const told = await ask("events/lookup", { session_id: sessionId, event_id: eventId }, view.signal);
    return sessionId ? [whatBecame(told)] : ofAll(told, zoneOf(now));
  } catch (error) {
    if (error instanceof ApiError && error.status === 404) return [h("p", { class: "problem" }, "This server cannot look up events.")];
    return [problem(error)];
  }
}

/** Of every event of an id. @param {any} told @param {string} zone @returns {Node[]} */
function ofAll(told, zone) {
  const where = `Searched: all that waits, and what came since ${shortDay(told.searched_from, zone)}.`;
  if (!told.matches.length) return [h("p", { class: "state never_seen" }, h("b", null, "Not found"), `. ${sentence(told.meaning)}.`), h("p", { class: "muted" }, where)];
  return [
    ...told.matches.map(whatBecame),
    h("p", { class: "muted" }, told.has_more ? "There are more with this id: enter the session_id, too. " : "", where),
  ];
}

/** In a sentence. @param {any} told */
function whatBecame(told) {
  const { event, waiting } = told;
  return h("p", { class: `state ${told.state}` },
    h("b", null, STATES[told.state] ?? told.state), `. ${sentence(told.meaning)}${told.meaning.endsWith("?") ? "" : "."}`,
    event ? ` The event is a ${event.event_type} on ${event.object_id}` : "",
    waiting ? `, received ${duration(Date.now() - waiting.since)} ago` : "",
    event ? "." : "",
    told.joined ? [` ${placeOf(told.joined)} `, link("Open its session", href({ view: "session", id: told.session_id }))] : null,
    waiting?.similar_session_id ? [" ", link("Open that session", href({ view: "session", id: waiting.similar_session_id }))] : null,
    told.dead_letter ? ` Reason: ${told.dead_letter.reason} (${told.dead_letter.error})` : "");
}

/** @param {{position: number | null, results: number}} joined */
const placeOf = ({ position, results }) =>
  position === null ? "Its object was not in the list: it counts at no position." : `It counts at position ${count(position)} of ${count(results)}.`;
