// Ctrl-K: every screen and action by name, and every certificate, target and endpoint by a few letters.
import type { JSX } from "preact";
import { useEffect, useMemo, useRef, useState } from "preact/hooks";
import { get, query, type Cert, type Connector, type Endpoint, type Page } from "../lib/api";
import { t } from "../lib/i18n";
import { go } from "../lib/router";
import { Dialog } from "./dialog";

export interface Command {
  text: string;
  keys?: string;
  hint?: string;
  run: () => void;
}

export function Palette({ commands, close }: { commands: Command[]; close: () => void }): JSX.Element {
  const [q, setQ] = useState("");
  const [found, setFound] = useState<Command[]>([]);
  const [at, setAt] = useState(0);
  const list = useRef<HTMLUListElement>(null);
  const asked = useRef(0);
  useEffect(() => {
    const mine = ++asked.current;
    setFound([]);
    if (q.trim().length < 2) return;
    const timer = setTimeout(() => {
      void search(q.trim()).then((r) => mine === asked.current && setFound(r));
    }, 120);
    return () => clearTimeout(timer);
  }, [q]);
  const all = useMemo(() => {
    const word = q.trim().toLowerCase();
    return [...commands.filter((c) => !word || (c.text + " " + (c.keys ?? "")).toLowerCase().includes(word)), ...found];
  }, [q, commands, found]);
  useEffect(() => setAt(0), [q]);
  useEffect(() => list.current?.children[at]?.scrollIntoView({ block: "nearest" }), [at]);
  const run = (c: Command | undefined): void => {
    if (!c) return;
    close();
    c.run();
  };
  return (
    <Dialog title={t("palette")} onClose={close}>
      <input
        class="palette-input"
        type="search"
        role="combobox"
        aria-expanded="true"
        aria-controls="palette-list"
        aria-activedescendant={all.length ? "palette-" + at : undefined}
        aria-label={t("palette_hint")}
        placeholder={t("palette_hint")}
        value={q}
        ref={(el) => {
          if (el && document.activeElement !== el) el.focus();
        }}
        onInput={(e) => setQ(e.currentTarget.value)}
        onKeyDown={(e) => {
          if (e.key === "ArrowDown" || e.key === "ArrowUp") {
            e.preventDefault();
            setAt((i) => Math.max(0, Math.min(all.length - 1, i + (e.key === "ArrowDown" ? 1 : -1))));
          } else if (e.key === "Escape") {
            e.preventDefault(); // a search field would only empty itself
            close();
          } else if (e.key === "Enter" && !e.isComposing) {
            e.preventDefault();
            run(all[at]);
          }
        }}
      />
      <ul class="palette" id="palette-list" role="listbox" aria-label={t("palette")} ref={list}>
        {all.map((c, i) => (
          <li key={c.text + (c.hint ?? "") + i} id={"palette-" + i} role="option" aria-selected={i === at} onMouseEnter={() => setAt(i)} onClick={() => run(c)}>
            <span>{c.text}</span>
            {c.hint && <span class="muted small">{c.hint}</span>}
          </li>
        ))}
      </ul>
      {all.length === 0 && <p class="muted">{t("nothing_matches")}</p>}
    </Dialog>
  );
}

async function search(q: string): Promise<Command[]> {
  const none = { items: [] };
  const [certs, targets, ends] = await Promise.all([
    get<Page<Cert>>(`/certs${query({ q, limit: 8 })}`).catch(() => none as unknown as Page<Cert>),
    get<Page<Connector>>(`/targets${query({ q, limit: 5 })}`).catch(() => none as unknown as Page<Connector>),
    get<Page<Endpoint>>(`/endpoints${query({ q, limit: 5 })}`).catch(() => none as unknown as Page<Endpoint>),
  ]);
  return [
    ...certs.items.map((c) => ({ text: c.name, hint: t("certificates"), run: () => go(`/certs/${c.id}`) })),
    ...targets.items.map((c) => ({ text: c.name, hint: t("targets"), run: () => go(`/targets/${c.id}`) })),
    ...ends.items.map((e) => ({ text: `${e.host}:${e.port}`, hint: t("watch"), run: () => go(`/watch/${e.id}`) })),
  ];
}
