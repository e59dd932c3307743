// Variants side by side, and interleaved rankings.

import { ask } from "./api.js";
import { h, svg } from "./dom.js";
import { NONE, count, decimal, percent, probability } from "./format.js";
import { leavesOutFilters, nothing } from "./panel.js";
import { eventOf, go, isFiltered, question, same } from "./state.js";
import { table } from "./table.js";

/** @type {Record<string, string>} */
const NAMES = {
  session_ctr: "Session CTR", clicks_per_search: "Clicks per search", position_ctr: "CTR of results", mean_reciprocal_rank: "MRR",
  mean_first_click_position: "First click position", zero_result_rate: "No result", no_click_rate: "No click", searches_per_user: "Searches per user",
};
/** Which direction is better; more searches of a user may be good or bad. @type {Record<string, "up" | "down">} */
const BETTER = {
  session_ctr: "up", clicks_per_search: "up", position_ctr: "up", mean_reciprocal_rank: "up",
  mean_first_click_position: "down", zero_result_rate: "down", no_click_rate: "down",
};
const RATES = new Set(["session_ctr", "position_ctr", "zero_result_rate", "no_click_rate"]);

/** @param {import("./panel.js").View} view @param {import("./state.js").State} now @returns {Node[]} */
export function experiments(view, now) {
  // Experiments are about searches as a whole: a filter by query or user would choose who takes part.
  const { from, to } = question(now);
  const asked = () => ({ from, to, event_type: eventOf(now) });
  return [
    ...leavesOutFilters(isFiltered(now)),
    view.panel({
      title: "Variants",
      hint: "of search_meta.variant, by user; p is corrected for all metrics on this page",
      wide: "whole",
      load: async () => variants(await ask("analytics/experiment", { ...asked(), control: now.control || null }, view.signal)),
    }),
    view.panel({
      title: "Interleaving",
      hint: "rankings mixed into one list, told apart by meta.team of each result",
      wide: "whole",
      load: async () => teams(await ask("analytics/interleaving", { ...asked(), control: now.team || null }, view.signal)),
    }),
  ];
}

/** @param {any} told */
function variants(told) {
  if (!told.variants.length) {
    return nothing("No search of this range names a variant. Send it as search_meta.variant: ", h("code", null, '"search_meta": {"variant": "treatment"}'));
  }
  const others = told.variants.filter((/** @type {any} */ each) => each.variant !== told.control);
  const choose = h("label", null, "Compared with ", h("select", { onchange: (/** @type {any} */ event) => go(same({ control: event.target.value })) },
    told.variants.map((/** @type {any} */ each) => h("option", { value: each.variant, selected: each.variant === told.control }, each.variant))));
  const { sample_ratio: ratio } = told;
  const warning = ratio.is_mismatch
    ? h("p", { class: "problem", role: "alert" }, `Sample ratio mismatch (p ${probability(ratio.p)}): users are not divided as they should be. No difference below can be trusted before that is explained.`)
    : h("p", { class: "muted" }, ratio.p === null ? "" : `Users are divided as expected (sample ratio p = ${probability(ratio.p)}).`,
        told.users_in_several_variants ? ` ${count(told.users_in_several_variants)} ${told.users_in_several_variants === 1 ? "user was" : "users were"} in several variants.` : "");
  const who = table("Variants", [
    { label: "Variant", text: true, cell: (row) => h("b", null, row.variant, row.variant === told.control && row.variant !== "control" ? " (control)" : "") },
    { label: "Users", cell: (row) => count(row.users) },
    { label: "Searches", cell: (row) => count(row.sessions) },
    { label: "Without a user", cell: (row) => count(row.anonymous_sessions) },
  ], told.variants);
  return h("div", null, h("div", { class: "line" }, choose), warning, who,
    others.map((/** @type {any} */ each) => [h("h3", null, `${each.variant} against ${told.control}`), verdict(told, each.variant), compared(told, each.variant)]).flat());
}

/** In a sentence. @param {any} told @param {string} variant */
function verdict(told, variant) {
  const row = told.metrics.find((/** @type {any} */ each) => each.variant === variant && each.metric === "session_ctr");
  if (!row || row.difference === null || row.p_adjusted === null) return h("p", null, "Too few users to tell.");
  const by = `${signed(row.difference * 100, 1)} pp (${signed(row.difference_low * 100, 1)} to ${signed(row.difference_high * 100, 1)})`;
  return h("p", null, row.is_significant
    ? h("b", { class: row.difference > 0 ? "better" : "worse" }, `Session CTR is ${row.difference > 0 ? "better" : "worse"}: ${by}.`)
    : `Not decided: session CTR differs by ${by}, p corrected ${probability(row.p_adjusted)}. A longer range or more users may decide it.`);
}

/** @param {any} told @param {string} variant */
function compared(told, variant) {
  const rows = told.metrics.filter((/** @type {any} */ each) => each.variant === variant);
  const control = new Map(told.metrics.filter((/** @type {any} */ each) => each.variant === told.control).map((/** @type {any} */ each) => [each.metric, each]));
  const widest = Math.max(...rows.flatMap((/** @type {any} */ row) => [Math.abs(row.relative_low ?? 0), Math.abs(row.relative_high ?? 0)]).filter((/** @type {number} */ v) => v < 5), 0.01);
  return table(`${variant} against ${told.control}`, [
    { label: "Metric", text: true, cell: (row) => NAMES[row.metric] ?? row.metric },
    { label: told.control, cell: (row) => value(control.get(row.metric)) },
    { label: variant, cell: value },
    { label: "Difference", cell: (row) => (row.difference === null ? NONE : `${RATES.has(row.metric) ? `${signed(row.difference * 100, 2)} pp` : signed(row.difference, 3)}`) },
    { label: "Relative, with interval", text: true, cell: (row) => interval(row, widest) },
    { label: "p corrected", cell: (row) => (row.p_adjusted === null ? NONE : probability(row.p_adjusted)) },
    { label: "Verdict", text: true, long: true, cell: (row) => judged(told, row) },
  ], rows);
}

/** In a word, with its reason. @param {any} told @param {any} row */
function judged(told, row) {
  const most = probability(1 - told.confidence);
  if (told.sample_ratio.is_mismatch) return "not to be trusted: users are not divided as they should be";
  if (row.p_adjusted === null) return "not decided: too few users";
  if (row.is_significant) {
    const good = BETTER[row.metric];
    const word = good ? ((row.difference > 0) === (good === "up") ? "better" : "worse") : row.difference > 0 ? "higher" : "lower";
    return [h("b", { class: good ? word : null }, word), `: p corrected is at most ${most}`];
  }
  const includes = row.difference_low <= 0 && row.difference_high >= 0;
  return `not decided: ${includes ? "the interval has 0 in it" : `p corrected is above ${most}`}`;
}

/** @param {any} row */
const value = (row) =>
  h("span", { title: row.low === null ? null : `${count(row.numerator)} / ${count(row.denominator)} · ${shown(row, row.low)} to ${shown(row, row.high)}` }, shown(row, row.value));

/** @param {any} row @param {number | null} of */
const shown = (row, of) => (RATES.has(row.metric) ? percent(of) : decimal(of));

/** @param {number} number @param {number} digits */
const signed = (number, digits) => `${number > 0 ? "+" : number < 0 ? "−" : "±"}${Math.abs(number).toFixed(digits)}`;

/** The interval as a line, with zero in the middle. @param {any} row @param {number} widest */
function interval(row, widest) {
  if (row.relative_difference === null || row.relative_low === null) return NONE;
  const text = `${signed(row.relative_difference * 100, 1)} % (${signed(row.relative_low * 100, 1)} to ${signed(row.relative_high * 100, 1)})`;
  const x = (/** @type {number} */ of) => 60 + 58 * Math.max(-1, Math.min(1, of / widest));
  return h("span", { class: "interval" },
    svg("svg", { viewBox: "0 0 120 14", width: 120, height: 14, "aria-hidden": "true" },
      svg("line", { x1: 60, x2: 60, y1: 0, y2: 14, class: "zero" }),
      svg("line", { x1: x(row.relative_low), x2: x(row.relative_high), y1: 7, y2: 7, class: "range" }),
      svg("circle", { cx: x(row.relative_difference), cy: 7, r: 3, class: "dot" })),
    text);
}

/** In a word, with its reason. @param {any} told @param {any} row */
function preferred(told, row) {
  if (row.team === told.control) return "";
  if (row.p_adjusted === null) return "not decided: no search was won or lost";
  if (!row.is_significant) return `not decided: p by search is above ${probability(1 - told.confidence)}`;
  const word = row.delta > 0 ? "better" : "worse";
  return [h("b", { class: word }, word), `: p by search is at most ${probability(1 - told.confidence)}`];
}

/** @param {any} told */
function teams(told) {
  if (!told.teams.length) {
    return nothing("No interleaved list in this range. Say of each result which ranking it came from: ", h("code", null, '"meta": {"team": "bm25"}'));
  }
  return h("div", null, h("p", { class: "muted" }, `Compared with ${told.control}. Above 0 people like the team better; a search is won by the team with more clicked results.`),
    table("Interleaving", [
      { label: "Team", text: true, cell: (row) => h("b", null, row.team) },
      { label: "Won", cell: (row) => count(row.won) },
      { label: "Lost", cell: (row) => count(row.lost) },
      { label: "Tied", cell: (row) => count(row.tied) },
      { label: "No click on either", cell: (row) => count(row.searches_without_credit) },
      { label: "Δ preference", title: "(won + tied / 2) / all - 1/2, from −0.5 to 0.5", cell: (row) => (row.delta === null ? NONE : `${signed(row.delta, 3)} (${signed(row.delta_low, 3)} to ${signed(row.delta_high, 3)})`) },
      { label: "p by user", title: "Sign test over users", cell: (row) => (row.users_p === null ? NONE : probability(row.users_p)) },
      { label: "p by search", title: "Sign test over searches, corrected", cell: (row) => (row.p_adjusted === null ? NONE : probability(row.p_adjusted)) },
      { label: "Verdict", text: true, long: true, cell: (row) => preferred(told, row) },
    ], told.teams));
}
