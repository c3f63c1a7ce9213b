// Which view is open: it stands behind the `#` of the address, so that a view can be kept and
// gone back to.

import { useEffect, useState } from "preact/hooks";

export interface Route {
  view: string;
  query: URLSearchParams;
}

function read(): Route {
  const [view = "", query = ""] = location.hash.replace(/^#\/?/, "").split("?", 2);
  return { view: view || "overview", query: new URLSearchParams(query) };
}

export function useRoute(): Route {
  const [route, set] = useState(read);
  useEffect(() => {
    const changed = () => set(read());
    addEventListener("hashchange", changed);
    return () => removeEventListener("hashchange", changed);
  }, []);
  return route;
}

/** The address of a view. What is empty is left out of it. */
export function to(view: string, query: Record<string, string | number | undefined> = {}): string {
  const asked = question(query);
  return `#/${view}${asked && `?${asked}`}`;
}

/** Opens a view in the place of the present one: going back does not lead here. */
export function replace(view: string, query: Record<string, string | number | undefined>): void {
  history.replaceState(null, "", to(view, query));
  dispatchEvent(new HashChangeEvent("hashchange"));
}

export function question(query: Record<string, string | number | undefined>): string {
  const asked = new URLSearchParams();
  for (const [name, value] of Object.entries(query)) {
    if (value !== undefined && value !== "" && value !== 0) asked.set(name, String(value));
  }
  return asked.toString();
}
