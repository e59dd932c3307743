// One work list as a whole: sorted, page by page, as CSV.

import { ask } from "./api.js";
import { h } from "./dom.js";
import { LISTS } from "./lists.js";
import { moreButton, nothing, sampled } from "./panel.js";
import { eventOf, go, href, question, same } from "./state.js";
import { table } from "./table.js";

const ROWS = 50;

/** @param {import("./panel.js").View} view @param {import("./state.js").State} now @returns {Node[]} */
export function queries(view, now) {
  const name = now.list in LISTS ? now.list : "no_result";
  const list = LISTS[name];
  const tabs = h(
    "nav",
    { class: "tabs", "aria-label": "Lists" },
    Object.entries(LISTS).map(([each, of]) => h("a", { href: href({ view: "queries", list: each }), "aria-current": each === name ? "page" : null }, of.title)),
  );
  const order = list.sorts ? now.order || "sessions" : undefined;
  const ascending = now.ascending === "yes";
  const params = () => ({
    ...question(now),
    ...list.params,
    event_type: list.counts ? eventOf(now) : null,
    ...(order ? { order, ascending } : {}),
    min_sessions: list.path === "analytics/queries" && now.min ? now.min : null,
  });
  const usual = name === "no_click" ? "2" : "1";
  const least =
    list.path === "analytics/queries"
      ? h("label", null, "At least ", h("input", {
          type: "number", min: "1", max: "1000000", value: now.min ?? usual, class: "few",
          onchange: (/** @type {any} */ event) => go(same({ min: event.target.value === usual ? null : event.target.value })),
        }), " searches")
      : null;
  const panel = view.panel({
    title: list.title,
    hint: list.hint,
    wide: "whole",
    more: least,
    csv: [list.path, () => ({ ...params(), limit: 1000 }), name],
    load: async () => {
      const answer = await ask(list.path, { ...params(), limit: ROWS }, view.signal);
      if (!answer[list.rows].length) return nothing(list.none);
      const place = h("div", null);
      fill(view, place, list, answer[list.rows], answer.next, params, {
        sorted: order,
        ascending,
        onsort: list.sorts ? (by) => go(same({ order: by, ascending: by === order && !ascending ? "yes" : null })) : undefined,
      });
      return h("div", null, sampled(answer), place);
    },
  });
  return [tabs, panel];
}

/**
 * @param {import("./panel.js").View} view @param {Element} place @param {import("./lists.js").List} list
 * @param {any[]} rows @param {string | null} next @param {() => Record<string, any>} params
 * @param {{sorted?: string, ascending?: boolean, onsort?: (name: string) => void}} sorting
 */
function fill(view, place, list, rows, next, params, sorting) {
  const more = moreButton(async () => {
    const answer = await ask(list.path, { ...params(), limit: ROWS, cursor: next }, view.signal);
    fill(view, place, list, [...rows, ...answer[list.rows]], answer.next, params, sorting);
  });
  place.replaceChildren(table(list.title, [...list.columns, ...list.more], rows, sorting), ...(next ? [more] : []));
}
