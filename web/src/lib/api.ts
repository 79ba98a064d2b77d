// The API's shapes and the one function that calls it.
import { t } from "./i18n";
import type { components, paths } from "./openapi";

/** What the daemon says it answers: made from its OpenAPI document by the build. */
export type Schemas = components["schemas"];
export type Message = Schemas["Message"];
/** An error of the daemon, or one of the same shape made here. */
export type ErrorBody = Pick<Schemas["Fault"], "code" | "id" | "message"> & Partial<Schemas["Fault"]>;
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
export type Cert = Schemas["Cert"];
export type Version = Schemas["Version"];
export type Order = Schemas["Order"];
export type Binding = Schemas["Binding"];
export type Deployment = Schemas["Deployment"];
export type PlanLine = Schemas["PlanLine"];
export type Plan = Schemas["Plan"];
export type DeployItem = Schemas["DeployItem"];
export type DeploymentDetail = Schemas["DeploymentDetail"];
export type CertDetail = Schemas["CertDetail"];
export type ChainItem = Schemas["CertInfo"];
export type Job = Schemas["Job"];
export type Connector = Schemas["Connector"];
export type Target = Schemas["Target"];
export type SeenAddress = Schemas["SeenAddress"];
export type Endpoint = Schemas["Endpoint"];
export type Discovery = Schemas["Discovery"];
export type DiscoveryDetail = Schemas["DiscoveryDetail"];
export type DiscoveryItem = Schemas["DiscoveryItem"];
export type Adoption = Schemas["Adoption"];
export type Adopted = Schemas["Adopted"];
export type Observation = Schemas["Observation"];
export type Field = Schemas["Field"];
export type TypeSchema = Schemas["ConnectorType"];
export type Summary = Schemas["Summary"];
export type Session = Schemas["Session"];
export type User = Schemas["User"];
export type Group = Schemas["Group"];
export type Audit = Schemas["Audit"];

let csrf = "";
let onEnd: () => void = () => undefined;
let onReach: (up: boolean) => void = () => undefined;

/** One for each signing in: what was asked in an earlier session says nothing about this one. */
let era = 0;
export const sessionEra = (): number => era;

export const setCsrf = (value: string): void => {
  csrf = value;
  era++;
};
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

function failed(answer: Response, path: string, value: unknown, begun: number): ApiError {
  if (answer.status === 401 && path !== "/session" && begun === era) onEnd();
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

/** "/certs/{id}" with anything in its place, and perhaps a query. */
type Filled<P extends string> = P extends `${infer A}{${string}}${infer B}` ? `${A}${string}${Filled<B>}` : P;
type Paths<M extends "get" | "post" | "patch" | "put" | "delete"> = { [P in keyof paths & string]: paths[P] extends { [K in M]: object } ? Filled<P> | `${Filled<P>}?${string}` : never }[keyof paths & string];
/** Addresses of the API that take the method: any other does not compile. */
export type Readable = Paths<"get">;
export type Postable = Paths<"post">;

export async function call<T>(method: "GET", path: Readable): Promise<T>;
/** `once`: the same work said again, because no answer came, is not done again. */
export async function call<T>(method: "POST", path: Postable, body?: unknown, once?: string): Promise<T>;
export async function call<T>(method: "PATCH", path: Paths<"patch">, body?: unknown): Promise<T>;
export async function call<T>(method: "PUT", path: Paths<"put">, body?: unknown): Promise<T>;
export async function call<T>(method: "DELETE", path: Paths<"delete">, body?: unknown): Promise<T>;
export async function call<T>(method: string, path: string, body?: unknown, once?: string): Promise<T> {
  for (let proven = false; ; proven = true) {
    const begun = era;
    const answer = await ask(method, path, body, { ...headersOf(method, body), ...(once ? { "Idempotency-Key": once } : {}) });
    const value = parse(await answer.text());
    if (answer.ok) return value as T;
    const error = failed(answer, path, value, begun);
    if (error.body.id !== "api.prove" || proven || !(await onProve())) throw error;
  }
}

export const get = <T>(path: Readable): Promise<T> => call<T>("GET", path);

/** A file from the API: bytes and type. */
export async function download(path: string, name: string, method = "GET", body?: unknown): Promise<void> {
  for (let proven = false; ; proven = true) {
    const begun = era;
    const answer = await ask(method, path, body, headersOf(method, body));
    if (answer.ok) return saveBlob(await answer.blob(), name);
    const error = failed(answer, path, parse(await answer.text()), begun);
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

/** Follows a job until it ends or `stop` says so; after the first answer the server holds each question up to 20 seconds. */
export async function follow(id: number, each: (j: Job) => void, stop: () => boolean = () => false): Promise<Job> {
  for (let wait = 0; ; wait = 20) {
    const j = await get<Job>(`/jobs/${id}?wait=${wait}`);
    if (stop()) return j;
    each(j);
    if (jobEnded(j)) return j;
    await new Promise((done) => setTimeout(done, 150));
  }
}

export function query(params: Record<string, string | number | boolean | null | undefined>): "" | `?${string}` {
  const q = new URLSearchParams();
  for (const [k, v] of Object.entries(params)) if (v !== null && v !== undefined && v !== "" && v !== false) q.set(k, v === true ? "1" : String(v));
  const s = q.toString();
  return s ? `?${s}` : "";
}
