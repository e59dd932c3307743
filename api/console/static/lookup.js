// "Where is my click?": what became of one event.

import { ApiError, ask } from "./api.js";
import { h } from "./dom.js";
import { count } from "./format.js";
import { problem } from "./panel.js";

/** @type {Record<string, string>} */
const STATES = { joined: "Joined", waiting: "Waiting for its session", dead_letter: "Dead letter", never_seen: "Never seen" };

/** @param {import("./panel.js").View} view @param {string} [sessionId] @param {string} [eventId] */
export function lookupForm(view, sessionId = "", eventId = "") {
  const session = h("input", { type: "search", required: true, value: sessionId, placeholder: "session_id", size: "20", "aria-label": "Session id of the event" });
  const event = h("input", { type: "search", required: true, value: eventId, placeholder: "event_id", size: "14", "aria-label": "Event id" });
  const found = h("output", { class: "found" });
  return h("form", {
    class: "line",
    oninput: () => found.replaceChildren(),
    onsubmit: async (/** @type {Event} */ submitted) => {
      submitted.preventDefault();
      found.replaceChildren("…");
      found.replaceChildren(await lookup(view, session.value, event.value));
    },
  }, h("span", null, "Where is my click? "), session, event, h("button", { type: "submit" }, "Look up"), found);
}

/** @param {import("./panel.js").View} view @param {string} sessionId @param {string} eventId @returns {Promise<Node>} */
async function lookup(view, sessionId, eventId) {
  try {
    const told = await ask("events/lookup", { session_id: sessionId, event_id: eventId }, view.signal);
    return h("p", { class: `state ${told.state}` }, h("b", null, STATES[told.state] ?? told.state), `: ${told.meaning}`,
      told.joined ? ` ${placeOf(told.joined)}` : "",
      told.dead_letter ? ` Reason: ${told.dead_letter.reason} (${told.dead_letter.error})` : "");
  } catch (error) {
    if (error instanceof ApiError && error.status === 404) return h("p", { class: "problem" }, "This server cannot look up events.");
    return problem(error);
  }
}

/** @param {{position: number | null, results: number}} joined */
const placeOf = ({ position, results }) =>
  position === null ? "Its object was not in the list: it counts at no position." : `It counts at position ${count(position)} of ${count(results)}.`;
