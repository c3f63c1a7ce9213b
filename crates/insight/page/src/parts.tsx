// Small parts that several views have.

import type { ComponentChildren } from "preact";
import type { Hint, State, Story } from "./api";
import type { Answered } from "./live";
import { to } from "./route";
import { HINTS, STATES } from "./words";

export function Chip({ state }: { state: State | Story["state"] }) {
  return <span class={`chip ${state}`}>{STATES[state]}</span>;
}

export function Warning({ hint }: { hint: Hint }) {
  const { short, long } = HINTS[hint];
  return (
    <span class="chip warning" title={long}>
      {short}
    </span>
  );
}

export function Numbered({ number }: { number: number }) {
  return <a href={to(`deferred/${number}`)}>#{number}</a>;
}

/** A place in the program: its end says most, so its front is cut where there is no room. */
export function Place({ children }: { children: string | null }) {
  return (
    <code class="place" title={children ?? ""}>
      <bdi>{children ?? "unknown"}</bdi>
    </code>
  );
}

/** What stands in place of data that are not there. */
export function Missing({ answered, none }: { answered: Answered<unknown>; none: string }) {
  const { data, refused } = answered;
  if (refused) return <p class="empty">The program refuses: {refused.message}</p>;
  return <p class="empty">{data ? none : "Asking the program…"}</p>;
}

export function Panel(props: { title: string; aside?: ComponentChildren; children: ComponentChildren }) {
  return (
    <section class="panel" aria-label={props.title}>
      <div class="head">
        <h2>{props.title}</h2>
        {props.aside}
      </div>
      {props.children}
    </section>
  );
}
