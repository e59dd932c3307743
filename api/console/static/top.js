// What stands above every view: where one is, which searches are looked at, and how fresh the numbers are.

import { ask, fresh, key } from "./api.js";
import { h } from "./dom.js";
import { clock, day, duration } from "./format.js";
import { FILTERS, RANGES, compares, conversionOf, declared, eventOf, go, href, rangeOf, same, zoneOf } from "./state.js";

/** @typedef {import("./state.js").State} State */

const VIEWS = new Map([["overview", "Overview"], ["queries", "Work lists"], ["sessions", "Sessions"], ["experiments", "Experiments"], ["pipeline", "Pipeline"]]);
const PARENTS = new Map([["query", "queries"], ["session", "sessions"]]);
const RANGE_NAMES = new Map([["1d", "Today"], ["7d", "7 days"], ["30d", "30 days"], ["90d", "90 days"]]);

/** @type {string[]} */
let paths = [];

/** Ask which paths are declared as dimensions. */
export async function learn() {
  paths = (await ask("analytics/metrics")).declared_dimensions;
}

/** @param {State} now @param {{refresh: () => void}} actions */
export function top(now, actions) {
  const view = now.view || "overview";
  const current = PARENTS.get(view) ?? view;
  return [
    h("div", { class: "row" },
      h("a", { class: "brand", href: href({ view: null }) }, "clickstream"),
      h("nav", { "aria-label": "Views" }, [...VIEWS].map(([name, label]) =>
        h("a", { href: href({ view: name === "overview" ? null : name }), "aria-current": name === current ? "page" : null }, label))),
      h("span", { class: "right" }, freshness(zoneOf(now)),
        h("button", { type: "button", class: "small", onclick: actions.refresh, title: "Key: r" }, "Refresh"),
        themeButton(),
        key.get() ? h("button", { type: "button", class: "small", onclick: () => { key.set(""); dispatchEvent(new CustomEvent("key-needed", { detail: "" })); } }, "Key") : null,
        h("a", { href: "docs", class: "small" }, "API"))),
    filtersButton(now), filters(now),
  ];
}

let isOpen = false;

/** Where it is narrow, the filters are behind it. @param {State} now */
function filtersButton(now) {
  const on = [...FILTERS, ...declared(now)].filter((name) => now[name]).length;
  const { name } = rangeOf(now);
  const button = h("button", { type: "button", class: "fold small", "aria-expanded": String(isOpen), "aria-controls": "filters", onclick: () => {
    isOpen = !isOpen;
    button.setAttribute("aria-expanded", String(isOpen));
  } }, `${RANGE_NAMES.get(name) ?? name} · ${zoneOf(now).replaceAll("_", " ")}${on ? ` · ${on === 1 ? "1 filter" : `${on} filters`}` : ""}`);
  return button;
}

/** @param {string} zone */
function freshness(zone) {
  const place = h("span", { class: "fresh", id: "fresh" });
  const tell = () => {
    if (!place.isConnected) return;
    if (!fresh.seen) place.textContent = "";
    else if (fresh.asOf === null) place.textContent = "as of: nothing stored yet";
    else place.replaceChildren("as of ", h("b", null, clock(fresh.asOf, zone)), ` (${duration(Math.max(0, Date.now() - fresh.asOf))} ago)`);
  };
  addEventListener("fresh", tell);
  const timer = setInterval(() => {
    if (place.isConnected) return tell();
    clearInterval(timer);
    removeEventListener("fresh", tell);
  }, 1000);
  queueMicrotask(tell);
  place.title = "When a worker last noted that the numbers are whole";
  return place;
}

/** @param {State} now */
function filters(now) {
  const { name } = rangeOf(now);
  const zone = zoneOf(now);
  const range = select("Range", [...RANGES.keys(), "custom"], now.from ? "custom" : name, (value) => RANGE_NAMES.get(value) ?? "From … to", (value) => {
    if (value !== "custom") return go(same({ range: value, from: null, to: null }));
    const of = rangeOf(now);
    go(same({ range: null, from: day(of.from, zone), to: day(of.to - 2000, zone) }));
  });
  const dates = now.from
    ? ["from", "to"].map((end) => h("input", { type: "date", value: now[end], required: true, "aria-label": end === "from" ? "First day" : "Last day",
        onchange: (/** @type {any} */ event) => {
          const dates = { from: now.from, to: now.to, [end]: event.target.value };
          if (event.target.value) go(same(dates.from <= dates.to ? dates : { from: event.target.value, to: event.target.value }));
        } }))
    : [];
  const zones = [...new Set(["UTC", Intl.DateTimeFormat().resolvedOptions().timeZone, zone, ...Intl.supportedValuesOf("timeZone")])];
  return h("form", { class: "row filters", id: "filters", "aria-label": "Which searches", onsubmit: (/** @type {Event} */ event) => event.preventDefault() },
    range, dates,
    select("Time zone", zones, zone, (value) => value.replaceAll("_", " "), (value) => go(same({ tz: value })), "zone"),
    h("label", null, h("input", { type: "checkbox", checked: compares(now), onchange: (/** @type {any} */ event) => go(same({ compare: event.target.checked ? null : "none" })) }), " compare"),
    text("Click is", "event", eventOf(now), "click", now),
    text("Conversion is", "conversion", conversionOf(now), "purchase", now),
    chips(now), adder(now));
}

/**
 * @param {string} label @param {string[]} values @param {string | undefined} chosen
 * @param {(value: string) => string} shown @param {(value: string) => void} choose @param {string} [style]
 */
function select(label, values, chosen, shown, choose, style) {
  return h("select", { "aria-label": label, title: label, class: style, onchange: (/** @type {any} */ event) => choose(event.target.value) },
    values.map((value) => h("option", { value, selected: value === chosen }, shown(value))));
}

/** @param {string} label @param {string} name @param {string} value @param {string} usual @param {State} _now */
function text(label, name, value, usual, _now) {
  return h("label", { class: "type" }, `${label} `, h("input", { value, size: "8", maxlength: "512", title: "A type of event",
    onchange: (/** @type {any} */ event) => go(same({ [name]: event.target.value === usual ? null : event.target.value })) }));
}

/** @type {Map<string, string>} */
const FILTER_NAMES = new Map([["query", "query is"], ["query_prefix", "query begins with"], ["query_regex", "query matches"], ["user", "user is"], ["sort_field", "sorted by"]]);

/** The filters that are on. @param {State} now */
function chips(now) {
  return [...FILTERS, ...declared(now)].filter((name) => now[name]).map((name) =>
    h("span", { class: "chip" }, `${FILTER_NAMES.get(name) ?? `${name} =`} `, h("b", null, now[name]),
      h("button", { type: "button", "aria-label": `Remove the filter ${name}`, onclick: () => go(same({ [name]: null })) }, "×")));
}

/** @param {State} now */
function adder(now) {
  const names = [...FILTERS, ...new Set([...paths, ...declared(now)])];
  const which = h("select", { "aria-label": "Filter by" }, names.map((name) => h("option", { value: name }, FILTER_NAMES.get(name) ?? `${name} =`)));
  const value = h("input", { id: "filter", type: "search", placeholder: "filter   /", size: "14", "aria-label": "Value of the filter",
    onkeydown: (/** @type {KeyboardEvent} */ event) => {
      if (event.key === "Enter" && value.value) go(same({ [which.value]: value.value }));
    } });
  return h("span", { class: "adder" }, which, value);
}

const THEMES = ["auto", "light", "dark"];

/** As the system has it, or chosen here. */
export function applyTheme() {
  const chosen = localStorage.getItem("clickstream-theme") ?? "auto";
  if (chosen === "auto") document.documentElement.removeAttribute("data-theme");
  else document.documentElement.setAttribute("data-theme", chosen);
  dispatchEvent(new Event("theme"));
  return chosen;
}

function themeButton() {
  const button = h("button", { type: "button", class: "small", onclick: () => {
    const next = THEMES[(THEMES.indexOf(localStorage.getItem("clickstream-theme") ?? "auto") + 1) % THEMES.length];
    localStorage.setItem("clickstream-theme", next);
    button.textContent = applyTheme();
  }, "aria-label": "Colours: auto, light or dark" }, localStorage.getItem("clickstream-theme") ?? "auto");
  return button;
}
