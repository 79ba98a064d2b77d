"""Faults that are no crash: full and failing disks, locks, damage, few descriptors, stopped
processes, clocks that jump, targets that are down, broken or lie. The numbers F.. are those of the
fault list this file goes by."""
import contextlib
import ctypes
import datetime
import errno
import json
import os
import signal
import socket
import sqlite3
import ssl
import subprocess
import time

from fleet import NAMES, Fleet
from killpoint import FAIL, FAIL_ON, SYNC, WRITE, KillPoint
from oracle import judge
from rig import Failure, Inro, free_port, openssl_text, pem_sha256, self_signed, wait_for
from run import Skip

DAY = 86400


def want(truth, text):
    if not truth:
        raise Failure(text)


# -- disks ---------------------------------------------------------------------------------------
def own_mounts():
    """Mounts made from here on are seen by this process and its children only."""
    if os.getuid() != 0:
        raise Skip("mounting needs root")
    if not getattr(own_mounts, "done", False):
        libc = ctypes.CDLL(None, use_errno=True)
        if libc.unshare(0x20000) != 0:
            raise Skip("unshare(CLONE_NEWNS) is refused here")
        subprocess.run(["mount", "--make-rprivate", "/"], check=True)
        own_mounts.done = True


def small_disk(box, size):
    own_mounts()
    data = f"{box.folder}/inro/data"
    os.makedirs(data, mode=0o700)
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size},mode=700", "none", data], check=True)
    box.rig.callback(subprocess.run, ["umount", "-l", data], check=False)
    return data


def fill(data):
    with open(f"{data}/filler", "wb", buffering=0, opener=lambda p, f: os.open(p, f, 0o600)) as w:
        with contextlib.suppress(OSError):
            while True:
                w.write(bytes(1024))


def full_disk(box):
    """F11: nothing half-saved, a clear refusal; looking, monitoring and serving go on; room is enough
    to recover."""
    data = small_disk(box, "3m")  # too small for the reserve
    f = Fleet(box)
    before = f.ready()
    f.inro.cli("watch", "add", f"{f.webs[0].address}:{f.webs[0].port}", "--sni", NAMES[0])
    fill(data)
    code, _, text = f.inro.cli("ca", "add", "x", "--type", "private", "--common-name", "X", ok=False)
    want(code == 1 and "full" in text, f"a change on a full disk: exit {code}: {text}")
    _, _, text = f.inro.cli("ca", "add", "x", "--type", "private", "--common-name", "X", ok=False, lang="ja")
    want("空き" in text, f"the same in Japanese: {text}")
    status, got = f.api("POST", "/cas", {"name": "x", "type": "private", "settings": {"common_name": "X"}})
    want(status == 507 and got["error"]["code"] == "full", f"the API answers {status} {got}")
    code, _, _ = f.inro.cli("cert", "renew", NAMES[0], "--wait", ok=False)
    want(code != 0, "a renewal on a full disk claims success")
    want(f.show()["sha256"] == before and f.all_serve() == before, "something changed on a full disk")
    want(len(f.inro.get("watch", "list")["items"]) == 1, "watching is gone")
    status, got = f.sign_in()
    want(status in (200, 507), f"signing in on a full disk: {status} {got}")
    os.remove(f"{data}/filler")
    f.settle()
    orders = f.orders()
    f.renew()
    f.renewed(before)
    want(f.orders() - orders == 1, "the renewal after making room was not one order")
    judge(f)


def full_disk_with_reserve(box):
    """F11: the log's reserve keeps sign-ins and open work going after everything else has failed."""
    data = small_disk(box, "14m")
    f = Fleet(box)
    before = f.ready()
    fill(data)
    status, got = f.sign_in()
    want(status == 200, f"signing in on a full disk: {status} {got}")
    for n in range(20):
        f.inro.cli("ca", "add", f"ca{n}", "--type", "private", "--common-name", "X")
    want(f.all_serve() == before, "something changed")
    os.remove(f"{data}/filler")
    f.renew()
    f.renewed(before)
    judge(f)


def full_disk_right_after_the_ca_issued(box):
    """F7: what the CA issued is not forgotten, and not ordered again blindly."""
    k = KillPoint(f"{box.folder}/kill")
    f = Fleet(box, env=k.env())
    before = f.ready()
    for n in (14, 30):  # different commits of one renewal
        orders = f.orders()
        k.arm("worker", n * 4, WRITE, FAIL_ON, errno.ENOSPC, "inro.db-wal")
        f.renew()
        wait_for("the disk to be full", lambda: k.c.fired, 20)
        time.sleep(1)
        k.disarm()
        before = f.renewed(before, 120)
        want(f.orders() - orders in (1, 2), f"{f.orders() - orders} orders for one need")
        judge(f)


def failing_disk(box):
    """F10: after a failed sync nothing is acknowledged any more, until a restart has looked again."""
    k = KillPoint(f"{box.folder}/kill")
    f = Fleet(box, env=k.env(), pebble=False, targets=0)
    f.start()
    f.configure("private")
    k.arm("front", 1, SYNC, FAIL, errno.EIO, "inro.db-wal")
    code, _, text = f.inro.cli("ca", "add", "a", "--type", "private", "--common-name", "X", ok=False)
    want(code == 1 and "EIO" in text and "disk" in text, f"a failed sync: exit {code}: {text}")
    k.disarm()
    code, _, text = f.inro.cli("ca", "add", "b", "--type", "private", "--common-name", "X", ok=False)
    want(code == 1 and "restarted" in text, f"after a failed sync: exit {code}: {text}")
    f.inro.get("ca", "list")
    f.restart()
    f.inro.cli("ca", "add", "c", "--type", "private", "--common-name", "X")
    judge(f)


def quota_and_read_only_while_running(box):
    """F12: a used-up quota is a full disk, a file system that turns read-only is said; looking goes on, and
    so do changes, without a restart, when it is over."""
    k = KillPoint(f"{box.folder}/kill")
    f = Fleet(box, env=k.env(), pebble=False, targets=0)
    f.start()
    f.configure("private")
    for error, status, code, text in ((errno.EDQUOT, 507, "full", "full"), (errno.EROFS, 500, "internal", "cannot be written")):
        k.arm("front", 1, WRITE, FAIL_ON, error, "inro.db-wal")
        new = {"name": f"x{error}", "type": "private", "settings": {"common_name": "X"}}
        got = f.api("POST", "/cas", new)
        want(k.c.fired, "the fault was not met")
        want(got[0] == status and got[1]["error"]["code"] == code, f"{errno.errorcode[error]}: {got}")
        out = f.inro.cli("ca", "add", "y", "--type", "private", "--common-name", "X", ok=False)
        want(out[0] == 1 and text in out[2], f"{errno.errorcode[error]}: {out}")
        want("ca" in [c["name"] for c in f.inro.get("ca", "list")["items"]], "looking does not go on")
        k.disarm()
        got = f.api("POST", "/cas", new)
        want(got[0] in (200, 201), f"after {errno.errorcode[error]}: {got}")
        judge(f)


def no_grant_no_key(box):
    """Promise 5: when the grant log cannot be written, no key leaves the vault."""
    k = KillPoint(f"{box.folder}/kill")
    f = Fleet(box, env=k.env(), targets=1)
    before = f.ready()
    (crt, key), = f.pairs()
    old = open(key, "rb").read()
    for kind in (WRITE, SYNC):
        # The grant log is the only file the vault writes.
        k.arm("vault", 1, kind, FAIL_ON, errno.EIO)
        code, _, text = f.inro.cli("cert", "renew", NAMES[0], "--wait", ok=False)
        want(code != 0 and "grant log" in text, f"exit {code}: {text}")
        want(open(key, "rb").read() == old and f.served() == before, "a key was deployed without its grant")
        k.disarm()
    f.inro.cli("deploy", NAMES[0], "--wait")
    f.settle()
    want(f.served() != before, "nothing was deployed after the grant log was mended")
    for line in open(f"{f.inro.data}/grants.log"):
        want(not line.strip() or isinstance(json.loads(line), dict), f"a grant line is torn: {line}")
    judge(f)


# -- the store -----------------------------------------------------------------------------------
def store_locked_by_another(box):
    """F33: reading goes on, a change is refused as busy after the wait, and passes afterwards."""
    f = Fleet(box, pebble=False, targets=0)
    f.start()
    f.configure("private")
    other = sqlite3.connect(f"{f.inro.data}/inro.db", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    begin = time.monotonic()
    want(len(f.inro.get("ca", "list")["items"]) == 1, "the list is not readable")
    want(time.monotonic() - begin < 4, "reading waits for the lock")
    status, got = f.api("POST", "/cas", {"name": "x", "type": "private", "settings": {"common_name": "X"}})
    want(status == 503 and got["error"]["code"] == "busy", f"a change while locked: {status} {got}")
    other.execute("ROLLBACK")
    other.close()
    f.inro.cli("ca", "add", "x", "--type", "private", "--common-name", "X")
    judge(f)


def damaged_store(box):
    """F33: said with the backup to restore, nothing is deleted or written any more."""
    f = Fleet(box, pebble=False, targets=0)
    f.start()
    f.configure("private")
    i = f.inro
    for n in range(40):
        i.cli("cert", "request", f"n{n}.crash.test", "--ca", "ca")
    f.settle()
    i.stop()
    copy = f"{i.data}/inro.db.backup-v2-2026-11-01T00:00:00Z"
    with open(copy, "w", opener=lambda p, fl: os.open(p, fl, 0o600)) as w:
        w.write("stands for a backup")
    path = f"{i.data}/inro.db"
    size = os.path.getsize(path)
    page = f.sql("SELECT rootpage FROM sqlite_schema WHERE name = 'cert'")[0][0]
    with open(path, "r+b") as d:
        for at in [(page - 1) * 4096] + list(range(20 * 4096, size, 4096)):
            d.seek(at)
            d.write(b"\x5a" * 64)
    out = subprocess.run([i.binary, "check", "--data", i.data], capture_output=True, text=True)
    want(out.returncode in (1, 4) and copy in out.stdout + out.stderr, f"inro check: {out.stdout} {out.stderr}")
    said = ""
    with contextlib.suppress(Failure):
        i.start(5)
        code, _, said = i.cli("cert", "list", ok=False)
        want(code != 0, "a damaged table is shown as if it were whole")
    said += i.log_tail()
    want("damaged" in said and copy in said, f"damage is not told with the backup: {said[-600:]}")
    i.stop()
    want(os.path.getsize(path) >= size and os.path.exists(copy), "something was deleted")


def second_daemon_is_refused(box):
    """F35: one daemon per data directory, and the first does not notice."""
    f = Fleet(box, pebble=False, targets=0)
    f.start()
    pids = {n: r["pid"] for n, r in f.inro.roles().items()}
    for lang, word in (("C.UTF-8", "another Inro"), ("ja_JP.UTF-8", "別の Inro")):
        out = subprocess.run([f.inro.binary, "serve", "--data", f.inro.data, "--listen", f"127.0.0.1:{free_port()}"],
                             capture_output=True, text=True, timeout=20, env=dict(os.environ, LC_ALL=lang))
        want(out.returncode != 0 and word in out.stderr, f"exit {out.returncode}: {out.stderr}")
    want({n: r["pid"] for n, r in f.inro.roles().items()} == pids, "the first daemon's roles changed")
    judge(f)


# -- processes -----------------------------------------------------------------------------------
def few_descriptors(box):
    """F16: with few descriptors it works or says what it needs, and recovers from a flood."""
    f = Fleet(box, pebble=False, targets=1)
    i = f.inro
    i.binary_real, wrapper = i.binary, f"{box.folder}/limited"
    for limit in (32, 64):
        with open(wrapper, "w", opener=lambda p, fl: os.open(p, fl, 0o700)) as w:
            w.write(f'#!/bin/sh\nexec prlimit --nofile={limit} "{i.binary_real}" "$@"\n')
        i.binary = wrapper
        i.start(10)
        i.binary = i.binary_real
        if limit == 32:
            f.configure("private")
            f.request()
            f.bind()
            i.cli("deploy", NAMES[0], "--wait")
        host, port = i.listen.split(":")
        flood = []
        for _ in range(100):
            with contextlib.suppress(OSError):
                flood.append(socket.create_connection((host, int(port)), timeout=0.2))
        before = f.all_serve()
        for s in flood:
            s.close()
        wait_for("an answer after the flood", lambda: i.cli("cert", "list", ok=False, timeout=20)[0] == 0, 30, 0.2)
        f.renew()
        f.renewed(before)
        judge(f)
        i.stop()


def stopped_processes(box):
    """F17: a role that stands still for a while and goes on: one order, one certificate, no burst."""
    f = Fleet(box)
    before = f.ready()
    for role in ("worker", "vault", "runner", "prober", "front"):
        orders = f.orders()
        f.renew()
        time.sleep(0.15)
        f.inro.kill_role(role, signal.SIGSTOP)
        time.sleep(150 if box.long else 1.5)
        want(f.served(0) and f.served(1), "a target stopped serving")
        f.inro.kill_role(role, signal.SIGCONT)
        before = f.renewed(before, 90)
        want(f.orders() - orders == 1, f"{role} stopped: {f.orders() - orders} orders")
        judge(f)


# -- clocks --------------------------------------------------------------------------------------
def a_role_that_reads_nothing(box):
    """A stopped worker, and a channel to it that is full: every change is answered; then everything goes on."""
    i = box.rig.add(Inro(box.inro, f"{box.folder}/inro"))
    i.start()
    i.cli("ca", "add", "own", "--type", "private")
    i.cli("cert", "request", "a.stopped.test", "--ca", "own", "--wait")
    i.kill_role("worker", signal.SIGSTOP)
    slowest = 0.0
    for _ in range(1500):  # each wakes the worker; a channel holds some hundred
        begin = time.monotonic()
        status, answer = i.api("POST", "/system/confirm")
        slowest = max(slowest, time.monotonic() - begin)
        want(status == 200, f"with the worker stopped: {status} {answer}")
    want(slowest < 10, f"an answer took {slowest:.1f} s")
    i.kill_role("worker", signal.SIGCONT)
    i.cli("cert", "renew", "a.stopped.test", "--wait")


def clock(f, offset):
    f.inro.stop()
    f.inro.env["INRO_CLOCK_OFFSET"] = str(offset)
    f.inro.start()


def cpu_ticks(pid):
    with open(f"/proc/{pid}/stat") as s:
        a = s.read().rsplit(")", 1)[1].split()
    return int(a[11]) + int(a[12])


def idle(f):
    """No role may spin, whatever the clock says."""
    roles = f.inro.roles()
    begin = {n: cpu_ticks(r["pid"]) for n, r in roles.items()}
    time.sleep(2)
    busy = {n: cpu_ticks(r["pid"]) - begin[n] for n, r in roles.items()}
    want(max(busy.values()) < 60, f"CPU ticks in 2 s: {busy}")


def clock_forward(box):
    """F18: +1 day and +400 days: warnings, no storm of orders, nothing revoked; coming back loses nothing."""
    f = Fleet(box, pebble=False, targets=1)
    first = f.ready("private")
    for n in range(29):
        f.inro.cli("cert", "request", f"n{n}.crash.test", "--ca", "ca")
    f.settle()
    clock(f, DAY)
    time.sleep(1)
    want(not f.open_jobs() and f.show()["sha256"] == first, "a day later something is renewed already")
    clock(f, 400 * DAY)
    began = {r[0] for r in f.sql("SELECT id FROM cert_order")}
    time.sleep(3)
    orders = [r[0] for r in f.sql("SELECT id FROM cert_order") if r[0] not in began]
    want(0 < len(orders) <= 20, f"{len(orders)} of 30 renewed in the first tick; at most 20 are allowed")
    wait_for("an alarm", lambda: f.sql("SELECT 1 FROM notice WHERE event IN ('cert.expired', 'renewal.missed')"), 20)
    want(not f.sql("SELECT 1 FROM cert_version WHERE state = 4"), "something was revoked")
    new = f.renewed(first, 60)
    idle(f)
    clock(f, 0)
    time.sleep(1)
    want(f.all_serve() == new, "on return the target lost its certificate")
    want(len(f.inro.get("cert", "list")["items"]) == 30, "certificates were lost on return")
    idle(f)
    judge(f)


def clock_back(box):
    """F19: -2 days, and 1970: validity is not judged, 'clock wrong' is said, nothing spins or is ordered."""
    f = Fleet(box, pebble=False, targets=1)
    first = f.ready("private")
    time.sleep(1)
    for offset in (-2 * DAY, -int(time.time()) + 3600):
        orders = f.sql("SELECT count(*) FROM cert_order")
        f.inro.stop()
        f.sql("UPDATE cert SET renew_at = 1000000")  # long due by any clock: still not judged
        clock(f, offset)
        wait_for("clock.wrong", lambda: f.sql("SELECT 1 FROM notice WHERE event = 'clock.wrong'"), 20)
        time.sleep(1)
        want(f.sql("SELECT count(*) FROM cert_order") == orders, "renewed by a wrong clock")
        want(f.all_serve() == first, "the target changed")
        idle(f)
        f.inro.stop()
        f.sql("DELETE FROM notice WHERE event = 'clock.wrong'")
    want("clock is wrong" in f.inro.log_tail(size=20000), "the log does not say that the clock is wrong")
    clock(f, 0)
    new = f.renewed(first)  # due, and judged again
    want(new != first, "not renewed after the clock was right again")
    judge(f)


def gui_pair(f, suffix=""):
    return [open(f"{f.inro.data}/tls/gui.{half}{suffix}").read() for half in ("crt", "key")]


def clock_jumps(box):
    """An hour either way is nothing; a year back is said, and nothing is judged by it; 2039 is a date like another, and on
    return the GUI serves with the pair it had."""
    f = Fleet(box, pebble=False, targets=1)
    first = f.ready("private")
    f.inro.cli("cert", "change", NAMES[0], "--auto-renew", "no")
    told = lambda: f.sql("SELECT count(*) FROM notice WHERE event = 'clock.wrong'")[0][0]  # noqa: E731
    orders = f.sql("SELECT count(*) FROM cert_order")
    gui = gui_pair(f)
    for offset in (3600, 0):  # forward, and an hour back from there
        clock(f, offset)
        time.sleep(1)
        want(not told() and f.show()["health"] == "valid", f"an hour: {told()} alarms, {f.show()['health']}")
    clock(f, -365 * DAY)
    wait_for("clock.wrong", told, 30)
    clock(f, int(datetime.datetime(2039, 1, 2, 12, tzinfo=datetime.timezone.utc).timestamp() - time.time()))
    want(f.inro.get("system")["clock"].startswith("2039-01-02T"), f.inro.get("system")["clock"])
    want(f.show()["health"] == "expired", f"in 2039: {f.show()['health']}")
    licence = f.inro.get("licence", "show")
    want(licence["state"] == "ended" and licence["days_left"] == 0, f"in 2039: {licence}")
    want(gui_pair(f) != gui and gui_pair(f, ".old") == gui, "in 2039 the ended pair of the GUI serves, or is not kept")
    clock(f, 0)
    want(gui_pair(f) == gui, "on return the GUI serves with a pair that is not valid yet")
    wait_for("the certificate is valid again", lambda: f.show()["health"] == "valid", 30)
    want(f.sql("SELECT count(*) FROM cert_order") == orders and f.all_serve() == first, "something was ordered or changed")
    idle(f)
    judge(f)


# -- targets -------------------------------------------------------------------------------------
def changed(f, n, *old):
    """What target n serves, once it is none of `old`, three times in a row: after a reload an old
    worker of nginx may answer once more."""
    def look():
        got = {f.served(n) for _ in range(3)}
        return got.pop() if len(got) == 1 and not got & set(old) else None
    return wait_for(f"another certificate on target {n + 1}", look, 60, 0.1)


def failed_deploy(f, timeout=60):
    """The open roll-out, once it has failed and waits."""
    def look():
        jobs = [j for j in f.open_jobs() if j["kind"] == "deploy" and j["error"] and j["state"] != "running"]
        return jobs[0] if jobs else None
    return wait_for("the roll-out to fail", look, timeout, 0.1)


def target_down_for_days(box):
    """F28: other targets go on; tried again with growing pauses; on return it gets the newest only."""
    f = Fleet(box, targets=2)
    first = f.ready()
    f.policy(on_failure="continue")
    w = f.webs[1]
    w.stop()
    f.renew()
    second = changed(f, 0, first)
    job = failed_deploy(f)
    want("web2" in json.dumps(job["error"]), f"the error does not name the target: {job['error']}")
    clock(f, DAY)
    f.renew()
    third = changed(f, 0, first, second)
    failed_deploy(f)
    w.spawn(["nginx", "-p", w.folder, "-e", f"{w.folder}/logs/error.log", "-c", w.conf, "-g", "daemon off;"])
    w.wait_port(w.address, w.port)
    want(f.served(1) == first, "what was down holds something else than before")
    clock(f, 3 * DAY)
    wait_for("the newest certificate on the target that came back", lambda: f.served(1) == third, 60, 0.2)
    f.settle()
    judge(f)


def failure_policies(box):
    """F29: one of four nodes fails: stop leaves the rest, continue goes on, undo_all puts all back."""
    f = Fleet(box, targets=4)
    now = f.ready()
    for policy, changed in (("stop", [0, 1]), ("continue", [0, 1, 3]), ("undo_all", [])):
        f.policy(on_failure=policy)
        f.webs[2].write_conf(broken=True)
        code, _, text = f.inro.cli("cert", "renew", NAMES[0], "--wait", ok=False)
        want(code != 0 and "web3" in text and "no_such_directive" in text, f"{policy}: exit {code}: {text}")
        got = [n for n in range(4) if f.served(n) != now]
        want(got == changed, f"{policy}: nodes {got} serve the new one, should be {changed}")
        f.pairs_match()
        states = {b["target"]: b["state"] for b in f.show()["bindings"]}
        want(states["web3"] == "failed", f"{policy}: the states are {states}")
        f.webs[2].write_conf()
        f.inro.cli("deploy", NAMES[0], "--wait")
        f.settle()
        now = f.all_serve()
        judge(f)


def reload_that_lies(box):
    """F30: test and reload succeed, but another server block answers with the old certificate: the
    handshake finds it, the files are put back, and the message says what is served."""
    f = Fleet(box, targets=1)
    first = f.ready()
    w = f.webs[0]
    other = self_signed(f"{w.folder}/other", "other", f"DNS:{NAMES[0]}")
    (crt, key), = w.sites.values()
    w.sites = {NAMES[0]: other}
    w.write_conf()
    subprocess.run(w.reload_command.split(), check=True)
    wrong = changed(f, 0, first)
    serial = openssl_text(ssl.PEM_cert_to_DER_cert(open(other[0]).read()), "-serial").strip().split("=")[1].lower().lstrip("0")
    f.renew()
    text = json.dumps(failed_deploy(f)["error"])
    want(serial in text.lower(), f"what is served is not told: {text}")
    want(pem_sha256(open(crt).read()) == first, "the files were not put back")
    f.pairs_match()
    w.sites = {NAMES[0]: (crt, key)}
    w.write_conf()
    subprocess.run(w.reload_command.split(), check=True)
    f.inro.cli("deploy", NAMES[0], "--wait")
    f.settle()
    want(f.served() not in (first, wrong), "not deployed after the server was mended")
    judge(f)


def reload_that_fails(box):
    """F30: the configuration was broken by somebody else: nothing is replaced for good, the tool's own words are told."""
    f = Fleet(box, targets=1)
    first = f.ready()
    (crt, _), = f.pairs()
    f.webs[0].write_conf(broken=True)
    code, _, text = f.inro.cli("cert", "renew", NAMES[0], "--wait", ok=False)
    want(code != 0 and "no_such_directive" in text, f"exit {code}: {text}")
    want(f.served() == first and pem_sha256(open(crt).read()) == first, "the old pair was not put back")
    judge(f)


# -- the CA's patience ---------------------------------------------------------------------------
def never_more_than_allowed(box):
    """Promise 8: whatever is asked, a certificate is not ordered more than ten times an hour."""
    f = Fleet(box, targets=0)
    f.start()
    f.configure()
    f.request()
    for n in range(9):
        f.inro.cli("cert", "renew", NAMES[0], "--wait")
    want(f.orders() == 10, f"{f.orders()} orders after ten wishes")
    f.renew()
    wait_for("the wait", lambda: [j for j in f.open_jobs() if j["state"] == "ready" and j["error"]], 10)
    f.restart()
    time.sleep(1)
    want(f.orders() == 10, "an eleventh order within the hour")
    judge(f)


TESTS = [full_disk, full_disk_with_reserve, full_disk_right_after_the_ca_issued, failing_disk,
         quota_and_read_only_while_running, no_grant_no_key, store_locked_by_another, damaged_store, second_daemon_is_refused, few_descriptors, stopped_processes, a_role_that_reads_nothing,
         clock_forward, clock_back, clock_jumps, target_down_for_days, failure_policies, reload_that_lies, reload_that_fails,
         never_more_than_allowed]
