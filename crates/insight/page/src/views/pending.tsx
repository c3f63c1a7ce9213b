// All that has not come to its end: filtered, sorted and paged by the program itself.

import type { Row, Rows } from "../api";
import { useAnswer } from "../live";
import { Chip, Missing, Numbered, Panel, Place, Warning } from "../parts";
import { question, replace } from "../route";
import { count, HINTS, span, STATES } from "../words";

const LIMIT = 50;

type Sort = "age" | "ahead" | "waiters" | "site";

export function Pending({ query }: { query: URLSearchParams }) {
  const get = (name: string) => query.get(name) ?? "";
  const asked = {
    site: get("site"),
    text: get("text"),
    state: get("state"),
    hint: get("hint"),
    sort: get("sort"),
    order: get("order"),
    offset: Number(get("offset")) || 0,
  };
  const answered = useAnswer<Rows>(`deferreds?${question({ ...asked, limit: LIMIT })}`);
  const change = (what: Partial<typeof asked>) =>
    replace("pending", { ...asked, offset: 0, ...what });
  const rows = answered.data;
  return (
    <Panel title="Pending" aside={rows && <Found rows={rows} />}>
      <form class="filter" role="search" onSubmit={(event) => event.preventDefault()}>
        <label>
          Place or number
          <input
            type="search"
            value={asked.text}
            placeholder="app.rs, #12"
            onInput={(event) => change({ text: event.currentTarget.value })}
          />
        </label>
        <Choice
          title="State"
          value={asked.state}
          known={(["unfired", "waits", "paused", "runs", "failed"] as const).map((s) => [s, STATES[s]])}
          choose={(state) => change({ state })}
        />
        <Choice
          title="Worth a look"
          value={asked.hint}
          known={Object.entries(HINTS).map(([hint, words]) => [hint, words.short])}
          choose={(hint) => change({ hint })}
        />
        {asked.site && (
          <button type="button" class="chip" onClick={() => change({ site: "" })}>
            made at {asked.site} <span aria-label="any place">✕</span>
          </button>
        )}
      </form>
      <div class="scroll" aria-busy={answered.is_busy}>
        <table>
          <thead>
            <tr>
              <th scope="col">Deferred</th>
              <Sortable sort="age" title="Age" asked={asked} change={change} />
              <th scope="col">State</th>
              <Sortable sort="site" title="Made at" asked={asked} change={change} />
              <th scope="col">Waits on</th>
              <Sortable sort="waiters" title="Waiting for it" asked={asked} change={change} />
              <Sortable sort="ahead" title="Links to come" asked={asked} change={change} />
            </tr>
          </thead>
          <tbody>{rows?.rows.map((row) => <Line key={row.number} row={row} />)}</tbody>
        </table>
      </div>
      {rows?.rows.length ? null : <Missing answered={answered} none="There is nothing like that." />}
      {rows && rows.matched > LIMIT && (
        <nav class="pages" aria-label="Pages">
          <button
            type="button"
            disabled={asked.offset === 0}
            onClick={() => change({ offset: Math.max(0, asked.offset - LIMIT) })}
          >
            Previous
          </button>
          <span>
            {count(asked.offset + 1)}–{count(Math.min(asked.offset + LIMIT, rows.matched))}
          </span>
          <button
            type="button"
            disabled={asked.offset + LIMIT >= rows.matched}
            onClick={() => change({ offset: asked.offset + LIMIT })}
          >
            Next
          </button>
        </nav>
      )}
    </Panel>
  );
}

function Found({ rows }: { rows: Rows }) {
  const all = rows.matched === rows.total;
  return (
    <p class="found">{all ? count(rows.total) : `${count(rows.matched)} of ${count(rows.total)}`}</p>
  );
}

function Line({ row }: { row: Row }) {
  return (
    <tr>
      <td>
        <Numbered number={row.number} />
      </td>
      <td class="number">{span(row.age)}</td>
      <td>
        <Chip state={row.state} /> {row.hint && <Warning hint={row.hint} />}
      </td>
      <td>
        <Place>{row.made}</Place>
      </td>
      <td>
        {row.waits_on.map((number) => (
          <span key={number}>
            <Numbered number={number} />{" "}
          </span>
        ))}
        {row.waits > row.waits_on.length && `and ${count(row.waits - row.waits_on.length)} more`}
      </td>
      <td class="number">{row.waiters ? count(row.waiters) : ""}</td>
      <td class="number">{row.ahead ? count(row.ahead) : ""}</td>
    </tr>
  );
}

function Sortable(props: {
  sort: Sort;
  title: string;
  asked: { sort: string; order: string };
  change: (what: { sort: string; order: string }) => void;
}) {
  const { sort, title, asked, change } = props;
  const is_chosen = (asked.sort || "age") === sort;
  const up = is_chosen && asked.order === "asc";
  const choose = () => change({ sort, order: is_chosen && !up ? "asc" : "" });
  return (
    <th
      scope="col"
      class={sort === "site" ? "" : "number"}
      aria-sort={is_chosen ? (up ? "ascending" : "descending") : "none"}
    >
      <button type="button" class="sort" onClick={choose}>
        {title}
        <span aria-hidden="true">{is_chosen ? (up ? "▲" : "▼") : ""}</span>
      </button>
    </th>
  );
}

function Choice(props: {
  title: string;
  value: string;
  known: [string, string][];
  choose: (value: string) => void;
}) {
  return (
    <label>
      {props.title}
      <select value={props.value} onChange={(event) => props.choose(event.currentTarget.value)}>
        <option value="">any</option>
        {props.known.map(([value, words]) => (
          <option key={value} value={value}>
            {words}
          </option>
        ))}
      </select>
    </label>
  );
}
