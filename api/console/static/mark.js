// The button that leaves a session out of every number, or takes it back.

import { ApiError, key, post } from "./api.js";
import { h, say } from "./dom.js";

/**
 * @param {string} sessionId @param {boolean} isIrrelevant
 * @param {() => Promise<void>} after asks again for everything on the page
 */
export function markButton(sessionId, isIrrelevant, after) {
  const text = isIrrelevant ? "Count again" : "Mark irrelevant";
  const button = h(
    "button",
    { type: "button", class: "small", "aria-label": `${text}: session ${sessionId}` },
    text,
  );
  button.addEventListener("click", async () => {
    button.disabled = true;
    try {
      await post("session/irrelevant", { session_id: sessionId, irrelevant: !isIrrelevant });
      say(isIrrelevant ? "The session counts again" : "The session is left out of every number");
      await after();
    } catch (error) {
      button.disabled = false;
      button.after(h("span", { class: "problem", role: "alert" }, why(error)));
    }
  });
  return button;
}

/** @param {unknown} error */
function why(error) {
  if (!(error instanceof ApiError)) return String(error);
  if (error.status === 404 || error.status === 405) return " This process only reads: open the console of the edge.";
  if (error.status === 403 && key.get()) return " This key may not mark: enter one with the right `marks`, `write` or `admin`.";
  return ` ${error.message}`;
}
