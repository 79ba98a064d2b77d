"""The main job on real servers, step by step; every step is proven from outside Inro.

usage: demo.py --inro PATH --out DIR [--once]
"""
import argparse
import datetime
import os
import re
import secrets
import shutil
import signal
import ssl
import sys
import time
import urllib.request

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "tests", "rig"))
from rig import (Challtestsrv, Failure, Haproxy, Inro, MailSink, Nginx, Pebble, Rig, Sshd,  # noqa: E402
                 openssl_text, pair_matches, self_signed, served, served_verified, wait_for, write)

NAMES = ["www.demo.test", "shop.demo.test"]
SHORT = "short.demo.test"


class Demo:
    def __init__(self, rig, inro_path, out):
        self.rig, self.inro_path, self.out = rig, inro_path, out
        self.steps, self.proven, self.total = [], 0, 0

    def step(self, text, prove):
        self.steps.append((text, prove))

    def run(self):
        self.total = len(self.steps)
        for n, (text, prove) in enumerate(self.steps, 1):
            begin = time.monotonic()
            print(f"[{n:2}/{self.total}] {text} ...", flush=True)
            try:
                seen = prove()
            except (Failure, OSError, ssl.SSLError, KeyError, ValueError) as e:
                print(f"        NOT PROVEN: {e}", flush=True)
                return False
            self.proven += 1
            print(f"        proven ({time.monotonic() - begin:.1f} s): {seen}", flush=True)
        return True

    # -- the fleet ---------------------------------------------------------------------------
    def fleet(self):
        r, out = self.rig, self.out
        self.inro = r.add(Inro(self.inro_path, f"{out}/inro", listen=pick_listen(), licence=False))
        self.dns = r.add(Challtestsrv(f"{out}/dns"))
        self.pebble = r.add(Pebble(f"{out}/pebble", self.dns.dns, self.inro.http01))
        self.mail = r.add(MailSink(f"{out}/mail", secrets.token_urlsafe(12)))
        self.pairs = {}
        for host in ("web1", "web2", "lb"):
            for site in ("main", "short") if host == "web1" else ("main",):
                crt, key = self_signed(f"{out}/{host}/tls", site, ",".join(f"DNS:{n}" for n in NAMES + [SHORT]))
                self.pairs[host, site] = (crt, key)
        pem = f"{out}/lb/tls/combined.pem"
        with open(self.pairs["lb", "main"][0]) as c, open(self.pairs["lb", "main"][1]) as k:
            write(pem, c.read() + k.read(), 0o600)
        self.pem = pem
        self.web1 = r.add(Nginx(f"{out}/web1", "127.0.11.1", 9443, {NAMES[0]: self.pairs["web1", "main"],
                                                                    SHORT: self.pairs["web1", "short"]}))
        self.web2 = r.add(Nginx(f"{out}/web2", "127.0.11.2", 9443, {NAMES[0]: self.pairs["web2", "main"]}))
        self.lb = r.add(Haproxy(f"{out}/lb", "127.0.11.3", 9443, pem))
        self.sshd = r.add(Sshd(f"{out}/sshd", "127.0.11.2", 9022))
        self.before = {p.address: served(p.address, p.port, NAMES[0])[0] for p in (self.web1, self.web2, self.lb)}
        return f"pebble, DNS, 2 nginx, HAProxy, sshd and a mail server answer; {len(self.before)} old certificates seen"

    def start(self):
        took = self.inro.start()
        ctx = ssl.create_default_context(cafile=f"{self.inro.data}/tls/gui.crt")
        with urllib.request.urlopen(f"https://{self.inro.listen}/api/v1/health", context=ctx, timeout=5) as a:
            if a.status != 200:
                raise Failure(f"health answers {a.status}")
        mode = os.stat(f"{self.inro.data}/master.key").st_mode & 0o777
        if mode != 0o600:
            raise Failure(f"master.key has mode {mode:o}")
        return f"listening after {took:.2f} s, master key 0600, https://{self.inro.listen}"

    def buy(self):
        """A licence from the vendor's desk, as any customer gets it: ordered, accepted, mailed as a link, fetched,
        imported. The order is dated 40 days back, so that it is accepted and begun whatever day it is."""
        i, name = self.inro, "株式会社デモ"
        desk = i.get("vendor", "init", "--name", "Inro デモ販売", "--url", f"https://{i.listen}")
        on = str(datetime.date.fromisoformat(desk["today"]) - datetime.timedelta(40))
        i.cli("vendor", "customer", "add", name, "--mail", "customer@demo.test", "--installation",
              i.get("licence", "show")["installation"])
        order = str(i.get("vendor", "order", "add", name, "--plan", "basic", "--count", "2", "--servers", "1", "--on",
                          on)["id"])
        i.cli("vendor", "order", "accept", order)
        i.cli("vendor", "licence", "issue", order)
        mail = wait_for("the mail with the licence", lambda: self.mail.find("customer@demo.test", "取得用リンク"), 30, 0.2)
        link = re.search(r"https://\S+/share/\S+/", mail.get_body(preferencelist=("plain",)).get_content()).group(0)
        ctx = ssl.create_default_context(cafile=f"{i.data}/tls/gui.crt")
        with urllib.request.urlopen(link, context=ctx, timeout=5) as page:
            file = re.search(r'href="(inro-[^"]+\.lic)"', page.read().decode()).group(1)
        with urllib.request.urlopen(link + file, context=ctx, timeout=5) as a:
            write(f"{self.out}/{file}", a.read().decode())
        got = i.get("licence", "import", f"{self.out}/{file}")
        if (got["certificates"]["limit"], got["targets"]["limit"], got["state"]) != (2, 3, "valid"):
            raise Failure(f"the licence says {got}")
        return f"{got['plan_label']['ja']} until {got['last_day']}"

    def configure(self):
        i = self.inro
        i.cli("ca", "add", "pebble", "--type", "acme", "--directory", self.pebble.directory, "--roots-file",
              self.pebble.cert, "--email", "admin@demo.test")
        key = ["--via", "ssh", "--host", self.sshd.address, "--port", str(self.sshd.port), "--user", self.sshd.user,
               "--auth", "key", "--private-key-file", self.sshd.user_key, "--host-key", self.sshd.fingerprint()]
        for lang in ("ja", "en"):
            i.cli("notify", "add", f"mail-{lang}", "--type", "smtp", "--host", "127.0.0.1", "--port",
                  str(self.mail.port), "--security", "starttls", "--user", self.mail.user, "--password-file",
                  f"{self.mail.folder}/password", "--from", "inro@demo.test", "--to", f"{lang}@demo.test", "--lang",
                  lang, "--ca-pem-file", self.mail.cert)
        bought = None
        for name, part, kind, via in (("web1", self.web1, "nginx", ["--via", "local"]),
                                      ("web2", self.web2, "nginx", key), ("lb", self.lb, "files", ["--via", "local"])):
            add = ["target", "add", name, "--type", kind, *via, "--test-command", part.test_command,
                   "--reload-command", part.reload_command]
            if name == "web2":  # a second machine is more than ミーツ covers
                if i.cli(*add, ok=False)[0] != 7:
                    raise Failure("a second target was taken without a licence")
                bought = self.buy()
            i.cli(*add)
        code, _, text = i.cli("target", "check", "web2", ok=False)
        if code != 0:
            raise Failure(f"接続テスト of web2: {text}")
        names = sorted(t["name"] for t in i.get("target", "list")["items"])
        if names != ["lb", "web1", "web2"]:
            raise Failure(f"targets are {names}")
        return ("one CA, three targets (one only through SSH, host key pinned), two mail notifiers; licence from the "
                f"vendor's desk by mail and share link: {bought}")

    def apply(self):
        i = self.inro
        i.cli("cert", "request", ",".join(NAMES), "--ca", "pebble", "--key", "ec256", "--challenge", "http-01", "--wait")
        pem = i.cli("cert", "export", NAMES[0], "--format", "pem")[1]
        pem = pem["pem"] if isinstance(pem, dict) else pem
        der = ssl.PEM_cert_to_DER_cert(pem[:pem.index("-----END CERTIFICATE-----") + 25])
        text = openssl_text(der, "-ext subjectAltName -issuer")
        if not all(n in text for n in NAMES) or "Pebble" not in text:
            raise Failure(f"openssl reads: {text}")
        if pem.count("BEGIN CERTIFICATE") < 2:
            raise Failure("the chain has no intermediate")
        self.serial = openssl_text(der, "-serial").strip().split("=")[1].lower()
        if self.pebble.status(self.serial)["Status"] != "Valid":
            raise Failure("the CA does not know the certificate")
        return f"Pebble issued serial {self.serial} for {' and '.join(NAMES)}, chain complete"

    def places(self):
        w1, w2 = self.pairs["web1", "main"], self.pairs["web2", "main"]
        return (("web1", ["--cert-path", w1[0], "--key-path", w1[1]], self.web1),
                ("web2", ["--cert-path", w2[0], "--key-path", w2[1]], self.web2),
                ("lb", ["--combined-path", self.pem], self.lb))

    def plan(self):
        for name, place, part in self.places():
            self.inro.cli("bind", NAMES[0], name, *place, "--verify", f"{part.address}:{part.port}", "--sni", NAMES[0])
        plan = self.inro.get("deploy", NAMES[0], "--plan", "--wait")
        now = {p.address: served(p.address, p.port, NAMES[0])[0] for p in (self.web1, self.web2, self.lb)}
        if now != self.before:
            raise Failure("planning changed something")
        text = str(plan)
        for path in (self.pairs["web1", "main"][0], self.pairs["web2", "main"][0], self.pem):
            if path not in text:
                raise Failure(f"the plan does not name {path}")
        return "the plan names every file on the three targets and changed none of them"

    def roots(self):
        return self.pebble.root()

    def all_serve(self, name=None, parts=None):
        got = {p.address: served_verified(p.address, p.port, name or NAMES[0], self.roots())
               for p in parts or (self.web1, self.web2, self.lb)}
        if len(set(got.values())) != 1:
            raise Failure(f"different certificates are served: {got}")
        return next(iter(got.values()))

    def deploy(self):
        self.inro.cli("deploy", NAMES[0], "--wait")
        self.first = self.all_serve()
        for host in ("web1", "web2"):
            crt, key = self.pairs[host, "main"]
            if not pair_matches(crt, key) or os.stat(key).st_mode & 0o077:
                raise Failure(f"{host}: key and certificate do not match, or the key is readable")
        if not pair_matches(self.pem, self.pem) or os.stat(self.pem).st_mode & 0o077:
            raise Failure("lb: the combined file is wrong")
        return f"three handshakes verify to the CA's root: {self.first[:16]}..., keys 0600 and matching"

    def watch(self):
        ids = []
        for part in (self.web1, self.web2, self.lb):
            self.inro.cli("watch", "add", f"{part.address}:{part.port}", "--sni", NAMES[0], "--cert", NAMES[0])
        self.inro.cli("watch", "now", "--wait")
        items = self.inro.get("watch", "list")["items"]
        states = {f"{e['host']}": e["state"] for e in items}
        ids = [e for e in items if self.first in str(e)]
        if len(ids) != 3:
            raise Failure(f"watching sees {states}")
        return f"three endpoints watched, each seen with {self.first[:16]}..."

    def short(self):
        i, (crt, key) = self.inro, self.pairs["web1", "short"]
        i.cli("cert", "request", SHORT, "--ca", "pebble", "--validity", "60s", "--wait")
        i.cli("bind", SHORT, "web1", "--cert-path", crt, "--key-path", key, "--verify",
              f"{self.web1.address}:{self.web1.port}", "--sni", SHORT)
        i.cli("deploy", SHORT, "--wait")
        first = served_verified(self.web1.address, self.web1.port, SHORT, self.roots())
        der = served(self.web1.address, self.web1.port, SHORT)[1]
        ends = openssl_text(der, "-enddate").strip()

        def renewed():
            now = served(self.web1.address, self.web1.port, SHORT)[0]
            return now if now != first else None
        second = wait_for("renewal by itself", renewed, 90, 0.5)
        served_verified(self.web1.address, self.web1.port, SHORT, self.roots())
        return f"{first[:12]}... ({ends}) was replaced by {second[:12]}... without anybody asking"

    def broken(self):
        self.lb.write_conf(broken=True)
        code, _, text = self.inro.cli("cert", "renew", NAMES[0], "--wait", ok=False)
        if code == 0:
            raise Failure("the roll-out claims success")
        new = self.all_serve(parts=(self.web1, self.web2))
        old = served(self.lb.address, self.lb.port, NAMES[0])[0]
        if new == self.first or old != self.first:
            raise Failure(f"web1, web2 serve {new[:12]}, lb serves {old[:12]}, before it was {self.first[:12]}")
        if not pair_matches(self.pem, self.pem):
            raise Failure("the file of the broken target is not a matching pair")
        der = ssl.PEM_cert_to_DER_cert(open(self.pem).read().split("-----END CERTIFICATE-----")[0] +
                                       "-----END CERTIFICATE-----\n")
        import hashlib
        if hashlib.sha256(der).hexdigest() != self.first:
            raise Failure("the broken target's file was not put back")
        return f"web1 and web2 serve the new {new[:12]}..., lb was undone and serves {old[:12]}...; Inro said: {text.strip()[:150]}"

    def mended(self):
        self.lb.write_conf()
        self.inro.cli("deploy", NAMES[0], "--wait")
        return f"after mending, all three serve {self.all_serve()[:16]}..."

    def mails(self):
        def both():
            ja = self.mail.find("ja@demo.test", "適用", "lb")
            en = self.mail.find("en@demo.test", "lb", "failed")
            return (ja, en) if ja and en else None
        ja, en = wait_for("mails about the failed deployment", both, 30, 0.2)
        return f"「{ja['Subject']}」 and \"{en['Subject']}\"; {len(self.mail.mails())} mails in the sink"

    def secrets_clean(self):
        """No key and no password in any log, and none in clear in the data directory."""
        with open(f"{self.mail.folder}/password", "rb") as f:
            markers = [f.read(), b"PRIVATE KEY"]
        seen = 0
        for top, _, files in os.walk(self.inro.folder):
            for name in files:
                path = os.path.join(top, name)
                if path.endswith("tls/gui.key") or not os.path.isfile(path):
                    continue
                with open(path, "rb") as f:
                    data = f.read()
                seen += 1
                for m in markers:
                    if m in data:
                        raise Failure(f"{path} holds a secret in clear")
        return f"{seen} files of Inro searched for keys and passwords: none in clear"

    def audit(self):
        got = self.inro.get("audit", "verify")
        return f"the audit chain verifies: {got}"


def pick_listen():
    from rig import can_connect, free_port
    try:
        can_connect("127.0.0.1", 8443)
        return f"127.0.0.1:{free_port()}"
    except OSError:
        return "127.0.0.1:8443"


def main():
    p = argparse.ArgumentParser()
    p.add_argument("--inro", required=True)
    p.add_argument("--out", required=True)
    p.add_argument("--once", action="store_true")
    o = p.parse_args()
    out = os.path.abspath(o.out)
    shutil.rmtree(out, ignore_errors=True)
    os.makedirs(out, mode=0o700)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    signal.signal(signal.SIGINT, signal.default_int_handler)  # also when started in the background
    with Rig() as rig:
        d = Demo(rig, o.inro, out)
        d.step("start a fleet of real servers on loopback", d.fleet)
        d.step("start Inro", d.start)
        d.step("tell it about a CA, three targets and whom to mail", d.configure)
        d.step(f"apply for a certificate with {len(NAMES)} names (HTTP-01)", d.apply)
        d.step("bind it to the targets and look at the plan", d.plan)
        d.step("deploy, verified by handshakes on every address", d.deploy)
        d.step("watch what is served", d.watch)
        d.step("a 60-second certificate comes due and renews itself", d.short)
        d.step("break one target on purpose, renew: it is undone, the others stand", d.broken)
        d.step("mend it and deploy again", d.mended)
        d.step("people were told by mail, in Japanese and English", d.mails)
        d.step("no secret in any log or file", d.secrets_clean)
        d.step("the audit log is whole", d.audit)
        good = d.run()
        if good and not o.once:
            print(f"\nInro stays up: https://{d.inro.listen}  login {d.inro.login}  one-time password "
                  f"{d.inro.password}\n  command line: {o.inro} cert list --data {d.inro.data}\n  mails: {d.mail.box}\n"
                  "Ctrl-C stops everything.", flush=True)
            try:
                signal.pause()
            except (KeyboardInterrupt, SystemExit):
                print("\nstopping", flush=True)
        print(f"demo: {d.proven} of {d.total} steps proven", flush=True)
    sys.exit(0 if good else 1)


main()
