// Overview: how much is searched, how well it goes, and what to fix first.

import { ask } from "./api.js";
import { chart } from "./chart.js";
import { h } from "./dom.js";
import { empty } from "./empty.js";
import { clock, counted, decimal, percent, short, shortDay } from "./format.js";
import { LISTS } from "./lists.js";
import { NUMBERS, number, show } from "./numbers.js";
import { nothing, sampled } from "./panel.js";
import { compares, conversionOf, eventOf, go, granularityOf, href, question, same, zoneOf } from "./state.js";
import { table } from "./table.js";

/** @typedef {import("./state.js").State} State */
/** @typedef {import("./panel.js").View} View */

const FIRST = ["no_result", "low_ctr", "next", "never_clicked", "rising", "top"];
const SHOWN = 7;

/** @param {View} view @param {State} now @returns {Node[]} */
export function overview(view, now) {
  const tiles = h("section", { class: "tiles", "aria-label": "Numbers of the range" });
  const below = h("div", { class: "grid" });
  view.loading(tiles, tiles, async () => {
    const row = await numbersOf(view, now);
    if (!row.sessions && !row.previous_sessions) {
      below.hidden = true;
      return empty(view, now);
    }
    below.hidden = false;
    return tilesOf(view, now, row);
  });
  below.append(...charts(view, now), ...FIRST.map((name) => shortList(view, now, name)));
  return [tiles, below];
}

/**
 * The numbers of all searches of a question, and of conversions.
 * @param {View} view @param {State} now @param {Record<string, any>} [more]
 */
export async function numbersOf(view, now, more = {}) {
  const asked = { ...question(now), ...more, compare: compares(now) ? "previous" : null };
  const [all, conversions] = await Promise.all([
    ask("analytics/overview", { ...asked, event_type: eventOf(now) }, view.signal),
    ask("analytics/query", { ...asked, metric: "conversion_rate", event_type: conversionOf(now) }, view.signal),
  ]);
  const [of] = conversions.rows;
  return { ...all, conversions: of };
}

/** @param {View} view @param {State} now @param {any} row @param {Record<string, any>} [more] */
export function tilesOf(view, now, row, more = {}) {
  const chosen = now.metric || "session_ctr";
  const made = NUMBERS.map((spec) =>
    number(spec, spec.isConversion ? row.conversions : row, {
      pressed: spec.key === chosen,
      onclick: () => go(same({ metric: spec.key })),
      label: spec.isConversion ? `Conversion: ${conversionOf(now)}` : undefined,
      below: spec.key === "users" && row.users ? `${decimal(row.sessions / row.users)} searches each` : undefined,
    }),
  );
  void folded(view, now, made[0], more);
  return h("div", { class: "tiles-row" }, made);
}

/** How many searches remain when typing runs count once: slower to compute, so it comes later. */
async function folded(/** @type {View} */ view, /** @type {State} */ now, /** @type {Element} */ tile, /** @type {any} */ more) {
  try {
    const { rows, sample } = await ask("analytics/query", { ...question(now), ...more, metric: "intents,searches_per_intent" }, view.signal);
    const [told] = rows;
    const place = tile.querySelector(".made");
    if (!place) return;
    place.textContent = sample
      ? `${decimal(told.searches_per_intent)} in a typing run (1 in ${sample.one_of} ${sample.of})`
      : counted(told.intents, "typing run");
    tile.setAttribute("title", "searches as they came · folded: searches of one user that extend or edit each other within 30 seconds count once");
  } catch {
    // The tile has its own number: this one is said to be missing by not being there.
  }
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
  return chart({
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
      { label: "examined", values: rows.map((/** @type {any} */ row) => row.examination_rate), dashed: true },
      {
        label: "CTR",
        values: rows.map((/** @type {any} */ row) => row.position_ctr),
        low: rows.map((/** @type {any} */ row) => row.position_ctr_low),
        high: rows.map((/** @type {any} */ row) => row.position_ctr_high),
      },
    ],
  });
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

