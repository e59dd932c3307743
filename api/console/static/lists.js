// The work lists: what each asks for, and its columns.

import { h } from "./dom.js";
import { count, decimal, percent, queryText } from "./format.js";
import { href } from "./state.js";
import { link, rate } from "./table.js";

/** @typedef {import("./table.js").Column} Column */
/** @typedef {import("./table.js").Row} Row */
/**
 * @typedef {object} List
 * @property {string} title
 * @property {string} hint
 * @property {string} path
 * @property {string} rows the name of the rows in the answer
 * @property {Record<string, any>} params
 * @property {Column[]} columns those of the overview
 * @property {Column[]} more further ones of the whole list
 * @property {string} none what it means that there is none
 * @property {boolean} [sorts] whether it can be sorted by another metric
 * @property {boolean} [counts] whether it depends on the event type
 */

/** @type {Column} */
const QUERY = { label: "Query", text: true, cell: (row) => link(queryText(row.search_query), href({ view: "query", q: row.search_query })) };
/** @type {Column} */
const SEARCHES = { label: "Searches", cell: (row) => count(row.sessions), sort: "sessions" };
/** @type {Column} */
const CTR = {
  label: "CTR",
  title: "Session CTR: searches with a click / searches",
  cell: (row) => rate(row, "session_ctr", "sessions_with_click", "sessions"),
  bar: (row) => row.session_ctr,
  sort: "session_ctr",
};
/** @type {Column} */
const NO_RESULT = { label: "No result", cell: (row) => rate(row, "zero_result_rate", "zero_result_sessions", "sessions"), sort: "zero_result_rate" };
/** @type {Column} */
const NO_CLICK = { label: "No click", title: "Of searches with results", cell: (row) => rate(row, "no_click_rate", "sessions_without_click", "sessions_with_results"), sort: "no_click_rate" };
/** @type {Column} */
const MRR = { label: "MRR", cell: (row) => decimal(row.mean_reciprocal_rank), sort: "mean_reciprocal_rank" };
/** @type {Column} */
const SHOWN = { label: "Results shown", cell: (row) => count(row.impressions), sort: "impressions", from: "wide" };
/** @type {Column} */
const CLICKS = { label: "Clicks", cell: (row) => count(row.clicks), sort: "clicks", from: "wide" };
/** @type {Column} */
const INTERVAL = {
  label: "95 % interval",
  cell: (row) => (row.session_ctr_low === null ? "" : `${percent(row.session_ctr_low)} – ${percent(row.session_ctr_high)}`),
  from: "wide",
};

/** @type {Column[]} */
export const OBJECT_COLUMNS = [
  { label: "Object", text: true, cell: (row) => h("code", null, row.object_id) },
  { label: "Shown", cell: (row) => count(row.impressions) },
  { label: "Clicked", cell: (row) => count(row.clicked_impressions) },
  { label: "CTR", title: "Results clicked / results shown", cell: (row) => rate(row, "position_ctr", "clicked_impressions", "impressions"), bar: (row) => row.position_ctr },
  { label: "Vs. position", title: "Clicks over the clicks that its positions get on average: 1 is as expected", cell: (row) => decimal(row.position_adjusted_ctr) },
];

const QUERIES = { path: "analytics/queries", rows: "queries", counts: true };

/** @type {Record<string, List>} */
export const LISTS = {
  no_result: {
    ...QUERIES,
    title: "No result",
    hint: "searches whose list was empty",
    params: { list: "no_result" },
    columns: [QUERY, { label: "Failed", cell: (row) => count(row.zero_result_sessions) }, { ...NO_RESULT, label: "Of all", bar: (row) => row.zero_result_rate }],
    more: [SEARCHES],
    none: "Every search of this range found something.",
  },
  low_ctr: {
    ...QUERIES,
    title: "Low CTR",
    hint: "for certain below the CTR of all searches",
    params: { list: "low_ctr" },
    columns: [QUERY, SEARCHES, CTR],
    more: [INTERVAL, NO_RESULT, NO_CLICK, MRR],
    none: "No query is for certain below the average.",
  },
  no_click: {
    ...QUERIES,
    title: "No click",
    hint: "twice or more with results, and never a click",
    params: { list: "no_click" },
    columns: [QUERY, SEARCHES, { label: "With results", cell: (row) => count(row.sessions_with_results) }],
    more: [SHOWN],
    none: "No query found something twice or more and was never clicked.",
  },
  never_clicked: {
    title: "Never clicked",
    hint: "objects shown most of those without a click",
    path: "analytics/objects",
    rows: "objects",
    counts: true,
    params: { list: "never_clicked" },
    columns: OBJECT_COLUMNS.slice(0, 2),
    more: [],
    none: "Every object that was shown was clicked.",
  },
  rising: {
    ...QUERIES,
    title: "Rising",
    hint: "asked more often than in the period before",
    params: { list: "rising" },
    columns: [
      QUERY,
      SEARCHES,
      { label: "Before", cell: (row) => count(row.previous_sessions) },
      { label: "More", cell: (row) => `+${count(row.sessions - row.previous_sessions)}` },
    ],
    more: [CTR, NO_RESULT],
    none: "No query was asked more often than in the period before.",
  },
  next: {
    title: "Searched again",
    hint: "the same user's next search, within 5 minutes",
    path: "analytics/next_queries",
    rows: "queries",
    params: {},
    columns: [
      {
        label: "From → to",
        text: true,
        cell: (row) =>
          h("span", null, link(queryText(row.search_query), href({ view: "query", q: row.search_query })), " → ", link(queryText(row.next_query), href({ view: "query", q: row.next_query }))),
      },
      { label: "Times", cell: (row) => count(row.sessions) },
    ],
    more: [
      { label: "Users", cell: (row) => count(row.users) },
      { label: "Typed on", title: "Of these, in one typing run: within 30 s, and one text extends or edits the other", cell: (row) => count(row.reformulated_sessions) },
      { label: "First found nothing", cell: (row) => count(row.zero_result_sessions) },
    ],
    none: "Nobody searched twice within 5 minutes (searches need a user_id to be told).",
  },
  top: {
    ...QUERIES,
    title: "All queries",
    hint: "searched most",
    params: {},
    columns: [QUERY, SEARCHES, CTR],
    more: [INTERVAL, ...[NO_RESULT, NO_CLICK, MRR, SHOWN, CLICKS].map((each) => ({ ...each, from: "wide" }))],
    none: "No searches in this range.",
    sorts: true,
  },
  objects: {
    title: "All objects",
    hint: "clicked most",
    path: "analytics/objects",
    rows: "objects",
    counts: true,
    params: { list: "top" },
    columns: OBJECT_COLUMNS.slice(0, 4),
    more: OBJECT_COLUMNS.slice(4),
    none: "Nothing was shown in this range.",
  },
};
