"""Real servers on loopback for the demo and the scenario tests.

Every part starts one program of Debian's in a folder of its own, waits until it answers, and is
stopped by its process id. Nothing listens beyond 127.0.0.0/8.
"""
import base64
import contextlib
import datetime
import email
import email.policy
import hashlib
import http.client
import json
import os
import pwd
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import time
import urllib.request

HERE = os.path.dirname(os.path.abspath(__file__))


def program(name):
    """A server's path: a normal user's PATH has no sbin, here or behind SSH."""
    return shutil.which(name, path=os.environ.get("PATH", "") + ":/usr/sbin:/sbin:/usr/local/sbin") or name


class Failure(Exception):
    """A step did not do what was promised."""


def free_port(address="127.0.0.1"):
    with socket.socket() as s:
        s.bind((address, 0))
        return s.getsockname()[1]


def wait_for(what, check, timeout=20.0, every=0.05):
    """Calls check() until it returns something true; its last exception is told."""
    end = time.monotonic() + timeout
    last = None
    while time.monotonic() < end:
        try:
            got = check()
            if got:
                return got
        except (OSError, Failure, ValueError) as e:
            last = e
        time.sleep(every)
    raise Failure(f"{what}: not within {timeout:g} s" + (f" ({last})" if last else ""))


def can_connect(address, port):
    with socket.create_connection((address, port), timeout=1):
        return True


def write(path, text, mode=0o644):
    os.makedirs(os.path.dirname(path), exist_ok=True)
    fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode)
    with os.fdopen(fd, "w") as f:
        f.write(text)
    os.chmod(path, mode)
    return path


def self_signed(folder, name, sans):
    """A key pair made by openssl; returns (certificate path, key path)."""
    os.makedirs(folder, exist_ok=True)
    crt, key = f"{folder}/{name}.crt", f"{folder}/{name}.key"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "30",
         "-subj", f"/CN={name}", "-addext", f"subjectAltName={sans}", "-keyout", key, "-out", crt],
        check=True, capture_output=True)
    os.chmod(key, 0o600)
    return crt, key


def served(address, port, sni, timeout=5.0):
    """What a server really serves: (SHA-256 hex of the leaf, DER). Trust is judged elsewhere."""
    ctx = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    ctx.check_hostname = False
    ctx.verify_mode = ssl.CERT_NONE
    with socket.create_connection((address, port), timeout=timeout) as s:
        with ctx.wrap_socket(s, server_hostname=sni) as t:
            der = t.getpeercert(binary_form=True)
    return hashlib.sha256(der).hexdigest(), der


def served_verified(address, port, sni, roots_pem, timeout=5.0):
    """As served(), and the chain must verify to roots_pem and cover sni (Python's OpenSSL judges)."""
    ctx = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    ctx.load_verify_locations(cadata=roots_pem)
    with socket.create_connection((address, port), timeout=timeout) as s:
        with ctx.wrap_socket(s, server_hostname=sni) as t:
            return hashlib.sha256(t.getpeercert(binary_form=True)).hexdigest()


def openssl_text(der, what):
    out = subprocess.run(["openssl", "x509", "-inform", "DER", "-noout", *what.split()], input=der,
                         capture_output=True, check=True)
    return out.stdout.decode()


class Part:
    """One program. argv and env are set by the subclass; output goes to log in its folder."""

    def __init__(self, folder):
        self.folder = os.path.abspath(folder)
        os.makedirs(self.folder, exist_ok=True)
        self.proc = None

    def spawn(self, argv, env=None, cwd=None, name="log"):
        log = open(f"{self.folder}/{name}.txt", "ab")
        full = dict(os.environ, **(env or {}))
        self.proc = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=full,
                                     cwd=cwd or self.folder, start_new_session=True)
        log.close()
        return self.proc

    def check_alive(self):
        if self.proc and self.proc.poll() is not None:
            raise Failure(f"{type(self).__name__} ended with {self.proc.returncode}:\n{self.log_tail()}")
        return True

    def log_tail(self, name="log", size=2000):
        with contextlib.suppress(OSError), open(f"{self.folder}/{name}.txt", "rb") as f:
            return f.read()[-size:].decode(errors="replace")
        return ""

    def wait_port(self, address, port, timeout=20.0):
        wait_for(f"{type(self).__name__} on {address}:{port}",
                 lambda: self.check_alive() and can_connect(address, port), timeout)

    def stop(self, timeout=10.0):
        if not self.proc:
            return
        if self.proc.poll() is None:
            self.proc.terminate()
            try:
                self.proc.wait(timeout)
            except subprocess.TimeoutExpired:
                os.killpg(self.proc.pid, signal.SIGKILL)
                self.proc.wait(5)
        self.proc = None


class Challtestsrv(Part):
    """DNS for the CA: every name is 127.0.0.1 unless told otherwise."""

    def __init__(self, folder):
        super().__init__(folder)
        self.dns, self.management = free_port(), free_port()
        self.spawn(["pebble-challtestsrv", "-http01", "", "-https01", "", "-tlsalpn01", "", "-dns01",
                    f"127.0.0.1:{self.dns}", "-management", f"127.0.0.1:{self.management}", "-defaultIPv4",
                    "127.0.0.1", "-defaultIPv6", ""])
        self.wait_port("127.0.0.1", self.management)

    def post(self, path, body):
        req = urllib.request.Request(f"http://127.0.0.1:{self.management}/{path}", json.dumps(body).encode())
        with urllib.request.urlopen(req, timeout=5) as r:
            return r.read()


class Pebble(Part):
    """A real ACME CA with its chaos at the defaults, or as `env` says."""

    def __init__(self, folder, dns_port, http_port, env=None, validity=None, eab=None):
        super().__init__(folder)
        self.port, self.management = free_port(), free_port()
        self.cert, key = self_signed(self.folder, "pebble", "DNS:localhost,IP:127.0.0.1")
        conf = {"listenAddress": f"127.0.0.1:{self.port}", "managementListenAddress": f"127.0.0.1:{self.management}",
                "certificate": self.cert, "privateKey": key, "httpPort": http_port, "tlsPort": 5001,
                "ocspResponderURL": "", "externalAccountBindingRequired": bool(eab)}
        if validity:
            conf["certificateValidityPeriod"] = validity
        if eab:
            conf["externalAccountMACKeys"] = eab
        path = write(f"{self.folder}/pebble.json", json.dumps({"pebble": conf}))
        self.argv = ["pebble", "-config", path, "-dnsserver", f"127.0.0.1:{dns_port}"]
        self.env = env
        self.start()

    def start(self):
        self.spawn(self.argv, env=self.env)
        self.wait_port("127.0.0.1", self.port)
        self.directory = f"https://127.0.0.1:{self.port}/dir"

    def get(self, path):
        ctx = ssl.create_default_context(cafile=self.cert)
        with urllib.request.urlopen(f"https://127.0.0.1:{self.management}/{path}", context=ctx, timeout=5) as r:
            return r.read().decode()

    def root(self):
        return self.get("roots/0")

    def status(self, serial_hex):
        return json.loads(self.get(f"cert-status-by-serial/{serial_hex}"))


class Nginx(Part):
    """nginx with one TLS server per site: {name: (certificate path, key path)}. root: a directory served
    over plain HTTP at self.http; who asked for what is in logs/access.log."""

    def __init__(self, folder, address, port, sites, root=None):
        super().__init__(folder)
        self.root, self.http = root, free_port(address) if root else None
        self.address, self.port = address, port
        for d in ("tmp", "conf", "logs"):
            os.makedirs(f"{self.folder}/{d}", exist_ok=True)
        self.conf = f"{self.folder}/conf/nginx.conf"
        self.sites = sites
        self.write_conf()
        base = [program("nginx"), "-p", self.folder, "-e", f"{self.folder}/logs/error.log", "-c", self.conf]
        self.test_command = " ".join(base + ["-t"])
        self.reload_command = " ".join(base + ["-s", "reload"])
        self.spawn(base + ["-g", "daemon off;"])
        self.wait_port(address, port if sites else self.http)

    def write_conf(self, broken=False):
        user = "user root;\n" if os.getuid() == 0 else ""
        servers = "".join(f"""
  server {{ listen {self.address}:{self.port} ssl; server_name {name};
    ssl_certificate {crt}; ssl_certificate_key {key};
    location / {{ default_type text/plain; return 200 "{name}\\n"; }} }}
""" for name, (crt, key) in self.sites.items())
        if self.root:
            servers += f"""
  server {{ listen {self.address}:{self.http}; root {self.root}; access_log {self.folder}/logs/access.log; }}
"""
        tmp = "".join(f"  {m}_temp_path {self.folder}/tmp/{m};\n" for m in
                      ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"))
        write(self.conf, f"""{user}pid {self.folder}/nginx.pid;
worker_processes 1;
events {{ worker_connections 64; }}
http {{
  access_log off;
{tmp}{servers}
  {'no_such_directive on;' if broken else ''}
}}
""")


class Haproxy(Part):
    """HAProxy in master-worker mode with one combined PEM."""

    def __init__(self, folder, address, port, pem):
        super().__init__(folder)
        self.address, self.port, self.pem = address, port, pem
        self.conf = f"{self.folder}/haproxy.cfg"
        self.write_conf()
        self.spawn([program("haproxy"), "-W", "-f", self.conf])
        self.wait_port(address, port)
        self.test_command = f"{program('haproxy')} -c -f {self.conf}"
        self.reload_command = f"kill -USR2 {self.proc.pid}"

    def write_conf(self, broken=False):
        write(self.conf, f"""global
  maxconn 100
defaults
  mode http
  timeout client 5s
  timeout server 5s
  timeout connect 5s
frontend f
  bind {self.address}:{self.port} ssl crt {self.pem}
  http-request return status 200 content-type text/plain string "haproxy"
{'  this_is_not_a_keyword at all' if broken else ''}
""")


class Sshd(Part):
    """A private OpenSSH server for the current user, with a key of its own."""

    def __init__(self, folder, address, port=None, extra=""):
        super().__init__(folder)
        self.address, self.port = address, port or free_port(address)
        os.chmod(self.folder, 0o700)
        for name in ("host", "user"):
            if not os.path.exists(f"{self.folder}/{name}"):
                subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", f"{self.folder}/{name}"], check=True)
        shutil.copy(f"{self.folder}/user.pub", f"{self.folder}/authorized_keys")
        os.chmod(f"{self.folder}/authorized_keys", 0o600)
        if os.getuid() == 0:
            os.makedirs("/run/sshd", mode=0o755, exist_ok=True)
        self.conf = write(f"{self.folder}/sshd_config", f"""ListenAddress {address}:{self.port}
HostKey {self.folder}/host
PidFile {self.folder}/sshd.pid
AuthorizedKeysFile {self.folder}/authorized_keys
PasswordAuthentication no
KbdInteractiveAuthentication no
PermitRootLogin prohibit-password
StrictModes no
UsePAM no
Subsystem sftp internal-sftp
MaxStartups 100
{extra}
""")
        self.user = pwd.getpwuid(os.getuid()).pw_name
        self.user_key = f"{self.folder}/user"
        self.start()

    def start(self):
        self.spawn(["/usr/sbin/sshd", "-D", "-e", "-f", self.conf])
        self.wait_port(self.address, self.port)

    def fingerprint(self):
        out = subprocess.run(["ssh-keygen", "-l", "-E", "sha256", "-f", f"{self.folder}/host.pub"],
                             capture_output=True, check=True, text=True)
        return out.stdout.split()[1]

    def new_host_key(self):
        """What an attacker, or a reinstalled machine, looks like."""
        self.stop()
        os.remove(f"{self.folder}/host")
        os.remove(f"{self.folder}/host.pub")
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", f"{self.folder}/host"], check=True)
        self.start()


class MailSink(Part):
    """SMTP with STARTTLS and authentication; every mail is a file in box/."""

    def __init__(self, folder, password):
        super().__init__(folder)
        self.port = free_port()
        self.user, self.password = "inro@example.test", password
        self.cert, self.key = self_signed(self.folder, "localhost", "DNS:localhost,IP:127.0.0.1")
        write(f"{self.folder}/password", password, 0o600)
        self.box = f"{self.folder}/box"
        os.makedirs(self.box, exist_ok=True)
        self.start()

    def start(self):
        self.spawn(["/usr/bin/python3", "-B", f"{HERE}/mailsink.py", str(self.port), self.folder, self.user])
        self.wait_port("127.0.0.1", self.port)

    def mails(self):
        got = []
        for name in sorted(os.listdir(self.box)):
            if name.endswith(".eml"):
                with open(f"{self.box}/{name}", "rb") as f:
                    m = email.message_from_binary_file(f, policy=email.policy.default)
                    got.append(m)
        return got

    def find(self, to, *words):
        """The first mail to `to` whose decoded subject and body hold all the words."""
        for m in self.mails():
            body = m.get_body(preferencelist=("plain",))
            text = str(m["Subject"]) + "\n" + (body.get_content() if body else "")
            if to in str(m["To"]) and all(w in text for w in words):
                return m
        return None


class Inro(Part):
    """The daemon and its command line."""

    def __init__(self, binary, folder, init=True, http01=None, listen=None, env=None, args=(), licence=True):
        """licence: with the first start() it becomes its own vendor and imports a large licence."""
        super().__init__(folder)
        self.wants_licence = licence and init
        self.binary = os.path.abspath(binary)
        self.data = f"{self.folder}/data"
        self.listen = listen or f"127.0.0.1:{free_port()}"
        self.http01 = http01 or free_port()
        self.env = env or {}
        self.args = list(args)
        self.prefix = []  # a command that runs the daemon (dns.py)
        self.login = self.password = None
        if init:
            more = [] if init is True else list(init)  # more options of init
            out = subprocess.run([self.binary, "init", "--data", self.data, "--json", *more], capture_output=True,
                                 text=True)
            if out.returncode != 0:
                raise Failure(f"inro init: {out.stderr}")
            got = json.loads(out.stdout)
            self.login, self.password = got["login"], got["password"]

    def start(self, timeout=20.0):
        begin = time.monotonic()
        offset = self.size_of_log()
        self.spawn([*self.prefix, self.binary, "serve", "--data", self.data, "--listen", self.listen, "--http01",
                    f"127.0.0.1:{self.http01}", "--egress-allow", "127.0.0.0/8", *self.args], env=self.env)
        wait_for("inro serve", lambda: self.check_alive() and "inro: ready" in self.log_since(offset), timeout, 0.01)
        took = time.monotonic() - begin
        if self.wants_licence:
            self.wants_licence = False
            self.licence()
        return took

    def licence(self, basics=100000, servers=0, customer="Rig"):
        """From this installation's own desk, as any customer gets it; the order is dated 40 days back, so that it
        is accepted and begun whatever day it is. Returns the issued licence."""
        today = datetime.date.fromisoformat(self.get("vendor", "init", "--name", "Rig vendor")["today"])
        self.get("vendor", "customer", "add", customer, "--mail", "rig@example.jp", "--installation",
                 self.get("licence", "show")["installation"])
        order = self.get("vendor", "order", "add", customer, "--plan", "basic", "--count", str(basics), "--servers",
                         str(servers), "--on", str(today - datetime.timedelta(40)))
        self.get("vendor", "order", "accept", str(order["id"]))
        path = f"{self.folder}/rig.lic"
        got = self.get("vendor", "licence", "issue", str(order["id"]), "--out", path)
        self.get("licence", "import", path)
        return got["licence"]

    def size_of_log(self):
        with contextlib.suppress(OSError):
            return os.path.getsize(f"{self.folder}/log.txt")
        return 0

    def log_since(self, offset):
        with open(f"{self.folder}/log.txt", "rb") as f:
            f.seek(offset)
            return f.read().decode(errors="replace")

    def cli(self, *argv, ok=True, stdin=None, timeout=180, lang="en"):
        """Runs a command with --json; returns (exit code, parsed value or text, stderr)."""
        locale = {"LC_ALL": "ja_JP.UTF-8" if lang == "ja" else "C.UTF-8"}
        out = subprocess.run([self.binary, *argv, "--data", self.data, "--json"], input=stdin, capture_output=True,
                             text=True, timeout=timeout, env=dict(os.environ, **self.env, **locale))
        if ok and out.returncode != 0:
            raise Failure(f"inro {' '.join(argv)}: exit {out.returncode}: {out.stderr.strip()}")
        value = out.stdout
        with contextlib.suppress(ValueError):
            value = json.loads(out.stdout)
        return out.returncode, value, out.stderr

    def get(self, *argv, **kw):
        return self.cli(*argv, **kw)[1]

    def api(self, method, path, body=None):
        """(status, parsed answer), over the unix socket as the command line does."""
        conn = http.client.HTTPConnection("localhost", timeout=30)
        conn.sock = socket.socket(socket.AF_UNIX)
        conn.sock.settimeout(30)
        conn.sock.connect(f"{self.data}/run/inro.sock")
        conn.request(method, f"/api/v1{path}", json.dumps(body) if body is not None else None,
                     {"Content-Type": "application/json"})
        r = conn.getresponse()
        text = r.read()
        conn.close()
        return r.status, json.loads(text) if text else None

    def roles(self):
        with open(f"{self.data}/run/roles.json") as f:
            return {r["name"]: r for r in json.load(f)}

    def kill_role(self, name, sig=signal.SIGKILL):
        pid = self.roles()[name]["pid"]
        if pid <= 0:  # being started: 0 would be our own process group
            raise Failure(f"{name} does not run")
        os.kill(pid, sig)

    def kill_all(self):
        """The pulled plug: supervisor and roles at once."""
        pids = [r["pid"] for r in self.roles().values() if r["pid"]]
        os.kill(self.proc.pid, signal.SIGKILL)
        for pid in pids:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self.proc.wait(10)
        self.proc = None
        wait_for("roles gone", lambda: not any(os.path.exists(f"/proc/{p}") and not zombie(p) for p in pids), 10)

    def pss_kib(self):
        pids = [self.proc.pid] + [r["pid"] for r in self.roles().values()]
        total = 0
        for pid in pids:
            with open(f"/proc/{pid}/smaps_rollup") as f:
                total += sum(int(line.split()[1]) for line in f if line.startswith("Pss:"))
        return total


def zombie(pid):
    try:
        with open(f"/proc/{pid}/stat") as f:
            return f.read().rsplit(")", 1)[1].split()[0] in "ZX"
    except OSError:
        return True


class Rig(contextlib.ExitStack):
    """Stops every part in reverse order, whatever happened."""

    def add(self, part):
        self.callback(part.stop)
        return part


def pem_sha256(pem):
    body = pem.split("-----BEGIN CERTIFICATE-----", 1)[1].split("-----END CERTIFICATE-----", 1)[0]
    return hashlib.sha256(base64.b64decode("".join(body.split()))).hexdigest()


def pair_matches(cert_path, key_path):
    """openssl says whether key and leaf belong together."""
    pub = subprocess.run(["openssl", "x509", "-in", cert_path, "-noout", "-pubkey"], capture_output=True, check=True)
    key = subprocess.run(["openssl", "pkey", "-in", key_path, "-pubout"], capture_output=True, check=True)
    return pub.stdout == key.stdout


if __name__ == "__main__":
    sys.exit("this is a library; see demo/demo.py and tests/scenario/")
