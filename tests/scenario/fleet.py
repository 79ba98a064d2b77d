"""What the crash and fault tests start: a CA, two nginx, the daemon, and short ways to drive it."""
import contextlib
import json
import os
import sqlite3
import ssl
import urllib.error
import urllib.request

from rig import (Challtestsrv, Failure, Inro, Nginx, Pebble, can_connect, free_port, pair_matches, self_signed,
                 served, served_verified, wait_for)

# No waiting and no refusals where a test is not about them.
QUIET = {"PEBBLE_VA_NOSLEEP": "1", "PEBBLE_WFE_NONCEREJECT": "0", "PEBBLE_AUTHZREUSE": "0"}
NAMES = ["www.crash.test", "api.crash.test"]
ENDED = ("done", "failed", "cancelled")


class Fleet:
    def __init__(self, box, env=None, targets=2, pebble=True, threads=4, args=(), validity=None, mood=QUIET):
        self.box, r = box, box.rig
        self.inro = r.add(Inro(box.inro, f"{box.folder}/inro", env=dict(env or {}),
                               args=["--threads", str(threads), *args]))
        self.pebble = self.sites = None
        if pebble:
            self.dns = r.add(Challtestsrv(f"{box.folder}/dns"))
            self.pebble = r.add(Pebble(f"{box.folder}/pebble", self.dns.dns, self.inro.http01, env=mood,
                                       validity=validity))
        self.webs = []
        for n in range(targets):
            folder = f"{box.folder}/web{n + 1}"
            pair = self_signed(f"{folder}/tls", "site", ",".join(f"DNS:{x}" for x in NAMES))
            address = f"127.0.12.{n + 1}"
            self.webs.append(r.add(Nginx(folder, address, free_port(address), {NAMES[0]: pair})))

    def start(self):
        return self.inro.start()

    def restart(self):
        self.inro.stop()
        return self.inro.start()

    def configure(self, ca="pebble"):
        i = self.inro
        if ca == "pebble":
            i.cli("ca", "add", "ca", "--type", "acme", "--directory", self.pebble.directory, "--roots-file",
                  self.pebble.cert, "--email", "a@crash.test")
        else:
            i.cli("ca", "add", "ca", "--type", "private", "--common-name", "Crash CA")
        for n, w in enumerate(self.webs):
            i.cli("target", "add", f"web{n + 1}", "--type", "nginx", "--via", "local", "--test-command",
                  w.test_command, "--reload-command", w.reload_command)

    def request(self, wait=True):
        self.inro.cli("cert", "request", ",".join(NAMES), "--ca", "ca", "--challenge", "http-01",
                      *(["--wait"] if wait else []))

    def bind(self):
        for n, w in enumerate(self.webs):
            crt, key = w.sites[NAMES[0]]
            self.inro.cli("bind", NAMES[0], f"web{n + 1}", "--cert-path", crt, "--key-path", key, "--verify",
                          f"{w.address}:{w.port}", "--sni", NAMES[0])

    def ready(self, ca="pebble"):
        """Everything set up and the first certificate in service."""
        self.start()
        self.configure(ca)
        self.request()
        self.bind()
        self.inro.cli("deploy", NAMES[0], "--wait")
        return self.all_serve()

    # -- looking -----------------------------------------------------------------------------
    def served(self, n=0):
        w = self.webs[n]
        return served(w.address, w.port, NAMES[0])[0]

    def all_serve(self):
        """The one fingerprint every target serves."""
        got = {self.served(n) for n in range(len(self.webs))}
        if len(got) != 1:
            raise Failure(f"different certificates are served: {got}")
        return next(iter(got))

    def verified(self):
        """As all_serve(), and Python's TLS accepts chain and name."""
        for w in self.webs:
            served_verified(w.address, w.port, NAMES[0], self.pebble.root())
        return self.all_serve()

    def pairs(self):
        for w in self.webs:
            for crt, key in w.sites.values():
                yield crt, key

    def pairs_match(self):
        for crt, key in self.pairs():
            if not pair_matches(crt, key):
                raise Failure(f"{crt} and {key} do not belong together")

    def orders(self):
        """How many orders the CA has seen."""
        if not self.pebble:
            return 0
        with open(f"{self.pebble.folder}/log.txt", errors="replace") as f:
            return sum("Added order " in line for line in f)

    def show(self):
        return self.inro.get("cert", "show", NAMES[0], timeout=20)

    def open_jobs(self):
        jobs = self.inro.get("job", "list", "--open", timeout=20)["items"]
        return [j for j in jobs if j["kind"] in ("issue", "deploy")]

    def settle(self, timeout=60.0):
        """Until no issue and no deploy job is open."""
        wait_for("jobs to end", lambda: not self.open_jobs(), timeout, 0.1)

    def renew(self):
        """Asks for a renewal and does not wait."""
        self.inro.cli("cert", "renew", NAMES[0], timeout=20)

    def renewed(self, before, timeout=60.0):
        """Until every target serves one certificate other than `before` and all is settled."""
        def look():
            now = self.all_serve()
            return now if now != before else None
        now = wait_for("the new certificate on every target", look, timeout, 0.1)
        self.settle(timeout)
        return now

    def up(self):
        host, port = self.inro.listen.rsplit(":", 1)
        return can_connect(host, int(port))

    def exists(self, path):
        return os.path.exists(f"{self.inro.data}/{path}")

    def policy(self, **policy):
        """Changes the certificate's policy, over the unix socket as the command line does."""
        show = self.show()
        status, got = self.api("PATCH", f"/certs/{show['id']}", {"policy": {**show["policy"], **policy}})
        if status != 200:
            raise Failure(f"policy: {status} {got}")

    def api(self, method, path, body=None):
        return self.inro.api(method, path, body)

    def sign_in(self):
        """The administrator with the one-time password, as a browser does it: (status, answer)."""
        i = self.inro
        ctx = ssl.create_default_context(cafile=f"{i.data}/tls/gui.crt")
        req = urllib.request.Request(f"https://{i.listen}/api/v1/session",
                                     json.dumps({"login": i.login, "password": i.password}).encode(),
                                     {"Content-Type": "application/json", "Origin": f"https://{i.listen}"})
        try:
            with urllib.request.urlopen(req, context=ctx, timeout=10) as a:
                return a.status, json.load(a)
        except urllib.error.HTTPError as e:
            return e.code, json.load(e)

    def sql(self, text):
        """One statement by hand, with the daemon stopped or beside it."""
        with contextlib.closing(sqlite3.connect(f"{self.inro.data}/inro.db", timeout=10)) as db:
            got = db.execute(text).fetchall()
            db.commit()
        return got
