// What surrounds the views.

import { useEffect, useRef } from "preact/hooks";
import { followOverview, frozen, overview, reach } from "./live";
import { to, useRoute } from "./route";
import { DeferredView } from "./views/deferred";
import { Failures, Lost } from "./views/events";
import { GraphView } from "./views/graph";
import { OverviewView } from "./views/overview";
import { Pending } from "./views/pending";
import { Slow } from "./views/slow";
import { count } from "./words";

const VIEWS = [
  ["overview", "Overview"],
  ["pending", "Pending"],
  ["graph", "Graph"],
  ["slow", "Slow callbacks"],
  ["failures", "Failures"],
  ["lost", "Lost"],
] as const;

export function App() {
  const route = useRoute();
  const now = overview.use();
  const main = useRef<HTMLElement>(null);
  useEffect(followOverview, []);
  useEffect(() => {
    document.title = now ? `${count(now.pending)} pending · Hereafter` : "Hereafter";
  }, [now?.pending]);
  const badges: Partial<Record<string, number>> = now
    ? {
        pending: now.pending,
        failures: now.counts.failed,
        lost: now.counts.lost + now.hints.reduce((sum, [, n]) => sum + n, 0),
      }
    : {};
  const skip = (event: Event) => {
    event.preventDefault();
    main.current?.focus();
  };
  return (
    <>
      <a class="skip" href="#main" onClick={skip}>
        Skip to the view
      </a>
      <header>
        <h1>Hereafter</h1>
        <nav aria-label="Views">
          {VIEWS.map(([view, title]) => (
            <a key={view} href={to(view)} aria-current={route.view === view ? "page" : undefined}>
              {title}
              {badges[view] ? <span class="badge">{count(badges[view])}</span> : null}
            </a>
          ))}
        </nav>
        <Reach />
        <Freeze />
      </header>
      <main id="main" ref={main} tabIndex={-1}>
        <View {...route} />
      </main>
    </>
  );
}

function View({ view, query }: { view: string; query: URLSearchParams }) {
  const [kind, number] = view.split("/", 2);
  switch (kind) {
    case "overview":
      return <OverviewView />;
    case "pending":
      return <Pending query={query} />;
    case "graph":
      return <GraphView around={query.get("around") ?? ""} />;
    case "slow":
      return <Slow />;
    case "failures":
      return <Failures open={query.get("open") ?? ""} />;
    case "lost":
      return <Lost open={query.get("open") ?? ""} />;
    case "deferred":
      return <DeferredView key={number} number={number ?? ""} />;
    default:
      return <p class="empty">There is no such view.</p>;
  }
}

/** Whether the program answers. */
function Reach() {
  const state = reach.use();
  const is_frozen = frozen.use();
  const said = {
    asking: "connecting",
    live: is_frozen ? "frozen" : "live",
    busy: state.is === "busy" ? state.said : "",
    away: "the program does not answer: it has ended, or cannot be reached",
  }[state.is];
  const look = state.is === "live" && is_frozen ? "frozen" : state.is;
  return (
    <p class={`reach ${look}`} role="status">
      {said}
    </p>
  );
}

function Freeze() {
  const is_frozen = frozen.use();
  return (
    <button type="button" aria-pressed={is_frozen} onClick={() => frozen.set(!is_frozen)}>
      Freeze
    </button>
  );
}
