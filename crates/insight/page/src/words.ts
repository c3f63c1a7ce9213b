// Numbers and names as people read them.

import type { Hint, State, Story, LinkState } from "./api";

/** A time in seconds. */
export function span(seconds: number): string {
  if (seconds < 1e-6) return `${Math.round(seconds * 1e9)} ns`;
  if (seconds < 1e-3) return `${(seconds * 1e6).toFixed(1)} µs`;
  if (seconds < 1) return `${(seconds * 1e3).toFixed(1)} ms`;
  if (seconds < 120) return `${seconds.toFixed(1)} s`;
  if (seconds < 7200) return `${Math.floor(seconds / 60)} min ${Math.floor(seconds % 60)} s`;
  return `${Math.floor(seconds / 3600)} h ${Math.floor((seconds % 3600) / 60)} min`;
}

const whole = new Intl.NumberFormat("en", { maximumFractionDigits: 0 });

export function count(n: number): string {
  return whole.format(n);
}

/** So many in a second. */
export function rate(n: number): string {
  return n === 0 || n >= 10 ? `${whole.format(n)}/s` : `${n.toFixed(1)}/s`;
}

export const STATES: Record<State | Story["state"], string> = {
  unfired: "not fired",
  runs: "runs",
  paused: "paused",
  waits: "waits",
  failed: "failed",
  value: "has a value",
  gone: "through",
  circle: "told above",
};

export const HINTS: Record<Hint, { short: string; long: string }> = {
  "lost-trigger": {
    short: "nobody can fire it",
    long: "Whoever could have fired it has let go of it.",
  },
  "waits-on-itself": {
    short: "waits on itself",
    long: "It waits, in the end, for its own result.",
  },
  paused: {
    short: "left paused",
    long: "It has a result, and is held up until somebody unpauses it.",
  },
  "not-waited-for": {
    short: "not waited for",
    long: "It was made inside a link of another Deferred, which went on without it: a forgotten return?",
  },
};

/** A sign for each end of a link, beside its colour. */
export const SIGNS: Record<LinkState, string> = {
  value: "✓",
  handled: "✓",
  failed: "✗",
  passed: "–",
  waits: "…",
  runs: "▶",
  handed: "→",
  ahead: "○",
};

/** A path, cut at the front, where it says least. */
export function tail(text: string, length: number): string {
  return text.length > length ? `…${text.slice(text.length - length + 1)}` : text;
}
