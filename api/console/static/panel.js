// A panel: a heading, what it loads, and what it says when there is nothing or something went wrong.

import { ApiError, saveCsv } from "./api.js";
import { h, say } from "./dom.js";

const AGAIN_MS = 2000;

/**
 * What a view is made of: its panels load and load again together.
 * @typedef {{load: () => Promise<void>}} Loading
 */
export class View {
  constructor() {
    /** @type {Loading[]} */
    this.loadings = [];
    /** Done when the first of them is: all at once would make what people look at first as late as the last. */
    this.firstDone = Promise.resolve();
    this.controller = new AbortController();
  }

  get signal() {
    return this.controller.signal;
  }

  /** Ask again for everything, without taking away what is there. */
  async refresh() {
    const [first, ...others] = this.loadings;
    await first?.load();
    await Promise.all(others.map((each) => each.load()));
  }

  end() {
    this.controller.abort();
  }

  /**
   * @param {object} options
   * @param {string} options.title
   * @param {string} [options.hint] what the heading does not say
   * @param {string} [options.wide] a class that says how wide it is
   * @param {[string, () => Record<string, any>, string]} [options.csv] path, parameters, file name
   * @param {Node | null} [options.more] beside the heading
   * @param {() => Promise<Node>} options.load
   */
  panel({ title, hint, wide, csv, more, load }) {
    const body = h("div", { class: "body" }, h("p", { class: "muted" }, "…"));
    const id = `panel-${title.toLowerCase().replace(/[^a-z0-9]+/g, "-")}`;
    const section = h(
      "section",
      { class: `panel ${wide ?? ""}`, "aria-labelledby": id, "aria-busy": "true" },
      h(
        "div",
        { class: "head" },
        h("h2", { id, title: hint }, title),
        hint ? h("span", { class: "hint" }, hint) : null,
        h("span", { class: "tools" }, more, csv ? csvButton(csv[0], csv[1], csv[2], title) : null),
      ),
      body,
    );
    this.loading(section, body, load);
    return section;
  }

  /**
   * Fill `body` with what `load` makes, now and at each refresh. `busy` says while it is under way.
   * @param {Element} busy @param {Element} body @param {() => Promise<Node>} load
   */
  loading(busy, body, load) {
    let latest = 0;
    busy.setAttribute("aria-busy", "true");
    const run = async () => {
      const mine = ++latest;
      busy.setAttribute("aria-busy", "true");
      let content;
      try {
        content = await load();
      } catch (error) {
        if (this.signal.aborted) return;
        content = problem(error);
        if (error instanceof ApiError && error.isBehind) {
          content = nothing("What was just sent is not all stored yet: asked again in a moment.");
          setTimeout(() => mine === latest && !this.signal.aborted && void run(), AGAIN_MS);
        }
      }
      if (mine !== latest || this.signal.aborted) return;
      body.replaceChildren(content);
      busy.removeAttribute("aria-busy");
    };
    if (this.loadings.length) void this.firstDone.then(run);
    else this.firstDone = run();
    this.loadings.push({ load: run });
  }
}

/** An error, as what it is. @param {unknown} error */
export function problem(error) {
  const text = error instanceof Error ? error.message : String(error);
  const status = error instanceof ApiError && error.status ? ` (${error.status})` : "";
  if (!(error instanceof ApiError)) console.error(error);
  return h("p", { class: "problem", role: "alert" }, `${text}${status}`);
}

/** What a view says that does not take the filters. @param {boolean} isFiltered */
export const leavesOutFilters = (isFiltered) =>
  isFiltered ? [h("p", { class: "muted", role: "note" }, "The filters are not applied here: this is of all searches of the range.")] : [];

/** @param {...(Node | string)} children */
export const nothing = (...children) => h("p", { class: "muted nothing" }, ...children);

/** Loads further rows; when that fails, it says so and can be tried again. @param {() => Promise<void>} load */
export function moreButton(load) {
  const button = h("button", { type: "button", class: "small" }, "More");
  const place = h("p", null, button);
  button.addEventListener("click", async () => {
    button.disabled = true;
    place.replaceChildren(button);
    try {
      await load();
    } catch (error) {
      button.disabled = false;
      place.append(problem(error));
    }
  });
  return place;
}

/** What part of the searches an answer is of, if not of all. @param {any} answer */
export const sampled = ({ sample }) => (sample ? h("p", { class: "muted" }, `Of one in ${sample.one_of} ${sample.of}, not scaled up.`) : null);

/** @param {string} path @param {() => Record<string, any>} params @param {string} name @param {string} of */
export function csvButton(path, params, name, of) {
  return h(
    "button",
    {
      type: "button",
      class: "small",
      "aria-label": `${of} as CSV`,
      onclick: async () => {
        try {
          const isWhole = await saveCsv(path, params(), name);
          say(`${name}.csv saved${isWhole ? "" : ": the first rows of it, there are more"}`);
        } catch (error) {
          say(error instanceof Error ? error.message : String(error));
        }
      },
    },
    "CSV",
  );
}
