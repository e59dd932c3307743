// Lines over time or position: uPlot's canvas, the same as a table, as CSV, and by arrow keys.

import { saveText } from "./api.js";
import { h, say } from "./dom.js";
import { NONE } from "./format.js";
import { table } from "./table.js";

/**
 * @typedef {object} Line
 * @property {string} label
 * @property {(number | null)[]} values
 * @property {(number | null)[]} [low] of the interval
 * @property {(number | null)[]} [high]
 * @property {boolean} [dashed]
 * @property {boolean} [second] in the second colour
 */
/**
 * @typedef {object} Drawing
 * @property {string} title
 * @property {string} name of the CSV file
 * @property {number[]} x
 * @property {boolean} time whether x is milliseconds, else a position
 * @property {string} zone
 * @property {string} across the heading of x
 * @property {(x: number) => string} showX
 * @property {(value: number | null) => string} show
 * @property {(value: number) => string} [axis] shorter
 * @property {Line[]} lines
 */

const HEIGHT = 170;

/** @param {Drawing} drawing */
export function chart(drawing) {
  const { title, x, lines, show, showX } = drawing;
  const read = h("p", { class: "readout" });
  const place = h("div", {
    class: "plot",
    tabindex: "0",
    role: "group",
    "aria-label": `Chart: ${title}. ${x.length} points; arrow keys read them, or show the table.`,
  });
  const rows = x.map((at, index) => ({ at, index }));
  const columns = [
    { label: drawing.across, text: true, cell: (/** @type {any} */ row) => showX(row.at) },
    ...lines.flatMap((line) => [
      { label: line.label, cell: (/** @type {any} */ row) => show(line.values[row.index]) },
      ...(line.low && line.high
        ? [{ label: "95 % interval", cell: (/** @type {any} */ row) => interval(line, row.index) }]
        : []),
    ]),
  ];
  /** @param {Line} line @param {number} index */
  function interval(line, index) {
    const low = line.low?.[index] ?? null;
    return low === null ? NONE : `${show(low)} – ${show(line.high?.[index] ?? null)}`;
  }

  /** @param {number} index */
  function tell(index) {
    const text = lines.map((line) => `${line.label} ${show(line.values[index])}`).join(" · ");
    read.replaceChildren(h("b", null, showX(x[index])), ` ${text}`);
    return `${showX(x[index])}: ${text}`;
  }
  const last = Math.max(0, x.length - 1);
  let cursor = last;
  if (x.length) tell(last);

  /** @type {any} */
  let plot = null;
  const watcher = new ResizeObserver(() => {
    const width = place.clientWidth;
    if (!place.isConnected) {
      plot?.destroy();
      watcher.disconnect();
    } else if (width && plot) plot.setSize({ width, height: HEIGHT });
    else if (width) plot = draw(drawing, place, width, (index) => tell(index ?? last));
  });
  watcher.observe(place);
  addEventListener("theme", function again() {
    if (!place.isConnected) removeEventListener("theme", again);
    else if (plot) {
      plot.destroy();
      plot = draw(drawing, place, place.clientWidth, (index) => tell(index ?? last));
    }
  });

  place.addEventListener("keydown", (event) => {
    const to = { ArrowLeft: cursor - 1, ArrowRight: cursor + 1, Home: 0, End: last }[event.key];
    if (to === undefined || !plot) return;
    event.preventDefault();
    cursor = Math.min(last, Math.max(0, to));
    plot.setCursor({ left: plot.valToPos(x[cursor] / (drawing.time ? 1000 : 1), "x"), top: 10 });
    say(tell(cursor));
  });

  const shown = h("div", { hidden: true }, table(title, columns, rows));
  const toggle = h("button", { type: "button", class: "small", "aria-expanded": "false", "aria-label": `${title} as a table` }, "Table");
  toggle.addEventListener("click", () => {
    shown.hidden = !shown.hidden;
    toggle.setAttribute("aria-expanded", String(!shown.hidden));
  });
  const save = h("button", { type: "button", class: "small", "aria-label": `${title} as CSV`, onclick: () => saveText(csv(drawing), drawing.name) }, "CSV");
  return h("div", { class: "chart" }, h("div", { class: "read" }, read, h("span", { class: "tools" }, toggle, save)), place, shown);
}

/** @param {Drawing} drawing */
function csv({ x, lines, time, across }) {
  const names = [across, ...lines.flatMap((line) => [line.label, ...(line.low ? [`${line.label} low`, `${line.label} high`] : [])])];
  const rows = x.map((at, index) => [
    time ? new Date(at).toISOString() : at,
    ...lines.flatMap((line) => [line.values[index], ...(line.low ? [line.low[index], line.high?.[index]] : [])]),
  ]);
  return [names, ...rows].map((row) => row.map((cell) => (cell ?? "")).join(",")).join("\r\n") + "\r\n";
}

/**
 * @param {Drawing} drawing @param {HTMLElement} place @param {number} width
 * @param {(index: number | null | undefined) => void} hover
 */
function draw(drawing, place, width, hover) {
  const style = getComputedStyle(place);
  const colour = (/** @type {string} */ name) => style.getPropertyValue(name).trim();
  const font = `11px ${style.fontFamily}`;
  const data = [drawing.time ? drawing.x.map((at) => at / 1000) : drawing.x];
  /** @type {any[]} */
  const series = [{}];
  /** @type {any[]} */
  const bands = [];
  drawing.lines.forEach((line) => {
    const stroke = colour(line.second ? "--second" : line.dashed ? "--faint" : "--accent");
    if (line.low && line.high) {
      data.push(/** @type {any} */ (line.high), /** @type {any} */ (line.low));
      series.push({ stroke: "transparent", points: { show: false } }, { stroke: "transparent", points: { show: false } });
      bands.push({ series: [series.length - 2, series.length - 1], fill: colour("--band") });
    }
    data.push(/** @type {any} */ (line.values));
    series.push({
      label: line.label,
      stroke,
      width: line.dashed ? 1.25 : 1.75,
      dash: line.dashed ? [4, 3] : undefined,
      points: { show: drawing.x.length < 3, size: 5 },
    });
  });
  const axis = { stroke: colour("--muted"), font, grid: { stroke: colour("--line"), width: 1 }, ticks: { show: false } };
  /** @param {any} _ @param {number[]} splits */
  const timeLabels = (_, splits) => splits.map((at) => drawing.showX(at * 1000));
  return new /** @type {any} */ (window).uPlot(
    {
      width,
      height: HEIGHT,
      tzDate: (/** @type {number} */ at) => zoned(at, drawing.zone),
      scales: {
        x: { time: drawing.time },
        // From zero: a line that is cut off below tells a change that is none.
        y: { range: (/** @type {any} */ _u, /** @type {number} */ _low, /** @type {number} */ high) => [0, high ? high * 1.08 : 1] },
      },
      legend: { show: false },
      cursor: { y: false, drag: { x: false, y: false }, points: { size: 6 } },
      axes: [
        drawing.time ? { ...axis, size: 28, space: 74, values: timeLabels } : { ...axis, size: 28, incrs: [1, 2, 5, 10] },
        { ...axis, size: 52, values: (/** @type {any} */ _u, /** @type {number[]} */ splits) => splits.map(drawing.axis ?? drawing.show) },
      ],
      series,
      bands,
      hooks: { setCursor: [(/** @type {any} */ u) => hover(u.cursor.idx)] },
    },
    data,
    place,
  );
}

/** A date whose local parts are those of the zone: what uPlot writes at the axis. @param {number} at seconds @param {string} zone */
const zoned = (at, zone) => /** @type {any} */ (window).uPlot.tzDate(new Date(at * 1000), zone);
