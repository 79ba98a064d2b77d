// The daemon's API. One place that knows about CSRF, errors and an ended session.
import { pair, t } from "./i18n";

export interface Message {
  en: string;
  ja: string;
}
export interface ApiErrorBody {
  code: string;
  id: string;
  message: Message;
  field?: string | null;
  remote?: string | null;
  while?: Message[];
}
export class ApiError extends Error {
  constructor(
    readonly status: number,
    readonly body: ApiErrorBody,
  ) {
    super(pair(body.message));
  }
}

export interface Page<T> {
  items: T[];
  next: number | null;
}
export interface Cert {
  id: number;
  name: string;
  names: string[];
  ca: string;
  key: string;
  health: string;
  not_before: string | null;
  not_after: string | null;
  issuer: string | null;
  serial: string | null;
  sha256: string | null;
  renew_at: string | null;
  targets: { total: number; deployed: number; failed: number };
}
export interface Version {
  id: number;
  state: string;
  serial: string | null;
  sha256: string | null;
  not_before: string | null;
  not_after: string | null;
  created: string;
}
export interface Binding {
  id: number;
  target: string | number;
  state: string;
  version: number | null;
  place: Record<string, unknown>;
  error: ApiErrorBody | null;
}
export interface CertDetail extends Cert {
  versions: Version[];
  bindings: Binding[];
}
export interface Job {
  id: number;
  kind: string;
  subject: string;
  step: string;
  state: string;
  activity: Message | null;
  attempts: number;
  run_at: string | null;
  error: ApiErrorBody | null;
  progress: unknown;
  created: string;
  finished: string | null;
}
export interface Session {
  user: { login: string; name: string; role: string; lang: string };
  csrf: string;
  must_change: boolean;
}

let csrf = "";
let onEnd: () => void = () => undefined;

export const setCsrf = (value: string): void => void (csrf = value);
export const onSessionEnd = (fn: () => void): void => void (onEnd = fn);

export async function call<T>(method: string, path: string, body?: unknown): Promise<T> {
  const headers: Record<string, string> = {};
  if (body !== undefined) headers["Content-Type"] = "application/json";
  if (method !== "GET" && csrf) headers["X-Inro-CSRF"] = csrf;
  let answer: Response;
  try {
    answer = await fetch("/api/v1" + path, {
      method,
      headers,
      body: body === undefined ? undefined : JSON.stringify(body),
      credentials: "same-origin",
      cache: "no-store",
    });
  } catch {
    throw new ApiError(0, { code: "net", id: "web.network", message: { en: t("networkError"), ja: t("networkError") } });
  }
  const text = await answer.text();
  const value = text ? (JSON.parse(text) as unknown) : null;
  if (answer.ok) return value as T;
  if (answer.status === 401 && path !== "/session") onEnd();
  const e = (value as { error?: ApiErrorBody } | null)?.error;
  throw new ApiError(answer.status, e ?? { code: "internal", id: "", message: { en: answer.statusText, ja: answer.statusText } });
}

/** Follows a job until it ends; the server holds each question up to 20 seconds. */
export async function follow(id: number, each: (j: Job) => void): Promise<Job> {
  for (;;) {
    const j = await call<Job>("GET", `/jobs/${id}?wait=20`);
    each(j);
    if (["done", "failed", "blocked", "cancelled"].includes(j.state)) return j;
  }
}
