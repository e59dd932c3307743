// The numbers of all searches of a question, each as soon as it is there.

import { ask } from "./api.js";
import { h } from "./dom.js";
import { counted, decimal } from "./format.js";
import { NUMBERS, number } from "./numbers.js";
import { problem } from "./panel.js";
import { compares, conversionOf, eventOf, go, question, same } from "./state.js";

/** Searches of the period before, below which a change from it says nothing. */
const FEWEST_BEFORE = 20;

/** @typedef {import("./state.js").State} State */
/** @typedef {import("./panel.js").View} View */

/**
 * A loader of the tiles. The range comes first, alone: it is what people look for, and it takes as long as all that
 * is read. The period before, conversions and typing runs follow, and are filled in.
 * @param {View} view @param {State} now @param {Record<string, any>} [more]
 * @param {() => Promise<Node>} [whenEmpty] what to show when there is no search in the range nor before
 */
export function totals(view, now, more = {}, whenEmpty) {
  /** What came last: shown again until the next answer is there. */
  const known = { before: /** @type {Record<string, any>} */ ({}), conversions: /** @type {Record<string, any> | null} */ (null), runs: "", error: /** @type {unknown} */ (null) };
  let latest = 0;
  return async () => {
    const mine = ++latest;
    const asked = { ...question(now), ...more };
    const row = await ask("analytics/overview", { ...asked, event_type: eventOf(now) }, view.signal);
    const place = h("div", { class: "tiles-row" });
    const draw = () => {
      if (mine === latest) fill(place, now, { ...row, ...known.before }, known);
    };
    place.setAttribute("aria-busy", "true");
    const rest = later(view, now, asked, known, draw).finally(() => place.removeAttribute("aria-busy"));
    void folded(view, asked, known, draw);
    if (!row.sessions && whenEmpty) {
      await rest;
      if (!known.before.previous_sessions) return whenEmpty();
    }
    draw();
    return place;
  };
}

/**
 * What is not asked first: the period before, and conversions.
 * @param {View} view @param {State} now @param {Record<string, any>} asked @param {any} known @param {() => void} draw
 */
async function later(view, now, asked, known, draw) {
  known.error = null;
  const before = { ...asked, from: Number(asked.from) * 2 - Number(asked.to), to: asked.from };
  const steps = [
    async () => {
      if (!compares(now)) return;
      const row = await ask("analytics/overview", { ...before, event_type: eventOf(now) }, view.signal);
      known.before = Object.fromEntries(Object.entries(row).map(([name, value]) => [`previous_${name}`, value]));
    },
    async () => {
      const { rows } = await ask("analytics/query", { ...asked, compare: compares(now) ? "previous" : null, metric: "conversion_rate", event_type: conversionOf(now) }, view.signal);
      known.conversions = rows[0];
    },
  ];
  await Promise.all(steps.map(async (step) => {
    try {
      await step();
    } catch (error) {
      if (view.signal.aborted) return;
      known.error = error;
    }
    draw();
  }));
}

/**
 * How many searches remain when typing runs count once: slower to compute.
 * @param {View} view @param {Record<string, any>} asked @param {any} known @param {() => void} draw
 */
async function folded(view, asked, known, draw) {
  try {
    const { rows, sample } = await ask("analytics/query", { ...asked, metric: "intents,searches_per_intent" }, view.signal);
    known.runs = sample
      ? `${decimal(rows[0].searches_per_intent)} in a typing run (1 in ${sample.one_of} ${sample.of})`
      : counted(rows[0].intents, "typing run");
    draw();
  } catch {
    // The tile has its own number: this one is said to be missing by not being there.
  }
}

/** @param {Element} place @param {State} now @param {any} row @param {any} known */
function fill(place, now, row, { conversions, runs, error }) {
  const chosen = now.metric || "session_ctr";
  const focused = place.contains(document.activeElement) ? document.activeElement?.getAttribute("data-metric") : null;
  const tiles = NUMBERS.map((spec) =>
    number(spec, spec.isConversion ? conversions ?? {} : row, {
      pressed: spec.key === chosen,
      onclick: () => go(same({ metric: spec.key })),
      few: row.previous_sessions > 0 && row.previous_sessions < FEWEST_BEFORE,
      label: spec.isConversion ? `Conversion: ${conversionOf(now)}` : undefined,
      below: spec.key === "users" && row.users ? `${decimal(row.sessions / row.users)} searches each` : spec.key === "sessions" ? runs : undefined,
    }),
  );
  tiles[0].setAttribute("title", "searches as they came · folded: searches of one user that extend or edit each other within 30 seconds count once");
  place.replaceChildren(...tiles, ...(error ? [problem(error)] : []));
  if (focused) /** @type {HTMLElement | null} */ (place.querySelector(`[data-metric="${CSS.escape(focused)}"]`))?.focus();
}
