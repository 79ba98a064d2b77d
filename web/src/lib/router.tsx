// Addresses: plain paths, so that every screen can be linked, reloaded and opened in a new tab.
import type { ComponentChildren, JSX } from "preact";
import { useEffect, useState } from "preact/hooks";

export interface Place {
  path: string[];
  query: URLSearchParams;
}

const moved = new Set<() => void>();
let guard: (() => boolean) | null = null;

export const place = (): Place => ({
  path: location.pathname.split("/").filter(Boolean),
  query: new URLSearchParams(location.search),
});

/** A form with unsaved input asks before it is left. */
export function setGuard(fn: (() => boolean) | null): void {
  guard = fn;
}

export function go(to: string, replace = false): void {
  if (guard && !guard()) return;
  guard = null;
  history[replace ? "replaceState" : "pushState"](null, "", to);
  if (!replace) scrollTo(0, 0);
  for (const fn of moved) fn();
}

addEventListener("popstate", () => {
  for (const fn of moved) fn();
});

export function usePlace(): Place {
  const [now, set] = useState(place);
  useEffect(() => {
    const fn = (): void => set(place());
    moved.add(fn);
    return () => void moved.delete(fn);
  }, []);
  return now;
}

type Props = { href: string; children: ComponentChildren } & Omit<JSX.HTMLAttributes<HTMLAnchorElement>, "href" | "children">;

export function A({ href, children, ...rest }: Props): JSX.Element {
  return (
    <a
      href={href}
      {...rest}
      onClick={(e) => {
        if (e.defaultPrevented || e.button !== 0 || e.metaKey || e.ctrlKey || e.shiftKey || e.altKey) return;
        e.preventDefault();
        go(href);
      }}
    >
      {children}
    </a>
  );
}
