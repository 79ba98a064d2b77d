"""Before an application: the command line looks as the CA would, and tells what to do."""
from rig import Challtestsrv, Failure, Inro, Pebble, free_port


def found(got, name):
    return {f["id"]: f["level"] for n in got["names"] if n["name"] == name for f in n["findings"]}


def as_the_ca_would(box):
    dns = box.rig.add(Challtestsrv(f"{box.folder}/dns"))
    port = free_port()
    i = box.rig.add(Inro(box.inro, f"{box.folder}/inro", http01=port, args=[
        "--dns-servers", f"127.0.0.1:{dns.dns}", "--http01-port", str(port)]))
    pebble = box.rig.add(Pebble(f"{box.folder}/pebble", dns.dns, port, env={"PEBBLE_VA_NOSLEEP": "1"}))
    i.start()
    i.cli("ca", "add", "le", "--type", "acme", "--directory", pebble.directory, "--roots-file", pebble.cert)
    # This server's "no such record" looks like a referral to the C library: names get a record of each kind.
    dns.post("add-caa", {"host": "good.test.", "policies": [{"tag": "iodef", "value": "mailto:a@good.test"}]})
    dns.post("add-caa", {"host": "shut.test.", "policies": [{"tag": "issue", "value": ";"}]})
    dns.post("add-a", {"host": "far.test.", "addresses": ["127.0.0.77"]})
    code, got, said = i.cli("cert", "request", "good.test", "--ca", "le", "--check", ok=False)
    good = found(got, "good.test") if code == 0 else {}
    if code != 0 or good.get("preflight.answers") != "good" or good.get("preflight.caa_allows") != "good":
        raise Failure(f"good.test: exit {code}, {good} {said}")
    code, got, said = i.cli("cert", "request", "far.test,shut.test", "--ca", "le", "--check", ok=False)
    far, shut = found(got, "far.test"), found(got, "shut.test")
    if code != 5 or "bad" not in far.values() or shut.get("preflight.caa_nobody") != "bad":
        raise Failure(f"exit {code}: {far} {shut} {said}")
    if i.get("cert", "list")["items"]:
        raise Failure("a look has made a certificate")
    i.cli("cert", "request", "good.test", "--ca", "le", "--wait")


TESTS = [as_the_ca_would]
