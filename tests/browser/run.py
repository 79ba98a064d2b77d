"""The GUI in a real browser against the real daemon with a small fleet of real servers.

usage: run.py --inro PATH --out DIR [--keep]
Starts the fleet, fills it with what a company has (issued, deployed, failed, drifted, imported
certificates; some with hostile names), then walk.mjs drives Chromium. Screenshots go to DIR/shots.
"""
import argparse
import contextlib
import glob
import http.server
import json
import os
import shutil
import signal
import socketserver
import sqlite3
import subprocess
import sys
import threading
import time

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
sys.path[:0] = [os.path.join(HERE, "..", "rig")]
from rig import Challtestsrv, Failure, Inro, MailSink, Nginx, Pebble, Rig, Sshd, free_port, self_signed, wait_for, write  # noqa: E402
from scripted_ca import ScriptedCa, problem  # noqa: E402

# What a stranger may put into a certificate: it must stay text wherever it is shown.
EVIL = "<img src=x onerror=window.__hit=1>"
EVIL2 = "\"><script>window.__hit=2</script>"
MANY = 100_000


def hostile(folder):
    """A self-signed certificate with markup in every text a stranger controls."""
    os.makedirs(folder, exist_ok=True)
    conf = write(f"{folder}/evil.cnf", f"""[req]
distinguished_name = dn
x509_extensions = ext
prompt = no
utf8 = yes
string_mask = utf8only
[dn]
CN = {EVIL}
O = {EVIL2}
[ext]
subjectAltName = @san
[san]
DNS.1 = {EVIL}
DNS.2 = javascript:window.__hit=3
""")
    key, crt = f"{folder}/evil.key", f"{folder}/evil.crt"
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
                    "-days", "90", "-config", conf, "-keyout", key, "-out", crt], check=True, capture_output=True)
    return crt, key


def expired(folder):
    crt, key = f"{folder}/old.crt", f"{folder}/old.key"
    subprocess.run(["faketime", "-f", "-40d", "openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt",
                    "ec_paramgen_curve:P-256", "-nodes", "-days", "30", "-subj", "/CN=old.example.jp", "-addext",
                    "subjectAltName=DNS:old.example.jp", "-keyout", key, "-out", crt], check=True, capture_output=True)
    return crt, key


FILE_PASSWORD = "cedar-window-41-rain"


def files(folder):
    """What people drop on the import screen: a PKCS#12, a PKCS#7 of two, a pair as DER."""
    os.makedirs(folder, exist_ok=True)

    def openssl(*args):
        subprocess.run(["openssl", *args], check=True, capture_output=True, cwd=folder)

    for n in ("store", "a", "b", "pair"):
        conf = write(f"{folder}/{n}.cnf", f"""[req]
distinguished_name = dn
x509_extensions = ext
prompt = no
[dn]
CN = {n}.example.jp
[ext]
basicConstraints = critical, CA:FALSE
subjectAltName = DNS:{n}.example.jp
""")
        openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "60",
                "-config", conf, "-keyout", f"{n}.key", "-out", f"{n}.crt")
    openssl("pkcs12", "-export", "-in", "store.crt", "-inkey", "store.key", "-out", "store.p12", "-passout",
            f"pass:{FILE_PASSWORD}")
    openssl("crl2pkcs7", "-nocrl", "-certfile", "a.crt", "-certfile", "b.crt", "-outform", "DER", "-out", "several.p7b")
    openssl("x509", "-in", "pair.crt", "-outform", "DER", "-out", "pair.cer")
    openssl("pkcs8", "-topk8", "-nocrypt", "-in", "pair.key", "-outform", "DER", "-out", "pair.der")
    os.replace(f"{folder}/pair.der", f"{folder}/pair.key")
    chained(folder, openssl)
    return folder


def chained(folder, openssl):
    """A server certificate two below its root, and what people bring along with it: right, wrong, locked, old."""
    curve = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"]

    def issue(name, by, is_ca, clock=()):
        ext = write(f"{folder}/{name}.ext", "basicConstraints = critical, CA:" + ("TRUE" if is_ca else f"FALSE\nsubjectAltName = DNS:{name}.example.jp"))
        cn = f"Chained {name.title()} CA" if is_ca else f"{name}.example.jp"
        openssl("req", "-new", *curve, "-subj", f"/CN={cn}", "-keyout", f"{name}.key", "-out", f"{name}.csr")
        how = ["-CA", f"{by}.crt", "-CAkey", f"{by}.key", "-CAcreateserial"] if by else ["-signkey", f"{name}.key"]
        subprocess.run([*clock, "openssl", "x509", "-req", "-in", f"{name}.csr", *how, "-days", "60", "-extfile", ext, "-out", f"{name}.crt"],
                       check=True, capture_output=True, cwd=folder)

    issue("root", None, True)
    issue("middle", "root", True)
    issue("chained", "middle", False)
    issue("late", "middle", False, clock=("faketime", "-f", "-90d"))
    openssl("pkcs8", "-topk8", "-in", "chained.key", "-out", "locked.key", "-passout", f"pass:{FILE_PASSWORD}")
    with open(f"{folder}/turned.pem", "w") as f:
        for n in ("root.crt", "middle.crt", "chained.crt"):
            with open(f"{folder}/{n}") as part:
                f.write(part.read())


def greeter():
    """A mail server that greets with markup and refuses with more; its port."""
    class Handler(socketserver.StreamRequestHandler):
        def handle(self):
            with contextlib.suppress(OSError):
                self.wfile.write(f"220 {EVIL}\r\n".encode())
                while self.rfile.readline():
                    self.wfile.write(f"554 5.7.1 {EVIL}{EVIL2}\r\n".encode())

    server = socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server.server_address[1]


class Fleet:
    def __init__(self, rig, binary, out):
        self.rig, self.binary, self.out = rig, binary, out

    def start(self):
        r, out = self.rig, self.out
        self.dns = r.add(Challtestsrv(f"{out}/dns"))
        http01 = free_port()
        self.inro = r.add(Inro(self.binary, f"{out}/inro", http01=http01, args=[
            "--dns-servers", f"127.0.0.1:{self.dns.dns}", "--http01-port", str(http01)]))
        self.dns.post("add-caa", {"host": "elsewhere.example.jp.", "policies": [{"tag": "issue", "value": ";"}]})
        self.pebble = r.add(Pebble(f"{out}/pebble", self.dns.dns, self.inro.http01,
                                   validity=90 * 86400,
                                   env={"PEBBLE_VA_NOSLEEP": "1", "PEBBLE_WFE_NONCEREJECT": "0"}))
        self.mail = r.add(MailSink(f"{out}/mail", "sink-password-1"))
        self.pairs = {n: self_signed(f"{out}/{n}/tls", "site", "DNS:www.example.jp") for n in ("web1", "web2")}
        self.web = {n: r.add(Nginx(f"{out}/{n}", "127.0.0.1", free_port(), {"www.example.jp": self.pairs[n]}))
                    for n in ("web1", "web2")}
        os.makedirs(f"{out}/backups")
        self.inro.start()

    def desk(self):
        """The rig's installation has a desk and a licence of it; somebody else asks as well."""
        i = self.inro
        i.cli("vendor", "customer", "add", "合同会社ためし", "--mail", "meets@example.jp")
        i.cli("vendor", "order", "add", "合同会社ためし", "--plan", "meets")

    def fill(self):
        i = self.inro
        self.desk()
        i.cli("group", "add", "サーバー担当", "--about", "社内の Web サーバー", ok=False)
        i.cli("ca", "add", "Let's Pebble", "--type", "acme", "--directory", self.pebble.directory, "--roots-file",
              self.pebble.cert, "--email", "admin@example.jp")
        i.cli("ca", "add", "社内認証局", "--type", "private")
        for n, part in self.web.items():
            i.cli("target", "add", n, "--type", "nginx", "--via", "local", "--test-command", part.test_command,
                  "--reload-command", part.reload_command)
        i.cli("notify", "add", "担当者メール", "--type", "smtp", "--host", "127.0.0.1", "--port", str(self.mail.port),
              "--security", "starttls", "--user", self.mail.user, "--password-file", f"{self.mail.folder}/password",
              "--from", "inro@example.jp", "--to", "ops@example.jp", "--ca-pem-file", self.mail.cert)
        i.cli("cert", "request", "www.example.jp,shop.example.jp", "--ca", "Let's Pebble", "--wait")
        for n in ("web1", "web2"):
            crt, key = self.pairs[n]
            i.cli("bind", "www.example.jp", n, "--cert-path", crt, "--key-path", key, "--verify",
                  f"127.0.0.1:{self.web[n].port}", "--sni", "www.example.jp")
        i.cli("deploy", "www.example.jp", "--wait")
        i.cli("org", "add", "本社", "--legal-name", "Example Trading Co., Ltd.", "--legal-name-ja", "株式会社例示商事",
              "--duns", "69-012-3456", "--postal-code", "1000001", "--state", "Tokyo", "--state-ja", "東京都",
              "--locality", "Chiyoda-ku", "--locality-ja", "千代田区", "--phone", "03-0000-0000")
        i.cli("org", "contact", "add", "本社", "--name", "Hanako Yamada", "--name-ja", "山田 花子", "--role", "technical",
              "--title-ja", "課長", "--mail", "hanako@example.jp", "--phone", "03-0000-0001")
        for name in ("intra.example.jp", "wiki.example.jp", "日本語.example.jp"):
            i.cli("cert", "request", name, "--ca", "社内認証局", "--organisation", "本社", "--wait")
        # a target whose configuration test fails: undone, the old one serves
        crt, key = self_signed(f"{self.out}/web3/tls", "intra", "DNS:intra.example.jp")
        i.cli("target", "add", "web3", "--type", "files", "--via", "local", "--test-command", "/bin/false",
              "--reload-command", "/bin/true")
        i.cli("bind", "intra.example.jp", "web3", "--cert-path", crt, "--key-path", key)
        i.cli("deploy", "intra.example.jp", "--wait", ok=False)
        for crt, key in (hostile(f"{self.out}/evil"), expired(f"{self.out}/evil")):
            code, _, text = i.cli("cert", "import", crt, key, ok=False)
            if code:
                raise Failure(f"import of {crt}: {text}")
        # watched: in order, drifted, unreachable
        i.cli("watch", "add", f"127.0.0.1:{self.web['web1'].port}", "--sni", "www.example.jp", "--cert", "www.example.jp", ok=False)
        i.cli("watch", "add", f"127.0.0.1:{self.web['web2'].port}", "--sni", "www.example.jp", "--cert", "intra.example.jp", ok=False)
        i.cli("watch", "add", f"127.0.0.1:{free_port()}", ok=False)
        # a name nobody answers for: the application fails and asks for a person
        i.cli("cert", "request", "nobody.example.jp", "--ca", "Let's Pebble", "--challenge", "http-01-webroot", "--directory",
              f"{self.out}/nowhere", ok=False)

    def strange(self):
        """Strangers whose words are markup: a CA, a mail server, a tool."""
        ca = self.rig.add(ScriptedCa(f"{self.out}/strange", self.inro.http01))
        case = ca.case("evil", on={"account": lambda case, call: problem(403, "unauthorized", EVIL + EVIL2)})
        return {"directory": f"{case.base}/directory", "roots": open(ca.cert).read(), "greeter": greeter(),
                "command": write(f"{self.out}/strange/tool", f"#!/bin/sh\necho '{EVIL}'\nexit 1\n", 0o755)}

    def newest(self):
        folder = f"{self.out}/backups"
        return max((f"{folder}/{f}" for f in os.listdir(folder) if f.endswith(".backup")), key=os.path.getmtime)

    def bring_back(self, data, *more):
        subprocess.run([self.inro.binary, "restore", self.newest(), "--data", data, "--passphrase-file",
                        write(f"{self.out}/passphrase", FILE_PASSWORD + "\n", 0o600), *more], check=True, capture_output=True)

    def far(self):
        """A web server behind SSH, and how it is reached."""
        crt, key = self_signed(f"{self.out}/far/tls", "site", "DNS:far.example.jp")
        part = self.rig.add(Nginx(f"{self.out}/far", "127.0.0.1", free_port(), {"far.example.jp": (crt, key)}))
        self.sshd = self.rig.add(Sshd(f"{self.out}/sshd", "127.0.0.1"))
        with open(self.sshd.user_key) as f:
            secret = f.read()
        return {"settings": {"via": "ssh", "host": "127.0.0.1", "port": self.sshd.port, "user": self.sshd.user, "auth": "key",
                             "private_key": secret, "host_key": self.sshd.fingerprint(), "test_command": part.test_command,
                             "reload_command": part.reload_command},
                "place": {"cert_path": crt, "key_path": key, "verify": [f"127.0.0.1:{part.port}"], "sni": "far.example.jp"},
                "port": part.port}

    def empty(self):
        """Another installation with nothing in it, a CA that asks it for proofs, and a web server to serve from."""
        http01 = free_port()
        i = self.rig.add(Inro(self.binary, f"{self.out}/empty", http01=http01, args=[
            "--dns-servers", f"127.0.0.1:{self.dns.dns}", "--http01-port", str(http01)]))
        ca = self.rig.add(Pebble(f"{self.out}/empty-ca", self.dns.dns, http01, validity=90 * 86400,
                                 env={"PEBBLE_VA_NOSLEEP": "1", "PEBBLE_WFE_NONCEREJECT": "0"}))
        crt, key = self_signed(f"{self.out}/empty-web/tls", "site", "DNS:guide.example.jp")
        web = self.rig.add(Nginx(f"{self.out}/empty-web", "127.0.0.1", free_port(), {"guide.example.jp": (crt, key)}))
        i.start()
        self.new = i
        with open(ca.cert) as roots, open(self.mail.cert) as mail:
            return {"url": f"https://{i.listen}", "login": i.login, "password": i.password, "directory": ca.directory,
                    "roots": roots.read(), "mail": {"port": self.mail.port, "user": self.mail.user, "password": self.mail.password,
                                                    "roots": mail.read()},
                    "web": {"port": web.port, "crt": crt, "key": key, "test": web.test_command, "reload": web.reload_command}}

    def full(self):
        """It is needed no more."""
        self.new.stop()
        return {}

    def ground(self):
        """Servers nobody told Inro of, on addresses of their own: one new, one hostile, one that serves what is held."""
        port = free_port("127.0.0.21")
        new = self_signed(f"{self.out}/ground/tls", "found", "DNS:found.example.jp,DNS:www.found.example.jp")
        pairs = {21: new, 22: hostile(f"{self.out}/ground/evil"), 23: self.pairs["web1"], 24: new}
        for n, pair in pairs.items():
            self.rig.add(Nginx(f"{self.out}/ground/{n}", f"127.0.0.{n}", port, {"ground": pair}))
        return {"port": port}

    def rekey(self):
        """The machine behind SSH is rebuilt, or it is another one."""
        self.sshd.new_host_key()
        return {"fingerprint": self.sshd.fingerprint()}

    def beside(self):
        """A restored copy starts while the original runs; no place of backups knows a younger one."""
        for mark in glob.glob(f"{self.out}/backups/inro-*.generation"):
            os.remove(mark)
        self.copy = self.rig.add(Inro(self.binary, f"{self.out}/copy", init=False))
        self.bring_back(self.copy.data, "--confirm")
        self.copy.start()
        return {"url": f"https://{self.copy.listen}"}

    def supersede(self):
        """The place of backups gets the mark of a younger generation."""
        installation = self.inro.get("system")["installation"]
        write(f"{self.out}/backups/inro-{installation}.generation", "7\n")
        name = next(s["name"] for s in self.inro.get("backup-store", "list")["items"] if s["settings"]["folder"].endswith("/backups"))
        self.inro.cli("backup-store", "run", name)

    def restore(self):
        """The newest backup of the folder comes back over what is there."""
        self.inro.stop()
        self.bring_back(self.inro.data)
        self.inro.start()

    def config(self):
        return {"url": f"https://{self.inro.listen}", "login": self.inro.login, "password": self.inro.password,
                "strange": self.strange(), "out": self.out, "shots": f"{self.out}/shots", "evil": EVIL,
                "files": files(f"{self.out}/files"), "filePassword": FILE_PASSWORD,
                "ports": {n: part.port for n, part in self.web.items()}, "pem": f"{self.out}/evil/evil.crt", "web": ROOT + "/web"}


def crowd(rig, binary, out):
    """A second installation with a hundred thousand certificates in its store."""
    i = rig.add(Inro(binary, f"{out}/crowd"))
    i.start()
    i.cli("ca", "add", "CA", "--type", "private")
    i.stop()
    path = next(f"{d}/{f}" for d, _, fs in os.walk(i.data) for f in fs if f.endswith(".db"))
    db = sqlite3.connect(path)
    now = int(time.time() * 1e6)
    day = 86_400_000_000
    names = [(f"host{n:06}.example.jp", now + (n * 7919 % 397) * day + n) for n in range(MANY)]
    db.executemany("INSERT INTO cert (id, name, names, ca_id, key_alg, challenge, policy, current_id, renew_at, group_id,"
                   " created, updated, revision, not_after, warn_at) VALUES (?, ?, ?, 1, 'ec256', '{}', '{\"auto_renew\":false}', ?, 0, 0, ?, ?, 1, ?, ?)",
                   [(n + 10, name, name, n + 10, now, now, end, end - 398 * day // 6) for n, (name, end) in enumerate(names)])
    db.executemany("INSERT INTO cert_name (cert_id, name) VALUES (?, ?)", [(n + 10, name) for n, (name, _) in enumerate(names)])
    db.executemany("INSERT INTO cert_version (id, cert_id, state, key_alg, chain, serial, issuer, sha256, spki_sha256, not_before,"
                   " not_after, created, activated) VALUES (?, ?, 2, 'ec256', 'x', ?, 'CN=CA', ?, '', ?, ?, ?, ?)",
                   [(n + 10, n + 10, f"{n:08x}", f"{n:064x}", end - 398 * day, end, now, now) for n, (_, end) in enumerate(names)])
    # What they are found by (src/store/repo_term.c).
    db.executemany("INSERT INTO cert_term (cert_id, term) VALUES (?, ?)",
                   [(n + 10, term) for n, (name, _) in enumerate(names)
                    for term in (name, name.split(".", 1)[1], f"={n:08x}", f"={n:064x}")])
    # What the first page counts them by (migration 15).
    db.execute("UPDATE cert SET warn_at = not_after - (398 * ?) / 6 WHERE id >= 10", (day,))
    db.execute("INSERT INTO cert_count (end_day, warn_day, group_id, n) SELECT not_after / 86400000000, warn_at / 86400000000,"
               " group_id, count(*) FROM cert WHERE id >= 10 GROUP BY 1, 2, 3")
    db.commit()
    db.close()
    i.start()
    return {"url": f"https://{i.listen}", "login": i.login, "password": i.password, "count": MANY}


def control(fleet):
    """What the browser's tests ask of the world: stop and start the daemon, end all sessions."""
    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self):
            said = {}
            try:
                if self.path == "/stop":
                    fleet.inro.stop()
                elif self.path == "/start":
                    fleet.inro.start()
                elif self.path == "/expire":
                    path = next(f"{d}/{f}" for d, _, fs in os.walk(fleet.inro.data) for f in fs if f.endswith(".db"))
                    with sqlite3.connect(path, timeout=10) as db:
                        db.execute("DELETE FROM app_session")
                elif self.path == "/restore":
                    fleet.restore()
                elif self.path == "/supersede":
                    fleet.supersede()
                elif self.path in ("/beside", "/far", "/ground", "/rekey", "/empty", "/full"):
                    said = getattr(fleet, self.path[1:])()
                elif self.path == "/apart":
                    fleet.copy.stop()
                self.send_response(200)
            except Exception as e:  # told to the test, which fails with it
                self.send_response(500)
                print(f"control {self.path}: {e}", file=sys.stderr)
            self.end_headers()
            self.wfile.write(json.dumps(said).encode())

        def log_message(self, *args):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server


def main():
    p = argparse.ArgumentParser()
    p.add_argument("--inro", required=True)
    p.add_argument("--out", required=True)
    p.add_argument("--keep", action="store_true", help="only start the fleet and wait (for work on the GUI)")
    p.add_argument("--only", default="", help="tests whose name holds this")
    o = p.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # what was started is stopped
    out = os.path.abspath(o.out)
    shutil.rmtree(out, ignore_errors=True)
    os.makedirs(f"{out}/shots")
    env = dict(os.environ, NODE_PATH=f"{ROOT}/web/node_modules")
    words = subprocess.run(["node", f"{HERE}/i18n.mjs", f"{ROOT}/web/src"], env=env, text=True, capture_output=True)
    print(words.stdout + words.stderr, end="", flush=True)
    with Rig() as rig:
        try:
            fleet = Fleet(rig, o.inro, out)
            fleet.start()
            fleet.fill()
            config = dict(fleet.config(), only=o.only)
            config["crowd"] = None if o.keep else crowd(rig, o.inro, out)
        except (Failure, subprocess.SubprocessError, OSError) as e:
            print(f"FAILED: the fleet did not start: {e}\n0 passed, 1 failed")
            return 1
        server = control(fleet)
        config["control"] = f"http://127.0.0.1:{server.server_address[1]}"
        path = write(f"{out}/config.json", json.dumps(config), 0o600)
        if o.keep:
            print(f"{config['url']}  {config['login']}  {config['password']}\n{path}", flush=True)
            wait_for("Ctrl-C", lambda: False, 1e9, 5)
        walk = subprocess.Popen(["node", f"{HERE}/walk.mjs", path], env=env, stdout=subprocess.PIPE, text=True)
        passed = failed = 0
        for line in walk.stdout:
            print(line, end="", flush=True)
            passed += line.startswith("ok ")
            failed += line.startswith("not ok ")
        if walk.wait() != 0 and failed == 0:
            failed += 1
    passed += words.returncode == 0
    failed += words.returncode != 0
    print(f"{passed} passed, {failed} failed")
    return 1 if failed or not passed else 0


if __name__ == "__main__":
    sys.exit(main())
