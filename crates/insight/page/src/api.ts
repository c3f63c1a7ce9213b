// What the program answers; see `answer` in the crate's module `page`. Times are in seconds.

export type State = "unfired" | "runs" | "paused" | "waits" | "failed";
export type Hint = "lost-trigger" | "waits-on-itself" | "paused" | "not-waited-for";

export interface Counts {
  made: number;
  fired: number;
  failed: number;
  cancelled: number;
  unhandled: number;
  lost: number;
  links: number;
}

export interface Site {
  made: string;
  count: number;
  oldest: number;
  youngest: number;
  hints: number;
}

export interface Overview {
  uptime: number;
  counts: Counts;
  pending: number;
  states: [State, number][];
  hints: [Hint, number][];
  sites: Site[];
  sites_left_out: number;
}

export interface Row {
  number: number;
  made: string;
  age: number;
  state: State;
  /** The first few of them. */
  waits_on: number[];
  waits: number;
  waiters: number;
  ahead: number;
  hint: Hint | null;
}

export interface Rows {
  total: number;
  matched: number;
  offset: number;
  rows: Row[];
}

export type LinkState = "ahead" | "runs" | "value" | "handled" | "failed" | "passed" | "waits" | "handed";

export interface Link {
  kind: string;
  added: string | null;
  state: LinkState;
  end: string | null;
  took: number | null;
  waited: number | null;
  kept: string | null;
}

export interface Story {
  name: string;
  number: number | null;
  state: State | "value" | "gone" | "circle";
  now: string;
  made: string | null;
  within: string | null;
  age: number | null;
  fired_after: number | null;
  cancelled: boolean;
  paused: string | null;
  left_out: number;
  links: Link[];
  /** How many more are to come. */
  more: number;
  waits_on: Story[];
}

export interface Node {
  number: number;
  made: string;
  state: State;
  hint: Hint | null;
  age: number;
  count: number;
}

export interface Graph {
  nodes: Node[];
  edges: [number, number][];
  left_out: number;
}

export interface SlowLink {
  number: number;
  kind: string;
  added: string | null;
  took: number;
  ago: number;
}

export interface Told {
  number: number;
  ago: number;
  fate: "open" | "handled" | "unhandled";
  what: string | null;
  story: Story;
}

/** The program has answered, but not with what was asked for. */
export class Refusal extends Error {
  constructor(
    readonly status: number,
    message: string,
  ) {
    super(message);
  }
}

export async function ask<T>(question: string, signal: AbortSignal): Promise<T> {
  const response = await fetch(question, { signal, cache: "no-store", credentials: "omit" });
  if (!response.ok) throw new Refusal(response.status, (await response.text()).trim());
  return (await response.json()) as T;
}
