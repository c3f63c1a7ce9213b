// What waits on what, drawn.

import { Graph as Layout, layout } from "@dagrejs/dagre";
import { useMemo, useState } from "preact/hooks";
import type { Graph, Node } from "../api";
import { useAnswer } from "../live";
import { Missing, Panel } from "../parts";
import { question, to } from "../route";
import { count, HINTS, span, STATES, tail } from "../words";

const WIDTH = 256;
const HEIGHT = 46;

interface Placed {
  width: number;
  height: number;
  nodes: Map<number, { x: number; y: number }>;
  edges: { key: string; points: string }[];
}

export function GraphView({ around }: { around: string }) {
  const answered = useAnswer<Graph>(`graph?${question({ around })}`);
  const graph = answered.data;
  const [zoom, set_zoom] = useState(1);
  return (
    <Panel
      title={around ? `What waits on what, around #${around}` : "What waits on what"}
      aside={
        <div class="tools">
          {around && <a href={to("graph")}>Show the biggest</a>}
          <button type="button" aria-label="Smaller" onClick={() => set_zoom(Math.max(0.2, zoom / 1.25))}>−</button>
          <button type="button" aria-label="Larger" onClick={() => set_zoom(Math.min(3, zoom * 1.25))}>+</button>
        </div>
      }
    >
      <p class="note">
        An arrow leads from who waits to what it waits on. Those that are alike are drawn as one.
        {graph && graph.left_out > 0 && ` ${count(graph.left_out)} more are not drawn.`}
      </p>
      {graph?.nodes.length ? (
        <Drawing graph={graph} zoom={zoom} around={Number(around)} is_busy={answered.is_busy} />
      ) : (
        <Missing answered={answered} none="Nothing waits on anything." />
      )}
    </Panel>
  );
}

function Drawing(props: { graph: Graph; zoom: number; around: number; is_busy: boolean }) {
  const { graph, zoom, around, is_busy } = props;
  // Where the nodes lie changes only when there are others.
  const shape = JSON.stringify([graph.nodes.map((node) => node.number), graph.edges]);
  const placed = useMemo(() => place(graph), [shape]);
  return (
    <div class="drawing" aria-busy={is_busy} tabIndex={0} role="region" aria-label="Graph">
      <svg
        width={placed.width * zoom}
        height={placed.height * zoom}
        viewBox={`0 0 ${placed.width} ${placed.height}`}
      >
        <defs>
          <marker id="arrow" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="8" markerHeight="8" orient="auto">
            <path d="M0 0.5 7.5 4 0 7.5z" />
          </marker>
        </defs>
        {placed.edges.map(({ key, points }) => (
          <polyline key={key} class="edge" points={points} marker-end="url(#arrow)" />
        ))}
        {graph.nodes.map((node) => {
          const at = placed.nodes.get(node.number);
          return at && <Box key={node.number} node={node} at={at} is_centre={node.number === around} />;
        })}
      </svg>
    </div>
  );
}

function Box(props: { node: Node; at: { x: number; y: number }; is_centre: boolean }) {
  const { node, at, is_centre } = props;
  const name = node.count > 1 ? `${count(node.count)} × ` : `#${node.number} `;
  const words = node.hint ? HINTS[node.hint].short : STATES[node.state];
  const href =
    node.count > 1 ? to("pending", { site: node.made, state: node.state }) : to(`deferred/${node.number}`);
  const look = node.hint ? "warning" : node.state;
  return (
    <a href={href} class={`node ${look} ${is_centre ? "centre" : ""}`}>
      <title>{`${name}${words}, made at ${node.made}, ${span(node.age)} ago`}</title>
      <g transform={`translate(${at.x - WIDTH / 2} ${at.y - HEIGHT / 2})`}>
        {node.count > 1 && <rect class="behind" x="4" y="4" width={WIDTH} height={HEIGHT} rx="7" />}
        <rect width={WIDTH} height={HEIGHT} rx="7" />
        <text x="11" y="19">
          <tspan class="name">{name}</tspan>
          {words}, {span(node.age)}
        </text>
        <text class="made" x="11" y="36">
          {tail(node.made, 30)}
        </text>
      </g>
    </a>
  );
}

function place(graph: Graph): Placed {
  const drawn = new Layout();
  drawn.setGraph({ rankdir: "LR", nodesep: 14, ranksep: 48, marginx: 12, marginy: 12 });
  drawn.setDefaultEdgeLabel(() => ({}));
  for (const { number } of graph.nodes) {
    drawn.setNode(String(number), { width: WIDTH, height: HEIGHT });
  }
  for (const [from, to] of graph.edges) drawn.setEdge(String(from), String(to));
  layout(drawn);
  const { width = 0, height = 0 } = drawn.graph();
  return {
    width,
    height,
    nodes: new Map(graph.nodes.map(({ number }) => [number, drawn.node(String(number))])),
    edges: graph.edges.map(([from, to]) => {
      const { points } = drawn.edge(String(from), String(to));
      return {
        key: `${from} ${to}`,
        points: (points ?? []).map(({ x, y }: { x: number; y: number }) => `${x},${y}`).join(" "),
      };
    }),
  };
}
