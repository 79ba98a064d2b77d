// Reading from the API in components: once, again when something changed, and never out of order.
import { useCallback, useEffect, useRef, useState } from "preact/hooks";
import { follow, get, jobEnded, type Job, type Readable } from "./api";
import { onLive } from "./live";

export interface Loaded<T> {
  value: T | null;
  error: unknown;
  reload: () => Promise<void>;
}

/** Reads `path` (null: nothing), and again when one of the live events in `on` comes. */
export function useGet<T>(path: Readable | null, on: string[] = []): Loaded<T> {
  const [value, setValue] = useState<T | null>(null);
  const [error, setError] = useState<unknown>(null);
  const asked = useRef(0);
  const shown = useRef<string | null>(null);
  const reload = useCallback(async () => {
    if (!path) return;
    const mine = ++asked.current;
    try {
      const got = await get<T>(path);
      if (mine !== asked.current) return;
      shown.current = path;
      setValue(got);
      setError(null);
    } catch (x) {
      if (mine === asked.current) setError(x);
    }
  }, [path]);
  useEffect(() => {
    if (shown.current !== path) setValue(null);
    void reload();
  }, [reload]);
  useLive(on, () => void reload());
  return { value, error, reload };
}

/** Calls fn when one of the events comes (or the link is back), at most every 400 ms. */
export function useLive(on: string[], fn: () => void): void {
  const latest = useRef(fn);
  latest.current = fn;
  const key = on.join(",");
  useEffect(() => {
    if (!key) return;
    let timer: ReturnType<typeof setTimeout> | undefined;
    const wanted = [...key.split(","), "reconnected"];
    const off = onLive((e) => {
      if (!wanted.includes(e.event) || timer) return;
      timer = setTimeout(() => {
        timer = undefined;
        latest.current();
      }, 400);
    });
    return () => {
      off();
      clearTimeout(timer);
    };
  }, [key]);
}

/** Kept in the browser for the next visit: views, columns, folded parts. Never a secret. */
export function useKept<T>(name: string, first: T): [T, (v: T) => void] {
  const key = "inro-" + name;
  const [v, set] = useState<T>(() => {
    try {
      const kept = localStorage.getItem(key);
      return kept === null ? first : (JSON.parse(kept) as T);
    } catch {
      return first;
    }
  });
  return [
    v,
    (n: T) => {
      localStorage.setItem(key, JSON.stringify(n));
      set(n);
    },
  ];
}

/** What is being typed survives a reload of the page; cleared when it was sent. */
export function useDraft<T extends object>(name: string, first: T, keep: (v: T) => T): [T, (v: T) => void, () => void] {
  const key = "inro-draft-" + name;
  const [v, set] = useState<T>(() => {
    try {
      const kept = sessionStorage.getItem(key);
      return kept ? { ...first, ...(JSON.parse(kept) as T) } : first;
    } catch {
      return first;
    }
  });
  return [
    v,
    (n: T) => {
      sessionStorage.setItem(key, JSON.stringify(keep(n)));
      set(n);
    },
    () => sessionStorage.removeItem(key),
  ];
}

/** The present half minute, so that relative times move; it rests in between, and effects may depend on it. */
export function useMinute(): number {
  const [now, set] = useState(Date.now());
  useEffect(() => {
    const timer = setInterval(() => set(Date.now()), 30000);
    return () => clearInterval(timer);
  }, []);
  return now;
}

export function useTitle(title: string): void {
  useEffect(() => {
    document.title = title ? `${title} - Inro 印籠` : "Inro 印籠";
  }, [title]);
}

/** What is typed, once the typing rests: so that not every key asks the server. */
export function useSettled(text: string): string {
  const [v, set] = useState(text);
  useEffect(() => {
    const timer = setTimeout(() => set(text), 250);
    return () => clearTimeout(timer);
  }, [text]);
  return v;
}

/** Follows a job by long poll while it is shown; one that stopped may be taken up again by anybody. */
export function useJob(id: number | null, onEnd?: (j: Job) => void): [Job | null, unknown] {
  const [job, setJob] = useState<Job | null>(null);
  const [error, setError] = useState<unknown>(null);
  const [round, setRound] = useState(0);
  const ended = useRef(onEnd);
  ended.current = onEnd;
  const told = useRef("");
  useEffect(() => {
    setJob(null);
    setError(null);
    told.current = "";
  }, [id]);
  useEffect(() => {
    let stop = false;
    if (id === null) return;
    const run = async (): Promise<void> => {
      for (;;) {
        try {
          const j = await follow(id, (x) => !stop && setJob(x), () => stop);
          if (stop) return;
          setError(null);
          const end = jobEnded(j) ? j.state + j.updated : "";
          if (end && end !== told.current) ended.current?.(j);
          told.current = end;
          return;
        } catch (x) {
          if (stop) return;
          setError(x);
          await new Promise((done) => setTimeout(done, 3000));
          if (stop) return;
        }
      }
    };
    void run();
    return () => {
      stop = true;
    };
  }, [id, round]);
  useLive(["job"], () => {
    if (job && (job.state === "blocked" || job.state === "failed")) setRound((n) => n + 1);
  });
  return [job, error];
}
