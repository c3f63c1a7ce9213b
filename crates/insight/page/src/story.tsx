// A story as it is drawn: each deferred with its links, then the one that it waits on.

import type { ComponentChildren } from "preact";
import type { Link, Story } from "./api";
import { Chip, Place } from "./parts";
import { to } from "./route";
import { count, span, SIGNS } from "./words";

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
        {story.number === null ? story.name : <a href={to(`deferred/${story.number}`)}>{story.name}</a>}{" "}
        <Chip state={story.state} />
      </h3>
      <p class="now">{story.now}</p>
      <dl>
        {story.made && <Fact title="made at"><Place>{story.made}</Place></Fact>}
        {story.within && <Fact title="by a link of"><Named>{story.within}</Named></Fact>}
        {story.paused && <Fact title="paused at"><Place>{story.paused}</Place></Fact>}
        {story.age !== null && <Fact title="age">{span(story.age)}</Fact>}
        {story.fired_after !== null && <Fact title="fired after">{span(story.fired_after)}</Fact>}
        {story.cancelled && <Fact title="cancelled">yes</Fact>}
      </dl>
      {story.links.length + story.left_out > 0 && (
        <ol class="links">
          {done.slice(0, -1).map((link, i) => <Step key={i} link={link} />)}
          {story.left_out > 0 && <li class="step left-out">{count(story.left_out)} more links have run</li>}
          {done.slice(-1).map((link) => <Step key="last" link={link} />)}
          {ahead.map((link, i) => <Step key={`ahead ${i}`} link={link} />)}
          {story.more > 0 && <li class="step left-out">{count(story.more)} more are to come</li>}
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
      {link.kept && (
        <span class="kept">
          made <Named>{link.kept}</Named>, which is pending, and did not give it back
        </span>
      )}
    </li>
  );
}

/** What a story calls another deferred leads there. */
function Named({ children }: { children: string }) {
  const number = /\d+/.exec(children)?.[0];
  return number ? <a href={to(`deferred/${number}`)}>{children}</a> : <>{children}</>;
}
