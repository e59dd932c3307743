// Tables of answers.

import { h } from "./dom.js";
import { NONE, count, decimal, duration, percent } from "./format.js";

/** @typedef {Record<string, any>} Row */
/**
 * @typedef {object} Column
 * @property {string} label
 * @property {(row: Row) => import("./dom.js").Child | import("./dom.js").Child[]} cell
 * @property {boolean} [text] left-aligned
 * @property {boolean} [long] a sentence, in lines
 * @property {string} [title] what the heading means
 * @property {(row: Row) => number | null} [bar] a share of the cell's width, from 0 to 1
 * @property {string} [sort] what sorting by it is called
 * @property {string} [from] the width from which it is shown: `wide`
 */

/**
 * @param {string} caption for screen readers
 * @param {Column[]} columns
 * @param {Row[]} rows
 * @param {{sorted?: string, ascending?: boolean, onsort?: (name: string) => void}} [sorting]
 */
export function table(caption, columns, rows, sorting = {}) {
  const head = columns.map((column) => {
    const attributes = { class: classOf(column), title: column.title, scope: "col" };
    if (!column.sort || !sorting.onsort) return h("th", attributes, column.label);
    const is = column.sort === sorting.sorted;
    const name = column.sort;
    return h(
      "th",
      { ...attributes, "aria-sort": is ? (sorting.ascending ? "ascending" : "descending") : "none" },
      h("button", { type: "button", class: "sort", onclick: () => sorting.onsort?.(name) },
        column.label, is ? (sorting.ascending ? " ↑" : " ↓") : ""),
    );
  });
  return h(
    "div",
    { class: "scroll", tabindex: "0", role: "group", "aria-label": caption },
    h(
      "table",
      // Headings that sort must stay.
      { class: sorting.onsort ? null : "stacks" },
      h("caption", { class: "unseen" }, caption),
      h("thead", null, h("tr", null, head)),
      h("tbody", null, rows.map((row) => h("tr", { class: row.is_irrelevant ? "irrelevant" : null }, columns.map((column) => cell(column, row))))),
    ),
  );
}

/** @param {Column} column @param {Row} row */
function cell(column, row) {
  // Where it is narrow, a row is a block, and each cell has its name beside it.
  const made = h("td", { class: classOf(column), "data-label": column.label }, column.cell(row));
  const share = column.bar?.(row);
  if (share) {
    made.classList.add("share");
    made.style.setProperty("--share", `${(100 * Math.min(1, share)).toFixed(1)}%`);
  }
  return made;
}

/** @param {Column} column */
const classOf = (column) => [column.text ? "text" : "number", column.long ? "long" : "", column.from ?? ""].filter(Boolean).join(" ");

/** A query text as a link to its page. @param {string} text @param {string} to */
export const link = (text, to) => h("a", { href: to, title: text.length > 40 ? text : null }, text === "" ? h("i", null, "(empty text)") : text);

/** A rate with what it is made of. @param {Row} row @param {string} name @param {string} numerator @param {string} denominator */
export function rate(row, name, numerator, denominator) {
  const low = row[`${name}_low`];
  const interval = low === null || low === undefined ? "" : ` · 95 %: ${percent(low)} to ${percent(row[`${name}_high`])}`;
  return h("span", { title: `${count(row[numerator])} of ${count(row[denominator])}${interval}` }, percent(row[name]));
}

/** The value of a metric in its unit. @param {any} metric of the catalogue @param {number | null | undefined} value */
export function valueOf(metric, value) {
  if (value === null || value === undefined) return NONE;
  if (metric.kind === "rate" || metric.kind === "distribution") return percent(value);
  if (metric.unit === "milliseconds") return duration(value);
  return metric.kind === "count" ? count(value) : decimal(value);
}
