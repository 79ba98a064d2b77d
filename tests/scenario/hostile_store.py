"""The main job with everything in PostgreSQL, and what happens when the server goes away for a moment."""
import glob
import os
import pwd
import shutil
import subprocess
import tempfile
import time

from fleet import Fleet
from rig import Failure, Part, wait_for, write
from run import Skip


class Postgres(Part):
    """A private server on a socket; as root it runs as the user postgres, who must reach its folder."""

    def __init__(self, folder, password):
        super().__init__(folder)
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


TESTS = [main_job]
