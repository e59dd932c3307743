// Questions to the HTTP API, with the key of this tab.

const KEY = "clickstream-key";

/** What the API answered instead of an answer: a problem document (RFC 9457). */
export class ApiError extends Error {
  /** @param {number} status @param {any} problem */
  constructor(status, problem) {
    const said = problem?.errors?.map((/** @type {any} */ e) => `${e.path.replace(/^query\./, "")} ${e.message}`).join("; ");
    super(said || problem?.detail || problem?.title || `the server answered ${status}`);
    this.status = status;
    this.title = problem?.title ?? "";
    /** What was sent from here is stored later than the server waits for it: ask again. */
    this.isBehind = Boolean(problem?.type?.endsWith("sink-behind"));
  }
}

/** Kept while the tab is open, and never in an address. */
export const key = {
  get: () => sessionStorage.getItem(KEY) ?? "",
  /** @param {string} text */
  set: (text) => (text ? sessionStorage.setItem(KEY, text) : sessionStorage.removeItem(KEY)),
};

/** Milliseconds: when the numbers on the page were whole, of the oldest answer since `fresh.begin`. */
export const fresh = {
  /** @type {number | null} */
  asOf: null,
  seen: false,
  begin() {
    this.asOf = null;
    this.seen = false;
  },
  /** @param {number | null} asOf */
  note(asOf) {
    if (this.seen && (this.asOf === null || (asOf !== null && asOf >= this.asOf))) return;
    this.seen = true;
    this.asOf = asOf;
    dispatchEvent(new Event("fresh"));
  },
};

/** @type {Map<string, string>} */
const written = new Map();

/** @param {string} path @param {RequestInit} [options] */
export async function send(path, options = {}) {
  const headers = new Headers(options.headers);
  if (key.get()) headers.set("Authorization", `Bearer ${key.get()}`);
  let response;
  try {
    response = await fetch(path, { ...options, headers, credentials: "same-origin" });
  } catch (error) {
    if (options.signal?.aborted) throw error;
    throw new ApiError(0, { title: "The server does not answer", detail: "The server does not answer: is it running?" });
  }
  if (response.ok) return response;
  let problem = null;
  try {
    problem = await response.json();
  } catch {
    // Not ours: a proxy's page. The status has to do.
  }
  if (response.status === 401) dispatchEvent(new CustomEvent("key-needed", { detail: problem?.detail ?? "" }));
  throw new ApiError(response.status, problem);
}

/** @param {string} path @param {Record<string, any>} params */
export function url(path, params) {
  const asked = new URLSearchParams();
  for (const [name, value] of Object.entries(params)) {
    if (value !== null && value !== undefined && value !== "") asked.set(name, String(value));
  }
  return `${path}?${asked}`;
}

/** @param {string} path @param {Record<string, any>} [params] @param {AbortSignal} [signal] @returns {Promise<any>} */
export async function ask(path, params = {}, signal) {
  // What was written here can be read: the answer waits for it.
  const headers = written.size && path.startsWith("analytics/") ? { "Clickstream-Position": [...written.values()].join(",") } : {};
  const response = await send(url(path, params), { signal, headers: /** @type {any} */ (headers) });
  const answer = await response.json();
  if ("as_of" in answer) fresh.note(answer.as_of);
  return answer;
}

/** @param {string} path @param {unknown} body */
export async function post(path, body) {
  const response = await send(path, {
    method: "POST",
    body: JSON.stringify(body),
    headers: { "Content-Type": "application/json" },
  });
  const position = response.headers.get("Clickstream-Position");
  if (position) written.set(position.slice(0, position.lastIndexOf("@")), position);
  return response.json();
}

const MOST_PAGES = 100;

/**
 * Save an answer as CSV, with the pages that follow it. Whether that is all of it.
 * @param {string} path @param {Record<string, any>} params @param {string} name
 */
export async function saveCsv(path, params, name) {
  const parts = [];
  /** @type {string | null} */
  let next = "";
  while (next !== null && parts.length < MOST_PAGES) {
    const response = await send(url(path, { ...params, format: "csv", cursor: next || null }));
    const text = await response.text();
    // Each page begins with the names of the columns.
    parts.push(parts.length ? text.slice(text.indexOf("\n") + 1) : text);
    next = response.headers.get("Clickstream-Next");
  }
  saveText(parts.join(""), name);
  return next === null;
}

/** @param {string} text @param {string} name */
export function saveText(text, name) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([text], { type: "text/csv" }));
  link.download = `${name}.csv`;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
}
