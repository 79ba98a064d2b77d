"""F20: names that do not resolve, resolve late, elsewhere, differently, or to where nothing may go: each job fails for
itself and names the name, nothing else stands still, and what was looked at is what is connected to."""
import threading
import time

from dns import A, NXDOMAIN, SERVFAIL, SILENT, Dns, Resolver
from hostile_targets import SServer, der_of
from rig import Failure, Inro, self_signed, wait_for
from run import Skip
from scripted_ca import ScriptedCa

GOOD, METADATA = "127.0.0.1", "169.254.169.254"


class Bench:
    """A daemon whose resolver is ours, and a TLS server on 127.0.0.1 to be found."""

    def __init__(self, box, names, delay=None):
        try:
            self.dns = box.rig.add(Dns(names, delay))
        except PermissionError:
            raise Skip("a DNS server needs port 53: run as root") from None
        self.resolver = Resolver(box.folder, self.dns)
        if not self.resolver.works():
            raise Skip("this machine gives no mount namespace")
        der_of(box.folder, "site", "-newkey", "rsa:2048")
        self.site = box.rig.add(SServer(f"{box.folder}/site", "-certform", "DER", "-cert", f"{box.folder}/site.der", "-key",
                                        f"{box.folder}/site.k"))
        self.inro = box.rig.add(Inro(box.inro, f"{box.folder}/inro"))
        self.inro.prefix = self.resolver.prefix()
        self.inro.start()

    def watch(self, name):
        return self.inro.get("watch", "add", f"{name}:{self.site.port}")["id"]

    def now(self, number):
        self.inro.cli("watch", "now", str(number), "--wait", ok=False)
        return self.seen(number)

    def seen(self, number):
        return next(x for x in self.inro.get("watch", "list")["items"] if x["id"] == number)


def fault(e, name, words):
    """The endpoint is unreachable, for that reason, in both languages, and the name is told."""
    f = e["seen"]["error"]
    if e["state"] != "unreachable" or not f:
        raise Failure(f"{name}: {e}")
    both = f["message"]["en"], f["message"]["ja"]
    if name not in both[0] or name not in both[1] or both[1].isascii() or words not in both[0]:
        raise Failure(f"{name}: {both}")


def names_that_fail(box):
    """SERVFAIL, NXDOMAIN, no answer, no address, addresses of which one is forbidden; slow; IPv6 that leads nowhere."""
    b = Bench(box, {"fails.names.test": SERVFAIL, "silent.names.test": SILENT, "empty.names.test": [],
                    "mixed.names.test": [GOOD, METADATA, "127.0.0.2"], "slow.names.test": [GOOD],
                    "six.names.test": ["2001:db8::1", GOOD], "mapped.names.test": ["::ffff:169.254.169.254"]},
              delay={"slow.names.test": 1.5})
    i = b.inro
    i.cli("ca", "add", "own", "--type", "private")
    rows = {"fails": "", "silent": "", "missing": "", "empty": "", "mixed": "no connection may go",
            "mapped": "no connection may go"}
    ids = {n: b.watch(f"{n}.names.test") for n in [*rows, "slow", "six"]}
    begin = time.monotonic()
    together = [threading.Thread(target=b.now, args=(n,)) for n in ids.values()]
    for t in together:
        t.start()
    wait_for("the silent name is asked for", lambda: b.dns.count("silent.names.test"), 30)
    i.cli("cert", "request", "beside.names.test", "--ca", "own", "--wait")
    beside = time.monotonic() - begin
    for t in together:
        t.join()
    if beside > 20:
        raise Failure(f"beside names that do not resolve, a certificate took {beside:.0f} s")
    for n, words in rows.items():
        fault(b.seen(ids[n]), f"{n}.names.test", words)
    for n in ("slow", "six"):
        e = b.seen(ids[n])
        if "untrusted" not in [a["state"] for a in e["seen"]["addresses"]]:
            raise Failure(f"{n}: {e}")
    i.cli("ca", "add", "far", "--type", "acme", "--directory", "https://fails.names.test/dir")
    code, _, text = i.cli("ca", "check", "far", ok=False, lang="ja")
    if code != 5 or "fails.names.test" not in text or text.isascii():
        raise Failure(f"ca check: exit {code}: {text}")


def names_that_change(box):
    """An address is looked up once for each connection and judged; a second answer is not asked for behind its back.
    A resolver that dies and is replaced is noticed without a restart."""
    flips = {"flip.names.test": lambda n: [GOOD] if n == 0 else [METADATA], "ca.names.test": lambda n: [GOOD] if n == 0 else [METADATA],
             "stays.names.test": [GOOD]}
    b = Bench(box, flips)
    flip = b.watch("flip.names.test")
    first = wait_for("the first look", lambda: (lambda e: e if e["seen_at"] else None)(b.seen(flip)), 30)
    if first["state"] != "untrusted" or b.dns.count("flip.names.test", A) != 1:
        raise Failure(f"asked {b.dns.count('flip.names.test', A)} times: {first}")
    fault(b.now(flip), "flip.names.test", "no connection may go")

    cert, key = self_signed(f"{box.folder}/ca-tls", "ca", "DNS:ca.names.test")
    ca = box.rig.add(ScriptedCa(f"{box.folder}/ca", b.inro.http01, cert, key))
    case = ca.case("one")
    case.base = case.base.replace("127.0.0.1", "ca.names.test")
    b.inro.cli("ca", "add", "ca", "--type", "acme", "--directory", f"{case.base}/directory", "--roots-file", cert)
    b.inro.cli("ca", "check", "ca")
    if b.dns.count("ca.names.test", A) != 1 or case.count("directory") < 1:
        raise Failure(f"asked {b.dns.count('ca.names.test', A)} times, {case.calls}")

    stays = b.watch("stays.names.test")
    wait_for("the first look", lambda: b.seen(stays)["seen_at"], 30)
    dead = box.rig.add(Dns({"stays.names.test": SILENT}))
    b.resolver.ask(dead)
    fault(b.now(stays), "stays.names.test", "")
    b.resolver.ask(dead, b.dns)  # the second one answers when the first does not
    e = b.now(stays)
    if e["state"] != "untrusted":
        raise Failure(f"after the resolver changed: {e}")
    if not dead.count("stays.names.test"):
        raise Failure("the other resolver was not asked")


TESTS = [names_that_fail, names_that_change]
