// Saved views of a list: the filters under a name, kept by the server for the person, perhaps shown
// to a group. What older versions kept in the browser moves there once.
import type { JSX } from "preact";
import { useEffect, useState } from "preact/hooks";
import { call, type Page, type Schemas } from "../lib/api";
import { t } from "../lib/i18n";
import { useGet, type Loaded } from "../lib/hooks";
import { A } from "../lib/router";
import { Fault, Field, toast, errorText } from "../ui/basic";
import { Dialog } from "../ui/dialog";
import { GroupSelect } from "../ui/group";

type SavedView = Schemas["SavedView"];
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

export function useViews(): Loaded<Page<SavedView>> {
  const views = useGet<Page<SavedView>>("/views?screen=certs", ["view"]);
  useEffect(() => {
    moveOld().then(
      (moved) => moved && void views.reload(),
      () => undefined, // tried again at the next visit
    );
  }, []);
  return views;
}

export function ViewList({ views }: { views: Loaded<Page<SavedView>> }): JSX.Element {
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
            <A href={"/certs" + search} aria-current={location.search === search ? "true" : undefined} title={v.group ? t("view_shared", v.group) : undefined}>
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

export function SaveView({ close, done }: { close: () => void; done: () => void }): JSX.Element {
  const [name, setName] = useState("");
  const [group, setGroup] = useState("");
  const [error, setError] = useState<unknown>(null);
  const save = async (e: Event): Promise<void> => {
    e.preventDefault();
    if (!name.trim()) return;
    try {
      await call("POST", "/views", { screen: "certs", name: name.trim(), query: location.search.replace(/^\?/, ""), ...(group ? { group } : {}) });
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
