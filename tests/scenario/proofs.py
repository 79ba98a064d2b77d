"""Proving control of names: through a web root over SSH, with a real sshd, a real nginx that the CA really asks,
and a CA that validates; what is shown is taken away again, whatever happens in between."""
import contextlib
import json
import os
import shutil
import sqlite3
import subprocess
import urllib.error
import urllib.request

from fleet import QUIET
from hostile_ca import processing
from killpoint import KillPoint
from ops import PASS, check, secret
from rig import Challtestsrv, Inro, Nginx, Pebble, Sshd, free_port, wait_for, write
from scripted_ca import ScriptedCa

NAME = "www.proof.test"
WHERE = ".well-known/acme-challenge"


class Site:
    """A daemon, a CA, and a web server whose document root is reached through sshd."""

    def __init__(self, box, address):
        r = box.rig
        self.box, self.root = box, f"{box.folder}/html"
        os.makedirs(self.root)
        self.web = r.add(Nginx(f"{box.folder}/web", address, free_port(address), {}, root=self.root))
        self.dns = r.add(Challtestsrv(f"{box.folder}/dns"))
        self.dns.post("set-default-ipv4", {"ip": address})
        self.pebble = r.add(Pebble(f"{box.folder}/pebble", self.dns.dns, self.web.http, env=QUIET))
        self.sshd = r.add(Sshd(f"{box.folder}/sshd", address))
        self.inro = r.add(Inro(box.inro, f"{box.folder}/inro"))
        self.inro.start()
        self.inro.cli("ca", "add", "ca", "--type", "acme", "--directory", self.pebble.directory, "--roots-file",
                      self.pebble.cert, "--email", "a@proof.test")

    def over_ssh(self):
        s = self.sshd
        return ["--challenge", "http-01-webroot", "--via", "ssh", "--host", s.address, "--port", str(s.port), "--user",
                s.user, "--private-key-file", s.user_key, "--host-key", s.fingerprint(), "--directory", self.root]

    def asked(self):
        """How often the CA fetched a proof and got it."""
        with open(f"{self.web.folder}/logs/access.log") as f:
            return sum(f"GET /{WHERE}/" in line and '" 200 ' in line for line in f)

    def left(self):
        folder = f"{self.root}/{WHERE}"
        return os.listdir(folder) if os.path.isdir(folder) else []

    def sha(self, inro=None):
        now = (inro or self.inro).get("cert", "show", NAME)
        return now["sha256"]

    def patch(self, body):
        return self.inro.api("PATCH", f"/certs/{self.inro.get('cert', 'show', NAME)['id']}", body)

    def renewed(self, inro=None):
        before = self.sha(inro)
        (inro or self.inro).cli("cert", "renew", NAME, "--wait")
        check("another certificate", self.sha(inro) not in (None, before))
        check("the proof is taken away", self.left() == [], self.left())


# Pebble set to reuse no authorization still does with one in a hundred: then no proof is asked for.
TRIES = range(3)


def ssh_web_root(box):
    """Issue and renew; across a change of the master key and a restore; not to a changed host key."""
    s = Site(box, "127.0.12.21")
    i = s.inro
    i.cli("cert", "request", NAME, "--ca", "ca", *s.over_ssh(), "--wait")
    check("issued", s.sha())
    first = s.asked()
    check("the CA fetched the proof from nginx", first > 0)
    check("the proof is taken away", s.left() == [], s.left())
    shown = i.get("cert", "show", NAME)["challenge"]
    check("the key is masked", shown["private_key"] == {"set": True} and "vault" not in shown, shown)
    with open(s.sshd.user_key) as f:
        line = f.read().splitlines()[1]
    for text in (json.dumps(i.get("audit", "list")), i.log_since(0)):
        check("the key is nowhere", line not in text and "sealed" not in text)
    for _ in TRIES:
        s.renewed()
        if s.asked() > first:
            break
    check("renewed by another proof", s.asked() > first, s.asked())

    i.cli("key", "rotate")
    check("one key", i.get("key", "show")["keys"] == 1)
    check("sound", i.cli("check")[0] == 0)
    s.renewed()

    # a host that is another now gets nothing, until a person says that it is right
    before, asked = s.sha(), s.asked()
    s.sshd.new_host_key()
    for _ in TRIES:
        code, _, err = i.cli("cert", "renew", NAME, "--wait", ok=False)
        if code != 0:
            break
        before = s.sha()
    check("refused", code != 0 and "host key" in err and "changed" in err, err)
    check("nothing was put there", s.left() == [] and s.asked() == asked and s.sha() == before)
    now = i.get("cert", "show", NAME)["challenge"]
    status, got = s.patch({"challenge": {**now, "host_key": s.sshd.fingerprint()}})
    check("the new host key is set, the user's key kept", status == 200 and
          got["challenge"]["private_key"] == {"set": True}, got)
    status, got = s.patch({"challenge": {**now, "host": "127.0.12.22"}})
    check("the key is not sent to another host", status == 400 and
          got["error"]["field"] == "challenge.private_key", got)
    s.renewed()

    p = secret(box, "pass", PASS)
    i.cli("backup", f"{box.folder}/b.backup", "--passphrase-file", p)
    i.stop()
    again = box.rig.add(Inro(box.inro, f"{box.folder}/again", init=False))
    subprocess.run([box.inro, "restore", f"{box.folder}/b.backup", "--data", again.data, "--passphrase-file", p],
                   check=True, capture_output=True, timeout=120)
    shutil.rmtree(i.data)
    again.start()
    again.cli("confirm-restore")
    s.renewed(again)


class Waiting:
    """A CA that has been shown the proofs and does not finish: what is shown stays until the order ends somehow."""

    def __init__(self, box):
        self.inro = box.rig.add(Inro(box.inro, f"{box.folder}/inro"))
        self.inro.start()
        self.ca = box.rig.add(ScriptedCa(f"{box.folder}/ca", self.inro.http01))
        self.roots = write(f"{box.folder}/roots.pem", self.ca.root_pem())
        self.folder = box.folder

    def begin(self, name, *challenge):
        case = self.ca.case(name, validate=False, **processing())
        self.inro.cli("ca", "add", name, "--type", "acme", "--directory", case.directory, "--roots-file", self.ca.cert,
                      "--issue_roots-file", self.roots)
        job = self.inro.get("cert", "request", f"{name}.test", "--ca", name, "--name", name, *challenge)["job"]["id"]
        wait_for(f"{name} is finalized", lambda: case.count("finalize"), 60)
        return case, job

    def local(self, name):
        root = f"{self.folder}/{name}"
        os.makedirs(root)
        return root, ["--challenge", "http-01-webroot", "--directory", root]

    def tidying(self):
        """The open jobs that take proofs away."""
        return [j for j in self.inro.get("job", "list", "--open")["items"] if j["kind"] == "tidy"]

    def cancel(self, job):
        """Taken away after a lease where a worker was at it in just that moment; the test does not wait for that."""
        self.inro.cli("job", "cancel", str(job))
        for j in self.tidying():
            self.inro.cli("job", "retry", str(j["id"]), ok=False)


def shown(root):
    folder = f"{root}/{WHERE}"
    return os.listdir(folder) if os.path.isdir(folder) else []


def no_stale_proofs(box):
    """F3: whatever becomes of an order, what it showed is taken away: after kills, when it is cancelled, when the
    certificate has another challenge by then, when the machine cannot be reached at that moment."""
    w = Waiting(box)
    i = w.inro
    roots = {n: w.local(n) for n in ("goes-on", "cancelled", "moved")}
    begun = {n: w.begin(n, *how) for n, (_, how) in roots.items()}
    sshd = box.rig.add(Sshd(f"{box.folder}/sshd", "127.0.12.23"))
    far, how = w.local("far")
    begun["far"] = w.begin("far", *how, "--via", "ssh", "--host", sshd.address, "--port", str(sshd.port), "--user",
                           sshd.user, "--private-key-file", sshd.user_key, "--host-key", sshd.fingerprint())
    begun["front"] = w.begin("front")
    roots["far"] = (far, how)
    shows = next(iter(begun["front"][0].authz.values()))["challenges"]
    token = next(c["token"] for c in shows if c["type"] == "http-01")
    for n, (root, _) in roots.items():
        check(f"{n} is shown", len(shown(root)) == 1, shown(root))
    check("the front answers", answered(i, token) == 200)
    i.kill_all()
    i.start()
    for n, (root, _) in roots.items():
        check(f"{n} is still shown", len(shown(root)) == 1, shown(root))

    case, job = begun["goes-on"]
    case.on, case.edit = {}, {}
    case.orders["1"].update(status="valid", certificate=f"{case.base}/certificate/1")
    i.cli("job", "retry", str(job), ok=False)  # it may be looking right now
    wait_for("the one that goes on ends", lambda: i.get("job", "show", str(job))["state"] == "done", 60)
    check("and takes it away", shown(roots["goes-on"][0]) == [])

    for n in ("cancelled", "front"):
        w.cancel(begun[n][1])
    wait_for("a cancelled one is taken away", lambda: not shown(roots["cancelled"][0]), 30)
    wait_for("the front answers no more", lambda: answered(i, token) == 404, 30)

    other, _ = w.local("elsewhere")
    number = i.get("cert", "show", "moved")["id"]
    status, got = i.api("PATCH", f"/certs/{number}", {"challenge": {"type": "http-01-webroot", "directory": other}})
    check("changed", status == 200, got)
    wait_for("it is put off", lambda: [j for j in w.tidying() if j["state"] == "ready"], 30)
    check("nothing is taken from under an order at work", len(shown(roots["moved"][0])) == 1)
    w.cancel(begun["moved"][1])
    wait_for("the former place is tidy", lambda: not shown(roots["moved"][0]), 30)

    sshd.stop()
    w.cancel(begun["far"][1])
    failed = wait_for("the machine cannot be reached", lambda: next((j for j in w.tidying() if j["error"]), None), 60)
    check("it is said and tried again", failed["state"] == "ready" and len(shown(far)) == 1, failed)
    i.cli("cert", "remove", "far")
    i.kill_all()
    i.start()
    sshd.start()
    i.cli("job", "retry", str(failed["id"]), ok=False)
    wait_for("the machine is tidy", lambda: not shown(far), 30)
    wait_for("nothing is left to do", lambda: not w.tidying(), 30)
    check("no secret is left in a job", not rows_with_secrets(i))


def answered(i, token):
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{i.http01}/{WHERE}/{token}", timeout=10) as a:
            return a.status
    except urllib.error.HTTPError as e:
        return e.code


def rows_with_secrets(i):
    with contextlib.closing(sqlite3.connect(f"file:{i.data}/inro.db?mode=ro", uri=True)) as db:
        return db.execute("SELECT id, kind FROM job WHERE payload LIKE '%sealed%' AND state IN (2, 5)").fetchall()


def killed_while_showing(box):
    """F3: the worker dies at each call that touches the document root; the order goes on and leaves nothing."""
    kill = KillPoint(f"{box.folder}/kill")
    root = f"{box.folder}/html"
    os.makedirs(root)
    web = box.rig.add(Nginx(f"{box.folder}/web", "127.0.12.24", free_port("127.0.12.24"), {}, root=root))
    dns = box.rig.add(Challtestsrv(f"{box.folder}/dns"))
    dns.post("set-default-ipv4", {"ip": "127.0.12.24"})
    pebble = box.rig.add(Pebble(f"{box.folder}/pebble", dns.dns, web.http, env=QUIET))
    i = box.rig.add(Inro(box.inro, f"{box.folder}/inro", env=kill.env()))
    i.start()
    i.cli("ca", "add", "ca", "--type", "acme", "--directory", pebble.directory, "--roots-file", pebble.cert)
    i.cli("cert", "request", NAME, "--ca", "ca", "--challenge", "http-01-webroot", "--directory", root, "--wait")
    kill.count("worker", path=root)
    i.cli("cert", "renew", NAME, "--wait")
    calls = kill.counted()
    check("calls in the document root", 2 <= calls <= 30, calls)
    for n in range(1, calls + 1)[:None if box.long else 6]:
        if n % 3 == 0:  # the supervisor waits after quick deaths, Inro after ten orders an hour
            i.stop()
            with contextlib.closing(sqlite3.connect(f"{i.data}/inro.db")) as db:
                db.execute("DELETE FROM ledger")
                db.commit()
            i.start()
        kill.arm("worker", n, path=root)
        job = i.get("cert", "renew", NAME)["job"]["id"]
        wait_for("the renewal", lambda j=job: i.get("job", "show", str(j))["state"] == "done", 90, 0.2)
        check(f"killed at call {n}", kill.disarm())
        check(f"nothing is left after a kill at call {n}", shown(root) == [], shown(root))


TESTS = [ssh_web_root, no_stale_proofs, killed_while_showing]
