// One search: the list that was shown, with what was done with it and when.

import { ask } from "./api.js";
import { h } from "./dom.js";
import { NONE, count, duration, moment, queryText } from "./format.js";
import { lookupForm } from "./lookup.js";
import { markButton } from "./mark.js";
import { nothing } from "./panel.js";
import { href, zoneOf } from "./state.js";
import { link, table } from "./table.js";
import { totals } from "./totals.js";

/** @param {import("./panel.js").View} view @param {import("./state.js").State} now @returns {Node[]} */
export function session(view, now) {
  const id = now.id ?? "";
  const place = h("div", { class: "session" });
  const tiles = h("section", { class: "tiles", "aria-label": "Numbers of all searches of this query" });
  /** @type {string | null} */
  let shown = null;
  view.loading(place, place, async () => {
    const found = await ask("session", { session_id: id }, view.signal);
    if (shown !== found.search_query) {
      shown = found.search_query;
      const only = { query: found.search_query };
      const load = totals(view, now, only);
      view.loading(tiles, tiles, async () =>
        h("div", null,
          h("h2", { class: "over" }, "All searches for ", link(queryText(found.search_query), href({ view: "query", q: found.search_query })), " in the range"),
          await load()));
    }
    return page(view, now, found);
  });
  return [place, tiles, h("div", { class: "bar" }, lookupForm(view, now, id))];
}

/** @param {import("./panel.js").View} view @param {import("./state.js").State} now @param {any} found */
function page(view, now, found) {
  const zone = zoneOf(now);
  const facts = [
    ["Session", h("code", null, found.session_id)],
    ["When", `${moment(found.created_at, zone)} ${zone}`],
    ["User", found.user_id === null ? NONE : h("a", { href: href({ view: "sessions", user: found.user_id }) }, found.user_id)],
    ["Results", count(found.search_results.length)],
    ["Events", count(found.events.length)],
    ["Counts", found.is_irrelevant ? "no: marked irrelevant" : "yes"],
  ];
  return h("div", null,
    h("div", { class: "title" },
      h("h1", null, queryText(found.search_query)),
      found.is_irrelevant ? h("span", { class: "badge" }, "irrelevant") : null,
      markButton(found.session_id, found.is_irrelevant, () => view.refresh())),
    h("dl", { class: "facts" }, facts.map(([name, value]) => h("div", null, h("dt", null, name), h("dd", null, value)))),
    list(found),
    others(found),
    h("div", { class: "metas" }, [["search_meta", found.search_meta], ["payload_filter", found.payload_filter], ["sort_by", found.sort_by]]
      .filter(([, value]) => value !== null).map(([name, value]) => json(String(name), value, true))),
    json("Raw JSON", found, false));
}

/** @param {any} found */
function list(found) {
  if (!found.search_results.length) return nothing("The list was empty: a search without a result.");
  /** @type {Map<number, any[]>} */
  const events = new Map();
  for (const event of found.events) {
    if (event.position !== null) events.set(event.position, [...(events.get(event.position) ?? []), event]);
  }
  const rows = found.search_results.map((/** @type {any} */ result, /** @type {number} */ index) => ({ ...result, position: index + 1, events: events.get(index + 1) ?? [] }));
  return table("The list that was shown", [
    { label: "Position", cell: (row) => row.position },
    { label: "Object", text: true, cell: (row) => h("code", { class: row.events.length ? "hit" : null }, row.object_id) },
    { label: "What was done, after the search", text: true, cell: (row) => row.events.map((/** @type {any} */ event) => done(found, event)) },
    { label: "Rank", title: "The caller's own rank or score", cell: (row) => (row.rank === null ? "" : row.rank) },
    { label: "Meta", text: true, from: "wide", cell: (row) => (row.meta === null ? "" : h("code", { class: "meta" }, JSON.stringify(row.meta))) },
  ], rows);
}

/** @param {any} found @param {any} event */
const done = (found, event) =>
  h("span", { class: `event ${event.event_type === "click" ? "click" : ""}`, title: `event ${event.event_id}${event.meta === null ? "" : ` · ${JSON.stringify(event.meta)}`}` },
    `${event.event_type} ${duration(event.created_at - found.created_at)}`);

/** @param {any} found */
function others(found) {
  const rest = found.events.filter((/** @type {any} */ event) => event.position === null);
  return rest.length ? h("p", null, "On objects that were not listed: ", rest.map((/** @type {any} */ event) => [h("code", null, event.object_id), " ", done(found, event), " "]).flat()) : null;
}

/** @param {string} name @param {unknown} value @param {boolean} open */
const json = (name, value, open) =>
  h("details", open ? { open: true } : null, h("summary", null, name), h("pre", { tabindex: "0" }, JSON.stringify(value, null, 2)));

