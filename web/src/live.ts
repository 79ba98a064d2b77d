// Server-sent events with one connection for the page; EventSource reconnects by itself.
export type LiveEvent = { event: string } & Record<string, unknown>;

const kinds = ["job", "cert", "order", "deployment", "endpoint", "notice"];

export function listen(onEvent: (e: LiveEvent) => void, onLink: (up: boolean) => void): () => void {
  const source = new EventSource("/api/v1/events");
  const take = (m: MessageEvent<string>): void => {
    try {
      onEvent({ event: m.type, ...(JSON.parse(m.data) as Record<string, unknown>) });
    } catch {
      /* a broken event is not worth a broken page; the next list read shows the truth */
    }
  };
  for (const k of kinds) source.addEventListener(k, take as EventListener);
  source.onmessage = take;
  source.onopen = () => onLink(true);
  source.onerror = () => onLink(false);
  return () => source.close();
}
