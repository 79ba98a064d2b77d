"""The judge after a crash or a fault: what must be true of an installation, its targets and the
machine, whatever happened before. Only means outside the program are used where there are any
(openssl, sqlite3, /proc); `inro check` opens what only the vault can.

usage: oracle.py --inro PATH --data DIR [--pair CERT KEY]... [--log FILE]...
"""
import argparse
import base64
import contextlib
import fcntl
import glob
import json
import os
import re
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "rig"))
from rig import Failure, pair_matches, wait_for, zombie  # noqa: E402

ROLES = ("vault", "runner", "prober", "worker", "front")


def run_check(inro, data):
    """What `inro check` finds; it must be able to judge."""
    out = subprocess.run([inro, "check", "--data", data, "--json"], capture_output=True, text=True)
    if out.returncode not in (0, 4):
        return [f"inro check cannot judge: {out.stderr.strip()}"]
    got = json.loads(out.stdout)
    return [f"inro check: {p['what']} {p['id']}: {p['text']}" for p in got["problems"]]


def sqlite_whole(data):
    """SQLite's own program agrees. It leaves the files as they are: the daemon, or inro check before
    it, has recovered the log already."""
    out = subprocess.run(["sqlite3", "-readonly", f"{data}/inro.db", "PRAGMA integrity_check; PRAGMA foreign_key_check;"],
                         capture_output=True, text=True)
    return [] if out.stdout.strip() == "ok" else [f"sqlite3 says: {out.stdout}{out.stderr}"]


def secret_numbers(key_path):
    """The numbers that make a key private, as openssl shows them: the EC scalar, or RSA's d and primes."""
    text = subprocess.run(["openssl", "pkey", "-in", key_path, "-noout", "-text"], capture_output=True, check=True,
                          text=True).stdout
    found = re.findall(r"(?:priv|privateExponent|prime[12]):\n((?:\s+[0-9a-f:]+\n)+)", text)
    return [bytes.fromhex(re.sub(r"[\s:]", "", f)).lstrip(b"\0") for f in found]


def shapes(number):
    """How a number could lie in a file: raw, hex, base64 at any of the three alignments."""
    yield "raw", number
    yield "hex", number.hex().encode()
    yield "HEX", number.hex().upper().encode()
    for k in range(3):
        text = base64.b64encode(bytes(k) + number)
        yield "base64", text[4 if k else 0:-4]
        yield "base64url", text[4 if k else 0:-4].translate(bytes.maketrans(b"+/", b"-_"))


def files_under(*tops):
    for top in tops:
        if os.path.isfile(top):
            yield top
        for folder, _, names in os.walk(top):
            for name in names:
                path = os.path.join(folder, name)
                if os.path.isfile(path) and not os.path.islink(path):
                    yield path


def clear_keys(tops, key_paths):
    marks = [("PEM", b"PRIVATE KEY")]
    for path in key_paths:
        for number in secret_numbers(path):
            marks += [(f"the key of {path}, {how},", what) for how, what in shapes(number) if len(what) >= 16]
    bad = []
    for path in files_under(*tops):
        if "/tls/gui.key" in path:
            continue
        with open(path, "rb") as f:
            content = f.read()
        bad += [f"{path}: {how} lies there in clear" for how, what in marks if what in content]
    return bad


def left_over(data, pairs):
    bad = [f"{p} was left behind" for p in glob.glob(f"{data}/**/*.tmp", recursive=True)]
    bad += [f"{p}: a core file" for p in glob.glob(f"{data}/**/core*", recursive=True)]
    for folder in {os.path.dirname(c) for c, _ in pairs}:
        names = os.listdir(folder)
        bad += [f"{folder}/{p} was left behind" for p in names if ".inro-new-" in p]
        # One of what was there before Inro, one of what the last deployment replaced.
        backups = [p for p in names if ".inro-bak-" in p]
        files = {p.split(".inro-bak-")[0] for p in backups}
        bad += [f"{folder}/{f}: backups pile up: {sorted(backups)}" for f in files
                if sum(b.startswith(f + ".inro-bak-") for b in backups) > 2]
    return bad


def processes(data):
    """(pid, words) of every living process that names the data directory."""
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{pid}/cmdline", "rb") as f:
                words = f.read().decode(errors="replace").split("\0")
        except OSError:
            continue
        if data in words and not zombie(pid):
            yield int(pid), words


def right_processes(data, running):
    seen = sorted(w[2] if w[1] == "role" else w[1] for _, w in processes(data)
                  if len(w) > 2 and w[1] in ("role", "serve"))
    want = sorted([*ROLES, "serve"]) if running else []
    return [] if seen == want else [f"processes are {seen}, should be {want}"]


def lock_right(data, running):
    try:
        with open(f"{data}/run/lock", "r+b") as f:
            fcntl.flock(f, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except FileNotFoundError:
        return ["run/lock is not there"] if running else []
    except BlockingIOError:
        return [] if running else ["run/lock is still held"]
    return ["run/lock is not held"] if running else []


def modes_right(data):
    bad = [f"{p} may be read by others" for p in files_under(data)
           if os.stat(p).st_mode & 0o077 and "/tls/gui.crt" not in p]
    return bad + ([f"{data} may be entered by others"] if os.stat(data).st_mode & 0o077 else [])


def problems(inro, data, pairs=(), logs=(), running=True):
    pairs = list(pairs)
    bad = run_check(inro, data) + sqlite_whole(data)
    bad += [f"{c} and {k} do not belong together" for c, k in pairs if not pair_matches(c, k)]
    bad += [f"{k} may be read by others" for _, k in pairs if os.stat(k).st_mode & 0o077]
    bad += clear_keys([data, *logs], [k for _, k in pairs])
    bad += left_over(data, pairs) + right_processes(data, running) + lock_right(data, running)
    return bad + modes_right(data)


def judge(fleet, running=True):
    """Raises what is wrong. A role that was just killed is given time to be started again, and a
    file being written time to be renamed."""
    i = fleet.inro
    if running:
        with contextlib.suppress(Failure):
            wait_for("roles", lambda: not right_processes(i.data, True) and not left_over(i.data, []), 15)
    bad = problems(i.binary, i.data, fleet.pairs(), [f"{i.folder}/log.txt"], running)
    if bad:
        raise Failure("; ".join(bad[:5]))


def main():
    p = argparse.ArgumentParser()
    p.add_argument("--inro", required=True)
    p.add_argument("--data", required=True)
    p.add_argument("--pair", nargs=2, action="append", default=[])
    p.add_argument("--log", action="append", default=[])
    p.add_argument("--stopped", action="store_true")
    o = p.parse_args()
    bad = problems(o.inro, os.path.abspath(o.data), o.pair, o.log, not o.stopped)
    print("\n".join(bad) if bad else "nothing wrong")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
