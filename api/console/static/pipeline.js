// Is it late, is something lost, and does the instrumentation make sense?

import { ApiError, ask, send } from "./api.js";
import { chart } from "./chart.js";
import { h } from "./dom.js";
import { clock, count, duration, percent, sentence, short, shortDay } from "./format.js";
import { leavesOutFilters, nothing, problem } from "./panel.js";
import { granularityOf, href, isFiltered, question, zoneOf } from "./state.js";
import { link, table } from "./table.js";
import { waitingEvents } from "./waiting.js";

/** @typedef {import("./panel.js").View} View */
/** @typedef {import("./state.js").State} State */

const LATE_MS = 60_000;

/** @param {View} view @param {State} now @returns {Node[]} */
export function pipeline(view, now) {
  const tiles = h("section", { class: "tiles", "aria-label": "State of the pipeline" });
  view.loading(tiles, tiles, () => status(view, now));
  return [
    ...leavesOutFilters(isFiltered(now)),
    tiles,
    h("div", { class: "grid" },
      ["sessions", "events"].map((metric) =>
        view.panel({ title: metric === "sessions" ? "Searches" : "Events", hint: "by the time of the search, marked ones too", load: () => throughput(view, now, metric) })),
      view.panel({ title: "Dead letters", hint: "records that could not be processed, by reason", load: () => deadLetters(view) }),
      waitingEvents(view, now),
      view.panel({ title: "Health of the instrumentation", hint: "what is odd about what is sent", wide: "whole", load: () => health(view, now) }),
      tail(view, now)),
  ];
}

/** @param {string} label @param {string} value @param {string} [made] @param {string} [tone] */
const tile = (label, value, made = "", tone = "") =>
  h("div", { class: "tile" }, h("span", { class: "label" }, label), h("span", { class: `value ${tone}` }, value), h("span", { class: "made" }, made));

/** @param {View} view @param {State} now */
async function status(view, now) {
  // Each for itself: when one server is away, this is where one looks.
  const [pipeline, overview, ready] = await Promise.all([
    known(ask("analytics/pipeline", {}, view.signal)),
    known(ask("analytics/overview", question(now), view.signal)),
    fetch("readyz?for=all", { signal: view.signal }).then((response) => response.json()),
  ]);
  return h("div", { class: "tiles-row" },
    tile("Servers", ready.ready ? "ready" : "not ready", ready.reasons.join("; "), ready.ready ? "" : "worse"),
    pipeline.answer ? progress(pipeline.answer) : problem(pipeline.error),
    overview.answer ? waiting(overview.answer) : problem(overview.error));
}

/** @param {Promise<any>} asked @returns {Promise<{answer?: any, error?: unknown}>} */
const known = (asked) => asked.then((answer) => ({ answer }), (error) => ({ error }));

/** @param {any} told */
function progress(told) {
  const behind = told.records_behind && told.as_of !== null ? Math.max(0, Date.now() - told.as_of) : 0;
  const late = behind > LATE_MS || (told.records_behind > 0 && told.workers === 0);
  return [
    tile("Not yet stored", count(told.records_behind), "records in Kafka", late ? "worse" : ""),
    tile("Is it late?", late ? "late" : "no", told.records_behind ? `records wait; the last were stored ${duration(behind)} ago` : "everything accepted is stored", late ? "worse" : ""),
    tile("Workers", count(told.workers), told.workers === 0 ? "no worker is running: nothing is stored" : "in the consumer group", told.workers === 0 ? "worse" : ""),
  ];
}

/** @param {any} all */
function waiting(all) {
  return [
    tile("Waiting events", count(all.unjoined_events), "their session has not come: listed below"),
    tile("Dead letters", count(all.dead_letters), "could not be processed", all.dead_letters ? "worse" : ""),
    tile("Marked irrelevant", count(all.irrelevant_sessions), "sessions of the range"),
  ];
}

/** @param {View} view @param {State} now @param {string} metric */
async function throughput(view, now, metric) {
  const zone = zoneOf(now);
  const granularity = granularityOf(now);
  const { from, to } = question(now);
  const { rows } = await ask("analytics/series", { from, to, granularity, time_zone: zone, metric, relevance: "include" }, view.signal);
  return chart({
    title: metric,
    name: metric,
    time: true,
    zone,
    across: granularity,
    x: rows.map((/** @type {any} */ row) => row.time_ms),
    showX: (at) => (granularity === "hour" ? `${shortDay(at, zone)} ${clock(at, zone, false)}` : shortDay(at, zone)),
    show: count,
    axis: short,
    lines: [{ label: metric === "sessions" ? "searches" : metric, values: rows.map((/** @type {any} */ row) => row[metric]) }],
  });
}

/** @param {View} view */
async function deadLetters(view) {
  const { dead_letters: rows } = await ask("analytics/pipeline", {}, view.signal);
  if (!rows.length) return nothing("None.");
  return h("div", null, table("Dead letters", [
    { label: "Reason", text: true, cell: (row) => h("code", null, row.reason) },
    { label: "Records", cell: (row) => count(row.records) },
    { label: "Latest", text: true, cell: (row) => new Date(row.latest_at).toISOString().slice(0, 19).replace("T", " ") },
  ], rows), h("p", { class: "muted" }, h("code", null, "clickstream dlq show"), " has each with its bytes; ", h("code", null, "clickstream dlq replay"), " sends them again."));
}

/** @param {View} view @param {State} now */
async function health(view, now) {
  const { from, to } = question(now);
  const told = await ask("analytics/health", { from, to }, view.signal);
  const rows = told.checks.filter((/** @type {any} */ row) => row.is_found);
  if (!rows.length) return nothing(`Nothing odd in this range: ${count(told.checks.length)} checks.`);
  return table("Findings", [
    { label: "Finding", text: true, long: true, cell: (row) => [h("b", null, sentence(row.finding.replaceAll("_", " "))), h("div", null, row.meaning)] },
    { label: "Cases", cell: (row) => `${count(row.cases)} of ${count(row.total)}` },
    { label: "Share", title: "A finding above its threshold", cell: (row) => h("span", { title: `threshold ${percent(row.threshold)}` }, percent(row.share)) },
    { label: "What to do", text: true, long: true, cell: (row) => row.what_to_do },
    { label: "Examples", text: true, long: true, cell: (row) => h("ul", { class: "examples" }, row.examples.map((/** @type {string} */ each) => h("li", null, h("code", null, each)))) },
  ], rows);
}

const LINES = 200;

/** What comes now. @param {View} view @param {State} now */
function tail(view, now) {
  const zone = zoneOf(now);
  const lines = h("tbody", null);
  const button = h("button", { type: "button", class: "small" }, "Watch");
  const place = h("div", null, nothing("What is accepted, joined, waiting or refused, as it happens."));
  /** @type {AbortController | null} */
  let stop = null;
  view.signal.addEventListener("abort", () => stop?.abort());
  button.addEventListener("click", async () => {
    if (stop) {
      stop.abort();
      return;
    }
    stop = new AbortController();
    button.textContent = "Stop";
    place.replaceChildren(h("div", { class: "scroll tall", tabindex: "0", role: "group", "aria-label": "Records, the latest first" },
      h("table", null, h("thead", null, h("tr", null, ["Time", "State", "What", "Session", "Object or query"].map((name) => h("th", { class: "text", scope: "col" }, name)))), lines)));
    try {
      for await (const record of records(stop.signal)) {
        lines.prepend(h("tr", null, [clock(record.at, zone), record.state, record.event_type ?? record.kind ?? `${count(record.records)} not shown`, record.session_id ? link(record.session_id, href({ view: "session", id: record.session_id })) : "",
          record.error ?? record.object_id ?? record.search_query ?? ""].map((content) => h("td", { class: "text" }, content))));
        while (lines.children.length > LINES) lines.lastChild?.remove();
      }
    } catch (error) {
      if (!stop.signal.aborted) place.replaceChildren(error instanceof ApiError && error.status === 404 ? nothing("This server has no live tail.") : problem(error));
    }
    stop = null;
    button.textContent = "Watch";
  });
  return h("section", { class: "panel whole", "aria-label": "Live tail" }, h("div", { class: "head" }, h("h2", null, "Live tail"), h("span", { class: "tools" }, button)), h("div", { class: "body" }, place));
}

/** Server-sent events, read with fetch: EventSource cannot send a key. @param {AbortSignal} signal @returns {AsyncGenerator<any>} */
async function* records(signal) {
  const response = await send("events/tail", { signal });
  const reader = /** @type {ReadableStream<Uint8Array>} */ (response.body).getReader();
  const decoder = new TextDecoder();
  let rest = "";
  for (;;) {
    const { value, done } = await reader.read();
    if (done) return;
    const lines = (rest + decoder.decode(value, { stream: true })).split("\n");
    rest = lines.pop() ?? "";
    for (const line of lines) if (line.startsWith("data: ")) yield JSON.parse(line.slice(6));
  }
}
