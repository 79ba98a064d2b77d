// The API's shapes and the one function that calls it.
import { t } from "./i18n";

export interface Message {
  en: string;
  ja: string;
}
export interface ErrorBody {
  code: string;
  id: string;
  message: Message;
  blame?: string;
  field?: string | null;
  remote?: string | null;
  retry_at?: string | null;
  while?: Message[];
}
export class ApiError extends Error {
  constructor(
    readonly status: number,
    readonly body: ErrorBody,
  ) {
    super(body.message.en);
  }
}
export interface Page<T> {
  items: T[];
  next: number | string | null;
}
export interface Cert {
  id: number;
  name: string;
  names: string[];
  ca: string | null;
  key: string;
  health: string;
  not_before: string | null;
  not_after: string | null;
  issuer: string | null;
  serial: string | null;
  sha256: string | null;
  renew_at: string | null;
  targets: { total: number; deployed: number; failed: number };
  job: number | null;
  group?: string | null;
  created: string;
  updated: string;
  revision: number;
}
export interface Version {
  id: number;
  state: string;
  key: string;
  has_key: boolean;
  serial: string | null;
  issuer: string | null;
  sha256: string | null;
  spki_sha256: string | null;
  not_before: string | null;
  not_after: string | null;
  created: string;
  activated: string | null;
}
export interface Order {
  id: number;
  cert: number;
  cert_name: string | null;
  version: number;
  ca: number;
  job: number;
  state: string;
  reason: string | null;
  error: ErrorBody | null;
  created: string;
  updated: string;
}
export interface Binding {
  id: number;
  cert: number;
  target: string | null;
  target_id: number;
  place: Record<string, unknown>;
  seq: number;
  version: number | null;
  state: string;
  error: ErrorBody | null;
  updated: string;
  revision: number;
}
export interface Deployment {
  id: number;
  cert?: number;
  cert_name?: string | null;
  version: number;
  previous?: number;
  job?: number;
  state: string;
  reason: string | null;
  created: string;
  updated?: string;
}
export interface PlanLine {
  what: Message;
  object: string | null;
  before: string | null;
  after: string | null;
}
export interface Plan {
  unchanged: boolean;
  verified_by_handshake?: boolean;
  lines: PlanLine[];
}
export interface DeployItem {
  id: number;
  binding: number;
  target: string | null;
  state: string;
  plan: Plan | null;
  error: ErrorBody | null;
  updated: string;
}
export interface DeploymentDetail extends Deployment {
  items: DeployItem[];
}
export interface CertDetail extends Cert {
  challenge: Record<string, unknown> | null;
  policy: Record<string, unknown> | null;
  versions: Version[];
  orders: Order[];
  deployments: Deployment[];
  bindings: Binding[];
}
export interface ChainItem {
  subject: string;
  issuer: string;
  serial: string;
  not_before: string;
  not_after: string;
  key: string;
  signature: string;
  ca: boolean;
  self_issued: boolean;
  sha256: string;
  names: string[];
}
export interface Job {
  id: number;
  kind: string;
  subject: string;
  subject_name: string | null;
  step: string;
  state: string;
  activity: Message | null;
  attempts: number;
  run_at: string | null;
  error: ErrorBody | null;
  progress: unknown;
  created: string;
  updated: string;
  finished: string | null;
}
export interface Connector {
  id: number;
  name: string;
  type: string;
  settings: Record<string, unknown> | null;
  state: Record<string, unknown> & { ready: boolean };
  group?: string | null;
  created: string;
  updated: string;
  revision: number;
}
export interface SeenAddress {
  addr: string;
  state: string;
  sha256: string | null;
  subject: string | null;
  issuer: string | null;
  serial: string | null;
  protocol: string | null;
  not_after: string | null;
  trusted: boolean;
}
export interface Endpoint {
  id: number;
  host: string;
  port: number;
  sni: string | null;
  starttls: string | null;
  cert: number | null;
  cert_name: string | null;
  group?: string | null;
  every: number;
  next_at: string | null;
  state: string;
  seen: { addresses: SeenAddress[]; error: ErrorBody | null } | null;
  seen_at: string | null;
  created: string;
}
export interface Observation {
  id: number;
  addr: string | null;
  at: string;
  sha256: string | null;
  subject: string | null;
  issuer: string | null;
  protocol: string | null;
  not_after: string | null;
  trusted: boolean;
  error: ErrorBody | null;
}
export interface Field {
  name: string;
  type: string;
  required: boolean;
  advanced: boolean;
  immutable: boolean;
  multiline: boolean;
  default: unknown;
  min: number | null;
  max: number | null;
  choices: { value: string; label: string }[] | null;
  ref_kind: string | null;
  only_if: { field: string; values: string[] } | null;
  label: string;
  help: string | null;
  example: string | null;
}
export interface TypeSchema {
  id: string;
  name: string;
  about: string;
  fields?: Field[];
  place_fields?: Field[];
}
export interface Summary {
  now: string;
  health: Record<string, number>;
  weeks: { week: number; health: string; count: number }[];
  renewals: { day: number; count: number }[];
  jobs: { state: string; kind: string; count: number }[];
  endpoints: Record<string, number>;
  connectors: Record<string, number>;
  deliveries: Record<string, number>;
}
export interface Session {
  user: { login: string; name: string; role: string; lang: string; totp?: boolean; groups?: { id: number; name: string }[] };
  csrf: string;
  must_change: boolean;
  expires?: string | null;
}
export interface User {
  id: number;
  login: string;
  name: string;
  role: string;
  lang: string;
  groups?: { id: number; name: string }[] | string[];
  must_change: boolean;
  disabled: boolean;
  totp?: boolean;
  signed_in?: string | null;
  created: string;
  revision: number;
}
export interface Group {
  id: number;
  name: string;
  about: string | null;
  notify: Record<string, unknown> | null;
  members: { id: number; login: string; name: string; role: string; disabled: boolean }[];
  created: string;
  revision: number;
}
export interface Audit {
  id: number;
  at: string;
  actor: string | null;
  origin: string | null;
  action: string;
  subject: string | null;
  detail: unknown;
  result: string;
  hash: string;
}

let csrf = "";
let onEnd: () => void = () => undefined;
let onReach: (up: boolean) => void = () => undefined;

export const setCsrf = (value: string): void => void (csrf = value);
export const onSessionEnd = (fn: () => void): void => void (onEnd = fn);
export const onReachable = (fn: (up: boolean) => void): void => void (onReach = fn);

/** Waits at most this long for an answer (a long poll holds up to 20 seconds). */
const PATIENCE = 45000;

async function ask(method: string, path: string, body: unknown, headers: Record<string, string>): Promise<Response> {
  const stop = new AbortController();
  const timer = setTimeout(() => stop.abort(), PATIENCE);
  try {
    const answer = await fetch("/api/v1" + path, {
      method,
      headers,
      body: body === undefined ? undefined : JSON.stringify(body),
      credentials: "same-origin",
      cache: "no-store",
      signal: stop.signal,
    });
    onReach(true);
    return answer;
  } catch {
    onReach(false);
    throw new ApiError(0, { code: "net", id: "web.network", message: { en: t("net_error"), ja: t("net_error") } });
  } finally {
    clearTimeout(timer);
  }
}

function headersOf(method: string, body: unknown): Record<string, string> {
  const headers: Record<string, string> = {};
  if (body !== undefined) headers["Content-Type"] = "application/json";
  if (method !== "GET" && csrf) headers["X-Inro-CSRF"] = csrf;
  return headers;
}

function failed(answer: Response, path: string, value: unknown): ApiError {
  if (answer.status === 401 && path !== "/session") onEnd();
  const e = (value as { error?: ErrorBody } | null)?.error;
  const plain = `${answer.status} ${answer.statusText}`;
  return new ApiError(answer.status, e ?? { code: "internal", id: "", message: { en: plain, ja: plain } });
}

function parse(text: string): unknown {
  try {
    return text ? (JSON.parse(text) as unknown) : null;
  } catch {
    return null;
  }
}

/** Asks the person for the password again (step-up); false: they would rather not. */
let onProve: () => Promise<boolean> = () => Promise.resolve(false);
export const setProver = (fn: () => Promise<boolean>): void => void (onProve = fn);

export async function call<T>(method: string, path: string, body?: unknown): Promise<T> {
  for (let proven = false; ; proven = true) {
    const answer = await ask(method, path, body, headersOf(method, body));
    const value = parse(await answer.text());
    if (answer.ok) return value as T;
    const error = failed(answer, path, value);
    if (error.body.id !== "api.prove" || proven || !(await onProve())) throw error;
  }
}

export const get = <T>(path: string): Promise<T> => call<T>("GET", path);

/** A file from the API: bytes and type. */
export async function download(path: string, name: string, method = "GET", body?: unknown): Promise<void> {
  for (let proven = false; ; proven = true) {
    const answer = await ask(method, path, body, headersOf(method, body));
    if (answer.ok) return saveBlob(await answer.blob(), name);
    const error = failed(answer, path, parse(await answer.text()));
    if (error.body.id !== "api.prove" || proven || !(await onProve())) throw error;
  }
}

export function saveBlob(blob: Blob, name: string): void {
  const url = URL.createObjectURL(blob);
  const a = document.createElement("a");
  a.href = url;
  a.download = name;
  a.click();
  setTimeout(() => URL.revokeObjectURL(url), 10000);
}

const ended = ["done", "failed", "blocked", "cancelled"];
export const jobEnded = (j: { state: string }): boolean => ended.includes(j.state);

/** Follows a job until it ends or `stop` says so; the server holds each question up to 20 seconds. */
export async function follow(id: number, each: (j: Job) => void, stop: () => boolean = () => false): Promise<Job> {
  for (;;) {
    const j = await get<Job>(`/jobs/${id}?wait=20`);
    if (stop()) return j;
    each(j);
    if (jobEnded(j)) return j;
    await new Promise((done) => setTimeout(done, 150));
  }
}

export function query(params: Record<string, string | number | boolean | null | undefined>): string {
  const q = new URLSearchParams();
  for (const [k, v] of Object.entries(params)) if (v !== null && v !== undefined && v !== "" && v !== false) q.set(k, v === true ? "1" : String(v));
  const s = q.toString();
  return s ? "?" + s : "";
}
