"""The Debian package: installed, upgraded, removed, purged by the real dpkg in a root of its own; unit, manual, completion."""
import fcntl
import glob
import hashlib
import json
import os
import pty
import re
import shutil
import signal
import ssl
import subprocess
import tempfile
import termios
import time
import urllib.request

from faults import own_mounts
from ops import PASS, check, secret
from rig import Failure, Inro, free_port, wait_for
from run import Skip


def sh(*argv, ok=True, **kw):
    r = subprocess.run(argv, capture_output=True, text=True, **kw)
    if ok and r.returncode != 0:
        raise Failure(f"{' '.join(argv)}: exit {r.returncode}: {r.stderr[-800:]}{r.stdout[-400:]}")
    return r


def build(box, version, kind="deb"):
    tree = os.path.dirname(box.inro)
    if not os.path.exists(f"{tree}/CPackConfig.cmake"):
        raise Skip("the binary is not in a build folder")
    out = f"{box.folder}/pkg-{version}"
    sh("cpack", "--config", f"{tree}/CPackConfig.cmake", "-G", {"deb": "DEB", "tar.gz": "TGZ"}[kind], "-B", out, "-D",
       f"CPACK_PACKAGE_VERSION={version}", cwd=tree)
    return glob.glob(f"{out}/*.{kind}")[0]


class Root:
    """A dpkg database and file tree of its own; the machine itself stays as it is."""

    def __init__(self, box):
        if os.getuid() != 0:
            raise Skip("dpkg --root needs root")
        self.dir = f"{box.folder}/root"
        for d in ("var/lib/dpkg/updates", "var/lib/dpkg/info", "var/lib", "etc", "run", "usr/lib"):
            os.makedirs(f"{self.dir}/{d}", exist_ok=True)
        for f in ("status", "available"):
            open(f"{self.dir}/var/lib/dpkg/{f}", "w").close()
        with open(f"{self.dir}/etc/passwd", "w") as f:
            f.write("root:x:0:0:root:/root:/bin/sh\n")
        with open(f"{self.dir}/etc/group", "w") as f:
            f.write("root:x:0:\n")
        os.chmod(box.folder, 0o711)
        os.chmod(self.dir, 0o755)

    def dpkg(self, *argv, ok=True):
        return sh("dpkg", f"--root={self.dir}", "--force-depends", "--force-script-chrootless", "--force-confold", *argv,
                  ok=ok, env=dict(os.environ, DEBIAN_FRONTEND="noninteractive", LC_ALL="C.UTF-8"))

    def status(self):
        r = sh("dpkg-query", f"--admindir={self.dir}/var/lib/dpkg", "-W", "-f", "${db:Status-Abbrev}", "inro", ok=False)
        return r.stdout.strip()

    def path(self, p):
        return f"{self.dir}{p}"


def sums(folder):
    got = {}
    for top, _, files in os.walk(folder):
        for f in files:
            p = os.path.join(top, f)
            if os.path.isfile(p) and not os.path.islink(p) and "/run/" not in p:
                got[os.path.relpath(p, folder)] = hashlib.sha256(open(p, "rb").read()).hexdigest()
    return got


def install_upgrade_remove_purge(box):
    one, two = build(box, "0.1.0"), build(box, "0.1.1")
    r = Root(box)
    out = r.dpkg("-i", one)
    check("installed", r.status().startswith("ii"), r.status())
    check("says what comes next", "inro init" in out.stdout, out.stdout)
    uid = int(re.search(r"^inro:[^:]*:(\d+):", open(r.path("/etc/passwd")).read(), re.M).group(1))
    data = r.path("/var/lib/inro")
    st = os.stat(data)
    check("the data directory is the user's own", st.st_uid == uid and (st.st_mode & 0o777) == 0o700, oct(st.st_mode))
    check("inro.conf is found from there", os.path.realpath(f"{data}/inro.conf") == r.path("/etc/inro/inro.conf"))

    st = os.stat(r.path("/etc/inro/inro.conf"))
    gid = int(re.search(r"^inro:[^:]*:(\d+):", open(r.path("/etc/group")).read(), re.M).group(1))
    check("the configuration is the administrator's, and Inro reads it", (st.st_uid, st.st_gid, st.st_mode & 0o777) ==
          (0, gid, 0o640), oct(st.st_mode))
    i = box.rig.add(Inro(r.path("/usr/bin/inro"), f"{box.folder}/i", init=False))
    i.data = data
    with open(r.path("/etc/inro/inro.conf"), "a") as f:
        f.write("log-level = warn\n")
    made = sh(i.binary, "init", "--data", data, "--json")
    check("initialised", json.loads(made.stdout)["login"])
    i.start()
    i.cli("ca", "add", "own", "--type", "private")
    i.cli("cert", "request", "p.example.test", "--ca", "own", "--wait")
    shown = i.get("cert", "show", "p.example.test")
    i.cli("backup", f"{box.folder}/b.backup", "--passphrase-file", secret(box, "pass", PASS))
    i.stop()

    before, binary = sums(data), hashlib.sha256(open(i.binary, "rb").read()).hexdigest()
    r.dpkg("-i", two)
    check("upgraded", sh("dpkg-query", f"--admindir={r.dir}/var/lib/dpkg", "-W", "-f", "${Version}", "inro").stdout == "0.1.1")
    check("the former binary is at hand", hashlib.sha256(
        open(r.path("/usr/lib/inro/previous/inro"), "rb").read()).hexdigest() == binary)
    check("the configuration is kept", "log-level = warn" in open(r.path("/etc/inro/inro.conf")).read())
    check("the data is untouched", sums(data) == before)
    i.start()
    check("it runs on", i.get("cert", "show", "p.example.test") == shown)
    i.stop()

    before = sums(data)
    r.dpkg("-r", "inro")
    check("removed", r.status().startswith("rc"), r.status())
    check("no binary", not os.path.exists(r.path("/usr/bin/inro")) and not os.path.exists(r.path("/usr/lib/inro")))
    check("data and configuration are kept", sums(data) == before and os.path.exists(r.path("/etc/inro/inro.conf")))
    out = r.dpkg("-P", "inro")
    check("purged", r.status() in ("", "un"), r.status())
    check("no configuration", not os.path.exists(r.path("/etc/inro")))
    check("private keys are never removed without a word", sums(data) == before and "is kept" in out.stderr, out.stderr)

    # backup, uninstall, reinstall, restore
    shutil.rmtree(data)
    r.dpkg("-i", two)
    sh(i.binary, "restore", f"{box.folder}/b.backup", "--data", data, "--passphrase-file", f"{box.folder}/pass", "--confirm")
    i.start()
    check("the inventory is the same", i.get("cert", "show", "p.example.test") == shown)
    i.stop()
    check("sound", i.cli("check")[0] == 0)


def package_is_complete(box):
    deb = build(box, "0.1.0")
    listing = sh("dpkg-deb", "-c", deb).stdout
    for path in ("usr/bin/inro", "etc/inro/inro.conf", "usr/lib/systemd/system/inro.service", "usr/lib/sysusers.d/inro.conf",
                 "usr/lib/tmpfiles.d/inro.conf", "usr/share/man/man1/inro.1", "usr/share/man/ja/man1/inro.1",
                 "usr/share/bash-completion/completions/inro", "usr/share/zsh/vendor-completions/_inro",
                 "usr/share/doc/inro/copyright", "usr/share/doc/inro/operations.md", "usr/share/doc/inro/container/Containerfile",
                 "usr/share/doc/inro/container/container-start"):
        check(f"{path} is in the package", f"./{path}" in listing)
    check("owned by root", all(" root/root " in line for line in listing.splitlines()), listing)
    check("no setuid", not re.search(r"^-..s", listing, re.M))
    check("depends on what it is linked to", "libssl3" in sh("dpkg-deb", "-f", deb, "Depends").stdout)


def listed(text):
    """Files of a listing, links by their own names."""
    names = (line.split(" -> ")[0].split()[-1] for line in text.splitlines())
    return {n.removeprefix("./") for n in names if not n.endswith("/")}


def tarball_is_complete_and_runs_for_anybody(box):
    """What the package has, unpacked anywhere and run by a user with no rights at all."""
    tar = build(box, "0.1.0", "tar.gz")
    top = os.path.basename(tar).removesuffix(".tar.gz")
    inside = {n.removeprefix(f"{top}/") for n in listed(sh("tar", "-tvzf", tar).stdout)}
    package = listed(sh("dpkg-deb", "-c", build(box, "0.1.0")).stdout)
    check("the same files as the package", inside == package, inside ^ package)
    where = tempfile.mkdtemp(prefix="inro-tar-", dir="/tmp")
    box.rig.callback(shutil.rmtree, where, True)
    sh("tar", "-xzf", tar, "--strip-components=1", "-C", where)
    as_nobody = []
    if os.getuid() == 0:
        os.chown(where, 65534, 65534)
        as_nobody = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "--no-new-privs"]
    env = {"PATH": "/usr/bin:/bin", "HOME": where, "LC_ALL": "C.UTF-8"}
    inro, data, port = f"{where}/usr/bin/inro", f"{where}/data", free_port()

    def run(*argv):
        return sh(*as_nobody, inro, *argv, "--data", data, env=env, timeout=120).stdout

    check("initialised", json.loads(run("init", "--json"))["login"])
    log = open(f"{box.folder}/log.txt", "wb")
    served = subprocess.Popen([*as_nobody, inro, "serve", "--data", data, "--listen", f"127.0.0.1:{port}", "--http01",
                               f"127.0.0.1:{free_port()}"], env=env, stdout=log, stderr=log)
    box.rig.callback(served.kill)
    own = ssl._create_unverified_context()

    def healthy():
        try:
            return urllib.request.urlopen(f"https://127.0.0.1:{port}/api/v1/health", timeout=10, context=own).status == 200
        except OSError:
            return served.poll() is not None
    wait_for("an answer", healthy, 60, 0.1)
    run("ca", "add", "own", "--type", "private")
    run("cert", "request", "t.example.test", "--ca", "own", "--wait")
    check("issued", "t.example.test" in run("cert", "list"))
    check("the GUI is in it", b"<!doctype html" in urllib.request.urlopen(
        f"https://127.0.0.1:{port}/", timeout=30, context=own).read().lower())
    served.send_signal(signal.SIGTERM)
    check("ends in order", served.wait(60) == 0, open(f"{box.folder}/log.txt").read()[-500:])


class Machine:
    """This machine under a layer of its own: what is installed, answered and removed there is gone afterwards."""

    def __init__(self, box):
        own_mounts()
        layer, self.root = f"{box.folder}/layer", f"{box.folder}/machine"
        os.makedirs(layer)
        os.makedirs(self.root)
        sh("mount", "-t", "tmpfs", "none", layer)
        box.rig.callback(subprocess.run, ["umount", "-R", "-l", layer], check=False)
        for d in ("up", "work"):
            os.mkdir(f"{layer}/{d}")
        if sh("mount", "-t", "overlay", "-o", f"lowerdir=/,upperdir={layer}/up,workdir={layer}/work", "none", self.root,
              ok=False).returncode != 0:
            raise Skip("an overlay of / cannot be mounted here")
        box.rig.callback(subprocess.run, ["umount", "-R", "-l", self.root], check=False)
        sh("mount", "--rbind", "/dev", f"{self.root}/dev")
        sh("mount", "-t", "proc", "proc", f"{self.root}/proc")
        if not os.path.exists("/usr/share/debconf/confmodule"):
            raise Skip("debconf is not installed")
        sh("chroot", self.root, "sh", "-c", "getent passwd inro >/dev/null && dpkg -P inro; rm -rf /var/lib/inro", ok=False)

    def run(self, *argv, **env):
        return sh("chroot", self.root, *argv, stdin=subprocess.DEVNULL,
                  env=dict(os.environ, LC_ALL="C.UTF-8", DEBIAN_FRONTEND="noninteractive", **env))

    def at_terminal(self, argv, answers):
        """A person at a terminal who types an answer for each question; what was on the screen."""
        master, slave = pty.openpty()
        p = subprocess.Popen(["chroot", self.root, *argv], stdin=slave, stdout=slave, stderr=slave, start_new_session=True,
                             preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),
                             env=dict(os.environ, LC_ALL="C.UTF-8", DEBIAN_FRONTEND="readline", TERM="linux"))
        os.close(slave)
        screen, until = b"", time.monotonic() + 120
        os.set_blocking(master, False)
        while time.monotonic() < until:
            try:
                got = os.read(master, 65536)
            except BlockingIOError:
                got = None
                time.sleep(0.05)
            except OSError:  # the terminal's other side is closed
                break
            screen += got or b""
            if answers and re.search(answers[0][0], screen):
                os.write(master, answers.pop(0)[1])
        os.close(master)
        check("dpkg ended well", p.wait(30) == 0, screen[-800:])
        return screen.decode(errors="replace")


def purge_asks_and_keeps_keys_unless_told(box):
    """F40: real dpkg and debconf. Nobody to ask: kept. A person: asked, and the answer counts."""
    m = Machine(box)
    shutil.copy(build(box, "0.1.0"), f"{m.root}/var/tmp/inro.deb")
    key = f"{m.root}/var/lib/inro/master.key"

    def install():
        m.run("dpkg", "--no-triggers", "-i", "/var/tmp/inro.deb")

    install()
    m.run("runuser", "-u", "inro", "--", "inro", "init")
    held = open(key).read()
    out = m.run("dpkg", "--no-triggers", "-P", "inro")
    check("nobody to ask: the keys are kept, and that is said", open(key).read() == held and "is kept" in out.stderr, out.stderr)
    check("the configuration is gone", not os.path.exists(f"{m.root}/etc/inro"))
    question = rb"private keys and backups in it\?[^\r\n]*"
    for answer in (b"no\n", b"yes\n"):
        install()
        screen = m.at_terminal(["dpkg", "--no-triggers", "-P", "inro"], [(question, answer)])
        check("a person is asked", "/var/lib/inro" in screen and "Without a backup elsewhere" in " ".join(screen.split()), screen)
        if answer == b"yes\n":
            check("yes: removed", not os.path.exists(f"{m.root}/var/lib/inro"))
        else:
            check(f"{answer}: kept", open(key).read() == held)


def unit_is_tight_and_lets_inro_work(box):
    unit = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "packaging", "inro.service")
    r = sh("systemd-analyze", "security", "--offline=true", "--threshold=20", unit, ok=False)
    check("exposure under 2.0", r.returncode == 0, r.stdout[-200:])

    def group(name):
        lines = sh("systemd-analyze", "syscall-filter", name).stdout.splitlines()[1:]
        got = set()
        for w in (x.strip() for x in lines):
            if w.startswith("@"):
                got |= group(w)
            elif w and not w.startswith("#"):
                got.add(w)
        return got

    allowed = set()
    for line in open(unit):
        if line.startswith("SystemCallFilter="):
            value = line.split("=", 1)[1].strip()
            for word in value.lstrip("~").split():
                calls = group(word) if word.startswith("@") else {word}
                allowed = allowed - calls if value.startswith("~") else allowed | calls
    i = box.rig.add(Inro(box.inro, f"{box.folder}/inro"))
    log = f"{box.folder}/calls"
    i.binary_real, i.binary = i.binary, f"{box.folder}/traced"
    with open(i.binary, "w") as f:
        f.write(f"#!/bin/sh\n[ $1 = serve ] && exec strace -f -qq -o {log} {i.binary_real} \"$@\"\nexec {i.binary_real} \"$@\"\n")
    os.chmod(i.binary, 0o755)
    i.start()
    i.cli("ca", "add", "own", "--type", "private")
    i.cli("cert", "request", "u.example.test", "--ca", "own", "--wait")
    i.cli("backup", f"{box.folder}/b.backup", "--passphrase-file", secret(box, "pass", PASS))
    i.stop()
    used = set()
    for line in open(log, errors="replace"):
        m = re.match(r"^\d+ +([a-z_0-9]+)\(", line)
        if m:
            used.add(m.group(1))
    check("calls were seen", len(used) > 60, used)
    # setrlimit is asked for and may be refused: no core files come from the unit then (LimitCORE=0)
    missing = used - allowed - {"setrlimit"}
    check("the unit's filter lets through what Inro calls", not missing, missing)


def completion_and_manual_come_from_the_table(box):
    helped = sh(box.inro, "help").stdout
    commands = re.findall(r"^  inro (\S+)", helped, re.M)
    bash = sh(box.inro, "completion", "bash").stdout
    script = (f"source /dev/stdin <<'E'\n{bash}E\nt() {{ COMP_WORDS=(\"$@\"); COMP_CWORD=$(($# - 1)); _inro; "
              "echo \"${COMPREPLY[*]}\"; }\nt inro ''\nt inro backup-store ''\nt inro backup-store add --fo\n"
              "t inro cert request --ba\nt inro --data /x licence ''\n")
    first, verbs, option, batch, licence = sh("bash", "-c", script).stdout.splitlines()
    check("every command", set(commands) <= set(first.split()), set(commands) - set(first.split()))
    check("verbs", {"add", "list", "run"} <= set(verbs.split()), verbs)
    check("settings of a type", option.split() == ["--folder"], option)
    check("options", batch.split() == ["--batch"], batch)
    check("after a global option", "import" in licence, licence)
    if shutil.which("zsh"):
        sh("zsh", "-n", "/dev/stdin", input=sh(box.inro, "completion", "zsh").stdout)
    for lang, word in (("en", "COMMANDS"), ("ja", "コマンド")):
        text = sh(box.inro, "manual", "--lang", lang).stdout
        check(f"manual in {lang}", word in text and all(f"inro {c}" in text.replace("\\-", "-") for c in commands))
        if shutil.which("groff"):
            r = sh("groff", "-K", "utf8", "-man", "-ww", "-Tutf8", input=text)
            check("troff has no complaint", lang == "ja" or not r.stderr, r.stderr[:300])
    code = sh(box.inro, "completion", "fish", ok=False).returncode
    check("no other shell", code == 3 or code == 2, code)


TESTS = [install_upgrade_remove_purge, package_is_complete, tarball_is_complete_and_runs_for_anybody,
         purge_asks_and_keeps_keys_unless_told, unit_is_tight_and_lets_inro_work,
         completion_and_manual_come_from_the_table]
