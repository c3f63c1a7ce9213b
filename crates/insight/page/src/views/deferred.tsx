// One deferred: what has happened to it, what it does now, and what is still to come.

import type { Rows, Story } from "../api";
import { useAnswer } from "../live";
import { Missing, Panel } from "../parts";
import { question, to } from "../route";
import { StoryTree } from "../story";
import { HINTS } from "../words";

export function DeferredView({ number }: { number: string }) {
  const answered = useAnswer<Story>(`deferred/${encodeURIComponent(number)}`);
  const { data, refused } = answered;
  const found = useAnswer<Rows>(`deferreds?${question({ text: `#${number}` })}`).data;
  const hint = found?.rows.find((row) => String(row.number) === number)?.hint;
  return (
    <Panel
      title={`Deferred #${number}`}
      aside={
        <span class="links">
          <a href={`deferred/${encodeURIComponent(number)}.svg`}>As a picture</a>
          <a href={to("graph", { around: number })}>In the graph</a>
        </span>
      }
    >
      {data && refused && (
        <p class="note" role="status">
          It has come to its end since. This is the last that was seen of it.
        </p>
      )}
      {hint && <p class="note warning">{HINTS[hint].long}</p>}
      {data ? <StoryTree story={data} /> : <Missing answered={answered} none="" />}
    </Panel>
  );
}
