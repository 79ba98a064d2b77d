"""A CA that behaves legally but unhelpfully: Pebble quiet, at its own defaults, and hostile; real HTTP-01 each time."""
import ssl
import subprocess

from fleet import NAMES, Fleet
from hostile_import import HEAD, SANS, make_csr
from rig import Failure, served_verified

MOODS = {
    "quiet": {"PEBBLE_VA_NOSLEEP": "1", "PEBBLE_WFE_NONCEREJECT": "0", "PEBBLE_AUTHZREUSE": "0"},
    # 5 % of good nonces refused, half of all authorisations reused; validation sleeps up to 3 s instead of 15
    "default": {"PEBBLE_VA_SLEEPTIME": "3"},
    # two of three good nonces refused, every authorisation reused, chains of three, other roots offered
    "hostile": {"PEBBLE_VA_SLEEPTIME": "1", "PEBBLE_WFE_NONCEREJECT": "66", "PEBBLE_AUTHZREUSE": "100",
                "PEBBLE_CHAIN_LENGTH": "3", "PEBBLE_ALTERNATE_ROOTS": "2"},
}


def common_name(pem):
    out = subprocess.run(["openssl", "x509", "-noout", "-subject", "-nameopt", "RFC2253"], input=pem, capture_output=True,
                         text=True, check=True)
    return out.stdout.strip().removeprefix("subject=CN=")


def issue_and_renew(box, mood, chain):
    f = Fleet(box, mood=MOODS[mood], targets=1)
    old = f.ready()
    f.verified()
    sent = f.inro.get("cert", "export", NAMES[0], "--format", "pem")["pem"].count("BEGIN CERTIFICATE")
    if sent != 1 + chain:
        raise Failure(f"{mood}: the leaf and {sent - 1} others, expected {chain}")
    f.renew()
    f.renewed(old, 120)
    f.verified()
    f.pairs_match()
    if f.orders() != 2:
        raise Failure(f"{mood}: {f.orders()} orders for an issue and a renewal")
    return f


def quiet(box):
    """And with a CSR from outside: the order comes first, as with a key of our own, and nothing is made here."""
    f = issue_and_renew(box, "quiet", 1)
    csr, key = make_csr(box.folder, "outside", HEAD.format(more="") + SANS)
    f.inro.cli("cert", "request", "--ca", "ca", "--csr", csr, "--wait")
    got = f.inro.get("cert", "export", "a.csr.test", "--format", "pem")["pem"]
    public = [subprocess.run(["openssl", *argv], input=data, capture_output=True, text=True, check=True).stdout
              for argv, data in ((["x509", "-noout", "-pubkey"], got), (["pkey", "-in", key, "-pubout"], None))]
    if public[0] != public[1] or f.inro.get("cert", "show", "a.csr.test")["versions"][0]["has_key"]:
        raise Failure("not for the key of the CSR")


def default(box):
    issue_and_renew(box, "default", 1)


def hostile(box):
    """F23, and the chain that is served must lead to the one root of the three that was asked for."""
    f = issue_and_renew(box, "hostile", 3)
    before = f.all_serve()
    for n in range(3):
        root = f.pebble.get(f"roots/{n}")
        name = common_name(root)
        f.inro.cli("ca", "change", "ca", "--preferred-chain", name)
        f.renew()
        before = f.renewed(before, 120)
        w = f.webs[0]
        served_verified(w.address, w.port, NAMES[0], root)
        for other in {0, 1, 2} - {n}:
            try:
                served_verified(w.address, w.port, NAMES[0], f.pebble.get(f"roots/{other}"))
            except ssl.SSLCertVerificationError:
                continue
            raise Failure(f"the chain to {name} also leads to root {other}")


TESTS = [quiet, default, hostile]
