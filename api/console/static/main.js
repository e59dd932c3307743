// The page: an address → a view. Everything else is in the modules named for it.

import { ask, fresh, key } from "./api.js";
import { h, say } from "./dom.js";
import { experiments } from "./experiments.js";
import { overview } from "./overview.js";
import { View } from "./panel.js";
import { pipeline } from "./pipeline.js";
import { queries } from "./queries.js";
import { query } from "./query.js";
import { session } from "./session.js";
import { sessions } from "./sessions.js";
import { follow, go, href, onChange, state } from "./state.js";
import { applyTheme, learn, top } from "./top.js";

/** @type {Record<string, (view: View, now: import("./state.js").State) => Node[]>} */
const VIEWS = { overview, queries, query, sessions, session, experiments, pipeline };

/** Of views without a heading of their own. @type {Record<string, string>} */
const TITLES = { overview: "Overview", queries: "Work lists", sessions: "Sessions", experiments: "Experiments", pipeline: "Pipeline" };

const EVERY_MS = 60_000;

const header = /** @type {HTMLElement} */ (document.getElementById("top"));
const main = /** @type {HTMLElement} */ (document.getElementById("view"));

/** @type {View | null} */
let current = null;

function render() {
  const isFirst = current === null;
  current?.end();
  current = new View();
  const now = state();
  const name = now.view in VIEWS ? now.view : "overview";
  document.title = `${now.q || now.id || TITLES[name] || name} · clickstream`;
  fresh.begin();
  drawHeader();
  main.className = `view-${name}`;
  main.replaceChildren(...(name in TITLES ? [h("h1", { class: "unseen" }, TITLES[name])] : []), ...VIEWS[name](current, now));
  if (!isFirst && document.activeElement === document.body) main.focus({ preventScroll: true });
  if (name === "experiments" || name === "session") noteFreshness();
}

/** Made anew; who uses the keyboard stays where he is. */
function drawHeader() {
  const label = header.contains(document.activeElement) ? document.activeElement?.getAttribute("aria-label") : null;
  header.replaceChildren(...top(state(), { refresh }));
  if (label) /** @type {HTMLElement | null} */ (header.querySelector(`[aria-label="${CSS.escape(label)}"]`))?.focus();
}

/** Of a view whose answers do not say it. */
function noteFreshness() {
  ask("analytics/query", { metric: "sessions", from: Date.now() - 1, to: Date.now() }, current?.signal).catch(() => {});
}

function refresh() {
  fresh.begin();
  if (state().view === "experiments") noteFreshness();
  void current?.refresh();
}

/** Where keys are on: ask for one, and keep it in this tab. @param {string} why */
function askForKey(why) {
  if (document.getElementById("key-dialog")) return;
  const input = h("input", { type: "password", required: true, autocomplete: "off", "aria-label": "Key", size: "40" });
  const dialog = h("dialog", { id: "key-dialog", "aria-labelledby": "key-title" },
    h("form", { method: "dialog", onsubmit: (/** @type {Event} */ event) => {
      event.preventDefault();
      key.set(input.value.trim());
      dialog.remove();
      start();
    } },
      h("h2", { id: "key-title" }, "A key, please"),
      h("p", null, "This server asks for a key with the right ", h("code", null, "read"), ". To mark sessions it takes one with ", h("code", null, "marks"), " too, such as an admin key. It is kept in this tab alone."),
      why && key.get() ? h("p", { class: "problem" }, why) : null,
      h("p", null, input, " ", h("button", { type: "submit", class: "main" }, "Use it"))));
  document.body.append(dialog);
  dialog.addEventListener("cancel", () => dialog.remove());
  dialog.showModal();
}

function start() {
  render();
  learn().then(drawHeader, () => {});
}

addEventListener("key-needed", (event) => askForKey(/** @type {CustomEvent} */ (event).detail));
document.addEventListener("click", follow);
document.addEventListener("keydown", (event) => {
  const typing = /** @type {Element} */ (event.target).closest("input, select, textarea");
  if (typing || event.metaKey || event.ctrlKey || event.altKey) return;
  if (event.key === "r") {
    refresh();
    say("Asked again");
  } else if (event.key === "/") {
    event.preventDefault();
    document.getElementById("filter")?.focus();
  } else if ("12345".includes(event.key)) {
    go(href({ view: [null, "queries", "sessions", "experiments", "pipeline"][Number(event.key) - 1] }));
  }
});
setInterval(() => {
  if (document.visibilityState === "visible") refresh();
}, EVERY_MS);
onChange(render);
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => dispatchEvent(new Event("theme")));
applyTheme();
start();
