"""The main job with everything in PostgreSQL, and what happens when the server goes away for a moment."""
import glob
import json
import os
import pwd
import shutil
import sqlite3
import subprocess
import tempfile
import time

from fleet import Fleet
from ops import PASS, backup, check, current, future, restore, secret
from rig import Failure, Inro, Part, wait_for, write
from run import Skip


class Postgres(Part):
    """A private server on a socket; as root it runs as the user postgres, who must reach its folder."""

    def __init__(self, folder, password):
        super().__init__(folder)
        self.password = password
        found = sorted(glob.glob("/usr/lib/postgresql/*/bin/initdb"))
        if not found:
            raise Skip("PostgreSQL is not installed (postgresql-15)")
        self.bin = os.path.dirname(found[-1])
        self.home = tempfile.mkdtemp(prefix="inro-pg-")
        self.data = f"{self.home}/data"
        user = pwd.getpwnam("postgres") if os.getuid() == 0 else None
        self.run_as = {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []} if user else {}
        secret = write(f"{self.home}/password", password, 0o600)
        if user:
            os.chown(self.home, user.pw_uid, user.pw_gid)
            os.chown(secret, user.pw_uid, user.pw_gid)
        out = subprocess.run([f"{self.bin}/initdb", "-D", self.data, "-U", "inro", "-A", "scram-sha-256", "--pwfile", secret,
                              "-E", "UTF8", "--no-sync", "--locale=C"], capture_output=True, text=True, cwd=self.home,
                             **self.run_as)
        if out.returncode != 0:
            raise Failure(f"initdb: {out.stderr}")
        self.start()

    def start(self):
        with open(f"{self.folder}/log.txt", "ab") as log:
            self.proc = subprocess.Popen([f"{self.bin}/postgres", "-D", self.data, "-k", self.home, "-c",
                                          "listen_addresses=", "-c", "shared_buffers=16MB"], stdout=log, stderr=log,
                                         stdin=subprocess.DEVNULL, cwd=self.home, start_new_session=True, **self.run_as)
        wait_for("PostgreSQL", lambda: self.check_alive() and subprocess.run(
            [f"{self.bin}/pg_isready", "-q", "-h", self.home]).returncode == 0, 20)

    def halt(self):
        """Fast shutdown: connections are cut, the data is whole."""
        import signal
        self.proc.send_signal(signal.SIGINT)
        self.proc.wait(20)
        self.proc = None

    def sql(self, text, database="postgres"):
        out = subprocess.run([f"{self.bin}/psql", "-qAtX", "-v", "ON_ERROR_STOP=1", "-h", self.home, "-U", "inro", "-d", database,
                              "-c", text], capture_output=True, text=True, env=dict(os.environ, PGPASSWORD=self.password))
        if out.returncode != 0:
            raise Failure(f"psql: {out.stderr}")
        return out.stdout.strip()

    def conf(self, data, database="postgres"):
        """A data directory whose configuration names a database of this server."""
        os.makedirs(data, mode=0o700, exist_ok=True)
        os.chmod(data, 0o700)
        write(f"{data}/inro.conf", f"database = postgresql://inro:{self.password}@/{database}?host={self.home}\n", 0o600)

    def stop(self, timeout=10.0):
        if self.proc:
            self.halt()
        shutil.rmtree(self.home, ignore_errors=True)


def main_job(box):
    """Issue, deploy, renew and watch on PostgreSQL; the server restarts in between; nothing is doubled."""
    password = "pg-secret-0815"
    pg = box.rig.add(Postgres(f"{box.folder}/pg", password))
    data = f"{box.folder}/inro/data"
    os.makedirs(data, mode=0o700)
    os.chmod(data, 0o700)
    write(f"{data}/inro.conf", f"database = postgresql://inro:{password}@/postgres?host={pg.home}\n", 0o600)
    f = Fleet(box)
    i = f.inro
    first = f.ready()
    if glob.glob(f"{i.data}/inro.db"):
        raise Failure("there is an SQLite file beside PostgreSQL")
    for pid in [i.proc.pid] + [r["pid"] for r in i.roles().values()]:
        with open(f"/proc/{pid}/cmdline", "rb") as c, open(f"/proc/{pid}/environ", "rb") as e:
            if password.encode() in c.read() + e.read():
                raise Failure("the database password is in arguments or environment of a process")
    pg.halt()
    code, _, text = i.cli("cert", "list", ok=False, lang="ja")
    if code == 0 or text.isascii():
        raise Failure(f"without the server: exit {code}: {text}")
    i.check_alive()
    pg.start()
    wait_for("the store is back", lambda: i.cli("cert", "list", ok=False)[0] == 0, 30, 0.3)
    begin = time.monotonic()
    i.cli("cert", "renew", "www.crash.test", "--wait", timeout=120)
    cert = i.get("cert", "show", "www.crash.test")
    if cert["targets"]["deployed"] != 2 or len(cert["orders"]) != 2 or cert["health"] != "valid":
        raise Failure(f"after {time.monotonic() - begin:.0f} s: {cert['targets']}, {len(cert['orders'])} orders, {cert['health']}")
    if f.verified() == first:
        raise Failure("the old certificate is still served")
    i.cli("audit", "verify")
    if password in i.log_since(0):
        raise Failure("the database password is in the log")
    i.kill_all()
    i.start()
    if len(i.get("cert", "list")["items"]) != 1:
        raise Failure("the certificate is gone after a restart")


def on_server(box, pg, name="inro", certs=("a.example.test",)):
    """An installation whose store is there, with a private CA and certificates."""
    pg.conf(f"{box.folder}/{name}/data")
    i = box.rig.add(Inro(box.inro, f"{box.folder}/{name}"))
    i.start()
    i.cli("ca", "add", "own", "--type", "private")
    for c in certs:
        i.cli("cert", "request", c, "--ca", "own", "--wait")
    return i


def works(i, name, shown):
    """A restored one: held, whole, as it was, and after a person's word it renews."""
    i.start()
    check("held", i.get("system")["hold"] == "restored")
    check("as of the backup", current(i, name)["sha256"] == shown["sha256"], current(i, name))
    i.cli("audit", "verify")
    i.cli("confirm-restore")
    i.cli("cert", "renew", name, "--wait")
    check("sound", i.cli("check")[0] == 0)


def backup_and_restore(box):
    """One encrypted file from PostgreSQL; into the same database, an empty one, SQLite, and from SQLite back."""
    pg = box.rig.add(Postgres(f"{box.folder}/pg", "pg-secret-4711"))
    i = on_server(box, pg)
    p = secret(box, "pass", PASS)
    one, two = f"{box.folder}/one.backup", f"{box.folder}/two.backup"
    shown = current(i, "a.example.test")
    backup(i, one, p)
    check("nothing is left over", [f for f in os.listdir(f"{i.data}/backup") if f != "lock"] == [], os.listdir(f"{i.data}/backup"))
    raw = open(one, "rb").read()
    check("nothing in clear", b"example.test" not in raw and b"SQLite" not in raw and pg.password.encode() not in raw)

    # the same database: says what is lost, keeps it
    i.cli("cert", "renew", "a.example.test", "--wait")
    later = current(i, "a.example.test")["sha256"]
    code, _, err = restore(box, i.data, one, p, ok=False)
    check("not while Inro runs", code == 3, err)
    i.stop()
    code, got, _ = restore(box, i.data, one, p, "--check")
    check("only checked", not got["restored"] and got["renewed"] == ["a.example.test"], got)
    check("unchanged", pg.sql(f"SELECT count(*) FROM cert_version WHERE sha256 = '{later}'") == "1")
    code, got, _ = restore(box, i.data, one, p)
    check("says what is lost", got["known"] and got["lost"]["versions"] >= 1 and got["renewed_since"] == 1, got)
    kept = sqlite3.connect(f"file:{i.data}/{got['previous']}/inro.db?mode=ro", uri=True)
    check("the former state is kept", kept.execute("SELECT count(*) FROM cert_version WHERE sha256 = ?", (later,)).fetchone()[0] == 1)
    kept.close()
    check("no file in its place", not os.path.exists(f"{i.data}/inro.db"))
    works(i, "a.example.test", shown)

    # an empty database, a new machine; and another's is refused
    pg.sql("CREATE DATABASE second")
    pg.conf(f"{box.folder}/second/data", "second")
    second = box.rig.add(Inro(box.inro, f"{box.folder}/second", init=False))
    restore(box, second.data, one, p)
    i.stop()
    works(second, "a.example.test", shown)
    second.stop()
    pg.sql("CREATE DATABASE third")
    pg.conf(f"{box.folder}/other/data", "third")
    other = box.rig.add(Inro(box.inro, f"{box.folder}/other"))
    code, _, err = restore(box, other.data, one, p, ok=False)
    check("another installation's database", code == 3 and "belongs to installation" in err, err)

    # SQLite, and from there into PostgreSQL again
    third = box.rig.add(Inro(box.inro, f"{box.folder}/lite", init=False))
    restore(box, third.data, one, p)
    check("its own store", "# (of the original) database" in open(f"{third.data}/inro.conf").read())
    works(third, "a.example.test", shown)
    check("is SQLite", os.path.getsize(f"{third.data}/inro.db") > 0)
    shown = current(third, "a.example.test")
    backup(third, two, p)
    third.stop()
    pg.sql("CREATE DATABASE fourth")
    pg.conf(f"{box.folder}/fourth/data", "fourth")
    fourth = box.rig.add(Inro(box.inro, f"{box.folder}/fourth", init=False))
    restore(box, fourth.data, two, p)
    works(fourth, "a.example.test", shown)


def killed_restore(box):
    """Decided, and killed before the database has it: the next start finishes, once."""
    pg = box.rig.add(Postgres(f"{box.folder}/pg", "pg-secret-4712"))
    i = on_server(box, pg)
    p, file = secret(box, "pass", PASS), f"{box.folder}/one.backup"
    shown = current(i, "a.example.test")
    backup(i, file, p)
    i.cli("cert", "renew", "a.example.test", "--wait")
    later = current(i, "a.example.test")["sha256"]
    i.stop()
    lock = subprocess.Popen([f"{pg.bin}/psql", "-qX", "-h", pg.home, "-U", "inro", "-d", "postgres"], stdin=subprocess.PIPE, text=True,
                            env=dict(os.environ, PGPASSWORD=pg.password))
    try:
        lock.stdin.write("BEGIN; LOCK TABLE cert IN ACCESS SHARE MODE;\n")
        lock.stdin.flush()
        wait_for("the lock", lambda: pg.sql("SELECT count(*) FROM pg_locks l JOIN pg_class c ON c.oid = l.relation WHERE "
                                            "c.relname = 'cert' AND l.mode = 'AccessShareLock'") == "1", 30, 0.1)
        out = subprocess.Popen([box.inro, "restore", file, "--data", i.data, "--passphrase-file", p], stderr=subprocess.DEVNULL)
        wait_for("the decision", lambda: os.path.isdir(f"{i.data}/restore.ready"), 60, 0.01)
        out.kill()
        out.wait(30)
    finally:
        lock.stdin.close()
        lock.wait(30)
    check("not loaded yet", pg.sql(f"SELECT count(*) FROM cert_version WHERE sha256 = '{later}'") == "1")
    works(i, "a.example.test", shown)
    check("finished", not os.path.exists(f"{i.data}/restore.ready"))
    now = current(i, "a.example.test")["sha256"]
    i.stop()
    i.start()
    check("once", current(i, "a.example.test")["sha256"] == now)


def upgrade(box):
    """A copy before the migration, and a way back when the new program does not work on what it made."""
    pg = box.rig.add(Postgres(f"{box.folder}/pg", "pg-secret-4713"))
    i = on_server(box, pg)
    schema = "SELECT value FROM meta WHERE name = 'schema_version'"
    before, shown = pg.sql(schema), current(i, "a.example.test")
    i.stop()
    for name in ("broken", "sick"):
        i.binary, i.env = future(box, name), {"INRO_PREVIOUS": box.inro}
        i.start(60)
        i.binary = box.inro
        check(f"{name}: the old schema", pg.sql(schema) == before, pg.sql(schema))
        check(f"{name}: the old program runs", os.readlink(f"/proc/{i.proc.pid}/exe") == box.inro)
        check(f"{name}: the data is there", current(i, "a.example.test") == shown)
        i.stop()
        check(f"{name}: told", json.load(open(f"{i.data}/upgrade.json"))["state"] == "failed")
        os.remove(f"{i.data}/upgrade.json")
    i.env, i.binary = {}, future(box, "good")
    i.start(60)
    check("the new schema", pg.sql(schema) == "1000")
    copies = [f for f in os.listdir(i.data) if f.startswith(f"inro.db.backup-v{before}-")]
    check("the copies are kept", 1 <= len(copies) <= 3, copies)
    check("the data is there", current(i, "a.example.test") == shown)
    i.cli("cert", "renew", "a.example.test", "--wait")


TESTS = [main_job, backup_and_restore, killed_restore, upgrade]
