"""Files that people bring: through the command line and the API; what is refused leaves nothing behind."""
import base64
import datetime
import os
import resource
import subprocess

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import rsa

from oddcerts import (armour, der, indefinite, key_pem, long_chain, loop, new_key, pkcs7, pkcs12, with_names,
                      with_serial)
from rig import Failure, Inro, write
from scripted_ca import Authority, pem


class Bench:
    def __init__(self, box):
        self.folder = box.folder
        self.inro = box.rig.add(Inro(box.inro, f"{box.folder}/inro"))
        self.inro.start()
        self.ca = Authority("Scripted")
        self.n = 0
        self.wrong = []

    def file(self, data):
        self.n += 1
        path = f"{self.folder}/file{self.n}"
        with open(path, "wb") as f:
            f.write(data.encode() if isinstance(data, str) else data)
        return path

    def stored(self):
        out = subprocess.run(["sqlite3", "-readonly", f"{self.inro.data}/inro.db",
                              "SELECT (SELECT count(*) FROM cert), (SELECT count(*) FROM cert_version)"],
                             capture_output=True, text=True, check=True)
        return out.stdout.strip()

    def run(self, data, *more, lang="en"):
        path = data if isinstance(data, str) and data.startswith("/") else self.file(data)
        return self.inro.cli("cert", "import", path, *more, ok=False, lang=lang, timeout=60)

    def refused(self, what, data, en, ja, *more, code=3):
        """The same in both languages, with nothing stored."""
        before = self.stored()
        for lang, words in (("en", en), ("ja", ja)):
            got, _, text = self.run(data, *more, lang=lang)
            if got != code or any(w not in text for w in ([words] if isinstance(words, str) else words)):
                self.wrong.append(f"{what} ({lang}): exit {got}: {text.strip()[:300]}")
            if "Traceback" in text or len(text) > 4000:
                self.wrong.append(f"{what}: {len(text)} characters of error")
        if self.stored() != before:
            self.wrong.append(f"{what}: something was stored: {before} -> {self.stored()}")

    def accepted(self, what, data, *more, unusual=()):
        got, value, text = self.run(data, *more)
        if got != 0:
            self.wrong.append(f"{what}: exit {got}: {text.strip()[:300]}")
            return None
        if sorted(value.get("unusual", [])) != sorted(unusual):
            self.wrong.append(f"{what}: unusual is {value.get('unusual')}, not {sorted(unusual)}")
        if unusual and not text:
            self.wrong.append(f"{what}: no warning was given")
        return value

    def end(self):
        code, value, text = self.inro.cli("system", ok=False)
        if code != 0:
            self.wrong.append(f"the daemon does not answer: {text}")
        self.inro.cli("audit", "verify")
        if self.wrong:
            raise Failure("\n  " + "\n  ".join(self.wrong))


def keys_and_text(box):
    """1-4: keys that do not fit, encrypted keys, PEM with anything around it, and PEM that is too much."""
    b = Bench(box)
    k1, k2, k3 = new_key(), new_key(), new_key()
    one, two = b.ca.leaf(k1, ["one.test"]), b.ca.leaf(k2, ["two.test"])
    chain = pem(b.ca.cert)
    b.refused("two certificates", pem(one, two) + key_pem(k3), ["one.test", "two.test"], ["one.test", "two.test"])
    b.refused("key of neither", pem(one, two) + key_pem(k3), [fingerprint(one), spki(one), spki_of(k3)],
              [fingerprint(one), "鍵が証明書と一致しません"], "--pick", "one.test")
    locked = key_pem(k1, "correct horse")
    b.refused("key without password", pem(one) + chain + locked, "password", "パスワード")
    bad = write(f"{b.folder}/bad", "wrong horse\n", 0o600)
    good = write(f"{b.folder}/good", "correct horse\n", 0o600)
    b.refused("wrong password", pem(one) + chain + locked, "wrong", "パスワードが違います", "--password-file", bad)
    if "correct horse" in b.inro.log_since(0) or "wrong horse" in b.inro.log_since(0):
        b.wrong.append("a password is in the log")
    b.accepted("right password", pem(one) + chain + locked, "--password-file", good)
    b.refused("the same again", pem(one) + chain + locked, "already", "登録済み", "--password-file", good)
    messy = "\ufeffSubject: two\r\n" + (pem(two) + key_pem(k2) + chain).replace("\n", " \t\r\n") + "the end\r\n"
    value = b.accepted("CRLF, BOM, tabs, text", messy)
    if value and not value["key"]:
        b.wrong.append("the key among text was not seen")
    b.refused("NUL inside", pem(one)[:100] + "\0" + pem(one)[100:], "control characters", "制御文字")
    b.refused("cut off", pem(one) + pem(b.ca.cert)[:300], "cut", "切れて")
    b.refused("nothing", "hello\n", "neither PEM", "いずれでもありません")
    b.refused("empty", "", "", "")
    b.refused("key only", key_pem(k3), "no certificate", "証明書が見つかりません")
    limits(b)
    b.end()


def limits(b):
    """4: refused at the limit; neither the command nor the daemon takes memory for it."""
    before = b.inro.pss_kib()
    big = f"{b.folder}/big"
    with open(big, "wb") as f:
        f.truncate(200 << 20)
    b.refused("200 MB", big, ["1048576"], ["1048576"])
    line = f"{b.folder}/line"
    with open(line, "w") as f:
        f.write("-----BEGIN CERTIFICATE-----\n")
        for _ in range(50):
            f.write("A" * (1 << 20))
        f.write("\n-----END CERTIFICATE-----\n")
    b.refused("a line of 50 MB", line, ["1048576"], ["1048576"])
    used = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
    if used > 100 << 10:
        b.wrong.append(f"a child took {used} KiB")
    if b.inro.pss_kib() > before + (8 << 10):
        b.wrong.append(f"the daemon grew from {before} to {b.inro.pss_kib()} KiB")
    os.remove(big)
    os.remove(line)


def fingerprint(cert):
    from cryptography.hazmat.primitives import hashes
    return cert.fingerprint(hashes.SHA256()).hex()


def spki_of(key):
    import hashlib
    from cryptography.hazmat.primitives import serialization as s
    return hashlib.sha256(key.public_key().public_bytes(s.Encoding.DER, s.PublicFormat.SubjectPublicKeyInfo)).hexdigest()


def spki(cert):
    import hashlib
    from cryptography.hazmat.primitives import serialization as s
    return hashlib.sha256(cert.public_key().public_bytes(s.Encoding.DER, s.PublicFormat.SubjectPublicKeyInfo)).hexdigest()


def odd_encodings(box):
    """5-7, 12: DER with more behind it, BER, strange serials, weak PKCS#12, PKCS#7 of every size."""
    b = Bench(box)
    k = new_key()
    leaf = b.ca.leaf(k, ["der.test"])
    b.refused("stray bytes", der(leaf) + b"xyz", ["3", str(len(der(leaf)))], [str(len(der(leaf)))])
    b.refused("DER cut off", der(leaf)[:-5], "", "")
    b.accepted("indefinite length", armour(indefinite(der(b.ca.leaf(k, ["ber.test"])))), unusual=["encoding"])
    for name, content in (("negative", b"\x80\x01"), ("zero", b"\0"), ("long", b"\x7f" + b"\x11" * 36)):
        odd = with_serial(b.ca.leaf(k, [f"{name}.test"]), b.ca.key, content)
        b.accepted(f"{name} serial", armour(odd) + pem(b.ca.cert) + key_pem(k), unusual=["serial"])
    not_deployed(b, "negative.test", "serial")
    password = write(f"{b.folder}/password", "pkcs12 pass\n", 0o600)
    p12 = ["--password-file", password]
    weak = pkcs12(b.folder, "weak", b.ca.leaf(k, ["weak.test"]), k, "pkcs12 pass", "-legacy", "-keypbe", "PBE-SHA1-RC2-40",
                  "-certpbe", "PBE-SHA1-RC2-40")
    code, value, text = b.run(weak, *p12)
    if code != 0 or not value["weak_container"] or not value["key"] or "weak" not in text:
        b.wrong.append(f"weak PKCS#12: exit {code}: {text}")
    strong = pkcs12(b.folder, "strong", b.ca.leaf(k, ["strong.test"]), k, "pkcs12 pass")
    with open(strong, "rb") as f:
        data = f.read()
    b.refused("PKCS#12 with a bit turned", data[:-40] + bytes([data[-40] ^ 1]) + data[-39:], "", "", *p12)
    b.refused("PKCS#12 without password", data, "password", "パスワード")
    b.refused("PKCS#12 nested without end", b"\x30\x80" * 100000, "", "", *p12)
    iterations = data.replace(b"\x02\x02\x08\x00", b"\x02\x04\x7f\xff\xff\xff")
    b.refused("PKCS#12 with a longer count", iterations, "", "", *p12)
    many = [b.ca.leaf(new_key(), [f"n{i}.test"]) for i in range(3)]
    b.refused("PKCS#7 of none", pkcs7([b.ca.cert])[:0] + empty_pkcs7(), "", "")
    b.refused("PKCS#7 of 5,000", pkcs7([b.ca.cert] * 5000), "", "")
    b.refused("PKCS#7 of three servers", pkcs7(many), "n1.test", "n1.test")
    mixed = b.accepted("PKCS#7 in disorder, twice", pkcs7([b.ca.cert, b.ca.root, leaf, b.ca.cert, leaf]))
    if mixed:
        text = b.inro.get("cert", "export", "der.test", "--format", "pem")["pem"]
        if text != pem(leaf, b.ca.cert):
            b.wrong.append("the order of the chain was not repaired")
    b.end()


def empty_pkcs7():
    from oddcerts import tlv
    oid_signed, oid_data = bytes.fromhex("06092a864886f70d010702"), bytes.fromhex("06092a864886f70d010701")
    signed = tlv(0x30, b"\x02\x01\x01" + tlv(0x31, b"") + tlv(0x30, oid_data) + tlv(0xA0, b"") + tlv(0x31, b""))
    return tlv(0x30, oid_signed + tlv(0xA0, signed))


def not_deployed(b, cert, why):
    """What is odd may be watched, but no target gets it."""
    if b.inro.cli("cert", "show", cert, ok=False)[0] != 0:
        return  # its import is told as wrong already
    crt = write(f"{b.folder}/site/{cert}.crt", "old\n")
    key = write(f"{b.folder}/site/{cert}.key", "old\n", 0o600)
    b.inro.cli("target", "add", f"t-{cert}", "--type", "files", "--via", "local")
    b.inro.cli("bind", cert, f"t-{cert}", "--cert-path", crt, "--key-path", key)
    for lang in ("en", "ja"):
        code, _, text = b.inro.cli("deploy", cert, "--wait", ok=False, lang=lang)
        if code != 3 or why not in text:
            b.wrong.append(f"deploying {cert} ({lang}): exit {code}: {text}")
    with open(crt) as c, open(key) as k:
        if c.read() + k.read() != "old\nold\n":
            b.wrong.append(f"{cert} reached the target")


MARKS = ["<script>alert(1)</script>", '"; rm -rf /tmp/x; "', "%s%n%s%n", "line\nsecond", "\u202egnp.exe", "=cmd|' /C calc'!A0",
         "`id`", "$(id)", "a" * 64]


def names_and_times(box):
    """13, 15-17: names no CA may issue, texts that are code elsewhere, dates at every edge."""
    b = Bench(box)
    k = new_key()
    odd = {"inner": ["a.*.test"], "tld": ["*.com"], "label": ["x" * 70 + ".test"], "long": ["l" * 1000 + ".test"],
           "ip-as-dns": ["192.0.2.1"], "dots": ["a..test"]}
    for what, names in odd.items():
        b.accepted(f"SAN {what}", armour(with_names(b.ca, k, names + [f"{what}.test"])), "--name", f"san-{what}", unusual=["name"])
    b.accepted("3,000 SANs", pem(b.ca.leaf(k, [f"{i}.a.test" for i in range(3000)])), "--name", "many")
    b.refused("10,001 SANs", pem(b.ca.leaf(k, [f"{i}.t" for i in range(10001)])), "", "", "--name", "toomany")
    for i, mark in enumerate(MARKS):
        cert = Authority.sign(mark[:64], k, "Scripted intermediate", b.ca.key, names=[f"m{i}.test"])
        b.accepted(f"CN {mark!r}", pem(cert, b.ca.cert))
    for what, start, end in (("utc-49", 2020, 2049), ("utc-50", 2020, 2050), ("far", 2020, 9999), ("old", 1950, 2049)):
        cert = dated(b.ca, k, f"{what}.test", datetime.datetime(start, 1, 1), datetime.datetime(end, 12, 31, 23, 59, 59))
        b.accepted(what, pem(cert, b.ca.cert), unusual=["validity"])
        got = b.inro.get("cert", "show", f"{what}.test")["not_after"]
        if not got.startswith(f"{end}-12-31T23:59:59"):
            b.wrong.append(f"{what}: not_after is {got}")
    for what, start, end in (("early", 1, 30), ("late", -30, -1)):
        t = datetime.datetime.utcnow().replace(microsecond=0)
        cert = dated(b.ca, k, f"{what}.test", t + datetime.timedelta(days=start), t + datetime.timedelta(days=end))
        b.accepted(what, pem(cert, b.ca.cert) + key_pem(k))
        not_deployed(b, f"{what}.test", str((t + datetime.timedelta(days=end)).date()))
    small = rsa.generate_private_key(public_exponent=65537, key_size=1024)
    b.refused("key of RSA 1024", pem(b.ca.leaf(small, ["small.test"]), b.ca.cert) + key_pem(small), "1024", "1024")
    b.accepted("RSA 1024", pem(b.ca.leaf(small, ["small.test"]), b.ca.cert), unusual=["key"])
    shown(b)
    ordering(b)
    b.end()


def dated(ca, key, name, start, end):
    from cryptography.hazmat.primitives import hashes
    return (x509.CertificateBuilder().subject_name(x509.Name([])).issuer_name(ca.cert.subject).public_key(key.public_key())
            .serial_number(x509.random_serial_number()).not_valid_before(start).not_valid_after(end)
            .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), True).sign(ca.key, hashes.SHA256()))


def shown(b):
    """Lists and tables of what was imported hold no control characters."""
    for argv in (["cert", "list"], ["cert", "show", "m3.test"], ["audit", "list"]):
        out = subprocess.run([b.inro.binary, *argv, "--data", b.inro.data, "--limit", "100"][:99 if argv[1] == "list" else -2],
                             capture_output=True, timeout=60)
        if out.returncode != 0:
            b.wrong.append(f"{argv}: {out.stderr.decode()}")
        if any(c < 0x20 and c != 10 for c in out.stdout) or "\u202e".encode() in out.stdout:
            b.wrong.append(f"{argv}: control characters in the table")


def ordering(b):
    """15: what no CA may issue is not asked for."""
    b.inro.cli("ca", "add", "own", "--type", "private")
    for name in ("a.*.test", "*.com", "x" * 64 + ".test", "l" * 260 + ".test", "a..test", "-a.test", "a b.test",
                 "../etc/passwd", "$(id).test", "a.test\nb.test", "", "*.*.test", "*", "http://a.test/", "a.test:443"):
        before = b.stored()
        for lang in ("en", "ja"):
            code, _, text = b.inro.cli("cert", "request", name, "--ca", "own", ok=False, lang=lang)
            if code not in (2, 3) or not text.strip():
                b.wrong.append(f"ordering {name!r} ({lang}): exit {code}: {text}")
            if lang == "ja" and text.isascii():
                b.wrong.append(f"ordering {name!r}: no Japanese: {text}")
        if b.stored() != before:
            b.wrong.append(f"ordering {name!r} stored something")


def chains(box):
    """18: loops, long chains, cross-signed pairs, a missing intermediate: found in bounded time."""
    b = Bench(box)
    k = new_key()
    la, lb, loop_key = loop()
    leaf = Authority.sign("loop.test", k, "Loop A", loop_key, names=["loop.test"])
    b.accepted("loop", pem(leaf, la, lb))
    b.refused("loop alone", pem(la, lb), "", "")
    chain = long_chain(30, k, "deep.test")
    b.refused("30 steps", pem(*chain[::-1]), "longer than 10", "10")
    b.accepted("9 steps", pem(*chain[9::-1]))
    other = Authority("Other")
    cross = Authority.sign("Scripted intermediate", b.ca.key, "Other root", other.root_key, ca=0)
    b.accepted("cross-signed", pem(b.ca.leaf(k, ["cross.test"]), b.ca.cert, cross, b.ca.root, other.root))
    b.accepted("no intermediate", pem(b.ca.leaf(k, ["bare.test"]), b.ca.root))
    b.end()


def make_csr(folder, name, config, *more, key="ec"):
    """openssl's CSR: (path of the CSR, of its key)."""
    path, out = write(f"{folder}/{name}.cnf", config), f"{folder}/{name}"
    algorithm = {"ec": ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"], "weak": ["-newkey", "rsa:1024"]}[key]
    subprocess.run(["openssl", "req", "-new", "-nodes", *algorithm, "-keyout", f"{out}.key", "-out", f"{out}.csr", "-config",
                    path, *more], check=True, capture_output=True)
    return f"{out}.csr", f"{out}.key"


HEAD = "[req]\nprompt=no\ndistinguished_name=dn\nreq_extensions=x\n{more}[dn]\nO=Elsewhere\n[x]\n"
SANS = "subjectAltName=DNS:a.csr.test,DNS:b.csr.test\n"


def csr_from_outside(box):
    """14: a CSR is held against the rules of a typed application; what is issued is for its key, which is nowhere here."""
    b = Bench(box)
    i, told = b.inro, []
    i.cli("ca", "add", "own", "--type", "private")
    good, key = make_csr(b.folder, "good", HEAD.format(more="") + SANS)
    plain = lambda name, text, more="", **kw: make_csr(b.folder, name, HEAD.format(more=more) + text, **kw)[0]  # noqa: E731
    with open(good) as f:
        text = f.read()
    broken = write(f"{b.folder}/broken.csr", text[:200] + ("A" if text[200] != "A" else "B") + text[201:])
    rows = [(plain("ca", SANS + "basicConstraints=CA:TRUE\n"), (), "CA:TRUE", "CA:TRUE"),
            (plain("pw", SANS + "[at]\nchallengePassword=hunter22\n", more="attributes=at\n"), (), "challengePassword",
             "challengePassword"),
            (plain("more", SANS + "1.2.3.4=ASN1:UTF8String:odd\n"), (), "other extensions", "以外の拡張"),
            (plain("none", "keyUsage=digitalSignature\n"), (), "no domain names", "ドメイン名"),
            (plain("weak", SANS, key="weak"), (), "1024", "1024"), (broken, (), "CSR", "CSR"),
            (key, (), "CSR", "CSR"), (good, ("a.csr.test",), "for 2 names", "2 件"),
            (good, ("a.csr.test,b.csr.test,c.csr.test",), "for 2 names", "2 件"),
            (plain("bad", "subjectAltName=DNS:a..csr.test\n"), (), "a..csr.test", "a..csr.test")]
    before = b.stored()
    for path, names, en, ja in rows:
        for lang, words in (("en", en), ("ja", ja)):
            code, _, said = i.cli("cert", "request", *names, "--ca", "own", "--csr", path, ok=False, lang=lang)
            if code != 3 or words not in said or "hunter22" in said or b.stored() != before:
                told.append(f"{path} {names}: exit {code}: {said}")
    if told:
        raise Failure("\n".join(told))
    i.cli("cert", "request", "--ca", "own", "--csr", good, "--wait")
    seen = i.get("cert", "show", "a.csr.test")
    if not seen["outside_csr"] or seen["versions"][0]["has_key"] or seen["names"] != ["a.csr.test", "b.csr.test"]:
        raise Failure(f"issued: {seen}")
    public = [subprocess.run(["openssl", *argv], input=data, capture_output=True, text=True, check=True).stdout for argv, data in (
        (["x509", "-noout", "-pubkey"], i.get("cert", "export", "a.csr.test", "--format", "pem")["pem"]),
        (["pkey", "-in", key, "-pubout"], None))]
    if public[0] != public[1]:
        raise Failure("the certificate is not for the key of the CSR")
    i.cli("cert", "renew", "a.csr.test", "--wait")
    i.cli("target", "add", "t", "--type", "files", "--via", "local")
    for argv, words in ((("bind", "a.csr.test", "t", "--cert-path", f"{b.folder}/c", "--key-path", f"{b.folder}/k"), "made outside"),
                        (("cert", "change", "a.csr.test", "--names", "other.test"), "for 2 names")):
        code, _, said = i.cli(*argv, ok=False)
        if code != 3 or words not in said:
            raise Failure(f"{argv}: exit {code}: {said}")
    i.cli("cert", "change", "a.csr.test", "--no-csr")
    i.cli("cert", "renew", "a.csr.test", "--wait")
    seen = i.get("cert", "show", "a.csr.test")
    if seen["outside_csr"] or not max(seen["versions"], key=lambda v: v["id"])["has_key"]:
        raise Failure(f"with a key of our own: {seen}")
    i.cli("bind", "a.csr.test", "t", "--cert-path", f"{b.folder}/c", "--key-path", f"{b.folder}/k")
    code, _, said = i.cli("cert", "change", "a.csr.test", "--csr", good, ok=False)
    if code != 3 or "bound to 1 targets" not in said:
        raise Failure(f"a CSR for what is deployed: exit {code}: {said}")
    if subprocess.run([i.binary, "check", "--data", i.data], capture_output=True).returncode != 0:
        raise Failure("inro check finds something")


TESTS = [keys_and_text, odd_encodings, names_and_times, chains, csr_from_outside]
