"""kill -9 of each role and of all, at step boundaries, at every n-th call that changes the world and
at random moments. After each: the job goes on by itself, the old certificate serves until the new
one does, no order is placed twice for one need, and the oracle finds nothing."""
import contextlib
import json
import os
import random
import signal
import sqlite3
import subprocess
import threading
import time

from fleet import NAMES, Fleet
from killpoint import FILES, HALT, KILL, SEND, SYNC, KillPoint
from oracle import judge, left_over
from rig import Failure, Inro, served, wait_for

RESTARTS_BEFORE_PAUSES = 3  # the supervisor waits longer after each quick death


class Watcher(threading.Thread):
    """Handshakes with every target all the time: none may fail, and none may see a third certificate."""

    def __init__(self, fleet):
        super().__init__(daemon=True)
        self.fleet, self.seen, self.failures, self.over = fleet, {}, [], threading.Event()
        self.start()

    def run(self):
        while not self.over.wait(0.03):
            for w in self.fleet.webs:
                try:
                    self.seen.setdefault(w.address, set()).add(served(w.address, w.port, NAMES[0], 2)[0])
                except OSError as e:
                    self.failures.append(f"{w.address}: {e}")

    def stop(self):
        self.over.set()
        self.join()


class Trials:
    """A fleet under repeated renewal; each is disturbed and must still end well."""

    def __init__(self, box, **kw):
        self.kill = KillPoint(f"{box.folder}/kill")
        self.f = Fleet(box, env=self.kill.env(), **kw)
        self.now = self.f.ready()
        self.done = self.extra = self.deaths = 0

    def hour_later(self):
        """Inro's own ceiling is ten orders an hour; the test asks more often."""
        self.f.inro.stop()
        with contextlib.closing(sqlite3.connect(f"{self.f.inro.data}/inro.db")) as db:
            db.execute("DELETE FROM ledger")
            db.commit()
        self.f.inro.start()
        self.deaths = 0

    def one(self, disturb, what):
        """disturb() is called before the renewal is asked for, and returns what to call after."""
        f = self.f
        if self.deaths >= RESTARTS_BEFORE_PAUSES or self.done % 8 == 7:
            self.hour_later()
        before, orders, watch = self.now, f.orders(), Watcher(f)
        try:
            after = disturb()
            ask(f)
            if after:
                after()
            self.now = f.renewed(before, 90)
            self.kill.disarm()
            judge(f)
        except (Failure, OSError, subprocess.SubprocessError) as e:
            raise Failure(f"{what}: {e}") from e
        finally:
            watch.stop()
        placed = f.orders() - orders
        strange = {w: s - {before, self.now} for w, s in watch.seen.items() if s - {before, self.now}}
        if placed not in (1, 2) or strange or watch.failures:
            raise Failure(f"{what}: {placed} orders; strangers served {strange}; handshakes failed {watch.failures[:2]}")
        self.extra += placed - 1
        self.done += 1
        self.deaths += 1

    def at_call(self, role, n, mask, path="", everything=False):
        """One renewal with a kill at the n-th call; False when the renewal ended before it."""
        def disturb():
            self.kill.arm(role, n, mask, HALT if everything else KILL, path=path)
            return after

        def after():
            if everything:
                with contextlib.suppress(Failure):
                    wait_for("the call", lambda: self.kill.c.fired or not self.f.open_jobs(), 30, 0.005)
                if self.kill.c.fired:
                    self.kill.c.role = 0
                    self.f.inro.kill_all()
                    self.f.inro.start()
        self.one(disturb, f"{'all' if everything else role} killed at call {n}")
        return bool(self.kill.c.fired)

    def calls_of_a_renewal(self, role, mask, path=""):
        self.kill.count(role, mask, path)
        ask(self.f)
        self.now = self.f.renewed(self.now)
        return self.kill.counted()

    def end(self):
        """An undisturbed renewal costs one order, and the certificate is good for strangers."""
        self.hour_later()
        orders = self.f.orders()
        ask(self.f)
        self.now = self.f.renewed(self.now)
        if self.f.orders() - orders != 1:
            raise Failure(f"a second run placed {self.f.orders() - orders} orders")
        self.f.verified()
        judge(self.f)
        self.f.inro.stop()
        judge(self.f, running=False)


def ask(f):
    """Asks for a renewal; whoever answers may be killed meanwhile, then it is asked again."""
    for _ in range(100):
        with contextlib.suppress(Failure):
            f.renew()
            return
        time.sleep(0.1)
    raise Failure("the renewal could not be asked for")


def points(total, n, whole):
    """n call numbers spread over 1..total, both ends among them; all of them when whole."""
    if whole or total <= n:
        return list(range(1, total + 1))
    return sorted({1 + round(k * (total - 1) / max(1, n - 1)) for k in range(n)})


def at_every_step_boundary(box):
    """A step boundary is a durable commit of the worker: killed before it counts, alone or with all."""
    t = Trials(box)
    total = t.calls_of_a_renewal("worker", SYNC, "inro.db-wal")
    if total < 8:
        raise Failure(f"only {total} durable commits in a renewal")
    for k, n in enumerate(points(total, 8, box.long)):
        for everything in ((False, True) if box.long else (k % 2 == 1,)):
            t.at_call("worker", n, SYNC, "inro.db-wal", everything)
    t.end()


def worker_at_every_nth_call(box):
    t = Trials(box)
    total = t.calls_of_a_renewal("worker", FILES | SEND)
    for n in points(total, 7, box.long):
        t.at_call("worker", n, FILES | SEND)
    if box.long and t.at_call("worker", total * 4, FILES | SEND):
        raise Failure("a renewal never ended untouched")
    t.end()


def on_the_targets_files(box):
    """The calls on the key and certificate files themselves: backup, staging, swap."""
    t = Trials(box)
    total = t.calls_of_a_renewal("worker", FILES, "/tls")
    if total < 12:
        raise Failure(f"only {total} calls on the targets' files")
    for n in points(total, 6, box.long):
        t.at_call("worker", n, FILES, "/tls", everything=n % 2 == 0)
    t.end()


def vault_front_prober_at_every_nth_call(box):
    t = Trials(box)
    for role, most in (("vault", 4), ("front", 2), ("prober", 1)):
        total = t.calls_of_a_renewal(role, FILES | SEND)
        for n in points(total, most, box.long):
            t.at_call(role, n, FILES | SEND)
        t.hour_later()
    t.end()


def at_random_moments(box):
    """Any role, or all, at any time of a renewal; the seed is told."""
    t, r = Trials(box), random.Random(box.seed)
    for k in range(200 if box.long else 5):
        who = r.choice(["vault", "runner", "prober", "worker", "front", "supervisor", "all"])
        at = r.uniform(0, 1.5)

        def strike(who=who, at=at):
            time.sleep(at)
            if who == "all":
                t.f.inro.kill_all()
            elif who == "supervisor":
                kill_supervisor(t.f.inro)
            else:
                t.f.inro.kill_role(who)
            if who in ("all", "supervisor"):
                t.f.inro.start()
        t.one(lambda strike=strike: strike, f"seed {box.seed}, kill {k}: {who} after {at:.3f} s")
    t.end()


def kill_supervisor(inro):
    """Alone: its roles see it and go by themselves."""
    pids = [r["pid"] for r in inro.roles().values() if r["pid"]]
    os.kill(inro.proc.pid, signal.SIGKILL)
    inro.proc.wait(10)
    inro.proc = None
    wait_for("orphaned roles to go", lambda: not any(os.path.exists(f"/proc/{p}") for p in pids), 30)


def first_issue_at_every_nth_call(box):
    """The first certificate of a name: a key is whole or absent, an order never without its key."""
    t = Trials(box, targets=1)
    f, i = t.f, t.f.inro
    t.kill.count("worker", FILES)
    i.cli("cert", "request", "first0.crash.test", "--ca", "ca", "--wait")
    total = t.kill.counted()
    for k, n in enumerate(points(total, 6, box.long), 1):
        name, orders = f"first{k}.crash.test", f.orders()
        if k % RESTARTS_BEFORE_PAUSES == 0:
            f.restart()
        t.kill.arm("worker", n, FILES)
        i.cli("cert", "request", name, "--ca", "ca")
        wait_for(f"{name} after a kill at call {n}", lambda name=name: i.get("cert", "show", name)["sha256"], 60, 0.1)
        f.settle()
        t.kill.disarm()
        placed = f.orders() - orders
        if placed not in (1, 2):
            raise Failure(f"{name}: {placed} orders after a kill at call {n}")
        judge(f)


def init_at_every_nth_call(box):
    """A killed `inro init` can be run again, until it says that it is done."""
    calls = "write,pwrite64,fsync,fdatasync,rename,unlink,mkdir"
    n, step = 1, 1 if box.long else 15
    while True:
        data = f"{box.folder}/data{n}"
        out = subprocess.run(["strace", "-f", "-qq", "-o", "/dev/null", "-e", f"trace={calls}", "-e",
                              f"inject={calls}:signal=KILL:when={n}", box.inro, "init", "--data", data, "--json"],
                             capture_output=True, text=True)
        again = subprocess.run([box.inro, "init", "--data", data, "--json"], capture_output=True, text=True)
        if out.returncode == 0:
            break
        if again.returncode == 3 and "initialised already" not in again.stderr:
            raise Failure(f"after a kill at call {n}: {again.stderr}")
        if again.returncode not in (0, 3):
            raise Failure(f"init after a kill at call {n}: exit {again.returncode}: {again.stderr}")
        i = box.rig.add(Inro(box.inro, f"{box.folder}/i{n}", init=False))
        i.data = data
        i.start()
        i.get("cert", "list")
        if left_over(data, []):
            raise Failure(f"after a kill at call {n}: {left_over(data, [])}")
        i.stop()
        n += step
    if n < 20:
        raise Failure(f"init ended untouched at call {n} already")


def vault_under_strace(box):
    """As the fault study does it: strace kills the vault at its n-th write or sync of the grant log."""
    t = Trials(box, targets=1)

    def attach(call):
        pid = t.f.inro.roles()["vault"]["pid"]
        p = subprocess.Popen(["strace", "-f", "-qq", "-o", f"{box.folder}/strace-{call}.txt", "-p", str(pid), "-e",
                              f"trace={call}", "-e", f"inject={call}:signal=KILL:when=1"],
                             stderr=subprocess.DEVNULL, start_new_session=True)
        box.rig.callback(p.kill)
        wait_for("strace to attach", lambda: tracer(pid) != 0, 10, 0.01)

        def after():
            wait_for("the vault's death", lambda: t.f.inro.roles()["vault"]["pid"] != pid, 30, 0.05)
            p.wait(10)
        return after
    for call in ("write", "fdatasync"):
        t.one(lambda call=call: attach(call), f"vault killed by strace at its next {call}")
    lines = open(f"{t.f.inro.data}/grants.log", encoding="utf-8").read().splitlines()
    if not all(isinstance(json.loads(line), dict) for line in lines):
        raise Failure("a grant line is not whole")
    t.end()


def tracer(pid):
    with open(f"/proc/{pid}/status") as f:
        return next(int(line.split()[1]) for line in f if line.startswith("TracerPid:"))


TESTS = [at_every_step_boundary, worker_at_every_nth_call, on_the_targets_files,
         vault_front_prober_at_every_nth_call, at_random_moments, first_issue_at_every_nth_call,
         init_at_every_nth_call, vault_under_strace]
