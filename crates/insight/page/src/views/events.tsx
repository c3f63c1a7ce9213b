// What is gone: failures, and deferreds that went before they fired.

import type { Overview, Rows, Told } from "../api";
import { overview, useAnswer } from "../live";
import { Chip, Missing, Numbered, Panel, Place, Warning } from "../parts";
import { replace, to } from "../route";
import { StoryTree } from "../story";
import { count, span } from "../words";

const FATES = {
  open: { words: "handed on", look: "waits" },
  handled: { words: "handled", look: "value" },
  unhandled: { words: "unhandled", look: "failed" },
};

export function Failures({ open }: { open: string }) {
  const answered = useAnswer<Told[]>("failures");
  const now = overview.use();
  return (
    <Panel title="Failures" aside={<Kept now={now} name="failed" shown={answered.data?.length ?? 0} />}>
      {answered.data?.length ? (
        <Events told={answered.data} view="failures" open={open} fates />
      ) : (
        <Missing answered={answered} none="Nothing has failed so far." />
      )}
    </Panel>
  );
}

export function Lost({ open }: { open: string }) {
  const answered = useAnswer<Told[]>("lost");
  const stuck = useAnswer<Rows>("deferreds?hinted=true&limit=50");
  const now = overview.use();
  return (
    <>
      <Panel
        title="Worth a look"
        aside={stuck.data && <p class="found">{count(stuck.data.matched)}</p>}
      >
        {stuck.data?.rows.length ? (
          <ul class="events">
            {stuck.data.rows.map((row) => (
              <li key={row.number} class="event">
                <Numbered number={row.number} />
                <Chip state={row.state} />
                {row.hint && <Warning hint={row.hint} />}
                <Place>{row.made}</Place>
                <span class="ago">for {span(row.age)}</span>
              </li>
            ))}
          </ul>
        ) : (
          <Missing answered={stuck} none="None that are known of." />
        )}
      </Panel>
      <Panel
        title="Gone before they fired"
        aside={<Kept now={now} name="lost" shown={answered.data?.length ?? 0} />}
      >
        <p class="note">Links were still to come: they have never run.</p>
        {answered.data?.length ? (
          <Events told={answered.data} view="lost" open={open} />
        ) : (
          <Missing answered={answered} none="None so far." />
        )}
      </Panel>
    </>
  );
}

function Kept(props: { now: Overview | null; name: "failed" | "lost"; shown: number }) {
  const all = props.now?.counts[props.name] ?? 0;
  if (all <= props.shown) return <p class="found">{count(props.shown)}</p>;
  return (
    <p class="found">
      the last {count(props.shown)} that were kept, of {count(all)}
    </p>
  );
}

function Events(props: { told: Told[]; view: string; open: string; fates?: boolean }) {
  return (
    <ul class="events">
      {props.told.map((event, i) => {
        // The same deferred can fail more than once: counted from the oldest, a name stays.
        const again = props.told.slice(i + 1).filter((other) => other.number === event.number);
        const name = `${event.number}.${again.length}`;
        const is_open = props.open === name;
        const fate = FATES[event.fate];
        return (
          <li key={name}>
            <a
              class="event"
              href={to(props.view, { open: is_open ? "" : name })}
              aria-expanded={is_open}
              onClick={(event) => {
                event.preventDefault();
                replace(props.view, { open: is_open ? "" : name });
              }}
            >
              <span class="fold" aria-hidden="true">{is_open ? "▾" : "▸"}</span>
              <b>#{event.number}</b>
              {props.fates && <span class={`chip ${fate.look}`}>{fate.words}</span>}
              <span class="what">{event.what ?? event.story.now}</span>
              <Place>{event.story.made}</Place>
              <span class="ago">{span(event.ago)} ago</span>
            </a>
            {is_open && <StoryTree story={event.story} />}
          </li>
        );
      })}
    </ul>
  );
}
