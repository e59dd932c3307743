// One query: its numbers, its results, what was searched for before and after it, its sessions.

import { ask } from "./api.js";
import { h } from "./dom.js";
import { count, queryText } from "./format.js";
import { OBJECT_COLUMNS } from "./lists.js";
import { charts } from "./overview.js";
import { nothing, sampled } from "./panel.js";
import { sessionList } from "./sessions.js";
import { eventOf, href, question } from "./state.js";
import { link, table } from "./table.js";
import { totals } from "./totals.js";

/** @param {import("./panel.js").View} view @param {import("./state.js").State} now @returns {Node[]} */
export function query(view, now) {
  const text = now.q ?? "";
  const only = { query: text };
  const tiles = h("section", { class: "tiles", "aria-label": "Numbers of the query" });
  view.loading(tiles, tiles, totals(view, now, only));
  const heading = h("div", { class: "title" }, h("h1", null, queryText(text)), h("a", { href: href({ view: "queries", list: "top" }) }, "all queries"));
  const asked = () => ({ ...question(now), ...only });
  return [
    heading,
    tiles,
    h(
      "div",
      { class: "grid" },
      charts(view, now, only),
      view.panel({
        title: "Its results",
        hint: "clicked most first",
        csv: ["analytics/objects", () => ({ ...asked(), event_type: eventOf(now), limit: 1000 }), "results"],
        load: async () => {
          const answer = await ask("analytics/objects", { ...asked(), event_type: eventOf(now), limit: 12 }, view.signal);
          const { objects } = answer;
          return objects.length ? h("div", null, table("Results", OBJECT_COLUMNS, objects), sampled(answer)) : nothing("It found nothing in this range.");
        },
      }),
      pairs(view, now, "Searched next", "the same user's next search, within 5 minutes, in whatever case and blanks", "next_query", "next_query", { query: text }),
      pairs(view, now, "Searched before", "what led here, within 5 minutes, in whatever case and blanks", "search_query", "search_query", { next_query: text }),
      view.panel({
        title: "Its sessions",
        hint: "the latest first",
        wide: "whole",
        csv: ["analytics/sessions", () => ({ ...asked(), event_type: eventOf(now), relevance: "include", limit: 1000 }), "sessions"],
        load: () => sessionList(view, now, { ...only, relevance: "include", limit: 15 }),
      }),
    ),
  ];
}

/**
 * @param {import("./panel.js").View} view @param {import("./state.js").State} now
 * @param {string} title @param {string} hint @param {string} label @param {string} shown @param {Record<string, any>} of
 */
function pairs(view, now, title, hint, label, shown, of) {
  const params = () => ({ ...question(now), query: null, ...of });
  return view.panel({
    title,
    hint,
    csv: ["analytics/next_queries", () => ({ ...params(), limit: 1000 }), label],
    load: async () => {
      const answer = await ask("analytics/next_queries", { ...params(), limit: 10 }, view.signal);
      if (!answer.queries.length) return nothing("Nothing within 5 minutes.");
      return h("div", null, table(title, [
        { label: "Query", text: true, cell: (row) => link(queryText(row[shown]), href({ view: "query", q: row[shown] })) },
        { label: "Times", cell: (row) => count(row.sessions) },
        { label: "Users", cell: (row) => count(row.users) },
        { label: "Typed on", title: "Of these, in one typing run", cell: (row) => count(row.reformulated_sessions) },
      ], answer.queries), sampled(answer));
    },
  });
}
