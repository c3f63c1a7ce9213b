// Asking again and again, and what is known of the program meanwhile.

import { useEffect, useState } from "preact/hooks";
import { ask, Refusal, type Counts, type Overview } from "./api";

/** How long to wait between questions, in milliseconds. */
const PAUSE = 1000;
/** A program is not kept busy with us for more than one part in this many of its time. */
const SHARE = 20;
/** How many overviews are remembered, to draw how rates change. */
const SAMPLES = 60;

export type Reach =
  | { is: "asking" }
  | { is: "live" }
  | { is: "busy"; said: string }
  | { is: "away" };

/** A value that views follow. */
class Followed<T> {
  #value: T;
  #followers = new Set<() => void>();

  constructor(value: T) {
    this.#value = value;
  }

  get(): T {
    return this.#value;
  }

  set(value: T): void {
    this.#value = value;
    for (const follower of this.#followers) follower();
  }

  use(): T {
    const [, again] = useState(0);
    useEffect(() => {
      const follower = () => again((n) => n + 1);
      this.#followers.add(follower);
      follower();
      return () => void this.#followers.delete(follower);
    }, []);
    return this.#value;
  }
}

export const frozen = new Followed(false);
export const reach = new Followed<Reach>({ is: "asking" });
export const overview = new Followed<Overview | null>(null);
export const samples = new Followed<{ at: number; counts: Counts }[]>([]);

export interface Answered<T> {
  data: T | null;
  /** Why there is none, or none that is new. */
  refused: Refusal | null;
}

/** Asks until it is stopped, and hands on each answer. While the page is frozen it asks once. */
function keepAsking<T>(question: string, heard: (answered: Answered<T>) => void): () => void {
  const stop = new AbortController();
  let timer = 0;
  let is_answered = false;
  const next = async () => {
    let pause = PAUSE;
    if (!is_answered || (!frozen.get() && !document.hidden)) {
      const began = performance.now();
      try {
        const data = await ask<T>(question, stop.signal);
        reach.set({ is: "live" });
        // It may have been frozen since.
        if (!is_answered || !frozen.get()) heard({ data, refused: null });
        is_answered = true;
      } catch (error) {
        if (stop.signal.aborted) return;
        if (error instanceof Refusal && error.status !== 503) {
          is_answered = true;
          reach.set({ is: "live" });
          heard({ data: null, refused: error });
        } else {
          reach.set(error instanceof Refusal ? { is: "busy", said: error.message } : { is: "away" });
        }
      }
      pause = Math.max(PAUSE, SHARE * (performance.now() - began));
    }
    timer = window.setTimeout(next, pause);
  };
  void next();
  return () => {
    stop.abort();
    window.clearTimeout(timer);
  };
}

/**
 * The newest answer to a question. After a refusal, the last answer stays beside it; and that of the
 * question before stays until there is another.
 */
export function useAnswer<T>(question: string): Answered<T> & { is_busy: boolean } {
  const [heard, set] = useState<Answered<T> & { question: string }>({
    question: "",
    data: null,
    refused: null,
  });
  useEffect(() => {
    let last: T | null = null;
    return keepAsking<T>(question, ({ data, refused }) => {
      last = data ?? last;
      set({ question, data: last, refused });
    });
  }, [question]);
  return { ...heard, is_busy: heard.question !== question };
}

/** What the whole page shows, whichever view is open. */
export function followOverview(): () => void {
  return keepAsking<Overview>("now", ({ data }) => {
    if (!data) return;
    overview.set(data);
    samples.set([...samples.get(), { at: data.uptime, counts: data.counts }].slice(-SAMPLES));
  });
}
