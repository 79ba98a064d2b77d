"""Proving control of names: through a web root over SSH, with a real sshd, a real nginx that the CA really asks,
and a CA that validates; what is shown is taken away again, whatever happens in between."""
import json
import os
import shutil
import subprocess

from fleet import QUIET
from ops import PASS, check, secret
from rig import Challtestsrv, Inro, Nginx, Pebble, Sshd, free_port, wait_for

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
    s.renewed()
    check("renewed by another proof", s.asked() > first, s.asked())

    i.cli("key", "rotate")
    check("one key", i.get("key", "show")["keys"] == 1)
    check("sound", i.cli("check")[0] == 0)
    s.renewed()

    # a host that is another now gets nothing, until a person says that it is right
    before, asked = s.sha(), s.asked()
    s.sshd.new_host_key()
    code, _, err = i.cli("cert", "renew", NAME, "--wait", ok=False)
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


TESTS = [ssh_web_root]
