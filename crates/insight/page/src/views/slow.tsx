// The links that took longest: while one runs, nothing else does.

import type { SlowLink } from "../api";
import { useAnswer } from "../live";
import { Missing, Numbered, Panel, Place } from "../parts";
import { span } from "../words";

export function Slow() {
  const answered = useAnswer<SlowLink[]>("slow");
  const links = answered.data ?? [];
  const most = links[0]?.took ?? 1;
  return (
    <Panel title="Slow callbacks">
      <p class="note">While one of them runs, the reactor does nothing else.</p>
      <div class="scroll">
        <table>
          <thead>
            <tr>
              <th scope="col" class="number">Took</th>
              <th scope="col" class="wide"><span class="visually-hidden">Share</span></th>
              <th scope="col">Link</th>
              <th scope="col">Added at</th>
              <th scope="col">Of</th>
              <th scope="col" class="number">Ago</th>
            </tr>
          </thead>
          <tbody>
            {links.map((link) => (
              <tr key={`${link.number} ${link.took}`}>
                <td class="number">{span(link.took)}</td>
                <td>
                  <span class="bar" aria-hidden="true">
                    <span class="warning" style={{ width: `${((100 * link.took) / most).toFixed(1)}%` }} />
                  </span>
                </td>
                <td>{link.kind}</td>
                <td><Place>{link.added}</Place></td>
                <td><Numbered number={link.number} /></td>
                <td class="number">{span(link.ago)}</td>
              </tr>
            ))}
          </tbody>
        </table>
      </div>
      {links.length ? null : <Missing answered={answered} none="No link has run so far." />}
    </Panel>
  );
}
