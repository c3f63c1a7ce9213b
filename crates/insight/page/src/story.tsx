// A story as it is drawn: each deferred with its links, then the one that it waits on.

import type { ComponentChildren } from "preact";
import type { Link, Story } from "./api";
import { Chip, Place } from "./parts";
import { span, SIGNS } from "./words";

export function StoryTree({ story }: { story: Story }) {
  const all = [story, ...story.waits_on];
  return (
    <ol class="story">
      {all.map((one, depth) => (
        <li key={depth}>
          {depth > 0 && <p class="on">waits on</p>}
          <One story={one} />
        </li>
      ))}
    </ol>
  );
}

function One({ story }: { story: Story }) {
  const done = story.links.filter((link) => link.state !== "ahead");
  const ahead = story.links.filter((link) => link.state === "ahead");
  return (
    <article class={`one ${story.state}`}>
      <h3>
        {story.name} <Chip state={story.state} />
      </h3>
      <p class="now">{story.now}</p>
      <dl>
        {story.made && <Fact title="made at"><Place>{story.made}</Place></Fact>}
        {story.age !== null && <Fact title="age">{span(story.age)}</Fact>}
        {story.fired_after !== null && <Fact title="fired after">{span(story.fired_after)}</Fact>}
        {story.cancelled && <Fact title="cancelled">yes</Fact>}
      </dl>
      {story.links.length + story.left_out > 0 && (
        <ol class="links">
          {done.slice(0, -1).map((link, i) => <Step key={i} link={link} />)}
          {story.left_out > 0 && <li class="step left-out">{story.left_out} more links have run</li>}
          {done.slice(-1).map((link) => <Step key="last" link={link} />)}
          {ahead.map((link, i) => <Step key={`ahead ${i}`} link={link} />)}
        </ol>
      )}
    </article>
  );
}

function Fact({ title, children }: { title: string; children: ComponentChildren }) {
  return (
    <div>
      <dt>{title}</dt>
      <dd>{children}</dd>
    </div>
  );
}

function Step({ link }: { link: Link }) {
  return (
    <li class={`step ${link.state}`}>
      <span class="sign" aria-hidden="true">{SIGNS[link.state]}</span>
      <span class="kind">{link.kind}</span>
      {link.added ? <Place>{link.added}</Place> : <span />}
      <span class="end">{link.end ?? "still to come"}</span>
      <span class="times">
        {link.took !== null && <>took {span(link.took)}</>}
        {link.waited !== null && <>, then waited {span(link.waited)}</>}
      </span>
    </li>
  );
}
