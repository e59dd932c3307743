// The events that wait for their session, and why.

import { ApiError, ask } from "./api.js";
import { h } from "./dom.js";
import { duration, sentence } from "./format.js";
import { lookupForm } from "./lookup.js";
import { moreButton, nothing } from "./panel.js";
import { table } from "./table.js";

const ROWS = 10;

/** @param {import("./panel.js").View} view @param {import("./state.js").State} now */
export const waitingEvents = (view, now) =>
  view.panel({
    title: "Waiting events",
    hint: "the latest first; they count nowhere until the search with their session_id is posted",
    wide: "whole",
    load: async () => {
      const place = h("div", null);
      try {
        const { events, next } = await ask("events/waiting", { limit: ROWS }, view.signal);
        show(view, place, events, next);
      } catch (error) {
        if (!(error instanceof ApiError && error.status === 404)) throw error;
        place.append(nothing("This server cannot list events."));
      }
      return h("div", null, lookupForm(view, now), place);
    },
  });

/** @param {import("./panel.js").View} view @param {Element} place @param {any[]} rows @param {string | null} next */
function show(view, place, rows, next) {
  if (!rows.length) {
    place.replaceChildren(nothing("No event waits."));
    return;
  }
  const more = moreButton(async () => {
    const answer = await ask("events/waiting", { limit: 5 * ROWS, cursor: next }, view.signal);
    show(view, place, [...rows, ...answer.events], answer.next);
  });
  const made = table("Waiting events", [
    { label: "Session id", text: true, cell: (row) => h("code", null, row.session_id) },
    { label: "Event id", text: true, cell: (row) => h("code", null, row.event_id) },
    { label: "Type", text: true, cell: (row) => row.event_type },
    { label: "Object", text: true, cell: (row) => h("code", null, row.object_id) },
    { label: "Waits for", cell: (row) => duration(Math.max(0, Date.now() - row.received_at)) },
    { label: "Why", text: true, long: true, cell: (row) => `${sentence(row.meaning)}.` },
    { label: "What to do", text: true, long: true, cell: (row) => (row.session_is_stored ? "Nothing." : "Post the search with this id; or send events with the id that the search has.") },
  ], rows);
  place.replaceChildren(made, ...(next ? [more] : []));
}
