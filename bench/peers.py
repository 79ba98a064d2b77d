"""The other clients, each used as its manual says for many certificates: one account made beforehand, EC P-256,
HTTP-01 through a web root. Clients of one process per certificate run `slots` at a time."""
import http.server
import os
import subprocess
import threading
import time

from measure import Cost, cpu_of, peak_kib, run, run_many
from rig import Failure, free_port, wait_for, write

# uacme's libcurl knows the system's trust alone: the CA's certificate is put there for this process only.
TRUSTING = ["unshare", "-m", "sh", "-c", 'mount --bind "$0" /etc/ssl/certs/ca-certificates.crt && exec "$@"']


class Webroot:
    """Answers HTTP-01 for clients that write files."""

    def __init__(self, folder):
        self.folder, self.port = folder, free_port()
        os.makedirs(f"{folder}/.well-known/acme-challenge", exist_ok=True)

        class Handler(http.server.SimpleHTTPRequestHandler):
            def __init__(self, *a):
                super().__init__(*a, directory=folder)

            def log_message(self, *a):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", self.port), Handler)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def stop(self):
        self.server.shutdown()


class Peer:
    """slots: how many processes at once; most: sampled with no more certificates than this."""
    name, binary, slots, most = "", "", 8, 50

    def __init__(self, folder, pebble, webroot):
        self.folder, self.pebble, self.webroot = f"{folder}/{self.name}", pebble, webroot
        os.makedirs(self.folder, exist_ok=True)
        self.log = f"{self.folder}/log.txt"
        self.ready = set()

    def prepare(self, slot):
        """What is done once per installation: not measured."""

    def one(self, slot, name):
        raise NotImplementedError

    def issue(self, names):
        for slot in range(min(self.slots, len(names))):
            if slot not in self.ready:
                self.prepare(slot)
                self.ready.add(slot)
        # run_many hands out the highest free slot first; all of 0..n-1 are prepared
        return run_many([lambda slot, n=n: self.one(slot, n) for n in names], min(self.slots, len(names)))

    def must(self, argv, env=None):
        if run(argv, env=env, log=self.log).code != 0:
            raise Failure(f"{self.name} could not be set up; see {self.log}")


class Lego(Peer):
    name, binary, most = "lego", "lego", 200

    def one(self, slot, name):
        return run(["lego", "--server", self.pebble.directory, "--accept-tos", "--email", "bench@example.test", "--path",
                    f"{self.folder}/{slot}", "--key-type", "ec256", "--domains", name, "--http", "--http.webroot",
                    self.webroot.folder, "run"], env={"LEGO_CA_CERTIFICATES": self.pebble.cert}, log=self.log)

    def prepare(self, slot):
        if self.one(slot, f"first{slot}.lego.bench.test").code != 0:
            raise Failure(f"lego could not be set up; see {self.log}")


class Certbot(Peer):
    name, binary, most = "certbot", "certbot", 16

    def base(self, slot):
        d = f"{self.folder}/{slot}"
        return ["--config-dir", f"{d}/c", "--work-dir", f"{d}/w", "--logs-dir", f"{d}/l", "--server",
                self.pebble.directory, "-n", "--agree-tos", "-m", "bench@example.test"]

    def prepare(self, slot):
        self.must(["certbot", "register", "--no-eff-email", *self.base(slot)], {"REQUESTS_CA_BUNDLE": self.pebble.cert})

    def one(self, slot, name):
        return run(["certbot", "certonly", *self.base(slot), "--webroot", "-w", self.webroot.folder, "--key-type",
                    "ecdsa", "--elliptic-curve", "secp256r1", "-d", name],
                   env={"REQUESTS_CA_BUNDLE": self.pebble.cert}, log=self.log)


class Uacme(Peer):
    name, binary, most = "uacme", "uacme", 50

    def base(self, slot):
        return [*TRUSTING, self.pebble.cert, "uacme", "-a", self.pebble.directory, "-c", f"{self.folder}/{slot}", "-t", "EC"]

    def prepare(self, slot):
        hook = f"{self.folder}/hook.sh"
        write(hook, f"""#!/bin/sh
# method type ident token auth
[ "$2" = http-01 ] || exit 1
case $1 in
  begin) printf %s "$5" > {self.webroot.folder}/.well-known/acme-challenge/"$4" ;;
  *) rm -f {self.webroot.folder}/.well-known/acme-challenge/"$4" ;;
esac
""", 0o755)
        self.hook = hook
        os.makedirs(f"{self.folder}/{slot}/private", exist_ok=True)
        self.must([*self.base(slot), "-y", "new", "bench@example.test"])

    def one(self, slot, name):
        return run([*self.base(slot), "-h", self.hook, "issue", name], log=self.log)


class Dehydrated(Peer):
    name, binary, most = "dehydrated", "dehydrated", 8

    def prepare(self, slot):
        d = f"{self.folder}/{slot}"
        write(f"{d}/config", f"""CA="{self.pebble.directory}"
BASEDIR="{d}"
WELLKNOWN="{self.webroot.folder}/.well-known/acme-challenge"
CHALLENGETYPE="http-01"
KEY_ALGO=prime256v1
CURL_OPTS="--cacert {self.pebble.cert}"
CONTACT_EMAIL=bench@example.test
""")
        self.must(["dehydrated", "--config", f"{d}/config", "--register", "--accept-terms"])

    def one(self, slot, name):
        return run(["dehydrated", "--config", f"{self.folder}/{slot}/config", "-c", "-d", name], log=self.log)


class Caddy(Peer):
    """One process that manages all names by itself; it holds itself to 10 certificates in 10 seconds."""
    name, binary, most = "caddy", "caddy", 50
    runs = 0

    def issue(self, names):
        Caddy.runs += 1
        d = f"{self.folder}/{Caddy.runs}"
        # The CA looks for HTTP-01 at the web root's port, which it never needs when it validates nothing.
        sites = "\n".join(f"{n} {{\n respond ok\n}}" for n in names)
        write(f"{d}/Caddyfile", f"""{{
 admin off
 auto_https disable_redirects
 http_port {self.http_port()}
 https_port {free_port()}
 default_bind 127.0.0.1
 email bench@example.test
 acme_ca {self.pebble.directory}
 acme_ca_root {self.pebble.cert}
 key_type p256
 storage file_system {d}/store
 skip_install_trust
}}
{sites}
""")
        begin = time.monotonic()
        with open(self.log, "ab") as out:
            p = subprocess.Popen(["caddy", "run", "--config", f"{d}/Caddyfile", "--adapter", "caddyfile"], stdin=subprocess.DEVNULL,
                                 stdout=out, stderr=out, env=dict(os.environ, HOME=d, XDG_DATA_HOME=d, XDG_CONFIG_HOME=d))
        try:
            wait_for("caddy's certificates", lambda: self.count(f"{d}/store") >= len(names), 60 + 3 * len(names))
            return Cost(len(names), time.monotonic() - begin, cpu_of(p.pid), peak_kib(p.pid))
        finally:
            p.terminate()
            p.wait(20)

    def http_port(self):
        return free_port()

    @staticmethod
    def count(folder):
        return sum(f.endswith(".crt") for _, _, files in os.walk(folder) for f in files)


ALL = [Lego, Uacme, Certbot, Dehydrated, Caddy]
