"""Targets that refuse, lie or hang, and strangers that are probed."""
import json
import os
import socket
import stat
import subprocess
import threading
import time

from rig import Failure, Inro, Nginx, Part, Sshd, free_port, pair_matches, self_signed, served, wait_for, write
from run import Skip

OLD = "old\n"


class Bench:
    """A daemon with its own CA; certificates are had at once."""

    def __init__(self, box):
        self.folder = box.folder
        self.inro = box.rig.add(Inro(box.inro, f"{box.folder}/inro"))
        self.inro.start()
        self.inro.cli("ca", "add", "own", "--type", "private")

    def cert(self, name):
        self.inro.cli("cert", "request", name, "--ca", "own", "--name", name, "--wait", timeout=60)

    def place(self, name):
        """Old files in a folder of their own: (certificate, key)."""
        return (write(f"{self.folder}/site/{name}/tls.crt", OLD), write(f"{self.folder}/site/{name}/tls.key", OLD, 0o600))

    def target(self, name, how, paths, *bind):
        self.cert(f"{name}.test")
        self.inro.cli("target", "add", name, "--type", "files", *how)
        self.inro.cli("bind", f"{name}.test", name, "--cert-path", paths[0], "--key-path", paths[1], *bind)

    def deploy(self, name, timeout=60):
        """The deploy job once it has ended or failed a first time."""
        job = self.inro.get("deploy", f"{name}.test")["job"]["id"]

        def look():
            j = self.inro.get("job", "show", str(job))
            settled = j["state"] in ("done", "blocked", "failed") or (j["attempts"] > 0 and j["state"] == "ready")
            return j if settled else None
        return wait_for(f"deploying {name}", look, timeout, 0.2)


def all_at_once(checks):
    """Runs the checks in threads; what is wrong is told together."""
    wrong, threads = [], []

    def one(name, fn):
        try:
            fn()
        except Exception as e:
            wrong.append(f"{name}: {type(e).__name__ if not isinstance(e, Failure) else ''} {e}")
    for name, fn in checks:
        threads.append(threading.Thread(target=one, args=(name, fn)))
        threads[-1].start()
    for t in threads:
        t.join()
    if wrong:
        raise Failure("\n  " + "\n  ".join(sorted(wrong)))


def refused(b, name, codes, en, ja, left=None):
    """The deployment fails with a reason in both languages; left() looks at what is there."""
    e = b.deploy(name)["error"]
    if not e or e["code"] not in codes:
        raise Failure(f"error is {e}")
    texts = {lang: " ".join([e["message"][lang]] + [w[lang] for w in e["while"]]) for lang in ("en", "ja")}
    if en not in texts["en"] or ja not in texts["ja"] or texts["ja"].isascii():
        raise Failure(f"error is {e}")
    if "\033" in json.dumps(e) or "\\u001b" in json.dumps(e):
        raise Failure("terminal escapes are in the error")
    if left:
        left()
    return texts["en"]


def untouched(*paths):
    def look():
        for p in paths:
            with open(p) as f:
                if f.read() != OLD:
                    raise Failure(f"{p} was changed")
        for folder in {os.path.dirname(p) for p in paths}:
            rest = [n for n in os.listdir(folder) if ".inro-" in n]
            if rest:
                raise Failure(f"left behind: {rest}")
    return look


class Tmpfs(Part):
    """A file system of its own, full or read-only; needs root."""

    def __init__(self, folder, size="128k"):
        super().__init__(folder)
        self.proc = None
        if os.getuid() != 0 or subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", self.folder],
                                              capture_output=True).returncode != 0:
            raise Skip("mounting a tmpfs needs root")

    def read_only(self):
        subprocess.run(["mount", "-o", "remount,ro", self.folder], check=True)

    def fill(self):
        fd = os.open(f"{self.folder}/filler", os.O_WRONLY | os.O_CREAT)
        try:
            while True:
                os.write(fd, b"x" * 512)
        except OSError:
            os.close(fd)

    def stop(self, timeout=10.0):
        subprocess.run(["umount", "-l", self.folder], capture_output=True)


def files_in_the_way(box):
    """37: links, folders, full and read-only disks, other owners; here and through SFTP."""
    b = Bench(box)
    sshd = box.rig.add(Sshd(f"{box.folder}/sshd", "127.0.12.1"))
    ssh = ["--via", "ssh", "--host", sshd.address, "--port", str(sshd.port), "--user", sshd.user, "--auth", "key",
           "--private-key-file", sshd.user_key, "--host-key", sshd.fingerprint()]
    checks = []
    for how, via in (("local", ["--via", "local"]), ("ssh", ssh)):
        victim = write(f"{box.folder}/victim-{how}", OLD)
        crt, key = b.place(f"link-{how}")
        os.remove(crt)
        os.symlink(victim, crt)
        b.target(f"link-{how}", via, (crt, key))
        checks.append((f"link {how}", lambda n=f"link-{how}", v=victim, k=key, c=crt: (
            refused(b, n, ("input", "denied", "conflict"), "link", "リンク", untouched(v, k)), still_link(c))))
        crt, key = b.place(f"dir-{how}")
        os.remove(crt)
        os.mkdir(crt)
        b.target(f"dir-{how}", via, (crt, key))
        checks.append((f"directory {how}", lambda n=f"dir-{how}", k=key: refused(b, n, ("input", "denied"), "tls.crt", "tls.crt", untouched(k))))
        b.target(f"none-{how}", via, (f"{box.folder}/no/such/dir.crt", key + "2"))
        checks.append((f"no folder {how}", lambda n=f"none-{how}": refused(b, n, ("not_found", "input"), "/no/such does not exist", "/no/such がありません")))
        ro = box.rig.add(Tmpfs(f"{box.folder}/site/ro-{how}"))
        paths = b.place(f"ro-{how}")
        b.target(f"ro-{how}", via, paths)
        ro.read_only()
        checks.append((f"read-only {how}", lambda n=f"ro-{how}", p=paths: refused(b, n, ("denied", "internal", "input", "remote"), "ead-only", "読み取り専用", untouched(*p))))
        full = box.rig.add(Tmpfs(f"{box.folder}/site/full-{how}"))
        paths = b.place(f"full-{how}")
        b.target(f"full-{how}", via, paths)
        full.fill()
        checks.append((f"full {how}", lambda n=f"full-{how}", p=paths: refused(b, n, ("full", "internal", "remote"), "tls", "tls", untouched(*p))))
        crt, key = b.place(f"owner-{how}")
        b.target(f"owner-{how}", via, (crt, key))
        os.chown(key, 12345, 54321)
        os.chmod(key, 0o440)
        checks.append((f"owner {how}", lambda n=f"owner-{how}", k=key, c=crt: owner_kept(b, n, k, c)))
    all_at_once(checks)


def still_link(path):
    if not os.path.islink(path):
        raise Failure(f"{path} is a link no more")


def owner_kept(b, name, key, crt):
    j = b.deploy(name)
    st = os.stat(key)
    if j["state"] != "done" or (st.st_uid, st.st_gid, stat.S_IMODE(st.st_mode)) != (12345, 54321, 0o440):
        raise Failure(f"{st.st_uid}:{st.st_gid} {st.st_mode:o}: {j['error']}")
    if not pair_matches(crt, key):
        raise Failure("key and certificate do not match")


def script(folder, name, text):
    return write(f"{folder}/bin/{name}", "#!/bin/sh\n" + text, 0o755)


def commands(box):
    """38, F30, F31: a reload that floods, asks, hangs, fails, or says it worked when it did not."""
    b = Bench(box)
    sshd = box.rig.add(Sshd(f"{box.folder}/sshd", "127.0.12.2"))
    ssh = ["--via", "ssh", "--host", sshd.address, "--port", str(sshd.port), "--user", sshd.user, "--auth", "key",
           "--private-key-file", sshd.user_key, "--host-key", sshd.fingerprint()]
    flood = script(box.folder, "flood", "head -c 100000000 /dev/zero | tr '\\0' 'x'\n")
    ask = script(box.folder, "ask", "echo 'Password:'\nread answer || { echo 'no answer' >&2; exit 7; }\n")
    hang = script(box.folder, "hang", "echo waiting\nexec sleep 4711\n")
    fail = script(box.folder, "fail", "printf 'line 7: \\033[31mbad\\033[0m <b>x</b>\\n' >&2\nexit 3\n")
    checks = []
    for how, via in (("local", ["--via", "local"]), ("ssh", ssh)):
        for what, command, codes, en, ja in (("ask", ask, ("remote",), "no answer", "no answer"),
                                             ("hang", hang, ("timeout",), "did not end in time", "時間内に終了しなかった" if how ==
                                              "local" else "時間内に終了しません"),
                                             ("fail", fail, ("remote",), "line 7: ", "再読み込みコマンド")):
            paths = b.place(f"{what}-{how}")
            b.target(f"{what}-{how}", [*via, "--reload-command", command, "--command-timeout", "3"], paths)
            checks.append((f"{what} {how}", lambda n=f"{what}-{how}", c=codes, e=en, j=ja, p=paths: refused(
                b, n, c, e, j, untouched(*p))))
        paths = b.place(f"flood-{how}")
        b.target(f"flood-{how}", [*via, "--reload-command", flood], paths)
        checks.append((f"flood {how}", lambda n=f"flood-{how}", p=paths: flooded(b, n, p)))
        paths = b.place(f"none-{how}")
        b.target(f"none-{how}", [*via, "--test-command", f"{box.folder}/bin/absent"], paths)
        checks.append((f"no such command {how}", lambda n=f"none-{how}", p=paths: refused(
            b, n, ("not_found", "remote", "input"), "absent", "absent", untouched(*p))))
    crt, key = self_signed(f"{box.folder}/lie", "lie", "DNS:lie.test")
    nginx = box.rig.add(Nginx(f"{box.folder}/nginx", "127.0.12.3", free_port("127.0.12.3"), {"lie.test": (crt, key)}))
    before = served(nginx.address, nginx.port, "lie.test")[0]
    with open(crt) as f:
        old = f.read()
    b.target("lie", ["--via", "local", "--test-command", nginx.test_command, "--reload-command", "/bin/true"], (crt, key),
             "--verify", f"{nginx.address}:{nginx.port}", "--sni", "lie.test")

    def lie():
        said = refused(b, "lie", ("remote", "conflict", "tls"), "lie", "lie")
        if "failed too" in said:  # what was there is not ours: putting it back cannot be judged by our certificate
            raise Failure(f"undone, but it says: {said}")
        if served(nginx.address, nginx.port, "lie.test")[0] != before or not pair_matches(crt, key):
            raise Failure("not as it was")
        with open(crt) as f:
            if f.read() != old:
                raise Failure("the files were not put back")
    checks.append(("a reload that does nothing", lie))
    all_at_once(checks)
    for j in b.inro.get("job", "list", "--open")["items"]:
        if j["kind"] == "deploy":
            b.inro.cli("job", "cancel", str(j["id"]), ok=False)
    # A step that runs ends first: a reload and the reload of its undo, 3 s each, on a busy machine.
    wait_for("no command still runs", lambda: not subprocess.run(
        ["pgrep", "-f", "sleep 4711", "-P", str(b.inro.roles()["runner"]["pid"])], capture_output=True).stdout.strip(), 30)


def flooded(b, name, paths):
    j = b.deploy(name)
    if j["state"] != "done" or not pair_matches(*paths):
        raise Failure(f"{j['state']}: {j['error']}")
    if b.inro.pss_kib() > 80 << 10:
        raise Failure(f"{b.inro.pss_kib()} KiB after 100 MB of output")


class Listener:
    """A server of one function per connection; what came in is kept."""

    def __init__(self, talk, address="127.0.0.1"):
        self.talk, self.got, self.count = talk, b"", 0
        self.address = address
        self.listener = socket.create_server((address, 0))
        self.port = self.listener.getsockname()[1]
        self.stopping = threading.Event()
        threading.Thread(target=self.run, daemon=True).start()

    def run(self):
        while True:
            try:
                s, _ = self.listener.accept()
            except OSError:
                return
            self.count += 1
            threading.Thread(target=self.serve, args=(s,), daemon=True).start()

    def serve(self, s):
        with s:
            s.settimeout(200)
            try:
                self.talk(self, s)
            except OSError:
                pass

    def take(self, s, n=4096):
        data = s.recv(n)
        self.got += data
        return data

    def stop(self):
        self.stopping.set()
        self.listener.close()


def silent(l, s):
    while l.take(s):
        pass


def trickle(l, s):
    l.take(s)
    while not l.stopping.wait(0.5):
        s.send(b"\x16")


def gigabyte(l, s):
    l.take(s)
    for _ in range(1 << 14):
        s.sendall(b"\x16\x03\x03\x40\x00" + b"\0" * 16384 * 4)


def closes(l, s):
    l.take(s, 64)


def long_banner(l, s):
    for _ in range(1 << 10):
        s.sendall(b"x" * 1021 + b"\r\n")
    silent(l, s)


def hostile_ssh(box):
    """36, F31: nothing secret is sent to a machine that is not the pinned one; none holds a worker."""
    b = Bench(box)
    checks, parts = [], {}
    for name in ("changed", "downgraded", "unpinned", "revoked", "stopped", "motd"):
        extra = ""
        if name == "motd":
            noisy = script(box.folder, "noisy", "echo 'Welcome to this machine!'\nexec /usr/lib/openssh/sftp-server\n")
            extra = f"Subsystem sftp {noisy}\n"
        parts[name] = box.rig.add(MotdSshd(f"{box.folder}/{name}", "127.0.12.4", extra=extra) if extra else
                                  Sshd(f"{box.folder}/{name}", "127.0.12.4"))
    paths = {}
    for name, sshd in parts.items():
        paths[name] = b.place(name)
        pin = [] if name == "unpinned" else ["--host-key", sshd.fingerprint()]
        b.target(name, ["--via", "ssh", "--host", sshd.address, "--port", str(sshd.port), "--user", sshd.user, "--auth",
                        "key", "--private-key-file", sshd.user_key, *pin], paths[name])
    parts["changed"].new_host_key()
    other_type(parts["downgraded"])
    with open(f"{parts['revoked'].folder}/authorized_keys", "w"):
        pass
    seen = {n: p.log_tail(size=1 << 20) for n, p in parts.items()}

    def judged(name, codes, en, ja, secret=False):
        refused(b, name, codes, en, ja, untouched(*paths[name]))
        log = parts[name].log_tail(size=1 << 20)[len(seen[name]):]
        if not secret and any(w in log for w in ("publickey", "Accepted", "password")):
            raise Failure(f"something was sent: {log}")
    checks += [("changed", lambda: judged("changed", ("tls",), "nothing was sent", "何も送信していません")),
               ("downgraded", lambda: judged("downgraded", ("tls",), "nothing was sent", "何も送信していません")),
               ("unpinned", lambda: judged("unpinned", ("tls",), parts["unpinned"].fingerprint(), "未登録")),
               ("revoked", lambda: judged("revoked", ("auth",), "does not let", "受け付けません", True)),
               ("motd", lambda: judged("motd", ("remote",), "SFTP", "SFTP", True))]
    for name, talk, en, ja in (("banner", long_banner, "no SSH session", "SSH 接続できません"),
                               ("mute", silent, "in time", "時間内に応答しません")):
        fake = parts[name] = box.rig.add(Listener(talk))
        paths[name] = b.place(name)
        b.target(name, ["--via", "ssh", "--host", fake.address, "--port", str(fake.port), "--user", "root", "--auth",
                        "password", "--password-file", write(f"{box.folder}/pw", "hunter2-secret\n", 0o600), "--host-key",
                        "SHA256:" + "A" * 43], paths[name])

        def check(name=name, fake=fake, en=en, ja=ja):
            begin = time.monotonic()
            refused(b, name, ("net", "timeout"), en, ja, untouched(*paths[name]))
            if time.monotonic() - begin > 45:
                raise Failure(f"{time.monotonic() - begin:.0f} s")
            if b"hunter2" in fake.got:
                raise Failure("the password was sent")
        checks.append((name, check))
    all_at_once(checks)
    mended(b, parts)
    if "hunter2" in b.inro.log_since(0):
        raise Failure("the password is in the log")


def other_type(sshd):
    """The pinned Ed25519 key is gone; an RSA key is offered."""
    sshd.stop()
    os.remove(f"{sshd.folder}/host")
    os.remove(f"{sshd.folder}/host.pub")
    subprocess.run(["ssh-keygen", "-q", "-t", "rsa", "-b", "2048", "-N", "", "-f", f"{sshd.folder}/host"], check=True)
    sshd.start()


def mended(b, parts):
    """A machine that stops in the middle is given up; others go on; the pinned one works."""
    j = b.deploy("stopped")
    if j["state"] != "done":
        raise Failure(f"an honest machine: {j['error']}")


class MotdSshd(Sshd):
    """The profile of the login shell talks before SFTP does."""

    def start(self):
        with open(self.conf) as f:
            text = f.read().replace("Subsystem sftp internal-sftp\n", "")
        write(self.conf, text)
        super().start()


def probes(box):
    """31-33: `inro scan` and the watcher end in time whatever a stranger sends, and say what it was."""
    parts = {"silent": silent, "trickle": trickle, "gigabyte": gigabyte, "closes": closes}
    parts = {n: box.rig.add(Listener(t)) for n, t in parts.items()}
    parts["injects"] = box.rig.add(Listener(starttls_injection))
    parts["no-tls"] = box.rig.add(Listener(smtp_without_tls))
    parts["http"] = box.rig.add(Listener(lambda l, s: (l.take(s), s.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n"))))
    for name, s in servers(box).items():
        parts[name] = s
    lines = {n: f"127.0.0.1:{p.port}" + ("/smtp" if n in ("injects", "no-tls") else "") for n, p in parts.items()}
    lines["unknown"] = "no-such-name.invalid:443"
    begin = time.monotonic()
    out = subprocess.run([box.inro, "scan", "--timeout", "5"], input="\n".join(lines.values()) + "\n", capture_output=True,
                         text=True, timeout=60)
    if time.monotonic() - begin > 15:
        raise Failure(f"the scan took {time.monotonic() - begin:.0f} s")
    seen = {f"{r['host']}:{r['port']}": r for r in map(json.loads, out.stdout.splitlines())}
    got = {n: seen[line.split("/")[0]] for n, line in lines.items()}
    wrong = []
    for name, words in (("silent", "in time"), ("trickle", ""), ("gigabyte", ""), ("closes", ""), ("injects", ""),
                        ("no-tls", "STARTTLS"), ("http", ""), ("chain", "excessive message size"), ("unknown", "no-such-name.invalid")):
        e = got[name].get("error")
        if not e or words not in e["message"]["en"] or e["message"]["ja"] == e["message"]["en"]:
            wrong.append(f"{name}: {got[name]}")
    for name, remark in (("sha1", "signature"), ("rsa1024", "key"), ("tls10", None)):
        if name in got and (got[name].get("error") or (remark and remark not in got[name]["unusual"])):
            wrong.append(f"{name}: {got[name]}")
    if wrong or out.returncode != 5:
        raise Failure(f"exit {out.returncode}\n  " + "\n  ".join(wrong))


def starttls_injection(l, s):
    s.sendall(b"220 mail.test ESMTP\r\n")
    l.take(s)
    s.sendall(b"250-mail.test\r\n250 STARTTLS\r\n")
    l.take(s)
    s.sendall(b"220 go ahead\r\n250 injected before TLS\r\n")
    silent(l, s)


def smtp_without_tls(l, s):
    s.sendall(b"220 mail.test ESMTP\r\n")
    while l.take(s):
        s.sendall(b"250 mail.test\r\n")


class SServer(Part):
    def __init__(self, folder, *argv):
        super().__init__(folder)
        self.port = free_port()
        self.spawn(["openssl", "s_server", "-accept", f"127.0.0.1:{self.port}", "-quiet", *argv])
        self.wait_port("127.0.0.1", self.port)


def servers(box):
    """Servers that no one should run: what they have is reported, not fatal."""
    made = {}
    for name, key, digest, more in (("sha1", "rsa:2048", "-sha1", []), ("rsa1024", "rsa:1024", "-sha256", []),
                                    ("tls10", "rsa:2048", "-sha256", ["-tls1"]), ("chain", "rsa:2048", "-sha256", [])):
        folder = f"{box.folder}/{name}"
        os.makedirs(folder)
        subprocess.run(["openssl", "req", "-x509", "-newkey", key, digest, "-nodes", "-subj", f"/CN={name}", "-keyout",
                        f"{folder}/k", "-out", f"{folder}/c"], check=True, capture_output=True)
        argv = ["-cert", f"{folder}/c", "-key", f"{folder}/k", "-cipher", "ALL:@SECLEVEL=0", *more]
        if name == "chain":  # 200 certificates
            with open(f"{folder}/c") as f:
                write(f"{folder}/many", f.read() * 200)
            argv += ["-cert_chain", f"{folder}/many"]
        made[name] = box.rig.add(SServer(folder, *argv))
    return made


def unknown_curve(l, s):
    """A server's first flight of TLS 1.2 with a certificate whose key is on a curve nobody knows."""
    cert = der_of(l.folder, "ec", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256").replace(
        bytes.fromhex("06082a8648ce3d030107"), bytes.fromhex("06082a8648ce3d03017f"))

    def handshake(kind, body):
        return bytes([kind]) + len(body).to_bytes(3, "big") + body

    one = len(cert).to_bytes(3, "big") + cert
    flight = (handshake(2, b"\x03\x03" + b"r" * 32 + b"\0" + b"\x00\x2f" + b"\0") +
              handshake(11, len(one).to_bytes(3, "big") + one) + handshake(14, b""))
    l.take(s)
    s.sendall(b"\x16\x03\x03" + len(flight).to_bytes(2, "big") + flight)
    silent(l, s)


def der_of(folder, name, *argv):
    subprocess.run(["openssl", "req", "-x509", "-nodes", "-subj", f"/CN={name}", "-keyout", f"{folder}/{name}.k", "-outform",
                    "DER", "-out", f"{folder}/{name}.der", *argv], check=True, capture_output=True)
    with open(f"{folder}/{name}.der", "rb") as f:
        return f.read()


def weak_servers(box):
    """32: DSA, MD5, curves, no certificate at all: a clear finding, from `inro scan` and from the watcher."""
    folder = f"{box.folder}/weak"
    os.makedirs(folder)
    subprocess.run(["openssl", "dsaparam", "-out", f"{folder}/dsa.pem", "2048"], check=True, capture_output=True)
    made = {"dsa": (["-newkey", f"dsa:{folder}/dsa.pem"], ["-tls1_2"]), "md5": (["-newkey", "rsa:2048", "-md5"], []),
            "secp256k1": (["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:secp256k1"], ["-tls1_2"]),
            "brainpool": (["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:brainpoolP256r1"], ["-tls1_2"])}
    ports = {}
    for name, (how, more) in made.items():
        der_of(folder, name, *how)
        ports[name] = box.rig.add(SServer(f"{box.folder}/{name}", "-certform", "DER", "-cert", f"{folder}/{name}.der", "-key",
                                          f"{folder}/{name}.k", "-cipher", "ALL:@SECLEVEL=0", *more)).port
    ports["anonymous"] = box.rig.add(SServer(f"{box.folder}/anonymous", "-nocert", "-tls1_2", "-cipher",
                                             "aNULL:@SECLEVEL=0")).port
    strange = Listener(unknown_curve)
    strange.folder = folder
    ports["curve"] = box.rig.add(strange).port
    i = box.rig.add(Inro(box.inro, f"{box.folder}/inro"))
    i.start()
    out = subprocess.run([box.inro, "scan", "--timeout", "10"], input="".join(f"127.0.0.1:{p}\n" for p in ports.values()),
                         capture_output=True, text=True, timeout=60)
    scanned = {r["port"]: r for r in map(json.loads, out.stdout.splitlines())}
    wrong = []
    for name, port in ports.items():
        w = i.get("watch", "add", f"127.0.0.1:{port}")
        i.cli("watch", "now", str(w["id"]), "--wait", ok=False)
        e = next(x for x in i.get("watch", "list")["items"] if x["id"] == w["id"])
        address = (e["seen"]["addresses"] or [{}])[0]
        remark = {"dsa": "key", "md5": "signature", "secp256k1": "key", "brainpool": "key"}.get(name)
        words = {"anonymous": "showed no certificate", "curve": "public key"}.get(name)
        s = scanned[port]
        if remark and (remark not in address.get("unusual", []) or remark not in s.get("unusual", []) or
                       e["state"] != "untrusted" or s.get("error")):
            wrong.append(f"{name}: {e} / {s}")
        if words:
            for fault in (e["seen"]["error"], s.get("error")):
                if not fault or words not in fault["message"]["en"] or fault["message"]["ja"].isascii():
                    wrong.append(f"{name}: {fault}")
            if e["state"] != "unreachable":
                wrong.append(f"{name}: {e['state']}")
    if wrong:
        raise Failure("\n  " + "\n  ".join(wrong))


def egress(box):
    """34, F20: names and numbers that mean this machine are refused where they are not allowed."""
    i = box.rig.add(Inro(box.inro, f"{box.folder}/inro"))
    i.closed = True
    trap = box.rig.add(Listener(silent))
    start_closed(i)
    i.cli("ca", "add", "acme", "--type", "acme", "--directory", f"https://127.0.0.1:{trap.port}/dir")
    wrong = []
    for host in ("127.0.0.1", "localhost", "0x7f.1", "2130706433", "127.1", "0177.0.0.1", "[::1]", "[::ffff:127.0.0.1]",
                 "0.0.0.0", "[::]", "169.254.169.254"):
        where = f"{host}:{trap.port}"
        code, value, text = i.cli("watch", "add", where, ok=False)
        if code == 0:
            code, value, text = i.cli("watch", "now", str(value["id"]), "--wait", ok=False)
            text += json.dumps(i.get("watch", "list")["items"][-1])
            text = text if '"error"' in text and "null" not in text.split('"error":')[-1][:6] else ""
        if not text:
            wrong.append(f"{host}: exit {code}, {value}")
    code, _, text = i.cli("ca", "check", "acme", ok=False, lang="ja")
    if code == 0 or "127.0.0.1" not in text or text.isascii():
        wrong.append(f"ca check: exit {code}: {text}")
    code, _, text = i.cli("ca", "add", "dns", "--type", "acme", "--directory", "https://no-such-name.invalid/dir", ok=False)
    code, _, text = i.cli("ca", "check", "dns", ok=False)
    if code != 5 or "no-such-name.invalid" not in text:
        wrong.append(f"unknown name: exit {code}: {text}")
    if trap.count:
        wrong.append(f"{trap.count} connections were made")
    if wrong:
        raise Failure("\n  " + "\n  ".join(wrong))


def start_closed(i):
    i.spawn([i.binary, "serve", "--data", i.data, "--listen", i.listen, "--http01", "off"])
    wait_for("inro serve", lambda: i.check_alive() and "inro: ready" in i.log_since(0), 20)


TESTS = [files_in_the_way, commands, hostile_ssh, probes, weak_servers, egress]
