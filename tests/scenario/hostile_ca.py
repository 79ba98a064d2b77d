"""A CA that is hostile, broken or slow: one daemon meets all of them at once.

Each row is a CA account of its own that bends one answer (tests/rig/scripted_ca.py). Judged are the
calls the CA saw, the stored job with its error in both languages, and the certificate in service.
"""
import base64
import datetime
import hashlib
import itertools
import json
import socket
import struct
import threading
import time

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID

from rig import Failure, Inro, free_port, pem_sha256, wait_for, write
from scripted_ca import Answer, Authority, ScriptedCa, expired_pair, pem, problem


def url(where):
    """The directory names `where` as the place for new orders."""
    return {"edit": {"directory": lambda case, call, d: {**d, "newOrder": where}}}


def token(text):
    def edit(case, call, authz):
        for c in authz["challenges"]:
            c["token"] = text
        return authz
    return {"edit": {"authz": edit}}


def always(kind, **answer):
    return {"on": {kind: lambda case, call: Answer(**answer)}}


def refuse(kind, status, urn, detail, **more):
    return {"on": {kind: lambda case, call: problem(status, urn, detail, **more)}}


def issued(make):
    return {"issue": lambda case, csr, names: make(case.ca.authority, csr.public_key(), names)}


def chain_of(n):
    def make(a, key, names):
        return pem(a.leaf(key, names)) + pem(a.cert) * n
    return issued(make)


def drip():
    while True:
        yield b" "
        time.sleep(0.5)


def endless():
    return itertools.repeat(b"x" * 65536)


def in_html(text):
    return f"<html><body><pre>{text}</pre></body></html>"


def processing(retry_after=None):
    """The order is never done; the CA may say when to look again."""
    def edit(case, call, order):
        if order["status"] == "valid":
            order["status"] = "processing"
            order.pop("certificate", None)
        return order

    def order(case, call):
        a = case.honest("order", call, call.path.rpartition("/")[2], None)
        a.body = json.dumps(edit(case, call, json.loads(a.body))).encode()
        if retry_after is not None:
            a.headers["Retry-After"] = retry_after
        return a
    return {"edit": {"finalize": edit}, "on": {"order": order}}


def invalid_after_finalize():
    def edit(case, call, order):
        if order["status"] == "valid":
            order.update(status="invalid", error={"type": "urn:ietf:params:acme:error:serverInternal",
                                                  "detail": "the signer is out of paper", "status": 500})
        return order
    return {"edit": {"order": edit, "finalize": edit}}


OTHER = ec.generate_private_key(ec.SECP256R1())
DEACTIVATED = "account has been deactivated"
SUBS = [{"type": "urn:ietf:params:acme:error:caa", "detail": "CAA forbids it", "status": 403,
         "identifier": {"type": "dns", "value": "a.subs.test"}},
        {"type": "urn:ietf:params:acme:error:dns", "detail": "no such name", "status": 400,
         "identifier": {"type": "dns", "value": "b.subs.test"}}]


class Row:
    """What the CA does, and what must be seen: the error's code, words in en and ja, the job's state, at most
    `calls` calls of kind `of` and `orders` orders (honest first issue not counted)."""

    def __init__(self, name, how, code, en, ja, state="ready", calls=None, orders=None, first=False, wait=25.0):
        self.name, self.how, self.code, self.en, self.ja, self.state = name, how, code, en, ja, state
        self.calls, self.orders, self.first, self.wait = calls or {}, orders, first, wait


OUTSIDE = ("remote", "outside its host", "自身のホスト以外")
GARBAGE = ("remote", "CA", "認証局")
ROWS = [
    # 21: URLs that lead elsewhere
    Row("dir-foreign", url("https://127.0.0.2:9/order"), *OUTSIDE, first=True, orders=0),
    Row("dir-meta", url("https://169.254.169.254/latest"), *OUTSIDE, first=True, orders=0),
    Row("dir-http", url("http://127.0.0.1:80/order"), *OUTSIDE, first=True, orders=0),
    Row("dir-file", url("file:///etc/passwd"), *OUTSIDE, first=True, orders=0),
    Row("dir-user", url("https://user:secret@127.0.0.1/order"), *OUTSIDE, first=True, orders=0),
    Row("order-foreign", {"edit": {"order-new": lambda case, call, o: {**o, "finalize": "https://127.0.0.2/f"}}},
        *OUTSIDE, orders=1),
    # 22: tokens that are no tokens
    Row("token-dots", token("../../etc/passwd"), "remote", "forbidden characters", "不正な文字", orders=1),
    Row("token-shell", token("$(id)"), "remote", "forbidden characters", "不正な文字", orders=1),
    Row("token-space", token("a b"), "remote", "forbidden characters", "不正な文字", orders=1),
    Row("token-long", token("A" * 4096), "remote", "forbidden characters", "不正な文字", orders=1),
    Row("token-empty", token(""), "remote", "forbidden characters", "不正な文字", orders=1),
    # 23: certificates that are not what was ordered
    Row("cert-names", issued(lambda a, k, n: pem(a.leaf(k, ["other.test"]), a.cert)), "remote",
        "lacks the ordered name cert-names.test", "申請した名前 cert-names.test がありません", "blocked", orders=1),
    Row("cert-more", issued(lambda a, k, n: pem(a.leaf(k, n + ["bank.test"]), a.cert)), "remote",
        "carries bank.test", "申請していない名前 bank.test", "blocked", orders=1),
    Row("cert-key", issued(lambda a, k, n: pem(a.leaf(OTHER, n), a.cert)), "remote", "for another key", "公開鍵が異なります",
        "blocked", orders=1),
    Row("cert-short", issued(lambda a, k, n: pem(a.leaf(k, n, days=10), a.cert)), "remote", "not long enough", "短すぎます",
        "blocked", orders=1),
    Row("cert-over", issued(lambda a, k, n: pem(a.leaf(k, n, days=0.01), a.cert)), "remote", "not now", "現在有効でない",
        "blocked", orders=1),
    Row("cert-poison", issued(lambda a, k, n: pem(a.leaf(k, n, poison=True), a.cert)), "remote", "precertificate",
        "プレ証明書", "blocked", orders=1),
    Row("cert-chain", issued(lambda a, k, n: pem(a.leaf(k, n))), "tls", "chain", "チェーン", "blocked", orders=1),
    # 24: garbage where a certificate was promised; the order is kept
    Row("chain-100", chain_of(100), "remote", "chain of 101 certificates", "101 枚", orders=1),
    Row("pem-html", issued(lambda a, k, n: in_html(pem(a.leaf(k, n)) + pem(a.cert)[:400])), "remote", "CA", "認証局",
        orders=1),
    Row("cert-empty", always("certificate", body=b"", content_type="application/pem-certificate-chain"), "remote", "without a certificate", "証明書が含まれていません", orders=1),
    Row("cert-type", {"on": {"certificate": lambda case, call: Answer(
        200, case.certs[call.path.rpartition("/")[2]], content_type="text/html")}}, "remote", "text/html", "text/html",
        orders=1),
    Row("json-half", always("order-new", status=201, body=b'{"status": "pend'), "remote", "not ACME JSON",
        "JSONではありません"),
    Row("json-deep", always("order-new", status=201, body=b'{"a":' * 5000), "remote", "not ACME JSON",
        "JSONではありません"),
    # 25: loops and bodies without end
    Row("loop-301", always("order-new", status=301, headers={"Location": "/loop-301/order-new"}), "remote", "HTTP 301",
        "HTTP 301", calls={"order-new": 1}),
    Row("away-307", always("order-new", status=307, headers={"Location": "https://127.0.0.2/"}), "remote", "HTTP 307",
        "HTTP 307", calls={"order-new": 1}),
    Row("endless", {"on": {"order-new": lambda case, call: Answer(201, chunks=endless())}}, "remote", "cut off", "打ち切り"),
    Row("drip", {"on": {"order-new": lambda case, call: Answer(201, chunks=drip())}}, "timeout", "too slowly",
        "遅すぎる", wait=45),
    Row("silent", {"on": {"order-new": lambda case, call: Answer(201, b"", delay=300)}}, "timeout", "did not answer in time",
        "時間内に応答しません", wait=75),
    # 26: nonces and times
    Row("bad-nonce", {"nonce": lambda case, n: False}, "remote", "refusing fresh nonces", "nonceを拒否",
        calls={"order-new": 10}),
    Row("retry-zero", refuse("order-new", 503, "serverInternal", "busy", headers={"Retry-After": "0"}), "remote",
        "internal error", "内部エラー"),
    Row("retry-minus", refuse("order-new", 503, "serverInternal", "busy", headers={"Retry-After": "-1"}), "remote",
        "internal error", "内部エラー"),
    Row("retry-1970", refuse("order-new", 503, "serverInternal", "busy", headers={
        "Retry-After": "Thu, 01 Jan 1970 00:00:00 GMT"}), "remote", "internal error", "内部エラー"),
    Row("retry-far", refuse("order-new", 503, "serverInternal", "busy", headers={"Retry-After": "9999999"}), "remote",
        "internal error", "内部エラー", calls={"order-new": 1}),
    # 27, F21, F22: refusals
    Row("rate", refuse("order-new", 429, "rateLimited", "too many certificates already issued", headers={
        "Retry-After": "7200"}), "rate", "rate limit", "発行回数制限", calls={"order-new": 1}),
    Row("deactivated", refuse("order-new", 403, "unauthorized", DEACTIVATED), "denied", DEACTIVATED, "権限不足", "blocked",
        calls={"order-new": 1}),
    Row("conflict", always("order-new", status=409, body=b""), "remote", "HTTP 409", "HTTP 409", calls={"order-new": 1}),
    Row("html-500", always("order-new", status=500, body="<h1>Oops</h1>", content_type="text/html"), "remote", "HTTP 500",
        "HTTP 500", calls={"order-new": 1}),
    Row("gateway-502", always("finalize", status=502, body="<h1>Bad gateway</h1>", content_type="text/html"), "remote",
        "HTTP 502", "HTTP 502", calls={"finalize": 1}, orders=1),
    Row("subs", refuse("order-new", 403, "rejectedIdentifier", "some names are refused", subproblems=SUBS), "input",
        "b.subs.test: no such name", "a.subs.test: CAA forbids it", "blocked", calls={"order-new": 1}),
    # 28: after finalise
    Row("invalid", invalid_after_finalize(), "remote", "out of paper", "out of paper", orders=1),
    Row("eab", {"eab": ("kid-1", b"another key of the account owner")}, "denied", "external account binding is wrong",
        "権限不足", "blocked", first=True, orders=0, calls={"account": 1}),
    Row("eab-none", {"eab": ("kid-1", b"k" * 32)}, "input", "eab_kid", "eab_kid", "blocked", first=True, orders=0,
        calls={"account": 0}),
]
WAITING = [("processing-0", "0"), ("processing-minus", "-1"), ("processing-far", "9999999"), ("processing-none", None),
           ("processing-past", "Sat, 01 Jan 2000 00:00:00 GMT")]


class Bench:
    """The daemon, the CA and what is asked of them."""

    def __init__(self, box):
        self.inro = box.rig.add(Inro(box.inro, f"{box.folder}/inro"))
        self.ca = box.rig.add(ScriptedCa(f"{box.folder}/ca", self.inro.http01))
        self.roots = write(f"{box.folder}/issue-roots.pem", self.ca.root_pem())
        self.hmac = write(f"{box.folder}/hmac", "d3JvbmcgaG1hYyBrZXkgb2YgdGhlIGNhc2U\n", 0o600)
        self.inro.start()

    def add_ca(self, name, case, *more, roots=None):
        self.inro.cli("ca", "add", name, "--type", "acme", "--directory", case.directory, "--roots-file",
                      roots or self.ca.cert, "--issue_roots-file", self.roots, *more)

    def request(self, name, *more):
        return self.inro.get("cert", "request", f"{name}.test", "--ca", name, "--name", name, *more)["job"]["id"]

    def job(self, number):
        return self.inro.get("job", "show", str(number))

    def settled(self, number, timeout, state="ready"):
        """The job once it has failed a first time, or ended."""
        def look():
            j = self.job(number)
            return j if j["state"] in ("done", "blocked", "failed") or (j["attempts"] > 0 and j["state"] == state) else None
        return wait_for(f"job {number}", look, timeout, 0.2)

    def done(self, number, name, timeout=60):
        j = wait_for(f"{name} issued", lambda: (lambda j: j if j["state"] in ("done", "blocked") else None)(self.job(number)),
                     timeout)
        if j["error"]:
            raise Failure(f"{name}: {j['error']}")

    def current(self, name):
        return self.inro.get("cert", "show", name)["sha256"]


def iso_seconds(text):
    return datetime.datetime.fromisoformat(text.replace("Z", "+00:00")).timestamp()


def check_row(bench, row, case, job, asked, sha):
    """What the stored job and the CA's calls say."""
    j = bench.settled(job, row.wait)
    e = j["error"]
    if not e:
        raise Failure(f"job is {j['state']} without an error, step {j['step']}")
    both = (e["message"]["en"], e["message"]["ja"])
    if e["code"] != row.code or row.en not in both[0] or row.ja not in both[1]:
        raise Failure(f"error is {e['code']}: {both[0]} / {both[1]}")
    if j["state"] != row.state:
        raise Failure(f"job is {j['state']}, not {row.state} ({both[0]})")
    wait = iso_seconds(j["run_at"]) - time.time()
    far = {"retry-far": (86000, 86401), "rate": (6900, 7201)}.get(row.name)
    if far and not far[0] < wait < far[1]:
        raise Failure(f"next try in {wait:.0f} s")
    # nothing is tried again sooner than the first back-off of 15 s, unless the CA said so
    calls = [c for c in case.since(asked) if c.at < asked + 14]
    for kind, most in row.calls.items():
        n = sum(1 for c in calls if c.kind == kind)
        if n > most:
            raise Failure(f"{n} calls of {kind} within 14 s, at most {most} expected: {calls}")
    orders = sum(1 for c in calls if c.kind == "order-new")
    if row.orders is not None and orders > row.orders:
        raise Failure(f"{orders} orders were placed")
    if sha and bench.current(row.name) != sha:
        raise Failure("the certificate in service changed")


def bend(case, how):
    for key, value in how.items():
        setattr(case, "nonce_ok" if key == "nonce" else key, value)


def together(pairs):
    """Runs check(*args) for each (name, check, args); all that is wrong is told."""
    wrong = []
    for name, check, args in pairs:
        try:
            check(*args)
        except Failure as e:
            wrong.append(f"{name}: {e}")
    if wrong:
        raise Failure("\n  " + "\n  ".join(wrong))


def broken_answers(box):
    b = Bench(box)
    cases, begun, asked, old = {}, {}, {}, {}
    for row in ROWS:
        case = cases[row.name] = b.ca.case(row.name, validate=False)
        if row.first:
            bend(case, row.how)
        b.add_ca(row.name, case, *(["--eab-kid", "kid-1", "--eab-hmac-file", b.hmac] if row.name == "eab" else []))
    honest = {r.name: b.request(r.name, *(["--validity", "90d"] if r.name == "cert-short" else []))
              for r in ROWS if not r.first}
    for name, job in honest.items():
        b.done(job, name)
        old[name] = b.current(name)
    for row in ROWS:
        if not row.first:
            bend(cases[row.name], row.how)
        asked[row.name] = time.monotonic()
        begun[row.name] = b.request(row.name) if row.first else b.inro.get("cert", "renew", row.name)["job"]["id"]
    together([(r.name, check_row, (b, r, cases[r.name], begun[r.name], asked[r.name], old.get(r.name)))
              for r in sorted(ROWS, key=lambda r: r.wait)])
    together([(r.name, check_pace, (cases[r.name], asked[r.name])) for r in ROWS])
    languages(b)
    waits_over_a_restart(b, {n: (cases[n], begun[n]) for n in ("rate", "retry-far")})


def waits_over_a_restart(b, rows):
    """F22: the CA's own time is kept; the daemon does not ask again because it starts again."""
    before = {n: (b.job(job)["run_at"], case.count("order-new")) for n, (case, job) in rows.items()}
    b.inro.stop()
    b.inro.start()
    time.sleep(3)
    for n, (case, job) in rows.items():
        now = (b.job(job)["run_at"], case.count("order-new"))
        if now != before[n]:
            raise Failure(f"{n}: {before[n]} became {now} over a restart")


def check_pace(case, asked):
    """Over the whole time: the back-off doubles from 15-30 s, so there were at most so many attempts."""
    seconds = time.monotonic() - asked
    most = 1 + sum(1 for at in (15, 45, 105) if at < seconds)
    for kind, per_try in (("order-new", 1), ("finalize", 1), ("certificate", 1), ("account", 2)):
        n = sum(1 for c in case.since(asked) if c.kind == kind)
        if n > most * (per_try if case.nonce_ok is None else 10):
            raise Failure(f"{n} calls of {kind} in {seconds:.0f} s")


def languages(b):
    """A person who waits gets the reason in their language, and an exit code that says the kind."""
    for name, code, en, ja in (("deactivated", 6, "refused for lack of authorization", "権限不足として拒否"),
                               ("subs", 3, "does not issue for this name", "この名前に発行しません")):
        for lang, words in (("en", en), ("ja", ja)):
            got, _, text = b.inro.cli("cert", "renew", name, "--wait", ok=False, lang=lang)
            if got != code or words not in text:
                raise Failure(f"{name} in {lang}: exit {got}: {text}")


def slow_ones(box):
    """F24, 26, 28: orders that take for ever, and a CA that is silent, hold up nobody; a killed daemon goes on."""
    b = Bench(box)
    waiting = {}
    for name, after in WAITING:
        case = b.ca.case(name, validate=False, **processing(after))
        b.add_ca(name, case)
        waiting[name] = (case, b.request(name))
    silent = b.ca.case("silent", on={"order-new": lambda case, call: Answer(201, b"", delay=300)})
    b.add_ca("silent", silent)
    for n in range(24):  # more than there are threads
        b.inro.cli("cert", "request", f"s{n}.silent.test", "--ca", "silent")
    wait_for("the silent CA is asked", lambda: silent.count("order-new") >= 4, 10)
    good = b.ca.case("good")
    b.add_ca("good", good)
    begin = time.monotonic()
    b.inro.cli("cert", "request", "quick.test", "--ca", "good", "--wait", timeout=30)
    if time.monotonic() - begin > 10:
        raise Failure(f"beside a silent CA an order took {time.monotonic() - begin:.1f} s")
    begin = time.monotonic()
    time.sleep(max(0.0, 12 - (time.monotonic() - begin)))
    together([(n, check_waiting, (b, n, case, job)) for n, (case, job) in waiting.items()])
    b.inro.kill_all()
    b.inro.start()
    for name, (case, job) in waiting.items():
        case.on, case.edit = {}, {}
        case.orders["1"].update(status="valid", certificate=f"{case.base}/certificate/1")
        b.inro.cli("job", "retry", str(job))
        b.done(job, name)
        if case.count("order-new") != 1:
            raise Failure(f"{name}: {case.count('order-new')} orders were placed")


def check_waiting(b, name, case, job):
    j = b.job(job)
    polls, wait = case.count("order"), iso_seconds(j["run_at"]) - time.time()
    if j["error"] or j["state"] not in ("ready", "running") or case.count("order-new") != 1:
        raise Failure(f"{j['state']}, {j['error']}, {case.count('order-new')} orders")
    if polls > 14:
        raise Failure(f"asked {polls} times in 12 s")
    if name == "processing-far" and not (86000 < wait < 86401 and polls <= 2):
        raise Failure(f"next look in {wait:.0f} s, {polls} so far")


def untrusted(box):
    """F26: the CA's own TLS certificate; a reset is not called a matter of trust; unreachable says so."""
    b = Bench(box)
    crt, key, root = expired_pair(f"{box.folder}/expired")
    old = box.rig.add(ScriptedCa(f"{box.folder}/old", b.inro.http01, crt, key))
    resets = box.rig.add(Resetter())
    closed = free_port()
    rows = [("expired", old.case("expired"), root, "tls", "expired", "信頼できません"),
            ("unknown", b.ca.case("unknown"), root, "tls", "not trusted", "信頼できません"),
            ("reset", At(f"https://127.0.0.1:{resets.port}/dir"), root, "net", "broke off", "中断されました"),
            ("closed", At(f"https://127.0.0.1:{closed}/dir"), root, "net", "cannot be reached", "接続できません"),
            ("blocked", At("https://169.254.169.254/dir"), root, "denied", "169.254.169.254", "169.254.169.254")]
    for name, case, roots, *_ in rows:
        b.add_ca(name, case, roots=roots)
    jobs = {name: b.request(name) for name, *_ in rows}

    def check(name, case, code, en, ja):
        e = b.settled(jobs[name], 20)["error"]
        if e["code"] != code or en not in e["message"]["en"] or ja not in e["message"]["ja"]:
            raise Failure(f"{e['code']}: {e['message']}")
        if name in ("reset", "closed") and "trust" in e["message"]["en"]:
            raise Failure(f"a broken connection is called a matter of trust: {e['message']['en']}")
        if isinstance(case, At):
            return
        if case.count():
            raise Failure(f"calls were made: {case.calls}")
    together([(n, check, (n, case, code, en, ja)) for n, case, _, code, en, ja in rows])


class At:
    def __init__(self, directory):
        self.directory = directory


class Resetter:
    """Accepts and resets, as a firewall does."""

    def __init__(self):
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self.run, daemon=True).start()

    def run(self):
        while True:
            try:
                s, _ = self.listener.accept()
            except OSError:
                return
            s.recv(16)
            s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            s.close()

    def stop(self):
        self.listener.close()


def chains_and_revocation(box):
    """Alternate chains by the issuer's name, EAB done right, revocation once and twice."""
    b = Bench(box)
    other = Authority("Other")
    cross = Authority.sign("Scripted intermediate", b.ca.authority.key, "Other root", other.root_key, ca=0)
    write(b.roots, pem(b.ca.authority.root, other.root))
    case = b.ca.case("alt", eab=("kid-1", b"the hmac key of the account"))
    case.alternates = [lambda c: "<html>", lambda c: c.certs["1"].split("-----END CERTIFICATE-----")[0] +
                       "-----END CERTIFICATE-----\n" + pem(cross)]
    write(b.hmac, base64.urlsafe_b64encode(b"the hmac key of the account").decode(), 0o600)
    b.add_ca("alt", case, "--eab-kid", "kid-1", "--eab-hmac-file", b.hmac, "--preferred_chain", "Other root")
    b.inro.cli("cert", "request", "alt.test", "--ca", "alt", "--wait", timeout=30)
    text = b.inro.get("cert", "export", "alt.test", "--format", "pem")["pem"]
    if pem(cross) not in text or pem(b.ca.authority.cert) in text:
        raise Failure("the chain to Other root was not taken")
    b.inro.cli("cert", "revoke", "alt.test", "--reason", "superseded", "--wait", timeout=30)
    code, _, said = b.inro.cli("cert", "revoke", "alt.test", "--reason", "superseded", "--wait", ok=False, lang="ja")
    if code != 3 or "失効" not in said:
        raise Failure(f"revoked a second time: exit {code}: {said}")
    if [hashlib.sha256(d).hexdigest() for d in case.revoked] != [pem_sha256(text)]:
        raise Failure(f"{len(case.revoked)} revocations at the CA")
    if b.inro.get("cert", "show", "alt.test")["health"] != "revoked":
        raise Failure("the certificate is not shown as revoked")


REFUSED = {"names": "lacks the ordered name", "more": "carries bank.test", "key": "for another key",
           "over": "not now", "poison": "precertificate", "chain": "chain"}


def refused_is_kept_and_revoked(box):
    """23: what was issued and is not what was ordered is kept, says why, serves nobody, and can be revoked."""
    b = Bench(box)
    how = {r.name.removeprefix("cert-"): r.how for r in ROWS if r.name.removeprefix("cert-") in REFUSED}
    how["loss"] = issued(lambda a, k, n: pem(a.leaf(k, n), a.cert))
    both = [ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH]
    cases = {n: b.ca.case(n, validate=False) for n in how}
    bend(cases["loss"], issued(lambda a, k, n: pem(a.leaf(k, n, eku=both), a.cert)))
    for name, case in cases.items():
        b.add_ca(name, case)
    for name, job in {n: b.request(n) for n in how}.items():
        b.done(job, name)
    old = {n: b.current(n) for n in how}
    for name, case in cases.items():
        bend(case, how[name])
    jobs = {n: b.inro.get("cert", "renew", n)["job"]["id"] for n in how}

    def kept(name):
        found = [v for v in b.inro.get("cert", "show", name)["versions"] if v["state"] == "refused"]
        if len(found) != 1:
            raise Failure(f"{len(found)} versions are kept as refused")
        return found[0]

    def check(name):
        j = b.settled(jobs[name], 40)
        v, words = kept(name), REFUSED.get(name, "allow_loss")
        if j["state"] != "blocked" or words not in v["refused"]["message"]["en"] or not v["serial"] or v["has_key"]:
            raise Failure(f"{j['state']}: {v}")
        if v["refused"]["message"]["ja"] != j["error"]["message"]["ja"]:
            raise Failure(f"the reasons differ: {v['refused']['message']} / {j['error']['message']}")
        if b.current(name) != old[name]:
            raise Failure("the certificate in service changed")
        b.inro.cli("job", "retry", str(jobs[name]))
        wait_for("asked again", lambda: cases[name].count("certificate") >= 3, 30)
        b.settled(jobs[name], 40, "blocked")
        if kept(name)["id"] != v["id"]:
            raise Failure("asked again, the same one is kept twice")
    together([(n, check, (n,)) for n in how])
    b.inro.kill_all()
    b.inro.start()

    def revoked(name):
        v = kept(name)
        code, _, err = b.inro.cli("cert", "revoke", name, "--reason", "superseded", "--wait", "--version", str(v["id"]),
                                  ok=False)
        serials = [f"{x509.load_der_x509_certificate(d).serial_number:x}" for d in cases[name].revoked]
        if code or serials != [v["serial"].lower().lstrip("0")]:
            raise Failure(f"exit {code}: {err}; revoked at the CA: {serials}, kept: {v['serial']}")
        now = b.inro.get("cert", "show", name)
        state = {x["id"]: x["state"] for x in now["versions"]}[v["id"]]
        if state != "revoked" or now["sha256"] != old[name] or now["health"] == "revoked":
            raise Failure(f"{state}, certificate {now['health']}")
    together([(n, revoked, (n,)) for n in REFUSED])
    # what a person allows is accepted after all, and is no longer one to revoke
    show = b.inro.get("cert", "show", "loss")
    b.inro.api("PATCH", f"/certs/{show['id']}", {"policy": {"allow_loss": True}})
    b.inro.cli("job", "retry", str(jobs["loss"]))
    b.done(jobs["loss"], "loss")
    states = [v["state"] for v in b.inro.get("cert", "show", "loss")["versions"]]
    if "refused" in states or states.count("current") != 1 or b.current("loss") == old["loss"]:
        raise Failure(f"after allowing it: {states}")


def lost_answer(box):
    """F2: the CA takes an order, and Inro dies before it hears of it. Where the CA lists an account's orders it is
    found; where it does not, at most one more is placed. Another certificate's order is not taken."""
    b = Bench(box)
    died = threading.Event()

    def taken(case, call):
        answer = case.honest("order-new", call, None, None)
        if not died.is_set():
            died.set()
            b.inro.kill_all()
        return answer
    for name, lists, orders in (("lists", True, 1), ("silent", False, 2)):
        died.clear()
        case = b.ca.case(name, validate=False, on={"order-new": taken})
        case.lists_orders = lists
        b.add_ca(name, case)
        job = b.request(name)
        wait_for("the CA took the order", lambda: died.is_set() and b.inro.proc is None, 60)
        b.inro.start()
        b.done(job, name)
        if len(case.orders) != orders or case.count("order-new") != orders or case.count("finalize") != 1:
            raise Failure(f"{name}: {len(case.orders)} orders, {case.calls}")
    # the order of a twin that waits is known: it is not taken for one that was lost, when none was
    def not_taken(case, call):
        if died.is_set():
            return None
        died.set()
        b.inro.kill_all()
        return Answer(503, b"")
    case = b.ca.case("twin", validate=False, **processing("9999999"))
    case.lists_orders = True
    b.add_ca("twin", case)
    first = b.request("twin")
    wait_for("the first waits for a day", lambda: iso_seconds(b.job(first)["run_at"] or "1970-01-01T00:00:00Z") > time.time() + 3600, 60)
    case.orders["1"]["status"] = "ready"
    case.on = {"order-new": not_taken}
    died.clear()
    job = b.inro.get("cert", "request", "twin.test", "--ca", "twin", "--name", "twin-2")["job"]["id"]
    wait_for("it died", lambda: died.is_set() and b.inro.proc is None, 60)
    b.inro.start()
    wait_for("the second order", lambda: len(case.orders) == 2, 60)
    if case.count("acct") < 1 or case.orders["1"]["status"] != "ready":
        raise Failure(f"twin: the list was not asked for: {case.calls}")
    case.edit = {}
    b.done(job, "twin-2")
    if len(case.orders) != 2:
        raise Failure(f"twin: {len(case.orders)} orders")


TESTS = [lost_answer, broken_answers, slow_ones, untrusted, chains_and_revocation, refused_is_kept_and_revoked]
