"""Mail servers that drop STARTTLS, break off, refuse, or are down for a while; addresses that are none."""
import json
import socket
import struct

from hostile_targets import Listener, all_at_once, silent, smtp_without_tls
from rig import Failure, Inro, MailSink, free_port, wait_for, write

SECRET = "correct-horse-battery"


def starttls_then(what):
    def talk(l, s):
        s.sendall(b"220 mail.test ESMTP\r\n")
        l.take(s)
        s.sendall(b"250-mail.test\r\n250-AUTH PLAIN LOGIN\r\n250 STARTTLS\r\n")
        l.take(s)
        what(l, s)
    return talk


def refuses_starttls(l, s):
    s.sendall(b"454 TLS not available\r\n")
    while l.take(s):
        s.sendall(b"250 go on in clear\r\n")


def resets(l, s):
    s.sendall(b"220 go ahead\r\n")
    l.take(s, 16)
    s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def floods(l, s):
    while True:
        s.sendall(b"220-" + b"x" * 900 + b"\r\n")


class Bench:
    def __init__(self, box):
        self.inro = box.rig.add(Inro(box.inro, f"{box.folder}/inro"))
        self.inro.start()
        self.password = write(f"{box.folder}/password", SECRET + "\n", 0o600)
        self.sink = box.rig.add(MailSink(f"{box.folder}/sink", SECRET))

    def add(self, name, port, *more, to=("to@demo.test",), roots=None, ok=True, lang="en"):
        argv = ["notify", "add", name, "--type", "smtp", "--host", "127.0.0.1", "--port", str(port), "--security",
                "starttls", "--user", self.sink.user, "--password-file", self.password, "--from", "inro@demo.test",
                "--lang", lang, "--ca-pem-file", roots or self.sink.cert, *more]
        for t in to:
            argv += ["--to", t]
        return self.inro.cli(*argv, ok=ok, lang=lang)


def servers_that_drop(box):
    """42, F31: nothing is sent in clear; a broken connection is not called a matter of trust."""
    b = Bench(box)
    other = box.rig.add(MailSink(f"{box.folder}/other", SECRET))
    rows = [("drops", smtp_without_tls, "offers no STARTTLS", "STARTTLS を提供していません"),
            ("refuses", starttls_then(refuses_starttls), "STARTTLS", "STARTTLS"),
            ("resets", starttls_then(resets), "broke off", "中断されました"),
            ("mute", silent, "in time", "時間内に応答しません"),
            ("floods", floods, "", "")]
    parts = {n: box.rig.add(Listener(t)) for n, t, *_ in rows}
    ports = {n: p.port for n, p in parts.items()}
    ports["closed"], ports["untrusted"] = free_port(), other.port
    rows += [("closed", None, "cannot be reached", "接続できません"), ("untrusted", None, "not trusted", "信頼できません")]
    wrong = []
    for name, *_ in rows:
        b.add(name, ports[name])

    def check(name, en, ja):
        for lang, words in (("en", en), ("ja", ja))[1 if name == "mute" else 0:]:
            code, _, text = b.inro.cli("notify", "test", name, ok=False, lang=lang, timeout=90)
            if code != 5 or words not in text or (name != "untrusted" and "trust" in text) or not text:
                raise Failure(f"{lang}: exit {code}: {text}")
    all_at_once([(name, lambda n=name, e=en, j=ja: check(n, e, j)) for name, _, en, ja in rows])
    for name, p in parts.items():
        if SECRET.encode() in p.got or b"AUTH" in p.got or b"MAIL FROM" in p.got:
            wrong.append(f"{name}: this was sent in clear: {p.got[:200]}")
    if other.mails() or SECRET in b.inro.log_since(0):
        wrong.append("the untrusted server got mail, or the log holds the password")
    if wrong:
        raise Failure("\n  " + "\n  ".join(wrong))


def down_for_a_while(box):
    """42, F43: what cannot be sent is kept and tried again, over a restart too; it arrives once."""
    b = Bench(box)
    b.add("mail", b.sink.port)
    b.inro.cli("ca", "add", "own", "--type", "private")
    b.sink.stop()
    b.inro.cli("cert", "request", "late.test", "--ca", "own", "--wait")

    def failed():
        jobs = [j for j in b.inro.get("job", "list", "--limit", "100")["items"] if j["kind"] == "notify"]
        return next((j for j in jobs if j["error"] and j["state"] == "ready"), None)
    job = wait_for("the mail fails", failed, 20, 0.2)
    if job["error"]["code"] != "net" or "接続できません" not in job["error"]["message"]["ja"]:
        raise Failure(f"{job['error']}")
    b.inro.kill_all()
    b.inro.start()
    write(f"{b.sink.folder}/refuse", "451 4.3.0 come back later")
    b.sink.start()
    b.inro.cli("job", "retry", str(job["id"]))
    again = wait_for("451", lambda: (lambda j: j if j["error"] and "451" in json.dumps(j["error"]) else None)(
        b.inro.get("job", "show", str(job["id"]))), 20, 0.2)
    if again["state"] != "ready":
        raise Failure(f"after 451 the job is {again['state']}")
    import os
    os.remove(f"{b.sink.folder}/refuse")
    b.inro.cli("job", "retry", str(job["id"]))
    wait_for("mail", lambda: b.sink.find("to@demo.test", "late.test"), 20, 0.2)
    if len(b.sink.mails()) != 1:
        raise Failure(f"{len(b.sink.mails())} mails")


def addresses(box):
    """42: recipients that are none, or too many, are refused when they are typed."""
    b = Bench(box)
    wrong = []
    rows = [("a newline", ["a@demo.test\nBcc: x@evil.test"]), ("a return", ["a@demo.test\rx"]), ("no domain", ["nobody"]),
            ("a space", ["a b@demo.test"]), ("brackets", ["<a@demo.test>"]), ("empty", [""]),
            ("300 of them", [f"u{n}@demo.test" for n in range(300)]), ("a long one", ["a" * 300 + "@demo.test"])]
    for what, to in rows:
        for lang in ("en", "ja"):
            code, _, text = b.add("bad", b.sink.port, to=to, ok=False, lang=lang)
            if code not in (2, 3) or not text or (lang == "ja") == text.isascii() or "UNIQUE" in text:
                wrong.append(f"{what} ({lang}): exit {code}: {text[:300]}")
    code, _, text = b.add("from", b.sink.port, "--from", "a@demo.test\r\nBcc: y@evil.test", ok=False)
    if code == 0:
        wrong.append("a sender with a line end was taken")
    code, _, text = b.inro.cli("notify", "add", "plain", "--type", "smtp", "--host", "127.0.0.1", "--port", "25",
                               "--security", "none", "--user", "u", "--password-file", b.password, "--from",
                               "a@demo.test", "--to", "b@demo.test", ok=False)
    if code == 0:
        wrong.append("a password without TLS was taken")
    if b.inro.get("notify", "list")["items"]:
        wrong.append("something was stored")
    if wrong:
        raise Failure("\n  " + "\n  ".join(wrong))


TESTS = [servers_that_drop, down_for_a_while, addresses]
