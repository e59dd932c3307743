// Overview: how much is searched, how well it goes, and what to fix first.

import { ask } from "./api.js";
import { chart } from "./chart.js";
import { h } from "./dom.js";
import { empty } from "./empty.js";
import { clock, percent, short, shortDay } from "./format.js";
import { LISTS } from "./lists.js";
import { NUMBERS, show } from "./numbers.js";
import { nothing, sampled } from "./panel.js";
import { compares, conversionOf, eventOf, granularityOf, href, question, zoneOf } from "./state.js";
import { table } from "./table.js";
import { totals } from "./totals.js";

/** @typedef {import("./state.js").State} State */
/** @typedef {import("./panel.js").View} View */

const FIRST = ["no_result", "low_ctr", "next", "never_clicked", "rising", "top"];
const SHOWN = 7;
/** Searches with a click, below which nothing is said of how far down people look. */
const FEWEST_CLICKED = 10;

/** @param {View} view @param {State} now @returns {Node[]} */
export function overview(view, now) {
  const tiles = h("section", { class: "tiles", "aria-label": "Numbers of the range" });
  const below = h("div", { class: "grid" });
  let isEmpty = false;
  const load = totals(view, now, {}, () => {
    isEmpty = true;
    return empty(view, now);
  });
  view.loading(tiles, tiles, async () => {
    isEmpty = false;
    const content = await load();
    below.hidden = isEmpty;
    return content;
  });
  below.append(...charts(view, now), ...FIRST.map((name) => shortList(view, now, name)));
  return [tiles, below];
}

/** @param {View} view @param {State} now @param {Record<string, any>} [more] */
export function charts(view, now, more = {}) {
  const zone = zoneOf(now);
  const granularity = granularityOf(now);
  const showX = (/** @type {number} */ at) => (granularity === "hour" ? `${shortDay(at, zone)} ${clock(at, zone, false)}` : shortDay(at, zone));
  const spec = NUMBERS.find((each) => each.key === now.metric && each.key !== "sessions") ?? NUMBERS[2];
  const event = spec.isConversion ? conversionOf(now) : eventOf(now);
  const asked = () => ({ ...question(now), ...more, granularity, time_zone: zone, compare: compares(now) ? "previous" : null });

  /** @param {import("./numbers.js").Spec} of @param {any[]} rows */
  const draw = (of, rows) =>
    chart({
      title: of.label,
      name: of.key,
      time: true,
      zone,
      across: granularity === "hour" ? "Hour" : granularity === "day" ? "Day" : "Week from",
      x: rows.map((row) => row.time_ms),
      showX,
      show: (value) => show(of, value),
      axis: of.kind === "rate" ? (value) => `${+(value * 100).toFixed(2)} %` : of.kind === "count" ? short : undefined,
      lines: [
        ...(compares(now) ? [{ label: "before", values: rows.map((row) => row[`previous_${of.key}`]), dashed: true }] : []),
        {
          label: of.label,
          values: rows.map((row) => row[of.key]),
          low: of.kind === "rate" ? rows.map((row) => row[`${of.key}_low`]) : undefined,
          high: of.kind === "rate" ? rows.map((row) => row[`${of.key}_high`]) : undefined,
        },
      ],
    });
  const series = async (/** @type {import("./numbers.js").Spec} */ of, /** @type {string} */ type) => {
    const { rows } = await ask("analytics/series", { ...asked(), metric: of.key, event_type: type }, view.signal);
    return draw(of, rows);
  };
  return [
    view.panel({ title: "Searches over time", load: () => series(NUMBERS[0], eventOf(now)) }),
    view.panel({ title: `${spec.isConversion ? `Conversion: ${event}` : spec.label} over time`, hint: spec.what, load: () => series(spec, event) }),
    view.panel({
      title: "CTR by position",
      hint: "clicked / shown; examined: estimated",
      load: () => positions(view, now, more),
    }),
  ];
}

/** @param {View} view @param {State} now @param {Record<string, any>} more */
async function positions(view, now, more) {
  const answer = await ask("analytics/positions", { ...question(now), ...more, event_type: eventOf(now), limit: 30 }, view.signal);
  const rows = answer.positions;
  if (!rows.length) return nothing("No results were shown.");
  const examined = rows.map((/** @type {any} */ row) => (row.clicked_lists < FEWEST_CLICKED ? null : row.examination_rate));
  const isTold = examined.some((/** @type {number | null} */ each) => each !== null);
  const made = chart({
    title: "CTR by position",
    name: "positions",
    time: false,
    zone: "UTC",
    across: "Position",
    x: rows.map((/** @type {any} */ row) => row.position),
    showX: (at) => `position ${at}`,
    show: percent,
    axis: (value) => `${+(value * 100).toFixed(1)} %`,
    lines: [
      ...(isTold ? [{ label: "examined", values: examined, dashed: true }] : []),
      {
        label: "CTR",
        values: rows.map((/** @type {any} */ row) => row.position_ctr),
        low: rows.map((/** @type {any} */ row) => row.position_ctr_low),
        high: rows.map((/** @type {any} */ row) => row.position_ctr_high),
      },
    ],
  });
  return isTold ? made : h("div", null, made, nothing(`How far down people look is told from ${FEWEST_CLICKED} clicked searches on: too few clicks.`));
}

/** @param {View} view @param {State} now @param {string} name */
function shortList(view, now, name) {
  const list = LISTS[name];
  const params = () => ({ ...question(now), ...list.params, event_type: list.counts ? eventOf(now) : null });
  return view.panel({
    title: list.title,
    hint: list.hint,
    more: h("a", { href: href({ view: "queries", list: name }), class: "small", "aria-label": `All: ${list.title}` }, "All"),
    csv: [list.path, () => ({ ...params(), limit: 1000 }), name],
    load: async () => {
      const answer = await ask(list.path, { ...params(), limit: SHOWN }, view.signal);
      const rows = answer[list.rows];
      return rows.length ? h("div", null, table(list.title, list.columns, rows), sampled(answer)) : nothing(list.none);
    },
  });
}

