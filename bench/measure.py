"""CPU and memory of programs as the kernel counts them: /proc for those that run on, wait4 for those that end."""
import os
import platform
import signal
import subprocess
import tempfile
import threading
import time
from concurrent.futures import ThreadPoolExecutor

TICK = os.sysconf("SC_CLK_TCK")


def cpu_of(pid):
    """User and system seconds of a living process, with the children it has waited for."""
    with open(f"/proc/{pid}/stat") as f:
        v = f.read().rsplit(")", 1)[1].split()
    return sum(int(x) for x in v[11:15]) / TICK


def peak_kib(pid):
    with open(f"/proc/{pid}/status") as f:
        return next(int(line.split()[1]) for line in f if line.startswith("VmHWM:"))


def pss_kib(pid):
    with open(f"/proc/{pid}/smaps_rollup") as f:
        return next(int(line.split()[1]) for line in f if line.startswith("Pss:"))


class Cost:
    """What a number of certificates cost: n, wall and CPU seconds, peak memory of all processes together; parts: CPU
    seconds by process."""

    def __init__(self, n, wall, cpu, kib, parts=None):
        self.n, self.wall, self.cpu, self.kib, self.parts = n, wall, cpu, kib, parts

    def row(self):
        return {"n": self.n, "wall_s": round(self.wall, 3), "cpu_s": round(self.cpu, 4), "peak_mib": round(self.kib / 1024, 1),
                "wall_ms_each": round(self.wall * 1000 / self.n, 2), "cpu_ms_each": round(self.cpu * 1000 / self.n, 2),
                "per_s": round(self.n / self.wall, 2), "kib_each": round(self.kib / self.n, 1)}


def median(costs):
    """The run in the middle, by CPU."""
    return sorted(costs, key=lambda c: c.cpu)[(len(costs) - 1) // 2]


class Ended:
    def __init__(self, code, cpu, kib, out):
        self.code, self.cpu, self.kib, self.out = code, cpu, kib, out


def run(argv, env=None, cwd=None, log=None, limit=180.0):
    """Runs a program to its end, or kills it after `limit` seconds; CPU is that of all its descendants, memory that of
    the largest of them, as time(1) sees it: a child of this process would inherit our own peak."""
    with tempfile.NamedTemporaryFile("r") as told, open(log or os.devnull, "ab") as out:
        p = subprocess.Popen(["time", "-q", "-f", "%M", "-o", told.name, *argv], stdin=subprocess.DEVNULL, stdout=out, stderr=out,
                             cwd=cwd, env=dict(os.environ, **(env or {})), start_new_session=True)
        end = threading.Timer(limit, lambda: os.killpg(p.pid, signal.SIGKILL))
        end.start()
        _, status, u = os.wait4(p.pid, 0)
        end.cancel()
        kib = told.read().split()
    p.returncode = os.waitstatus_to_exitcode(status)
    return Ended(p.returncode, u.ru_utime + u.ru_stime, int(kib[-1]) if kib else 0, log)


def run_many(commands, slots):
    """commands: functions slot -> Ended. At most `slots` run at once, each slot's own one after the other."""
    free, lock, got = list(range(slots)), threading.Lock(), []

    def one(command):
        with lock:
            slot = free.pop()
        try:
            return command(slot)
        finally:
            with lock:
                free.append(slot)

    begin = time.monotonic()
    with ThreadPoolExecutor(slots) as pool:
        got = list(pool.map(one, commands))
    wall = time.monotonic() - begin
    bad = [e for e in got if e.code != 0]
    if bad:
        raise RuntimeError(f"{len(bad)} of {len(got)} failed; see {bad[0].out}")
    return Cost(len(got), wall, sum(e.cpu for e in got), max(e.kib for e in got) * min(slots, len(got)))


def machine():
    model = "?"
    with open("/proc/cpuinfo") as f:
        for line in f:
            if line.startswith("model name"):
                model = line.split(":", 1)[1].strip()
                break
    load = os.getloadavg()
    return f"{os.cpu_count()} cores ({model}), Linux {platform.release()}, load {load[0]:.1f} at the start"
