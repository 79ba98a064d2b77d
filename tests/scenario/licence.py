"""A licence from a vendor's installation to a customer's, through its end and its renewal, with the real binary."""
import datetime
import json
import os
import re
import sqlite3
import ssl
import subprocess
import urllib.error
import urllib.request

from rig import Failure, Inro, wait_for, write

NAME = "株式会社シナリオ"
REFUSED, LICENCE = 3, 7  # exit codes


class Trade:
    """Vendor and customer, each with an installation of its own; the key pair is made offline."""

    def __init__(self, box):
        self.box, self.key = box, f"{box.folder}/vendor.key"
        out = subprocess.run([box.inro, "vendor", "key-file", self.key], capture_output=True, text=True)
        if out.returncode != 0 or os.stat(self.key).st_mode & 0o777 != 0o600:
            raise Failure(f"vendor key-file: exit {out.returncode}, {out.stderr}")
        again = subprocess.run([box.inro, "vendor", "key-file", self.key], capture_output=True, text=True)
        if again.returncode != REFUSED:
            raise Failure("a vendor's key was written over")
        self.vendor = box.rig.add(Inro(box.inro, f"{box.folder}/vendor", licence=False))
        self.customer = box.rig.add(Inro(box.inro, f"{box.folder}/customer", licence=False,
                                         init=("--vendor-key", self.key + ".pub")))
        self.vendor.start()
        self.customer.start()
        desk = self.vendor.get("vendor", "init", "--name", "Scenario", "--key-file", self.key, "--url",
                               f"https://{self.vendor.listen}")
        self.today = datetime.date.fromisoformat(desk["today"])
        self.vendor.get("vendor", "customer", "add", NAME, "--mail", "c@example.jp", "--installation",
                        self.customer.get("licence", "show")["installation"])

    def days(self, n):
        """Both clocks n days on from the real one."""
        for i in (self.vendor, self.customer):
            i.stop()
            i.env["INRO_CLOCK_OFFSET"] = str(n * 86400)
            i.start()

    def issue(self, *order):
        on = str(self.today - datetime.timedelta(40))
        got = self.vendor.get("vendor", *order, "--on", on)
        self.vendor.get("vendor", "order", "accept", str(got["id"]))
        return self.vendor.get("vendor", "licence", "issue", str(got["id"]))["licence"]

    def fetch(self):
        """The newest file, as the customer gets it: over the link, from the vendor's front."""
        link = self.vendor.get("vendor", "share", "add", NAME, "--days", "1")["link"]
        ctx = ssl.create_default_context(cafile=f"{self.vendor.data}/tls/gui.crt")
        if self.vendor.env.get("INRO_CLOCK_OFFSET"):  # its certificate is of a year that is not ours
            ctx.check_hostname, ctx.verify_mode = False, ssl.CERT_NONE
        with urllib.request.urlopen(link, context=ctx, timeout=10) as page:
            file = re.search(r'href="(inro-[^"]+\.lic)"', page.read().decode()).group(1)
        with urllib.request.urlopen(link + file, context=ctx, timeout=10) as a:
            path = write(f"{self.box.folder}/{file}", a.read().decode())
        for bad in ("%2e%2e/%2e%2e/master.key", "..%2f..%2fmaster.key", "inro.db", "x"):
            try:
                urllib.request.urlopen(link + bad, context=ctx, timeout=10)
            except urllib.error.HTTPError as e:
                if e.code in (400, 404):
                    continue
            raise Failure(f"{bad} was answered")
        return path


def refused(i, code, word, *argv):
    for lang in ("en", "ja"):
        got, _, text = i.cli(*argv, ok=False, lang=lang)
        if got != code or (word and lang == "en" and word not in text) or not text.strip():
            raise Failure(f"{argv}: exit {got}, {text}")
    return text


def from_the_desk_to_its_end_and_on(box):
    t = Trade(box)
    c = t.customer
    c.cli("ca", "add", "own", "--type", "private", "--common-name", "Scenario CA")
    c.cli("cert", "request", "a.scenario.test", "--ca", "own", "--wait")
    refused(c, LICENCE, "covers 1 certificates", "cert", "request", "b.scenario.test", "--ca", "own")

    t.issue("order", "add", NAME, "--plan", "basic", "--count", "2", "--servers", "1")
    path = t.fetch()
    text = open(path, encoding="utf-8").read()
    every = {"its signature is wrong": text.replace("targets: 3", "targets: 300"),
             "cut short": text[:text.index("signature:")],
             "not an Inro licence": "-----BEGIN CERTIFICATE-----\n" + text,
             "another": None}
    seen = set()
    for word, bad in every.items():
        if bad is not None:
            seen.add(refused(c, REFUSED, word, "licence", "import", write(f"{box.folder}/bad.lic", bad)))
    seen.add(refused(c, REFUSED, "larger than any licence", "licence", "import", "/dev/zero"))
    seen.add(refused(t.vendor, REFUSED, "for the installation", "licence", "import", path))
    if len(seen) != 5:
        raise Failure(f"one message serves several reasons: {seen}")
    if c.get("licence", "show")["state"] != "none":
        raise Failure("a refused file changed something")

    c.cli("licence", "import", path)
    c.cli("cert", "request", "b.scenario.test", "--ca", "own", "--wait")  # at once
    refused(c, LICENCE, "covers 2 certificates", "cert", "request", "c.scenario.test", "--ca", "own")
    c.cli("cert", "remove", "b.scenario.test")
    c.cli("cert", "request", "c.scenario.test", "--ca", "own", "--wait")
    for _ in range(2):
        c.cli("cert", "renew", "a.scenario.test", "--wait")  # never counts

    # the option: reissued, more targets
    t.issue("option", "add", NAME, "--servers", "2")
    c.cli("licence", "import", t.fetch())
    if c.get("licence", "show")["targets"]["limit"] != 5:
        raise Failure("the option is not in the new licence")
    refused(c, REFUSED, "older", "licence", "import", path)

    # past the end
    ends = datetime.date.fromisoformat(c.get("licence", "show")["last_day"])
    t.days((ends - t.today).days + 2)
    now = c.get("licence", "show")
    if now["state"] != "ended":
        raise Failure(f"two days after its end the licence is {now}")
    for argv in (("cert", "request", "d.scenario.test", "--ca", "own"), ("cert", "renew", "a.scenario.test"),
                 ("target", "add", "t", "--type", "files", "--via", "local"), ("undo", "a.scenario.test")):
        refused(c, LICENCE, "ended", *argv)
    c.cli("cert", "export", "a.scenario.test", "--format", "pem")
    c.cli("watch", "add", f"127.0.0.1:{c.listen.split(':')[1]}")
    c.cli("watch", "now", "--wait")
    c.cli("audit", "verify")
    told = wait_for("the alarm", lambda: [n for n in notices(c) if n == "licence.ended"], 30, 0.2)
    if len(told) != 1:
        raise Failure(f"told {len(told)} times")

    # the April run of the vendor comes late; what it gives works at once, without a restart
    april = datetime.date(ends.year + 1, 4, 10)
    t.days((april - t.today).days)
    run = t.vendor.get("vendor", "renew-run")
    if [x["name"] for x in run["items"]] != [NAME]:
        raise Failure(f"renewed were {run}")
    pid = c.proc.pid
    refused(c, LICENCE, "ended", "cert", "renew", "a.scenario.test")
    c.cli("licence", "import", t.fetch())
    c.cli("cert", "renew", "a.scenario.test", "--wait")
    if c.proc.pid != pid or c.get("licence", "show")["state"] != "valid":
        raise Failure("the renewal did not take effect")
    if not t.vendor.get("vendor", "ledger", "verify")["whole"]:
        raise Failure("the ledger is not whole")


def notices(i):
    with sqlite3.connect(f"file:{i.data}/inro.db?mode=ro", uri=True) as db:
        return [row[0] for row in db.execute("SELECT event FROM notice")]


def damaged_and_missing(box):
    """A damaged licence or trusted key: said, and the trial plan applies; nothing else is touched."""
    i = box.rig.add(Inro(box.inro, f"{box.folder}/inro"))
    i.start()
    i.cli("ca", "add", "own", "--type", "private", "--common-name", "Scenario CA")
    for n in range(3):
        i.cli("cert", "request", f"n{n}.scenario.test", "--ca", "own", "--wait")
    i.stop()
    with sqlite3.connect(f"{i.data}/inro.db") as db:
        db.execute("UPDATE licence SET file = replace(file, 'certificates: 100000', 'certificates: 900000')")
    i.start()
    now = i.get("licence", "show")
    if now["installed"] or now["fault"]["id"] != "licence.forged" or now["certificates"] != {"used": 3, "limit": 1}:
        raise Failure(f"an edited licence is {json.dumps(now)}")
    i.cli("cert", "renew", "n1.scenario.test", "--wait")
    refused(i, LICENCE, "covers 1 certificates", "cert", "request", "x.scenario.test", "--ca", "own")
    i.cli("licence", "import", f"{i.folder}/rig.lic")  # the original again
    if i.get("licence", "show")["certificates"]["limit"] != 100000:
        raise Failure("the original file does not mend it")


def the_vendor_changes_its_key(box):
    """A new key by the desk; the customer follows with the file of the share folder, or by hand after a theft."""
    t = Trade(box)
    c, v = t.customer, t.vendor
    t.issue("order", "add", NAME, "--plan", "basic")
    c.cli("licence", "import", t.fetch())
    old = v.get("vendor", "key", "list")["items"][0]["key_id"]

    nxt = v.get("vendor", "key", "new")["key_id"]
    if v.get("vendor", "licence", "reissue", NAME)["licence"]["key_id"] != old:
        raise Failure("a key that only waits has signed")
    v.cli("vendor", "key", "rotate")
    pure = f"{box.folder}/pure.lic"
    v.cli("vendor", "licence", "reissue", NAME, "--out", pure)
    refused(c, REFUSED, "change file first", "licence", "import", pure)
    pid = c.proc.pid
    c.cli("licence", "import", t.fetch())
    now = c.get("licence", "show")
    if now["key_id"] != nxt or c.proc.pid != pid:
        raise Failure(f"the customer did not follow: {now}")
    v.cli("vendor", "key", "retire", old)
    refused(v, REFUSED, "signs now", "vendor", "key", "retire", nxt)

    # stolen: no statement is believed any more; the administrator compares a fingerprint
    v.cli("vendor", "key", "rotate")
    refused(v, REFUSED, "1 customers", "vendor", "key", "retire", nxt)
    v.cli("vendor", "key", "retire", nxt, "--revoke")
    v.cli("vendor", "licence", "reissue", NAME, "--out", pure)
    refused(c, REFUSED, "is none of", "licence", "import", t.fetch())
    pub = f"{box.folder}/new.pub"
    v.cli("vendor", "key", "--out", pub)
    last = v.get("vendor", "key", "list")["items"][-1]
    said = refused(c, 2, "nobody can be asked", "licence", "trust", pub)
    if last["fingerprint"] not in said or last["key_id"] not in said:
        raise Failure(f"the fingerprint is not shown: {said}")
    c.cli("licence", "trust", pub, "--yes")
    c.cli("licence", "import", pure)
    keys = {k["key_id"]: k["revoked"] for k in c.get("licence", "show")["vendor_keys"]}
    if keys != {old: True, nxt: True, last["key_id"]: False}:
        raise Failure(f"trusted are {keys}")
    refused(c, REFUSED, "the installed licence", "licence", "trust", "--remove", last["key_id"])
    refused(c, REFUSED, "revoked", "licence", "trust", "--remove", nxt)
    with sqlite3.connect(f"file:{c.data}/inro.db?mode=ro", uri=True) as db:
        if not db.execute("SELECT 1 FROM audit WHERE action = 'licence.trust' AND result = 'ok'").fetchone():
            raise Failure("trusting a key is not in the audit log")
    with sqlite3.connect(f"file:{v.data}/inro.db?mode=ro", uri=True) as db:
        left = db.execute("SELECT count(*) FROM vendor_key WHERE sealed IS NOT NULL").fetchone()[0]
        if left != 1:
            raise Failure(f"{left} private keys are kept")
    c.cli("audit", "verify")
    if not v.get("vendor", "ledger", "verify")["whole"]:
        raise Failure("the ledger is not whole")


TESTS = [from_the_desk_to_its_end_and_on, the_vendor_changes_its_key, damaged_and_missing]
