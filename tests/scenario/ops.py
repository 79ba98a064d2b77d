"""Backup and restore, the master key, hold and fencing, damage and full disks: what docs/operations.md promises."""
import hashlib
import json
import os
import shutil
import sqlite3
import stat
import subprocess
import time

from rig import Failure, Inro, Sshd, free_port, pem_sha256, wait_for

PASS = "correct horse battery"


def check(what, cond, more=""):
    if not cond:
        raise Failure(f"{what}{': ' + str(more) if more else ''}")


def secret(box, name, text):
    path = f"{box.folder}/{name}"
    fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(fd, "w") as f:
        f.write(text)
    return path


def with_ca(box, name="inro", certs=("a.example.test",), **kw):
    """A running installation with a private CA and certificates issued by it."""
    i = box.rig.add(Inro(box.inro, f"{box.folder}/{name}", **kw))
    i.start()
    i.cli("ca", "add", "own", "--type", "private")
    for c in certs:
        i.cli("cert", "request", c, "--ca", "own", "--wait")
    return i


def current(i, name):
    return i.get("cert", "show", name)


def backup(i, path, passfile, ok=True):
    return i.cli("backup", path, "--passphrase-file", passfile, ok=ok)


def restore(box, data, path, passfile, *more, ok=True, lang="en"):
    env = dict(os.environ, LC_ALL="ja_JP.UTF-8" if lang == "ja" else "C.UTF-8")
    out = subprocess.run([box.inro, "restore", path, "--data", data, "--passphrase-file", passfile, "--json", *more],
                         capture_output=True, text=True, env=env, timeout=120)
    if ok and out.returncode != 0:
        raise Failure(f"inro restore: exit {out.returncode}: {out.stderr}")
    return out.returncode, json.loads(out.stdout) if out.stdout.startswith("{") else out.stdout, out.stderr


def tree(data):
    """Everything in a data directory but run/: path -> hash."""
    got = {}
    for top, _, files in os.walk(data):
        for f in files:
            path = os.path.join(top, f)
            rel = os.path.relpath(path, data)
            if not rel.startswith("run/") and os.path.isfile(path):
                with open(path, "rb") as fh:
                    got[rel] = hashlib.sha256(fh.read()).hexdigest()
    return got


def copy_of(i, box, name, args=()):
    """An Inro part over another data directory (made by a restore)."""
    c = box.rig.add(Inro(box.inro, f"{box.folder}/{name}", init=False))
    return c


def new_machine_with_the_passphrase_alone(box):
    p = secret(box, "pass", PASS)
    i = with_ca(box)
    before = current(i, "a.example.test")
    file = f"{box.folder}/one.backup"
    backup(i, file, p)
    check("mode of the backup", stat.S_IMODE(os.stat(file).st_mode) == 0o600)
    check("nothing left in the data directory",
          [f for f in os.listdir(f"{i.data}/backup") if f != "lock"] == [], os.listdir(f"{i.data}/backup"))
    raw = open(file, "rb").read()
    key = open(f"{i.data}/master.key").read().split()[1]
    check("no clear key and no name in the file", key.encode() not in raw and b"a.example.test" not in raw)
    i.stop()
    shutil.rmtree(i.data)  # the machine is gone

    c = copy_of(i, box, "new")
    code, got, _ = restore(box, c.data, file, p)
    check("restored, held", code == 0 and got["hold"] == "restored" and not got["known"], got)
    c.start()
    after = current(c, "a.example.test")
    check("the same certificate", before["current"] == after["current"] if "current" in before else before == after)
    check("held", c.get("system")["hold"] == "restored")
    # nothing runs: a renewal asked for waits
    c.cli("cert", "renew", "a.example.test")
    time.sleep(3)
    jobs = [j for j in c.get("job", "list", "--open")["items"] if j["kind"] == "issue"]
    check("the renewal waits", len(jobs) == 1 and "confirm" in (jobs[0]["activity"]["en"] or ""), jobs)
    c.cli("confirm-restore")
    check("no hold", c.get("system")["hold"] is None)
    wait_for("the renewal runs after the confirmation",
             lambda: not [j for j in c.get("job", "list", "--open")["items"] if j["kind"] == "issue"], 40, 0.5)
    check("renewed by the restored keys", current(c, "a.example.test") != after)
    check("the whole is sound", c.cli("check")[0] == 0)
    c.cli("audit", "verify")
    lines = c.get("audit", "list")["items"]
    restored = [x for x in lines if x["action"] == "system.restore"]
    check("the restore is in the audit log", len(restored) == 1, lines[:3])
    gap = restored[0]["id"] - restored[0]["detail"]["last_record"]
    check("audit ids leave a gap", gap > 1000000, gap)


def every_bad_backup_is_refused_and_nothing_changes(box):
    p = secret(box, "pass", PASS)
    i = with_ca(box)
    good = f"{box.folder}/good.backup"
    backup(i, good, p)
    i.stop()
    before = tree(i.data)
    raw = open(good, "rb").read()

    def variant(name, data):
        path = f"{box.folder}/{name}.backup"
        with open(path, "wb") as f:
            f.write(data)
        return path

    flipped = bytearray(raw)
    flipped[len(raw) // 2] ^= 1
    cases = [
        ("foreign file", variant("zip", b"PK\x03\x04../../etc/cron.d/x" * 50), p, "not a backup of Inro", 3),
        ("newer format", variant("format", raw.replace(b"inro-backup 1", b"inro-backup 2", 1)), p, "newer Inro", 3),
        ("truncated", variant("cut", raw[:-100]), p, "incomplete", 3),
        ("truncated at the head", variant("head", raw[:30]), p, "incomplete", 3),
        ("one byte changed", variant("bit", bytes(flipped)), p, "damaged or was changed", 3),
        ("bytes after the end", variant("more", raw + b"x"), p, "damaged or was changed", 3),
        ("wrong passphrase", good, secret(box, "wrong", "another passphrase"), "wrong passphrase", 6),
        ("no such file", f"{box.folder}/none.backup", p, "none.backup", 4),
    ]
    said = set()
    for name, path, passfile, text, exit_code in cases:
        code, _, err = restore(box, i.data, path, passfile, ok=False)
        check(f"{name}: exit {exit_code}", code == exit_code, (code, err))
        check(f"{name}: says why", text in err, err)
        said.add(err)
        check(f"{name}: nothing changed", tree(i.data) == before)
    _, _, err = restore(box, i.data, cases[2][1], p, ok=False, lang="ja")
    check("in Japanese", "不完全" in err, err)

    other = box.rig.add(Inro(box.inro, f"{box.folder}/other"))
    was = tree(other.data)
    code, _, err = restore(box, other.data, good, p, ok=False)
    check("another installation's", code == 3 and "belongs to installation" in err, err)
    check("nothing changed there", tree(other.data) == was)
    code, got, _ = restore(box, i.data, good, p, "--check")
    check("only checked", code == 0 and not got["restored"] and tree(i.data) == before, got)


def old_backup_says_what_is_lost(box):
    p = secret(box, "pass", PASS)
    i = with_ca(box, certs=("a.example.test", "b.example.test"))
    file = f"{box.folder}/old.backup"
    backup(i, file, p)
    time.sleep(1.1)
    for _ in range(2):
        i.cli("cert", "renew", "a.example.test", "--wait")
    i.cli("cert", "request", "c.example.test", "--ca", "own", "--wait")
    newest = max(v["id"] for v in i.get("cert", "show", "c.example.test")["versions"])
    head = i.get("audit", "list", "--limit", "1")["items"][0]["id"]
    code, _, err = restore(box, i.data, file, p, ok=False)
    check("a running Inro is not overwritten", code == 3 and "stop it first" in err, err)
    i.stop()
    code, got, _ = restore(box, i.data, file, p)
    check("lost certificates and versions", got["lost"].get("certs") == 1 and got["lost"].get("versions") == 3, got)
    check("named", sorted(got["renewed"]) == ["a.example.test", "c.example.test"], got)
    check("the former state is kept", os.path.exists(f"{i.data}/{got['previous']}/inro.db"), os.listdir(i.data))
    i.start()
    check("as of the backup", {c["name"] for c in i.get("cert", "list")["items"]} ==
          {"a.example.test", "b.example.test"})
    i.cli("confirm-restore")
    i.cli("cert", "request", "d.example.test", "--ca", "own", "--wait")
    fresh = min(v["id"] for v in i.get("cert", "show", "d.example.test")["versions"])
    check("ids are not used twice", fresh > newest, (fresh, newest))
    rec = [x for x in i.get("audit", "list", "--limit", "500")["items"] if x["action"] == "system.restore"][0]
    check("the audit gap is told", rec["id"] > head and rec["detail"]["lost_last_record"] >= head and
          len(rec["detail"]["lost_last_hash"]) == 64, rec)
    i.cli("audit", "verify")
    check("sound", i.cli("check")[0] == 0)


def copy_beside_the_living_original_changes_nothing(box):
    p = secret(box, "pass", PASS)
    i = with_ca(box)
    file = f"{box.folder}/one.backup"
    backup(i, file, p)
    c = copy_of(i, box, "copy")
    restore(box, c.data, file, p, "--confirm")
    c.start()
    wait_for("the copy sees the original", lambda: (
        c.cli("cert", "renew", "a.example.test") and c.get("system")["hold"] == "beside"), 15, 0.5)
    code, _, err = c.cli("confirm-restore", ok=False)
    check("no confirmation helps while the original runs", code == 3 and "stop it first" in err, err)
    before = current(c, "a.example.test")
    i.cli("cert", "renew", "a.example.test", "--wait")  # the original goes on
    time.sleep(2)
    check("the copy has not renewed", current(c, "a.example.test") == before)
    i.stop()
    wait_for("when the original stops, the confirmed copy takes over",
             lambda: current(c, "a.example.test") != before, 40, 0.5)
    check("no hold", c.get("system")["hold"] is None)
    i.start()  # and now the original is the one beside
    i.cli("cert", "renew", "a.example.test")
    wait_for("the original is held", lambda: i.get("system")["hold"] == "beside", 15, 0.5)


def scheduled_backups_keep_a_number_on_disk_and_over_sftp(box):
    p = secret(box, "pass", PASS)
    i = with_ca(box, certs=())
    sshd = box.rig.add(Sshd(f"{box.folder}/sshd", "127.0.0.9"))
    disk, far = f"{box.folder}/disk", f"{box.folder}/far"
    os.makedirs(disk)
    os.makedirs(far)
    i.cli("backup-store", "add", "disk", "--type", "folder", "--folder", disk, "--keep", "2", "--passphrase-file", p)
    i.cli("backup-store", "add", "far", "--type", "folder", "--via", "ssh", "--host", sshd.address, "--port",
          str(sshd.port), "--user", sshd.user, "--private-key-file", sshd.user_key, "--host-key", sshd.fingerprint(),
          "--folder", far, "--keep", "2", "--passphrase-file", p)
    for folder in (disk, far):
        wait_for(f"the first backup in {folder} by itself",
                 lambda f=folder: [x for x in os.listdir(f) if x.endswith(".backup")], 40, 0.3)
    for name, folder in (("disk", disk), ("far", far)):
        wait_for("idle", lambda: not [j for j in i.get("job", "list", "--open")["items"] if j["kind"] == "backup"], 30)
        for _ in range(3):
            i.cli("backup-store", "run", name)
        files = sorted(x for x in os.listdir(folder) if x.endswith(".backup"))
        check(f"two are kept in {folder}", len(files) == 2, files)
        check("no parts", not [x for x in os.listdir(folder) if x.endswith(".part")])
        check("private", all(stat.S_IMODE(os.stat(f"{folder}/{x}").st_mode) == 0o600 for x in files))
        check("the last one is shown", i.get("backup-store", "show", name)["state"]["last_file"] == files[-1], files)
        code, got, _ = restore(box, f"{box.folder}/r-{name}", f"{folder}/{files[-1]}", p)
        check("it restores", code == 0, got)
    # another generation's mark in the folder: this installation has been replaced
    inst = i.get("system")["installation"]
    with open(f"{disk}/inro-{inst}.generation", "w") as f:
        f.write("7\n")
    i.cli("backup-store", "run", "disk")
    check("superseded", i.get("system")["hold"] == "superseded", i.get("system"))
    i.cli("confirm-restore")
    check("a person decides", i.get("system")["hold"] is None)


def killed_backups_and_restores(box):
    """F9: no final name of a killed backup; a killed restore leaves the former or the new state."""
    p = secret(box, "pass", PASS)
    i = with_ca(box)
    folder = f"{box.folder}/disk"
    os.makedirs(folder)
    i.cli("backup-store", "add", "disk", "--type", "folder", "--folder", folder, "--every", "30d",
          "--passphrase-file", p)
    wait_for("first", lambda: [x for x in os.listdir(folder) if x.endswith(".backup")], 40, 0.2)
    for n in range(6):
        i.cli("backup-store", "run", "disk", "--no-wait")
        time.sleep(0.02 + 0.07 * n)
        old = i.roles()["worker"]["pid"]
        i.kill_role("worker")
        wait_for("the worker is back", lambda o=old: i.roles()["worker"]["ready"] and
                 i.roles()["worker"]["pid"] not in (0, o), 20, 0.1)
    wait_for("it ends by itself", lambda: not [j for j in i.get("job", "list", "--open")["items"]
                                               if j["kind"] == "backup"], 60, 0.5)
    i.stop()
    left = [x for x in os.listdir(f"{i.data}/backup") if x != "lock"]
    check("nothing left behind", not [x for x in left if x.endswith(".part")], left)
    files = sorted(x for x in os.listdir(folder) if x.endswith(".backup"))
    for x in files:
        restore(box, f"{box.folder}/x-{x}", f"{folder}/{x}", p, "--check")

    # restore, killed at each rename, fsync and write in turn
    old_name = "a.example.test"
    base = f"{box.folder}/base"
    shutil.copytree(i.data, base, ignore=shutil.ignore_patterns("inro.sock"))
    good = f"{folder}/{files[-1]}"
    outcomes = {"old": 0, "new": 0}
    for call in ("rename", "fsync", "unlink"):
        n, alive = 1, True
        while alive and n < (60 if box.long else 26):
            data = f"{box.folder}/kill"
            shutil.rmtree(data, ignore_errors=True)
            shutil.copytree(base, data)
            os.chmod(data, 0o700)
            r = subprocess.run(["strace", "-f", "-qq", "-o", "/dev/null", "-e", f"inject={call}:signal=SIGKILL:when={n}",
                                box.inro, "restore", good, "--data", data, "--passphrase-file", p],
                               capture_output=True, text=True)
            alive = r.returncode != 0
            if not alive:
                break
            k = Inro(box.inro, box.folder, init=False)
            k.folder, k.data = f"{box.folder}", data
            try:
                k.folder = f"{box.folder}/k-{call}-{n}"
                os.makedirs(k.folder)
                k.start()
                outcomes["new" if k.get("system")["hold"] == "restored" else "old"] += 1
                names = [c["name"] for c in k.get("cert", "list")["items"]]
                check(f"{call} {n}: the certificates are there", names == [old_name], names)
                check(f"{call} {n}: sound", k.cli("check")[0] == 0)
                left = [x for x in os.listdir(data) if x.startswith("restore.")]
                check(f"{call} {n}: nothing half-done", not left, left)
            finally:
                k.stop()
            n += 2 if n > 6 and not box.long else 1
    check("both outcomes were seen", outcomes["old"] > 3 and outcomes["new"] > 0, outcomes)


def sealed_start_and_unseal(box):
    """F37: no passphrase, a wrong one, a damaged or a missing key file: looking works, keys wait, nothing is overwritten."""
    first, second, wrong = (secret(box, n, t) for n, t in
                            (("first", "first passphrase"), ("second", "second passphrase"), ("wrong", "not this one")))
    i = with_ca(box)
    plain = open(f"{i.data}/master.key").read()
    i.cli("key", "passphrase", "--new-passphrase-file", first)
    check("the key file is wrapped now", "inro-master-key-1p " in open(f"{i.data}/master.key").read())
    check("0600", stat.S_IMODE(os.stat(f"{i.data}/master.key").st_mode) == 0o600)
    was = open(f"{i.data}/master.key").read()
    code, _, err = i.cli("key", "passphrase", "--passphrase-file", wrong, "--new-passphrase-file", second, ok=False)
    check("a wrong one changes nothing", code == 6 and open(f"{i.data}/master.key").read() == was, err)
    i.cli("key", "passphrase", "--passphrase-file", first, "--new-passphrase-file", second)
    i.stop()

    i.start()  # no passphrase-file: sealed
    check("health says so", i.get("key", "show")["sealed"] is True)
    check("looking works", len(i.get("cert", "list")["items"]) == 1)
    check("the audit log too", i.get("audit", "list")["items"])
    code, _, err = i.cli("ca", "add", "acme", "--type", "acme", "--directory", "https://127.0.0.1:1/dir", "--eab-kid", "k",
                         "--eab-hmac-file", secret(box, "hmac", "aGVsbG8gaGVsbG8gaGVsbG8"), ok=False)
    check("what needs the key is refused with the way out", code == 1 and "inro unseal" in err, (code, err))
    i.cli("cert", "renew", "a.example.test")
    time.sleep(1.5)
    job = [j for j in i.get("job", "list", "--open")["items"] if j["kind"] == "issue"]
    check("the renewal waits and says why", len(job) == 1 and job[0]["state"] == "ready" and
          "inro unseal" in json.dumps(job[0]), job)
    code, _, err = i.cli("unseal", "--passphrase-file", wrong, ok=False)
    check("wrong passphrase", code == 6 and "wrong passphrase" in err, err)
    before = current(i, "a.example.test")
    i.cli("unseal", "--passphrase-file", second)
    check("open", i.get("key", "show")["sealed"] is False)
    wait_for("what waited runs", lambda: current(i, "a.example.test") != before, 60, 0.5)
    i.stop()
    code, _, err = i.cli("key", "passphrase", "--remove", "--passphrase-file", second)
    check("the same key without a passphrase", open(f"{i.data}/master.key").read() == plain)
    i.start()
    check("open at once", i.get("key", "show")["sealed"] is False)
    i.stop()

    for name, content, words in (("damaged", "inro-master-key-1 AAAA\n", "damaged"), ("missing", None, "No such file")):
        if content is None:
            os.remove(f"{i.data}/master.key")
        else:
            with open(f"{i.data}/master.key", "w") as f:
                f.write(content)
        i.start()
        st = i.get("key", "show")
        check(f"{name}: sealed, and why", st["sealed"] and words in st["reason"]["message"]["en"], st)
        check(f"{name}: looking works", len(i.get("cert", "list")["items"]) == 1)
        i.stop()
        if content is not None:
            check("nothing is overwritten", open(f"{i.data}/master.key").read() == content)
    fd = os.open(f"{i.data}/master.key", os.O_WRONLY | os.O_CREAT, 0o600)
    os.write(fd, plain.encode())
    os.close(fd)
    i.start()
    i.cli("cert", "renew", "a.example.test", "--wait")


def rotation_moves_everything_and_survives_kills(box):
    i = with_ca(box, certs=[f"r{n}.example.test" for n in range(4)])
    i.cli("notify", "add", "mail", "--type", "smtp", "--host", "mail.example.test", "--from", "a@example.test", "--to",
          "b@example.test", "--user", "u", "--password-file", secret(box, "pw", "smtp secret"), "--security", "starttls")
    old = i.get("key", "show")["key_id"]
    i.cli("key", "rotate")
    st = i.get("key", "show")
    check("one new key", st["keys"] == 1 and st["key_id"] != old, st)
    check("sound", i.cli("check")[0] == 0)
    i.cli("cert", "renew", "r0.example.test", "--wait")
    # again, with the worker and the vault killed in between
    old = st["key_id"]
    i.cli("key", "rotate", "--no-wait")
    for role in ("worker", "vault", "worker"):
        time.sleep(0.05)
        pid = i.roles()[role]["pid"]
        i.kill_role(role)
        wait_for(f"{role} is back", lambda r=role, p=pid: i.roles()[r]["ready"] and i.roles()[r]["pid"] not in (0, p), 30, 0.1)
    wait_for("it ends by itself", lambda: i.get("key", "show")["keys"] == 1 and i.get("key", "show")["key_id"] != old, 150, 1)
    i.kill_all()
    i.start()
    check("sound after the plug was pulled", i.cli("check")[0] == 0)
    db = sqlite3.connect(f"file:{i.data}/inro.db?mode=ro", uri=True)
    import base64
    prefix = base64.b64encode(b"IE1" + bytes.fromhex(old)[:6]).decode()
    for (table,) in db.execute("SELECT name FROM sqlite_schema WHERE type = 'table'").fetchall():
        for row in db.execute(f"SELECT * FROM {table}"):
            check(f"{table} holds nothing under the old key", not any(isinstance(v, str) and prefix in v for v in row), row)
    db.close()
    i.cli("cert", "renew", "r1.example.test", "--wait")


def future(box, name):
    """A program with one migration more (built with the tests), or Skip."""
    from run import Skip
    here = os.path.dirname(box.inro)
    top = os.path.dirname(here)
    for folder in (here, f"{top}/build-test"):
        if os.access(f"{folder}/tests/inro-{name}", os.X_OK):
            return f"{folder}/tests/inro-{name}"
    raise Skip(f"inro-{name} is not built; build the tests")


def schema_of(i):
    db = sqlite3.connect(f"file:{i.data}/inro.db?mode=ro", uri=True)
    try:
        return int(db.execute("SELECT value FROM meta WHERE name = 'schema_version'").fetchone()[0])
    finally:
        db.close()


def upgrade_in_place(box):
    i = with_ca(box)
    before = schema_of(i)
    shown = current(i, "a.example.test")
    i.stop()
    for name in ("broken", "sick"):
        # the new one fails: the old one goes on by itself, on untouched data
        was = {k: v for k, v in tree(i.data).items() if k in ("master.key", "tls/gui.key")}
        old, i.binary, i.env = i.binary, future(box, name), {"INRO_PREVIOUS": box.inro}
        i.start()
        i.binary = old
        check(f"{name}: the old schema", schema_of(i) == before, schema_of(i))
        check(f"{name}: the old program runs", os.readlink(f"/proc/{i.proc.pid}/exe") == box.inro)
        check(f"{name}: the data is there", current(i, "a.example.test") == shown)
        check(f"{name}: keys untouched", all(tree(i.data)[k] == v for k, v in was.items()))
        i.stop()
        check(f"{name}: told", json.load(open(f"{i.data}/upgrade.json"))["state"] == "failed")
        check(f"{name}: sound", i.cli("check")[0] == 0)
        # without a previous binary: refused, with what to do, and not tried again
        out = subprocess.run([future(box, name), "serve", "--data", i.data], capture_output=True, text=True)
        check(f"{name}: says what to do", out.returncode != 0 and "the data is as before" in out.stderr, out.stderr)
        os.remove(f"{i.data}/upgrade.json")
    i.env = {}
    i.binary = future(box, "good")
    i.start()
    check("the new schema", schema_of(i) == 1000)
    check("the copy is kept", [f for f in os.listdir(i.data) if f.startswith(f"inro.db.backup-v{before}-")])
    check("no marker", not os.path.exists(f"{i.data}/upgrade.json"))
    check("the data is there", current(i, "a.example.test") == shown)
    i.cli("cert", "renew", "a.example.test", "--wait")
    i.stop()
    i.binary = box.inro  # back again: refused, nothing changed
    out = subprocess.run([box.inro, "serve", "--data", i.data], capture_output=True, text=True)
    check("a downgrade is refused with text", out.returncode != 0 and "newer Inro" in out.stderr, out.stderr)
    check("nothing changed", schema_of(i) == 1000)


def upgrade_killed_at_each_step(box):
    """F8: whatever moment the plug is pulled, the old or the new program starts, with all data."""
    i = with_ca(box)
    i.stop()
    base, good = f"{box.folder}/base", future(box, "good")
    shutil.copytree(i.data, base, ignore=shutil.ignore_patterns("inro.sock"))
    seen = set()
    for call in ("fsync", "fdatasync", "pwrite64", "rename", "unlink"):
        n, step = 1, 1 if box.long else 2
        while n < 400:
            data = f"{box.folder}/kill"
            shutil.rmtree(data, ignore_errors=True)
            shutil.copytree(base, data)
            os.chmod(data, 0o700)
            p = subprocess.Popen(["strace", "-f", "-qq", "-o", "/dev/null", "-e",
                                  f"inject={call}:signal=SIGKILL:when={n}", good, "serve", "--data", data, "--listen",
                                  f"127.0.0.1:{free_port()}", "--http01", "off"], stdout=subprocess.PIPE,
                                 stderr=subprocess.DEVNULL, text=True, start_new_session=True)
            line = p.stdout.readline()
            survived = "ready" in line
            os.killpg(p.pid, 9) if p.poll() is None else None
            p.wait(10)
            k = Inro(box.inro, f"{box.folder}/k", init=False)
            k.data = data
            try:
                wait_for("the lock is free", lambda: subprocess.run(
                    ["flock", "-n", f"{data}/run/lock", "true"]).returncode == 0 if os.path.exists(f"{data}/run/lock") else True, 10)
                schema = schema_of(k)
                seen.add(schema == 1000)
                k.binary = good
                k.start()
                check(f"{call} {n}: all data", [c["name"] for c in k.get("cert", "list")["items"]] == ["a.example.test"])
                check(f"{call} {n}: the new schema in the end", schema_of(k) == 1000)
                check(f"{call} {n}: no marker left", not os.path.exists(f"{data}/upgrade.json"))
            finally:
                k.stop()
            if survived:
                break
            n += step
            step = step if box.long else min(step + 2, 12)
    check("killed before and after the change", seen == {True, False}, seen)


def gui_pair_that_cannot_be_used(box):
    """F36: an ended, broken or mixed pair: the daemon starts with one of its own, the command line works, every former one is
    kept."""
    i = with_ca(box)
    i.stop()
    from rig import self_signed
    crt, key = f"{i.data}/tls/gui.crt", f"{i.data}/tls/gui.key"
    good, other = self_signed(f"{box.folder}/p", "good", "DNS:localhost"), self_signed(f"{box.folder}/p", "other", "DNS:localhost")
    third = self_signed(f"{box.folder}/p", "third", "DNS:localhost")
    subprocess.run(["faketime", "2020-01-01", "openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256",
                    "-nodes", "-days", "30", "-subj", "/CN=old", "-keyout", f"{box.folder}/old.key", "-out",
                    f"{box.folder}/old.crt"], check=True, capture_output=True)
    with open(f"{box.folder}/garbage", "w") as f:
        f.write("-----BEGIN CERTIFICATE-----\nnot at all\n")
    cases = {"ended": (f"{box.folder}/old.crt", f"{box.folder}/old.key"), "not a pair": (good[0], other[1]),
             "garbage": (f"{box.folder}/garbage", third[1])}
    for n, (name, (c, k)) in enumerate(cases.items()):
        shutil.copy(c, crt)
        shutil.copy(k, key)
        os.chmod(key, 0o600)
        i.start()
        check(f"{name}: the command line works", len(i.get("cert", "list")["items"]) == 1)
        i.stop()
        check(f"{name}: another takes its place", open(crt).read() != open(c).read())
        check(f"{name}: the former is kept", open(f"{crt}.old").read() == open(c).read() and
              open(f"{key}.old").read() == open(k).read())
        before = list(cases.values())[n - 1][0]
        check(f"{name}: and what was kept before", n == 0 or open(f"{crt}.old.{n + 1}").read() == open(before).read())
    shutil.copy(good[0], crt)
    shutil.copy(good[1], key)
    i.start()
    check("a good pair of somebody else's stays", open(crt).read() == open(good[0]).read())


def flipped_bytes_are_found_and_never_deployed(box):
    """F13, F14: a changed key, certificate or audit line is named; all others go on; a target keeps what it has."""
    names = ("a.example.test", "b.example.test")
    i = with_ca(box, certs=names)
    live = f"{box.folder}/live"
    os.makedirs(live)
    i.cli("target", "add", "t", "--type", "files", "--via", "local")
    for n in names:
        i.cli("bind", n, "t", "--cert-path", f"{live}/{n}.crt", "--key-path", f"{live}/{n}.key")
        i.cli("deploy", n, "--wait")
    held = {f: open(f"{live}/{f}").read() for f in os.listdir(live)}
    i.stop()
    db = sqlite3.connect(f"{i.data}/inro.db")
    vid, sealed = db.execute("SELECT v.id, v.key_sealed FROM cert_version v JOIN cert c ON c.current_id = v.id "
                             "WHERE c.name = 'a.example.test'").fetchone()
    flip = sealed[:120] + ("A" if sealed[120] != "A" else "B") + sealed[121:]
    db.execute("UPDATE cert_version SET key_sealed = ? WHERE id = ?", (flip, vid))
    line = db.execute("SELECT id FROM audit ORDER BY id LIMIT 1 OFFSET 3").fetchone()[0]
    db.execute("UPDATE audit SET actor = 'somebody else' WHERE id = ?", (line,))
    db.commit()
    db.close()
    i.start()
    code, got, _ = i.cli("check", ok=False)
    said = {(p["what"], p["id"]) for p in got["problems"]}
    check("the key is named, and nothing else but the audit log", code == 4 and said == {("key", vid), ("audit", 0)}, got)
    code, _, err = i.cli("audit", "verify", ok=False)
    check("the record is named", code == 1 and f"record {line}" in err, err)
    os.remove(f"{live}/a.example.test.crt")
    code, _, err = i.cli("deploy", "a.example.test", "--wait", ok=False)
    check("it is not deployed", code != 0 and ("damaged" in err or "authenticate" in err), (code, err))
    check("and the target's key is the old one", open(f"{live}/a.example.test.key").read() == held["a.example.test.key"])
    i.cli("cert", "renew", "b.example.test", "--wait")
    i.cli("deploy", "b.example.test", "--wait")
    check("the other goes on", open(f"{live}/b.example.test.crt").read() != held["b.example.test.crt"])
    i.cli("cert", "renew", "a.example.test", "--wait")  # the way out: a new key
    i.cli("deploy", "a.example.test", "--wait")


def own_mounts():
    import ctypes
    from run import Skip
    libc = ctypes.CDLL(None, use_errno=True)
    if os.getuid() != 0 or libc.unshare(0x00020000) != 0 or subprocess.run(["mount", "--make-rprivate", "/"]).returncode:
        raise Skip("mounts of its own need root")


def read_only_and_out_of_inodes(box):
    """F12: a data directory that cannot be written, and one without inodes: said, nothing lost, recovers by itself."""
    own_mounts()
    mnt = f"{box.folder}/mnt"
    os.makedirs(mnt)
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64m,nr_inodes=200,mode=700", "tmpfs", mnt], check=True)
    i = box.rig.add(Inro(box.inro, mnt))
    i.folder = box.folder  # the log is not on the small disk
    i.start()
    i.cli("ca", "add", "own", "--type", "private")
    i.cli("cert", "request", "a.example.test", "--ca", "own", "--wait")
    n = 0
    try:
        while True:
            open(f"{mnt}/fill-{n}", "w").close()
            n += 1
    except OSError:
        pass
    check("inodes are used up", n > 10, n)
    check("looking goes on", len(i.get("cert", "list")["items"]) == 1)
    p = secret(box, "pass", PASS)
    code, _, err = i.cli("backup", f"{box.folder}/x.backup", "--passphrase-file", p, ok=False)
    check("a backup is refused and says why", code != 0 and "No space left" in err and
          not os.path.exists(f"{box.folder}/x.backup"), (code, err))
    code, got, _ = i.cli("doctor", ok=False)
    check("doctor says it", any(f["what"] == "disk" and f["state"] == "error" for f in got["findings"]), got)
    for k in range(n):
        os.remove(f"{mnt}/fill-{k}")
    i.cli("backup", f"{box.folder}/x.backup", "--passphrase-file", p)
    i.cli("cert", "renew", "a.example.test", "--wait")
    i.stop()
    before = tree(i.data)
    subprocess.run(["mount", "-o", "remount,ro", mnt], check=True)
    out = subprocess.run([box.inro, "serve", "--data", i.data], capture_output=True, text=True)
    check("read-only: does not start, and says why", out.returncode != 0 and "Read-only file system" in out.stderr, out.stderr)
    code, got, _ = i.cli("doctor", ok=False)
    check("doctor says it", any(f["id"] == "doctor.read_only" for f in got["findings"]), got)
    check("nothing changed", tree(i.data) == before)
    subprocess.run(["mount", "-o", "remount,rw", mnt], check=True)
    i.start()
    check("all is there", len(i.get("cert", "list")["items"]) == 1)
    i.stop()
    box.rig.callback(lambda: subprocess.run(["umount", "-l", mnt]))


def a_lost_database_is_not_made_anew(box):
    i = with_ca(box)
    i.stop()
    for name in os.listdir(i.data):
        if name.startswith("inro.db"):
            os.rename(f"{i.data}/{name}", f"{box.folder}/{name}")
    for empty in (False, True):
        if empty:
            os.close(os.open(f"{i.data}/inro.db", os.O_CREAT | os.O_WRONLY, 0o600))
        out = subprocess.run([box.inro, "serve", "--data", i.data], capture_output=True, text=True)
        check("refused with the way out", out.returncode != 0 and "inro restore" in out.stderr, out.stderr)
        check("none is made", empty or not os.path.exists(f"{i.data}/inro.db"))
    # All of it: two roles that close at once may both leave the write-ahead log to the other.
    os.unlink(f"{i.data}/inro.db")
    for name in os.listdir(box.folder):
        if name.startswith("inro.db"):
            os.rename(f"{box.folder}/{name}", f"{i.data}/{name}")
    i.start()
    check("back", len(i.get("cert", "list")["items"]) == 1)


def doctor_says_what_to_do(box):
    i = with_ca(box)
    p = secret(box, "pass", PASS)
    code, got, _ = i.cli("doctor", ok=False)
    what = {(f["what"], f["state"]) for f in got["findings"]}
    check("sound files and store", {("data", "ok"), ("key", "ok"), ("store", "ok"), ("server", "ok"), ("ca", "ok"),
                                    ("listen", "ok")} <= what, what)
    check("no backup is a warning", ("backup", "warning") in what, what)
    os.makedirs(f"{box.folder}/disk")
    i.cli("backup-store", "add", "disk", "--type", "folder", "--folder", f"{box.folder}/disk", "--passphrase-file", p)
    i.cli("backup-store", "run", "disk")
    i.cli("ca", "add", "gone", "--type", "acme", "--directory", "https://ca.invalid/dir")
    os.chmod(f"{i.data}/master.key", 0o644)
    code, got, _ = i.cli("doctor", ok=False)
    by = {}
    for f in got["findings"]:
        by.setdefault(f["what"], []).append(f)
    check("errors make the exit status", code == 1 and got["errors"] >= 3, got)
    check("the open key file, with the command", "chmod 600" in by["key"][0]["text"], by["key"])
    check("the name that does not resolve", any(f["state"] == "error" and "ca.invalid" in f["text"] for f in by["dns"]), by.get("dns"))
    check("the CA that is not reached", any(f["state"] == "error" for f in by["ca"]), by["ca"])
    check("the backup is seen", by["backup"][0]["state"] == "ok", by["backup"])
    text = subprocess.run([box.inro, "doctor", "--data", i.data, "--lang", "ja"], capture_output=True, text=True).stdout
    check("in Japanese", "他の利用者が読めます" in text and "異常" in text, text)
    os.chmod(f"{i.data}/master.key", 0o600)
    i.stop()
    code, got, _ = i.cli("doctor", ok=False)
    check("stopped is told with the way out", any(f["id"] == "doctor.stopped" for f in got["findings"]), got)


def restored_state_does_not_put_older_over_newer(box):
    """F38: targets serve what came after the backup; it is seen as drift while held, and stays until there is something newer."""
    from rig import Nginx, self_signed, served
    p = secret(box, "pass", PASS)
    name = "a.example.test"
    i = with_ca(box, certs=(name,))
    crt, key = self_signed(f"{box.folder}/site", "site", f"DNS:{name}")
    port = free_port("127.0.0.7")
    web = box.rig.add(Nginx(f"{box.folder}/nginx", "127.0.0.7", port, {name: (crt, key)}))
    i.cli("target", "add", "web", "--type", "nginx", "--via", "local", "--test-command", web.test_command,
          "--reload-command", web.reload_command)
    i.cli("bind", name, "web", "--cert-path", crt, "--key-path", key, "--verify", f"127.0.0.7:{port}", "--sni", name)
    i.cli("deploy", name, "--wait")
    i.cli("watch", "add", f"127.0.0.7:{port}", "--sni", name, "--cert", name)
    first = served("127.0.0.7", port, name)[0]
    file = f"{box.folder}/one.backup"
    backup(i, file, p)
    i.cli("cert", "renew", name, "--wait")
    wait_for("the second is served", lambda: served("127.0.0.7", port, name)[0] != first, 30)
    second = served("127.0.0.7", port, name)[0]
    i.stop()
    restore(box, i.data, file, p)
    i.start()
    wait_for("drift is seen while held", lambda: [e for e in i.get("watch", "list")["items"] if e["state"] == "drift"], 40, 0.5)
    check("held", i.get("system")["hold"] == "restored")
    i.cli("confirm-restore")
    time.sleep(4)
    check("nothing older is put over it", served("127.0.0.7", port, name)[0] == second)
    i.cli("cert", "renew", name, "--wait")
    wait_for("a third takes its place", lambda: served("127.0.0.7", port, name)[0] not in (first, second), 40)
    check("sound", i.cli("check")[0] == 0)


TESTS = [new_machine_with_the_passphrase_alone, every_bad_backup_is_refused_and_nothing_changes,
         old_backup_says_what_is_lost, copy_beside_the_living_original_changes_nothing,
         scheduled_backups_keep_a_number_on_disk_and_over_sftp, killed_backups_and_restores, sealed_start_and_unseal,
         rotation_moves_everything_and_survives_kills, upgrade_in_place, upgrade_killed_at_each_step,
         gui_pair_that_cannot_be_used, flipped_bytes_are_found_and_never_deployed, read_only_and_out_of_inodes,
         a_lost_database_is_not_made_anew, doctor_says_what_to_do,
         restored_state_does_not_put_older_over_newer]
