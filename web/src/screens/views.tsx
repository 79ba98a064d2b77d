// Saved views of a list: the filters under a name, kept by the server for the person, perhaps shown
// to a group. What older versions kept in the browser moves there once. ViewBar is the line under a
// list's filters: the views, what to do with the filters, and what leaves the list.
import type { ComponentChildren, JSX } from "preact";
import { useEffect, useState } from "preact/hooks";
import { call, type Page, type Schemas } from "../lib/api";
import { t } from "../lib/i18n";
import { useGet, type Loaded } from "../lib/hooks";
import { A, go } from "../lib/router";
import { Fault, Field, toast, errorText } from "../ui/basic";
import { Dialog } from "../ui/dialog";
import { GroupSelect } from "../ui/group";

type SavedView = Schemas["SavedView"];
/** Lists whose views are kept: the screen's name is its address. */
export type Viewed = "certs" | "targets" | "deployments" | "orders" | "watch" | "audit";
const OLD = "inro-views";

/** Those of the browser, told to the server; forgotten here once they are all there. */
async function moveOld(): Promise<boolean> {
  const kept = localStorage.getItem(OLD);
  if (kept === null) return false;
  let old: { name: string; search: string }[] = [];
  try {
    old = JSON.parse(kept) as typeof old;
  } catch {
    /* nothing that could be read */
  }
  for (const v of Array.isArray(old) ? old : []) await call("POST", "/views", { screen: "certs", name: String(v.name).slice(0, 60), query: String(v.search).replace(/^\?/, "") });
  localStorage.removeItem(OLD);
  return true;
}

function useViews(screen: Viewed): Loaded<Page<SavedView>> {
  const views = useGet<Page<SavedView>>(`/views?screen=${screen}`, ["view"]);
  useEffect(() => {
    if (screen !== "certs") return;
    moveOld().then(
      (moved) => moved && void views.reload(),
      () => undefined, // tried again at the next visit
    );
  }, []);
  return views;
}

interface BarProps {
  screen: Viewed;
  /** Something is filtered: it can be taken away, and kept under a name. */
  filtered: boolean;
  /** Where the list is without filters, when not at the screen's address. */
  bare?: string;
  csv?: () => Promise<void>;
  children?: ComponentChildren;
}

export function ViewBar(p: BarProps): JSX.Element {
  const views = useViews(p.screen);
  const [saving, setSaving] = useState(false);
  const path = "/" + p.screen;
  return (
    <div class="viewbar">
      <ViewList views={views} path={path} />
      {p.filtered && (
        <>
          <button class="quiet" onClick={() => go(p.bare ?? path, true)}>
            {t("filters_clear")}
          </button>
          <button class="quiet" onClick={() => setSaving(true)}>
            {t("view_save")}
          </button>
        </>
      )}
      <span class="grow" />
      {p.csv && (
        <button class="quiet" onClick={() => void p.csv?.().catch((x) => toast(errorText(x)))}>
          {t("csv")}
        </button>
      )}
      {p.children}
      {saving && (
        <SaveView
          screen={p.screen}
          close={() => setSaving(false)}
          done={() => {
            setSaving(false);
            void views.reload();
          }}
        />
      )}
    </div>
  );
}

function ViewList({ views, path }: { views: Loaded<Page<SavedView>>; path: string }): JSX.Element {
  const forget = async (v: SavedView): Promise<void> => {
    try {
      await call("DELETE", `/views/${v.id}`);
      await views.reload();
    } catch (x) {
      toast(errorText(x));
    }
  };
  return (
    <>
      {(views.value?.items ?? []).map((v) => {
        const search = v.query ? "?" + v.query : "";
        return (
          <span key={v.id} class="view">
            <A href={path + search} aria-current={location.search === search ? "true" : undefined} title={v.group ? t("view_shared", v.group) : undefined}>
              {v.name}
              {v.group && <span class="muted small"> {v.group}</span>}
            </A>
            {v.mine && (
              <button class="quiet" aria-label={t("view_forget", v.name)} onClick={() => void forget(v)}>
                ✕
              </button>
            )}
          </span>
        );
      })}
    </>
  );
}

function SaveView({ screen, close, done }: { screen: Viewed; close: () => void; done: () => void }): JSX.Element {
  const [name, setName] = useState("");
  const [group, setGroup] = useState("");
  const [error, setError] = useState<unknown>(null);
  const save = async (e: Event): Promise<void> => {
    e.preventDefault();
    if (!name.trim()) return;
    try {
      await call("POST", "/views", { screen, name: name.trim(), query: location.search.replace(/^\?/, ""), ...(group ? { group } : {}) });
      done();
    } catch (x) {
      setError(x);
    }
  };
  return (
    <Dialog title={t("view_save")} onClose={close}>
      <form onSubmit={(e) => void save(e)}>
        <Field label={t("view_name")} value={name} onValue={setName} help={t("view_help")} focus required />
        <GroupSelect value={group} set={setGroup} label={t("view_share")} none={t("view_share_none")} help={t("view_share_help")} />
        <Fault error={error} />
        <div class="actions end">
          <button type="button" onClick={close}>
            {t("cancel")}
          </button>
          <button class="primary">{t("save")}</button>
        </div>
      </form>
    </Dialog>
  );
}
