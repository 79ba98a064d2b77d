// Every text in both languages, none missing, none unused. usage: i18n.mjs web/src
import { readFileSync, readdirSync } from "node:fs";
import { join } from "node:path";

const src = process.argv[2];
const faults = [];
const files = (dir) => readdirSync(dir, { withFileTypes: true }).flatMap((e) => (e.isDirectory() ? files(join(dir, e.name)) : /\.tsx?$/.test(e.name) ? [join(dir, e.name)] : []));
const tables = ["common", "certs", "discover", "flows", "operations", "orgs", "settings"];
const row = /^\s*"?([\w.-]+)"?: \[((?:"(?:[^"\\]|\\.)*"(?:, )?)+)\],$/;
const strings = (s) => [...s.matchAll(/"((?:[^"\\]|\\.)*)"/g)].map((m) => JSON.parse(`"${m[1]}"`));
const japanese = /[\u3040-\u30ff\u3400-\u9fff]/;
// The same in both: names and abbreviations.
const same = new Set(["Inro", "CSR", "SNI", "PID"]);

function read(name) {
  const keys = new Map();
  for (const line of readFileSync(join(src, "texts", name + ".ts"), "utf8").split("\n")) {
    if (!/^\s+["\w].*: \[/.test(line)) continue;
    const m = row.exec(line);
    if (!m) {
      faults.push(`${name}: a line that is no text: ${line.trim().slice(0, 80)}`);
      continue;
    }
    if (keys.has(m[1])) faults.push(`${name}: ${m[1]} twice`);
    keys.set(m[1], strings(m[2]));
  }
  if (keys.size === 0) faults.push(`${name}: no texts read`);
  return keys;
}

const all = new Map();
for (const name of tables)
  for (const [k, v] of read(name)) {
    if (all.has(k)) faults.push(`${k} is in two tables`);
    all.set(k, v);
  }
const holes = (s) => [...new Set(s.match(/\{\d\}/g) ?? [])].sort().join();
for (const [k, [en, ja]] of all) {
  if (!en || !ja) faults.push(`${k}: a language is empty`);
  else {
    if (holes(en) !== holes(ja)) faults.push(`${k}: different arguments in the two languages`);
    if (japanese.test(en)) faults.push(`${k}: Japanese in the English text`);
    if (!japanese.test(ja) && !same.has(ja) && /[a-z]/i.test(ja.replace(/\{\d\}/g, ""))) faults.push(`${k}: not translated: ${ja}`);
  }
}
for (const [k, [, en, ja]] of read("states")) if (!en || !japanese.test(ja)) faults.push(`state ${k}: not in both languages`);
const words = read("words");
for (const [k, [en, ja]] of words) if (!en || !ja || (!japanese.test(ja) && !/HTTP/.test(ja))) faults.push(`word ${k}: not in both languages`);

const code = files(src)
  .filter((f) => !f.includes("/texts/"))
  .map((f) => readFileSync(f, "utf8"));
const source = code.join("\n");
const literals = new Set([...source.matchAll(/"([\w.-]+)"/g)].map((m) => m[1]));
for (const k of all.keys()) if (!literals.has(k)) faults.push(`${k}: unused`);
for (const m of source.matchAll(/\bt\(\s*"([\w]+)"/g)) if (!all.has(m[1])) faults.push(`${m[1]}: used, but in no table`);
// Words are looked up by prefix: one that nobody asks for is unused.
const prefixes = new Set([...source.matchAll(/word\("([\w]+\.)"/g)].map((m) => m[1]));
for (const k of words.keys()) if (![...prefixes].some((p) => k.startsWith(p))) faults.push(`word ${k}: unused`);
for (const p of prefixes) if (![...words.keys()].some((k) => k.startsWith(p))) faults.push(`word ${p}*: used, but in no table`);
// Text that a person sees must come from the tables: no Japanese in the code itself.
for (const f of files(src).filter((x) => !x.includes("/texts/")))
  readFileSync(f, "utf8")
    .split("\n")
    .forEach((line, i) => {
      if (/^\s*(\/\/|\/?\*)/.test(line) || /日本語|印籠|、，|、，]/.test(line)) return;
      if (japanese.test(line.replace(/\/\/.*$/, "").replace(/\{?\/\*.*?\*\/\}?/g, ""))) faults.push(`${f}:${i + 1}: text outside of the tables`);
    });

for (const f of faults) console.log(`i18n: ${f}`);
console.log(`i18n: ${all.size} texts, ${words.size} words, ${faults.length} faults`);
process.exit(faults.length ? 1 : 0);
