// Numbers and times as text, each with its unit.

const counts = new Intl.NumberFormat("en");
const compact = new Intl.NumberFormat("en", { notation: "compact", maximumFractionDigits: 1 });

/** Nothing to divide by. */
export const NONE = "–";

/** @param {number | null | undefined} value */
export const count = (value) => (value === null || value === undefined ? NONE : counts.format(value));

/** A query text whose blanks at its ends are seen: it is another text than without. @param {string} text */
export const queryText = (text) => (text === "" ? "(empty text)" : text.replace(/^\s+|\s+$/g, (blanks) => "␠".repeat(blanks.length)));

/** It begins with a capital. @param {string} text */
export const sentence = (text) => text.charAt(0).toUpperCase() + text.slice(1);

/** With its word, which takes an s for all but one. @param {number} value @param {string} word */
export const counted = (value, word) => `${count(value)} ${word}${value === 1 ? "" : "s"}`;

/** Short, for axes. @param {number | null | undefined} value */
export const short = (value) =>
  value === null || value === undefined ? "" : Math.abs(value) < 10_000 ? counts.format(value) : compact.format(value);

/** A share. @param {number | null | undefined} value */
export function percent(value) {
  if (value === null || value === undefined) return NONE;
  const hundredths = value * 100;
  return `${hundredths.toFixed(hundredths !== 0 && Math.abs(hundredths) < 1 ? 2 : 1)} %`;
}

/** @param {number | null | undefined} value */
export const decimal = (value) =>
  value === null || value === undefined ? NONE : value.toFixed(Math.abs(value) < 1 ? 3 : 2);

/** A length of time in milliseconds. @param {number | null | undefined} ms */
export function duration(ms) {
  if (ms === null || ms === undefined) return NONE;
  const sign = ms < 0 ? "−" : "";
  const seconds = Math.abs(ms) / 1000;
  const whole = Math.round(seconds);
  if (seconds < 9.95) return `${sign}${seconds.toFixed(1)} s`;
  if (whole < 60) return `${sign}${whole} s`;
  if (whole < 3600) return `${sign}${Math.floor(whole / 60)} min ${whole % 60} s`;
  if (seconds < 86_400) return `${sign}${(seconds / 3600).toFixed(1)} h`;
  return `${sign}${(seconds / 86_400).toFixed(1)} days`;
}

/** @param {number} p */
export const probability = (p) => (p < 0.001 ? "< 0.001" : p.toFixed(3));

/** @type {Map<string, Intl.DateTimeFormat>} */
const formats = new Map();

/** @param {string} zone @param {Intl.DateTimeFormatOptions} options */
function formatOf(zone, options) {
  const key = zone + JSON.stringify(options);
  let found = formats.get(key);
  if (!found) formats.set(key, (found = new Intl.DateTimeFormat("en-GB", { timeZone: zone, ...options })));
  return found;
}

/** 2026-11-29 @param {number} ms @param {string} zone */
export function day(ms, zone) {
  const parts = Object.fromEntries(
    formatOf(zone, { year: "numeric", month: "2-digit", day: "2-digit" }).formatToParts(ms).map((p) => [p.type, p.value]),
  );
  return `${parts.year}-${parts.month}-${parts.day}`;
}

/** 14:03:21 @param {number} ms @param {string} zone @param {boolean} [seconds] */
export const clock = (ms, zone, seconds = true) =>
  formatOf(zone, { hour: "2-digit", minute: "2-digit", hourCycle: "h23", ...(seconds ? { second: "2-digit" } : {}) }).format(ms);

/** @param {number} ms @param {string} zone */
export const moment = (ms, zone) => `${day(ms, zone)} ${clock(ms, zone)}`;

/** 29 Nov @param {number} ms @param {string} zone */
export const shortDay = (ms, zone) => formatOf(zone, { day: "numeric", month: "short" }).format(ms);

/** When a day begins in a zone, in milliseconds. @param {string} date 2026-11-29 @param {string} zone */
export function midnight(date, zone) {
  let guess = Date.parse(`${date}T00:00:00Z`);
  for (let round = 0; round < 2; round++) {
    const shown = Date.parse(`${day(guess, zone)}T${clock(guess, zone)}Z`);
    guess += Date.parse(`${date}T00:00:00Z`) - shown;
  }
  return guess;
}

/** @param {string} date @param {number} days */
export const addDays = (date, days) => new Date(Date.parse(`${date}T00:00:00Z`) + days * 86_400_000).toISOString().slice(0, 10);
