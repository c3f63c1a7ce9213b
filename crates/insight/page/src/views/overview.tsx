// How much there is of everything, and where it was made.

import type { Counts } from "../api";
import { Panel, Place } from "../parts";
import { overview, samples } from "../live";
import { to } from "../route";
import { count, HINTS, rate, span, STATES } from "../words";

const COUNTS: [keyof Counts, string, string?][] = [
  ["made", "made"],
  ["fired", "fired"],
  ["links", "links run"],
  ["cancelled", "cancelled"],
  ["failed", "failures", "failures"],
  ["unhandled", "unhandled", "failures"],
  ["lost", "lost", "lost"],
];

export function OverviewView() {
  const now = overview.use();
  const known = samples.use();
  if (!now) return <p class="empty">Asking the program…</p>;
  const last = known.at(-1);
  const before = known.at(-2);
  const per_second = (name: keyof Counts) =>
    last && before && last.at > before.at
      ? (last.counts[name] - before.counts[name]) / (last.at - before.at)
      : 0;
  const most = now.sites[0]?.count ?? 1;
  return (
    <>
      <h2 class="visually-hidden">Overview</h2>
      <div class="tiles">
        <a class="tile main" href={to("pending")}>
          <b>{count(now.pending)}</b>
          <span>pending</span>
          <small>inspected for {span(now.uptime)}</small>
        </a>
        {COUNTS.map(([name, title, view]) => {
          const inside = (
            <>
              <b>{count(now.counts[name])}</b>
              <span>{title}</span>
              <small>{rate(per_second(name))}</small>
              <Line values={rates(known.map((one) => [one.at, one.counts[name]]))} />
            </>
          );
          return view ? (
            <a class="tile" key={name} href={to(view)}>
              {inside}
            </a>
          ) : (
            <div class="tile" key={name}>
              {inside}
            </div>
          );
        })}
      </div>
      <div class="columns">
        <Panel title="What they do">
          <ul class="plain">
            {now.states
              .filter(([, n]) => n > 0)
              .map(([state, n]) => (
                <li key={state}>
                  <a href={to("pending", { state })}>{STATES[state]}</a>
                  <Bar part={n / now.pending} look={state} />
                  <b>{count(n)}</b>
                </li>
              ))}
          </ul>
          {now.pending === 0 && <p class="empty">Nothing is pending.</p>}
        </Panel>
        <Panel title="Worth a look">
          <ul class="plain">
            {now.hints.map(([hint, n]) => (
              <li key={hint}>
                <a href={to("pending", { hint })} title={HINTS[hint].long}>
                  {HINTS[hint].short}
                </a>
                <Bar part={n / now.pending} look="warning" />
                <b>{count(n)}</b>
              </li>
            ))}
          </ul>
          {now.hints.length === 0 && <p class="empty">None that are known of.</p>}
        </Panel>
      </div>
      <Panel title="Where they were made">
        <div class="scroll">
          <table>
            <thead>
              <tr>
                <th scope="col">Place</th>
                <th scope="col" class="number">Pending</th>
                <th scope="col" class="wide"><span class="visually-hidden">Share</span></th>
                <th scope="col" class="number">Oldest</th>
                <th scope="col" class="number">Youngest</th>
                <th scope="col" class="number">Worth a look</th>
              </tr>
            </thead>
            <tbody>
              {now.sites.map((site) => (
                <tr key={site.made}>
                  <td>
                    <a href={to("pending", { site: site.made })}>
                      <Place>{site.made}</Place>
                    </a>
                  </td>
                  <td class="number">{count(site.count)}</td>
                  <td><Bar part={site.count / most} look="waits" /></td>
                  <td class="number">{span(site.oldest)}</td>
                  <td class="number">{span(site.youngest)}</td>
                  <td class="number">{site.hints ? count(site.hints) : ""}</td>
                </tr>
              ))}
            </tbody>
          </table>
        </div>
        {now.sites_left_out > 0 && <p>…and {count(now.sites_left_out)} more places.</p>}
        {now.sites.length === 0 && <p class="empty">Nothing is pending.</p>}
      </Panel>
    </>
  );
}

function Bar({ part, look }: { part: number; look: string }) {
  return (
    <span class="bar" aria-hidden="true">
      <span class={look} style={{ width: `${(100 * Math.min(part, 1)).toFixed(1)}%` }} />
    </span>
  );
}

/** How fast a count has grown between one moment and the next. */
function rates(known: [number, number][]): number[] {
  return known.slice(1).map(([at, n], i) => {
    const [at_before, n_before] = known[i] ?? [at, n];
    return at > at_before ? Math.max(0, (n - n_before) / (at - at_before)) : 0;
  });
}

function Line({ values }: { values: number[] }) {
  const most = Math.max(...values, 1e-9);
  const points = values.map((v, i) => `${60 - values.length + 1 + i},${15 - (14 * v) / most}`);
  return (
    <svg class="line" viewBox="0 0 60 16" preserveAspectRatio="none" aria-hidden="true">
      <polyline points={points.join(" ")} />
    </svg>
  );
}
