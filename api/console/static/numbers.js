// The row of numbers at the top: each with its change, and what it is made of.

import { h } from "./dom.js";
import { NONE, count, decimal, percent } from "./format.js";

/**
 * @typedef {object} Spec
 * @property {string} key the metric
 * @property {string} label
 * @property {"count" | "rate" | "mean"} kind
 * @property {string} [numerator]
 * @property {string} [denominator]
 * @property {"up" | "down"} [good] which direction is better
 * @property {string} [what] of a rate, in words
 * @property {boolean} [isConversion]
 */

/** @type {Spec[]} */
export const NUMBERS = [
  { key: "sessions", label: "Searches", kind: "count" },
  { key: "users", label: "Users", kind: "count" },
  { key: "session_ctr", label: "Session CTR", kind: "rate", numerator: "sessions_with_click", denominator: "sessions", good: "up", what: "searches with a click" },
  { key: "zero_result_rate", label: "No result", kind: "rate", numerator: "zero_result_sessions", denominator: "sessions", good: "down", what: "searches whose list was empty" },
  { key: "no_click_rate", label: "No click", kind: "rate", numerator: "sessions_without_click", denominator: "sessions_with_results", good: "down", what: "searches with results and no click" },
  { key: "mean_reciprocal_rank", label: "MRR", kind: "mean", numerator: "reciprocal_ranks", denominator: "sessions", good: "up", what: "mean of 1 / smallest clicked position" },
  { key: "conversion_rate", label: "Conversion", kind: "rate", numerator: "sessions_with_click", denominator: "sessions", good: "up", what: "searches with such an event", isConversion: true },
];

/** @param {Spec} spec @param {number | null | undefined} value */
export const show = (spec, value) =>
  spec.kind === "rate" ? percent(value) : spec.kind === "count" ? count(value) : value === null || value === undefined ? NONE : value.toFixed(3);

/**
 * @param {Spec} spec
 * @param {Record<string, any>} row
 * @param {{pressed?: boolean, onclick?: () => void, below?: string, label?: string, few?: boolean}} [options]
 */
export function number(spec, row, options = {}) {
  const value = row[spec.key];
  const made = spec.numerator
    ? spec.kind === "mean"
      ? `${decimal(row[spec.numerator])} / ${count(row[spec.denominator ?? ""])}`
      : `${count(row[spec.numerator])} of ${count(row[spec.denominator ?? ""])}`
    : options.below;
  const low = row[`${spec.key}_low`];
  const interval = low === null || low === undefined ? null : `${percent(low)} – ${percent(row[`${spec.key}_high`])}`;
  const title = [spec.what, made, interval && `95 % interval ${interval}`].filter(Boolean).join(" · ");
  return h(
    options.onclick ? "button" : "div",
    {
      class: "tile",
      type: options.onclick ? "button" : null,
      "aria-pressed": options.onclick ? String(Boolean(options.pressed)) : null,
      onclick: options.onclick,
      title,
      "data-metric": spec.key,
    },
    h("span", { class: "label" }, options.label ?? spec.label),
    h("span", { class: "value" }, show(spec, value)),
    change(spec, value, row[`previous_${spec.key}`], options.few),
    h("span", { class: "made" }, made ?? ""),
    h("span", { class: "made" }, interval ? h("span", { "aria-label": "95 % interval" }, interval) : ""),
  );
}

/** `few`: a change from a handful of searches would say nothing. @param {Spec} spec @param {number | null | undefined} value @param {number | null | undefined} before @param {boolean} [few] */
export function change(spec, value, before, few) {
  if (before === undefined) return h("span", { class: "change" }, "");
  if (few && before !== null) return h("span", { class: "change muted", title: `before: ${show(spec, before)}` }, "few before");
  if (value === null || value === undefined || before === null || (spec.kind === "count" && !before)) {
    return h("span", { class: "change muted" }, "none before");
  }
  const by = spec.kind === "rate" ? (value - before) * 100 : before ? ((value - before) / before) * 100 : 0;
  const times = spec.kind === "count" && before ? value / before : 1;
  const text = times >= 10 ? `× ${times.toFixed(0)}` : `${by > 0 ? "+" : by < 0 ? "−" : "±"}${Math.abs(by).toFixed(1)} ${spec.kind === "rate" ? "pp" : "%"}`;
  const flat = Math.abs(by) < 0.05;
  const direction = by > 0 ? "up" : "down";
  const tone = flat || !spec.good ? "muted" : direction === spec.good ? "better" : "worse";
  return h("span", { class: `change ${tone}`, title: `before: ${show(spec, before)}` }, text);
}
