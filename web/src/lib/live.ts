// Server-sent events: one connection for the page, taken up again by itself, told to whoever listens.
export interface LiveEvent {
  event: string;
  id?: number;
}
type Listener = (e: LiveEvent) => void;

const kinds = ["job", "cert", "order", "deployment", "endpoint", "discovery", "notice", "ca", "target", "notifier", "licence", "user", "group", "org", "backup", "reconnected"];
const listeners = new Set<Listener>();
const links = new Set<(up: boolean) => void>();
let source: EventSource | null = null;
let timer: ReturnType<typeof setTimeout> | undefined;
let wait = 1000;
let isUp = false;

export const linkUp = (): boolean => isUp;

function setUp(up: boolean): void {
  const was = isUp;
  isUp = up;
  for (const fn of links) fn(up);
  // What happened while nobody listened is seen by reading again.
  if (up && !was) for (const fn of listeners) fn({ event: "reconnected" });
}

function take(m: MessageEvent<string>): void {
  try {
    const e = { ...(JSON.parse(m.data) as Record<string, unknown>), event: m.type } as LiveEvent;
    for (const fn of listeners) fn(e);
  } catch {
    /* a broken event is not worth a broken page; the next read shows the truth */
  }
}

export function connect(): void {
  disconnect();
  source = new EventSource("/api/v1/events");
  for (const k of kinds) source.addEventListener(k, take as EventListener);
  source.onmessage = take;
  source.onopen = () => {
    wait = 1000;
    setUp(true);
  };
  source.onerror = () => {
    setUp(false);
    // An answer that is no stream ends EventSource for good: begin anew, each time a little later.
    if (source?.readyState === EventSource.CLOSED) {
      clearTimeout(timer);
      timer = setTimeout(connect, wait);
      wait = Math.min(wait * 2, 15000);
    }
  };
}

export function disconnect(): void {
  clearTimeout(timer);
  source?.close();
  source = null;
}

/** Said by this page itself, where the server has no word for it. */
export const say = (event: string): void => {
  for (const fn of listeners) fn({ event });
};

export function onLive(fn: Listener): () => void {
  listeners.add(fn);
  return () => void listeners.delete(fn);
}
export function onLink(fn: (up: boolean) => void): () => void {
  links.add(fn);
  return () => void links.delete(fn);
}
