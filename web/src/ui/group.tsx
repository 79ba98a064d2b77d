// Who owns it: the group whose people act on it and are told about it.
import type { JSX } from "preact";
import { useEffect, useState } from "preact/hooks";
import { get, type Group, type Page } from "../lib/api";
import { t } from "../lib/i18n";
import { Select } from "./basic";

export function GroupSelect({ value, set, none = t("no_group"), label = t("owner_group"), help = t("owner_group_help") }: { value: string; set: (v: string) => void; none?: string; label?: string; help?: string }): JSX.Element | null {
  const [names, setNames] = useState<string[]>([]);
  useEffect(() => {
    get<Page<Group>>("/groups").then(
      (p) => setNames(p.items.map((g) => g.name)),
      () => undefined,
    );
  }, []);
  if (names.length === 0) return null;
  const of: [string, string][] = [["", none], ...names.map((n): [string, string] => [n, n])];
  if (value && !names.includes(value)) of.push([value, value]);
  return <Select label={label} value={value} of={of} onValue={set} help={help} />;
}
