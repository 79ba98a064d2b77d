// What really helps when something stopped, by the daemon's id of the problem, never by its text.
import type { ErrorBody, Job } from "./api";
import type { Key } from "./i18n";

/** Where a person has to go; everything not named here is tried again as it is. */
type Way = "host_key" | "connector" | "ca" | "cert" | "places" | "look" | "renew" | "licence" | "approve";

/** A test holds that the daemon knows each of these. */
export const ways: Record<string, Way> = {
  "net.ssh.changed": "host_key",
  "net.ssh.unpinned": "host_key",

  "connect.no_secret": "connector",
  "net.egress.denied": "connector",
  "net.ssh.auth": "connector",
  "net.ssh.key": "connector",

  "acme.agreement": "ca",
  "acme.contact": "ca",
  "acme.contact_kind": "ca",
  "acme.eab": "ca",
  "acme.eab_missing": "ca",
  "acme.eab_needed": "ca",
  "acme.not_directory": "ca",
  "acme.profile": "ca",
  "acme.profile_unknown": "ca",
  "acme.user_action": "ca",
  "net.http.tls": "ca",
  "private.expired": "ca",

  "acme.csr": "cert",
  "acme.key": "cert",
  "acme.no_challenge": "cert",
  "acme.rejected": "cert",
  "acme.unsupported": "cert",
  "job.ca_ip": "cert",
  "job.ca_wildcard": "cert",
  "job.loss": "cert",
  "job.need_challenge": "cert",
  "job.need_solver": "cert",
  "job.no_ca": "cert",
  "job.no_names": "cert",
  "job.no_solver": "cert",
  "job.proof_type": "cert",
  "job.wildcard_dns": "cert",
  "webroot.missing": "cert",
  "webroot.not_dir": "cert",

  "files.moved": "places",
  "files.no_path": "places",
  "files.owner": "places",
  "files.same_path": "places",
  "files.verify": "places",

  "job.needs_approval": "approve",

  "job.no_key": "look",
  "job.nothing_to_deploy": "look",
  "job.other_cert": "look",
  "job.version_refused": "look",

  "crypto.servable.odd": "renew",
  "job.deploy_expired": "renew",

  "licence.certificates": "licence",
  "licence.ended": "licence",
  "licence.targets": "licence",
};

export interface Remedy {
  label: Key;
  /** A screen, or what to ask of the daemon. */
  to?: string;
  renew?: number;
}

/** What the job was about; `ca` by its name, where it is known. */
export interface About {
  job: Pick<Job, "kind" | "subject" | "progress">;
  ca?: string | null;
}

const number = (subject: string, kind: string): number => Number(new RegExp(`^${kind}/(\\d+)$`).exec(subject)?.[1] ?? 0);

/** The settings of what could not be reached; an application reaches its web root by its own. */
function machine({ job }: About, cert: string | null, host: boolean): Remedy | null {
  const query = host ? "" : "?edit=1";
  const target = (job.progress as { target?: number } | null)?.target;
  const store = number(job.subject, "backup");
  if (job.kind === "deploy" && target) return { label: host ? "fix_host_key" : "fix_target", to: `/targets/${target}${query}` };
  if (store) return { label: host ? "fix_host_key" : "fix_store", to: `/backup-stores/${store}${query}` };
  return cert && job.kind === "issue" ? { label: host ? "fix_host_key" : "fix_cert", to: cert + "?edit=1" } : null;
}

/** Null: trying again is all there is to do. */
export function remedyOf(error: ErrorBody | null | undefined, about: About): Remedy | null {
  const way = error && ways[error.id];
  const id = number(about.job.subject, "cert");
  const cert = id ? `/certs/${id}` : null;
  const look: Remedy | null = cert ? { label: "open_cert", to: cert } : null;
  switch (way) {
    case "host_key":
      return machine(about, cert, true) ?? look;
    case "connector":
      if (about.job.kind === "issue" && /^eab/.test(error?.field ?? "") && about.ca) return { label: "fix_ca", to: `/cas/${encodeURIComponent(about.ca)}?edit=1` };
      return machine(about, cert, false) ?? look;
    case "ca":
      return about.ca ? { label: "fix_ca", to: `/cas/${encodeURIComponent(about.ca)}?edit=1` } : look;
    case "cert":
      return cert ? { label: "fix_cert", to: cert + "?edit=1" } : null;
    case "places":
      return cert ? { label: "fix_places", to: cert } : null;
    case "look":
      return look;
    case "approve":
      return cert ? { label: "approve_see", to: cert } : null;
    case "renew":
      return id ? { label: "renew_now", renew: id } : null;
    case "licence":
      return { label: "licence_see", to: "/settings/licence" };
    default:
      return null;
  }
}
