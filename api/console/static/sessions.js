// Find searches: by id, user or query, and what came of them.

import { ask } from "./api.js";
import { h } from "./dom.js";
import { count, moment, queryText } from "./format.js";
import { lookupForm } from "./lookup.js";
import { markButton } from "./mark.js";
import { moreButton, nothing } from "./panel.js";
import { eventOf, go, href, question, same, zoneOf } from "./state.js";
import { link, table } from "./table.js";

/** @typedef {import("./panel.js").View} View */
/** @typedef {import("./state.js").State} State */

const OUTCOMES = new Map([["", "all"], ["no_result", "no result"], ["no_click", "no click"], ["click", "clicked"]]);

/** @param {View} view @param {State} now @returns {Node[]} */
export function sessions(view, now) {
  const id = h("input", { name: "id", type: "search", required: true, maxlength: "512", size: "28", placeholder: "session_id", "aria-label": "Session id" });
  const find = h("form", {
    class: "line",
    onsubmit: (/** @type {Event} */ event) => {
      event.preventDefault();
      go(href({ view: "session", id: id.value }));
    },
  }, h("label", null, "Session ", id), h("button", { type: "submit" }, "Open"));
  const outcome = h("span", { class: "choice", role: "group", "aria-label": "What came of it" },
    [...OUTCOMES].map(([value, label]) => h("a", { href: same({ outcome: value || null }), "aria-current": (now.outcome ?? "") === value ? "true" : null }, label)));
  const params = { outcome: now.outcome || null, relevance: "include" };
  return [
    h("div", { class: "bar" }, find, lookupForm(view, now)),
    view.panel({
      title: "Sessions",
      hint: "the latest first; those that are struck out are marked irrelevant and count nowhere",
      wide: "whole",
      more: outcome,
      csv: ["analytics/sessions", () => ({ ...question(now), ...params, event_type: eventOf(now), limit: 1000 }), "sessions"],
      load: () => sessionList(view, now, { ...params, limit: 50 }),
    }),
  ];
}

/** @param {View} view @param {State} now @param {Record<string, any>} params */
export async function sessionList(view, now, params) {
  const asked = { ...question(now), event_type: eventOf(now), ...params };
  const answer = await ask("analytics/sessions", asked, view.signal);
  if (!answer.sessions.length) return nothing("No sessions in this range.");
  const place = h("div", null);
  show(view, now, place, answer.sessions, answer.next, asked);
  return place;
}

/** @param {View} view @param {State} now @param {Element} place @param {any[]} rows @param {string | null} next @param {Record<string, any>} asked */
function show(view, now, place, rows, next, asked) {
  const zone = zoneOf(now);
  const more = moreButton(async () => {
    const answer = await ask("analytics/sessions", { ...asked, cursor: next }, view.signal);
    show(view, now, place, [...rows, ...answer.sessions], answer.next, asked);
  });
  const made = table("Sessions", [
    { label: "Time", text: true, cell: (row) => link(moment(row.created_at, zone), href({ view: "session", id: row.session_id })) },
    { label: "Query", text: true, cell: (row) => link(queryText(row.search_query), href({ view: "query", q: row.search_query })) },
    { label: "Results", cell: (row) => count(row.results) },
    { label: eventOf(now) === "click" ? "Clicks" : eventOf(now), cell: (row) => count(row.clicks) },
    { label: "First at position", cell: (row) => count(row.first_click_position) },
    { label: "Events", cell: (row) => count(row.events), from: "wide" },
    { label: "User", text: true, cell: (row) => (row.user_id === null ? "" : link(row.user_id, href({ view: "sessions", user: row.user_id }))) },
    { label: "Session", text: true, cell: (row) => h("code", null, link(row.session_id, href({ view: "session", id: row.session_id }))) },
    { label: "Counts", text: true, cell: (row) => markButton(row.session_id, row.is_irrelevant, () => view.refresh()) },
  ], rows);
  place.replaceChildren(made, ...(next ? [more] : []));
}
