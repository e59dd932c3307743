// The state of the page is its address: it can be shared, and the back button works.

import { addDays, day, midnight } from "./format.js";

/** Ranges by name: how many days, today included. */
export const RANGES = new Map([["1d", 1], ["7d", 7], ["30d", 30], ["90d", 90]]);
const DEFAULT_RANGE = "7d";

/** Parameters of questions that narrow the sessions. */
export const FILTERS = ["query", "query_prefix", "query_regex", "user", "sort_field"];
const KEPT = ["range", "from", "to", "tz", "compare", "event", "conversion", ...FILTERS];

/** @typedef {Record<string, string>} State */

/** @returns {State} */
export const state = () => Object.fromEntries(new URLSearchParams(location.search));

/** Names in the address that are filters by a declared path. @param {State} now */
export const declared = (now) => Object.keys(now).filter((name) => /^(search_meta|payload_filter)\./.test(name));

/** The time zone in which days begin. @param {State} now */
export const zoneOf = (now) => now.tz || Intl.DateTimeFormat().resolvedOptions().timeZone || "UTC";

/** @param {State} now @returns {{from: number, to: number, name: string}} milliseconds */
export function rangeOf(now) {
  const zone = zoneOf(now);
  const today = day(Date.now(), zone);
  if (now.from && now.to) {
    return { from: midnight(now.from, zone), to: midnight(addDays(now.to, 1), zone), name: `${now.from} to ${now.to}` };
  }
  const name = RANGES.has(now.range ?? "") ? now.range : DEFAULT_RANGE;
  const days = RANGES.get(name) ?? 7;
  return { from: midnight(addDays(today, 1 - days), zone), to: Date.now() + 1000, name };
}

/** The parameters of a question about these sessions. @param {State} now @returns {Record<string, string | number>} */
export function question(now) {
  const { from, to } = rangeOf(now);
  /** @type {Record<string, string | number>} */
  const asked = { from, to };
  for (const name of [...FILTERS, ...declared(now)]) if (now[name]) asked[name] = now[name];
  return asked;
}

/** Whether some searches are filtered out. @param {State} now */
export const isFiltered = (now) => Object.keys(question(now)).length > 2;

/** @param {State} now */
export const eventOf = (now) => now.event || "click";
/** @param {State} now */
export const conversionOf = (now) => now.conversion || "purchase";
/** @param {State} now */
export const compares = (now) => now.compare !== "none";

/** How long the steps of a series are. @param {State} now */
export function granularityOf(now) {
  const { from, to } = rangeOf(now);
  const days = (to - from) / 86_400_000;
  return days <= 2.1 ? "hour" : days <= 120 ? "day" : "week";
}

/**
 * The address of another view of the same sessions; null takes something away.
 * @param {Record<string, string | null>} changes
 */
export function href(changes) {
  const now = state();
  const next = new URLSearchParams();
  for (const name of [...KEPT, ...declared(now)]) if (now[name]) next.set(name, now[name]);
  for (const [name, value] of Object.entries(changes)) {
    if (value === null || value === "") next.delete(name);
    else next.set(name, value);
  }
  const text = next.toString();
  return text ? `?${text}` : "?";
}

/** The address of this view with something changed. @param {Record<string, string | null>} changes */
export function same(changes) {
  const rest = Object.entries(state()).filter(([name]) => !KEPT.includes(name));
  return href({ ...Object.fromEntries(rest), ...changes });
}

/** @type {() => void} */
let changed = () => {};
/** @param {() => void} listener */
export function onChange(listener) {
  changed = listener;
  addEventListener("popstate", listener);
}

/** @param {string} to */
export function go(to) {
  history.pushState(null, "", to === "?" ? location.pathname : to);
  changed();
}

/** Links of ours stay on the page. @param {MouseEvent} event */
export function follow(event) {
  const link = /** @type {Element} */ (event.target).closest?.("a[href^='?']");
  if (!link || event.button || event.metaKey || event.ctrlKey || event.shiftKey) return;
  event.preventDefault();
  go(link.getAttribute("href") ?? "?");
  scrollTo(0, 0);
}
