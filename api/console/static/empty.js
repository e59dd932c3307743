// What to do when there is nothing to show.

import { ask, post } from "./api.js";
import { h, say } from "./dom.js";
import { count } from "./format.js";
import { problem } from "./panel.js";
import { FILTERS, declared, go, href, same } from "./state.js";

/** @typedef {{version: string, can_write: boolean, has_sample: boolean}} Server */

/** @type {Promise<Server> | null} */
let told = null;
/** What this process can do. */
export const server = () => (told ??= fetch("console/server.json").then((response) => response.json()));

/** @param {import("./panel.js").View} view @param {import("./state.js").State} now */
export async function empty(view, now) {
  const { rows } = await ask("analytics/query", { metric: "sessions" }, view.signal);
  const stored = rows[0].sessions;
  if (stored) {
    const filtered = [...FILTERS, ...declared(now)].filter((name) => now[name]);
    return h(
      "div",
      { class: "empty" },
      h("h2", null, "No searches here"),
      h("p", null, `There are ${count(stored)} searches in all, but none in this range${filtered.length ? " that match the filters" : ""}.`),
      h("p", null,
        h("a", { href: href({ range: "90d", from: null, to: null }) }, "Show 90 days"),
        filtered.length ? h("a", { href: same(Object.fromEntries(filtered.map((name) => [name, null]))) }, "Remove the filters") : null),
    );
  }
  return first(await server());
}

/** @param {Server} server */
function first(server) {
  const at = location.origin + location.pathname.replace(/\/$/, "");
  const body = '{"session_id": "mine", "search_query": "red shoes", "search_results": [{"object_id": "a"}, {"object_id": "b"}]}';
  const click = '{"session_id": "mine", "events": [{"event_id": "1", "object_id": "b", "event_type": "click"}]}';
  const header = "-H 'Content-Type: application/json'";
  return h(
    "div",
    { class: "empty" },
    h("h2", null, "No searches yet"),
    h("p", null, "Send your first search, and a click on its second result:"),
    h("pre", { tabindex: "0", class: "wrap" }, `curl ${at}/session ${header} -d '${body}'\ncurl ${at}/session/events ${header} -d '${click}'`),
    server.can_write ? null : h("p", { class: "muted" }, "This process only reads: send them to the edge."),
    server.has_sample ? sample() : null,
  );
}

/** The sample month, sent from here as any client would. */
function sample() {
  const bar = h("progress", { max: "1", value: "0", hidden: true, "aria-label": "Sample data sent" });
  const place = h("p", { class: "muted" }, "A month of an imaginary shop, of users named sample-user-000 and so on. ", h("code", null, "clickstream demo --remove"), " deletes it again.");
  const button = h("button", { type: "button", class: "main" }, "Load sample data");
  const sent = h("span", { class: "muted" });
  button.addEventListener("click", async () => {
    button.disabled = true;
    bar.hidden = false;
    try {
      await loadSample((share) => {
        bar.value = share;
        sent.textContent = ` ${Math.floor(100 * share)} % sent`;
      });
      say("Sample data loaded");
      go(href({}));
    } catch (error) {
      place.replaceChildren(problem(error));
      button.disabled = false;
    }
  });
  return h("div", null, h("p", null, "Or look around first:"), h("p", null, button, " ", bar, sent), place);
}

const AT_ONCE = 6;

/** @param {(share: number) => void} progress */
async function loadSample(progress) {
  const text = await (await fetch("console/sample.ndjson")).text();
  /** @type {Map<string, {path: string, body: any}[]>} */
  const sessions = new Map();
  for (const line of text.trim().split("\n")) {
    const made = JSON.parse(line);
    const id = made.body.session_id;
    sessions.set(id, [...(sessions.get(id) ?? []), made]);
  }
  // Marks last: they wait until their session can be read.
  const all = [...sessions.values()];
  const waiting = all.map((posts) => posts.filter((each) => !each.path.endsWith("irrelevant")));
  const marks = all.map((posts) => posts.filter((each) => each.path.endsWith("irrelevant"))).filter((posts) => posts.length);
  const total = all.length + marks.length;
  let done = 0;
  for (const jobs of [waiting, marks]) {
    const next = jobs[Symbol.iterator]();
    await Promise.all(
      Array.from({ length: AT_ONCE }, async () => {
        for (const posts of next) {
          for (const { path, body } of posts) await post(path.slice(1), body);
          progress(++done / total);
        }
      }),
    );
  }
}
