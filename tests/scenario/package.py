"""The Debian package: installed, upgraded, removed, purged by the real dpkg in a root of its own; unit, manual, completion."""
import glob
import hashlib
import json
import os
import re
import shutil
import subprocess

from ops import PASS, check, secret
from rig import Failure, Inro
from run import Skip


def sh(*argv, ok=True, **kw):
    r = subprocess.run(argv, capture_output=True, text=True, **kw)
    if ok and r.returncode != 0:
        raise Failure(f"{' '.join(argv)}: exit {r.returncode}: {r.stderr[-800:]}{r.stdout[-400:]}")
    return r


def build(box, version):
    tree = os.path.dirname(box.inro)
    if not os.path.exists(f"{tree}/CPackConfig.cmake"):
        raise Skip("the binary is not in a build folder")
    out = f"{box.folder}/pkg-{version}"
    sh("cpack", "--config", f"{tree}/CPackConfig.cmake", "-G", "DEB", "-B", out, "-D", f"CPACK_PACKAGE_VERSION={version}",
       cwd=tree)
    return glob.glob(f"{out}/*.deb")[0]


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
                 "usr/share/doc/inro/copyright"):
        check(f"{path} is in the package", f"./{path}" in listing)
    check("owned by root", all(" root/root " in line for line in listing.splitlines()), listing)
    check("no setuid", not re.search(r"^-..s", listing, re.M))
    check("depends on what it is linked to", "libssl3" in sh("dpkg-deb", "-f", deb, "Depends").stdout)


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


TESTS = [install_upgrade_remove_purge, package_is_complete, unit_is_tight_and_lets_inro_work,
         completion_and_manual_come_from_the_table]
