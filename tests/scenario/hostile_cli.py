"""The command line, the configuration, and the API of the running daemon, used wrongly."""
import contextlib
import http.client
import json
import os
import shutil
import socket
import subprocess

from rig import Failure, Inro, write


class Told:
    """Gathers what is wrong."""

    def __init__(self):
        self.wrong = []

    def must(self, good, text):
        if not good:
            self.wrong.append(text)

    def end(self):
        if self.wrong:
            raise Failure("\n  " + "\n  ".join(self.wrong))


def run(inro, *argv, lang="en", data=None, stdin=None, timeout=30):
    env = dict(os.environ, LC_ALL="ja_JP.UTF-8" if lang == "ja" else "C.UTF-8")
    tail = ["--data", data] if data else []
    return subprocess.run([inro, *argv, *tail], capture_output=True, text=True, env=env, input=stdin, timeout=timeout,
                          stdin=None if stdin else subprocess.DEVNULL)


def command_line(box):
    """55: usage is exit 2 with help, secrets are not taken, exit codes say the kind, a broken pipe is no crash."""
    told = Told()
    i = box.rig.add(Inro(box.inro, f"{box.folder}/inro"))
    i.start()
    i.cli("ca", "add", "own", "--type", "private")
    i.cli("cert", "request", "a.test", "--ca", "own", "--wait")
    dead = f"{box.folder}/nobody"
    os.makedirs(dead, mode=0o700)
    secret = "s3cr3t-on-the-command-line"
    rows = [  # argv, exit code, words in en and ja
        (["frobnicate"], 2, "inro", "inro"), (["cert", "list", "--bogus"], 2, "unknown option", "オプションはありません"),
        (["cert", "list", "extra"], 2, "inro cert list", "inro cert list"), (["cert", "show"], 2, "inro cert show", "CERT"),
        (["cert", "export", "a.test", "--format"], 2, "needs a value", "値が必要です"),
        (["cert", "list", "--json=yes"], 2, "takes no value", "値は指定できません"),
        (["cert", "request", "b.test"], 2, "--ca", "--ca"), (["vendor"], 2, "needs one of", "次のコマンドのいずれか"),
        (["scan", "--bogus"], 2, "usage", "使い方"), (["check", "--bogus", "1"], None, "--bogus", "--bogus"),
        (["notify", "add", "n", "--type", "smtp", "--host", "127.0.0.1", "--from", "a@b.test", "--to", "a@b.test", "--user",
          "u", "--password", secret], 2, "--password-file FILE", "--password-file FILE"),
        (["ca", "add", "n", "--type", "acme", "--directory", "https://ca.test/d", "--eab-hmac", secret], 2, "standard input",
         "標準入力"),
        (["ca", "add", "n", "--type", "none"], 3, "no ca type none", "none という種類はありません"),
        (["ca", "add", "n", "--type", "acme", "--directory", "ftp://ca.test/d"], 3, "https", "https"),
        (["ca", "add", "n", "--type", "acme", "--directory", "https://ca.test/d", "--poll-min", "5"], 3, "10", "10"),
        (["target", "add", "t", "--type", "files", "--via", "ssh", "--host", "h", "--port", "70000", "--user", "u"], 3,
         "65535", "65535"),
        (["target", "add", "t", "--type", "files", "--via", "ssh", "--host", "h", "--port", "0", "--user", "u"], 3, "1", "1"),
        (["cert", "show", "absent.test"], 4, "absent.test", "absent.test"), (["job", "show", "999999"], 4, "", ""),
        (["cert", "request", "bad name", "--ca", "own"], 3, "bad name", "bad name"),
        (["cert", "request", "b.test", "--ca", "absent"], 3, "absent", "absent"),
        (["cert", "request", "b.test", "--ca", "own", "--validity", "5 fortnights"], 3, "validity", "有効期間"),
        (["cert", "request", "b.test", "--ca", "own", "--key", "rsa512"], 3, "rsa2048", "rsa2048"),
        (["watch", "add", "a.test:70000"], 3, "65535", "65535"), (["watch", "add", "a.test", "--every", "0s"], 3, "", ""),
        (["cert", "import", f"{box.folder}/no-such-file"], 4, "no-such-file", "no-such-file"),
        (["cert", "import", box.folder], None, box.folder, box.folder),
        (["deploy", "a.test", "--wait"], None, "", ""),
    ]
    for what in ("check", "init", "restore", "scan", "serve", "cert list"):
        out = run(i.binary, *what.split(), "--help")
        told.must(out.returncode == 0 and f"inro {what}" in out.stdout, f"{what} --help: {out.returncode} {out.stdout[:200]}")
    for argv, code, en, ja in rows:
        for lang, words in (("en", en), ("ja", ja)):
            out = run(i.binary, *argv, lang=lang, data=i.data)
            text = out.stderr
            told.must(out.returncode == code if code is not None else out.returncode in (0, 1, 3, 4, 5),
                      f"{argv} ({lang}): exit {out.returncode}: {text[:200]}")
            told.must(words in text and (out.returncode == 0 or text.strip()), f"{argv} ({lang}): {text[:300]}")
            told.must(secret not in text + out.stdout, f"{argv}: the secret is repeated")
            told.must(lang == "en" or out.returncode == 0 or not text.isascii(), f"{argv}: no Japanese: {text[:200]}")
    for lang in ("en", "ja"):
        out = run(i.binary, "cert", "list", lang=lang, data=dead)
        told.must(out.returncode == 5 and dead in out.stderr, f"no daemon ({lang}): exit {out.returncode}: {out.stderr}")
    told.must(run(i.binary, "--help").returncode == 0 and run(i.binary).returncode == 2, "help or nothing at all")
    pipe = subprocess.run(f"exec 3>&1; ( '{i.binary}' docs; echo $? >&3 ) | head -c 10 >/dev/null", shell=True,
                          capture_output=True, text=True, timeout=30)
    told.must(pipe.stdout.strip() in ("0", "1"), f"a broken pipe: exit {pipe.stdout}")
    full = subprocess.run(f"'{i.binary}' docs > /dev/full", shell=True, capture_output=True, timeout=30)
    told.must(full.returncode == 1, f"a full disk at stdout: exit {full.returncode}")
    scan = run(i.binary, "scan", stdin="not a line at all !!\n127.0.0.1:99999\n", lang="ja")
    told.must(scan.returncode == 3 and "形ではありません" in scan.stderr, f"scan: {scan.returncode} {scan.stderr}")
    told.must(secret not in i.log_since(0), "a secret is in the log")
    told.must(i.get("ca", "list")["items"][0]["name"] == "own" and not i.get("target", "list")["items"], "something was stored")
    told.end()


def configuration(box):
    """56: every fault of the file at once with its line; nothing starts; both languages."""
    told = Told()
    i = Inro(box.inro, f"{box.folder}/inro")
    conf = f"{i.data}/inro.conf"
    text = "\n".join(["# comment", "listen = 127.0.0.1:70000", "http01 = 127.0.0.1:0", "colour = blue", "threads = many",
                      "threads = 4", "no equals sign", "log-level = shouting", f"passphrase-file = {box.folder}",
                      "database = mysql://x", "log-size = 10 potatoes", "log-json = maybe"]) + "\n"
    write(conf, text, 0o600)
    lines = {2: "65535", 3: "65535", 4: "unknown", 5: "whole number", 6: "twice", 7: "name = value", 8: "debug",
             9: "directory", 10: "postgresql", 11: "10m", 12: "yes"}
    japanese = {4: "不明", 6: "二重", 7: "形ではありません", 9: "ディレクトリ", 12: "指定してください"}
    for lang in ("en", "ja"):
        out = run(i.binary, "serve", lang=lang, data=i.data)
        told.must(out.returncode != 0, f"it started ({lang})")
        for n, word in (lines if lang == "en" else japanese).items():
            here = [x for x in out.stderr.splitlines() if f"inro.conf:{n}:" in x]
            told.must(here and word in here[0], f"line {n} ({lang}): {here}")
        told.must("11" in out.stderr.splitlines()[-1], f"the sum ({lang}): {out.stderr.splitlines()[-1:]}")
    for mode, code in ((0o644, False), (0o620, False), (0o640, True)):
        write(conf, f"listen = {i.listen}\nhttp01 = off\n", mode)
        if code:
            continue
        out = run(i.binary, "serve", data=i.data, lang="ja")
        told.must(out.returncode != 0 and "chmod 600" in out.stderr, f"mode {mode:o}: {out.returncode} {out.stderr}")
    password = "pg-pass-4711"
    for url in (f"postgresql://inro:{password}@127.0.0.1/inro", f"postgresql://127.0.0.1/inro?password={password}"):
        out = run(i.binary, "serve", "--database", url, data=i.data)
        told.must(out.returncode != 0 and "inro.conf" in out.stderr and password not in out.stderr, f"{url}: {out.stderr}")
    for argv, word in ((["--listen", "127.0.0.1:0"], "65535"), (["--nonsense", "1"], "unknown"), (["--listen"], "value"),
                       (["--threads", "0"], "256"), (["--threads", "2", "--threads", "3"], "twice"), (["word"], "unknown")):
        out = run(i.binary, "serve", *argv, data=i.data)
        told.must(out.returncode in (2, 3) and word in out.stderr, f"{argv}: exit {out.returncode}: {out.stderr}")
    os.remove(conf)
    os.mkdir(conf)
    out = run(i.binary, "serve", data=i.data)
    told.must(out.returncode != 0 and "inro.conf" in out.stderr, f"a folder as inro.conf: {out.stderr}")
    os.rmdir(conf)
    os.chmod(i.data, 0o755)
    out = run(i.binary, "serve", data=i.data, lang="ja")
    told.must(out.returncode == 6 and "chmod 700" in out.stderr, f"an open data folder: {out.returncode} {out.stderr}")
    os.chmod(i.data, 0o700)
    out = run(i.binary, "serve", data=f"{box.folder}/empty")
    told.must(out.returncode == 4 and "inro init" in out.stderr, f"no installation: {out.returncode} {out.stderr}")
    told.must(not os.path.exists(f"{box.folder}/empty"), "a folder was made")
    os.remove(f"{i.data}/inro.db")
    for lang, word in (("en", "missing or empty"), ("ja", "空です")):
        out = run(i.binary, "serve", data=i.data, lang=lang)
        told.must(out.returncode == 4 and word in out.stderr, f"a lost store ({lang}): {out.returncode} {out.stderr}")
    told.end()
    shutil.rmtree(i.folder)


class Api(http.client.HTTPConnection):
    """The daemon's unix socket."""

    def __init__(self, inro):
        super().__init__("localhost", timeout=10)
        self.path = f"{inro.data}/run/inro.sock"

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(10)
        self.sock.connect(self.path)

    def ask(self, method, path, body=None, **headers):
        """(status, parsed answer)"""
        data = body if isinstance(body, (bytes, str)) or body is None else json.dumps(body)
        data = data.encode() if isinstance(data, str) else data
        self.request(method, f"/api/v1{path}", data, {"Content-Type": "application/json", **headers})
        r = self.getresponse()
        text = r.read()
        with contextlib.suppress(ValueError):
            return r.status, json.loads(text)
        return r.status, text


def api(box):
    """44-46, 51, 52: identifiers, JSON, framing and bodies that are not what the table says; edits that cross."""
    told = Told()
    i = box.rig.add(Inro(box.inro, f"{box.folder}/inro"))
    i.start()
    i.cli("ca", "add", "own", "--type", "private")
    i.cli("cert", "request", "a.test", "--ca", "own", "--wait")

    def ask(*argv, **headers):
        a = Api(i)
        try:
            return a.ask(*argv, **headers)
        except (OSError, http.client.HTTPException) as e:
            return 0, str(e)
        finally:
            a.close()
    for ident in ("-1", "0", "999999", "9223372036854775808", "1e3", "..%2f..%2fetc", "%2e%2e", "%00", "%c0%ae", "%ff", "1%20",
                  "a" * 3000, "%252e", "a.test%0d%0aX:y"):
        for path in (f"/certs/{ident}", f"/jobs/{ident}", f"/targets/{ident}", f"/certs/{ident}/export"):
            status, body = ask("GET", path)
            told.must(status in (400, 404, 414), f"GET {path[:60]}: {status} {str(body)[:100]}")
    deep = "[" * 100000
    bodies = [("depth 100,000", '{"names":' + deep), ("twice", '{"names":["x.test"],"names":["y.test"],"ca":"own"}'),
              ("1e999", '{"names":["x.test"],"ca":"own","policy":{"validity":1e999}}'),
              ("half surrogate", '{"names":["\\ud800"],"ca":"own"}'), ("comma", '{"names":["x.test"],"ca":"own",}'),
              ("10 MB", '{"names":["' + "x" * 10_000_000 + '"],"ca":"own"}'), ("a list", "[]"), ("nothing", ""),
              ("wrong type", '{"names":"x.test","ca":7}'), ("unknown", '{"names":["x.test"],"ca":"own","colour":"blue"}'),
              ("UTF-8", b'{"names":["\xff\xfe"],"ca":"own"}'), ("NUL", '{"names":["a\\u0000b.test"],"ca":"own"}'),
              ("more behind", '{"names":["x.test"],"ca":"own"} {}'), ("not JSON", "<xml/>")]
    for field in ("id", "role", "owner", "current", "revision", "health", "verified", "state", "group_id"):
        bodies.append((f"mass {field}", json.dumps({"names": ["x.test"], "ca": "own", field: 1})))
    for what, body in bodies:
        status, answer = ask("POST", "/certs", body)
        told.must(status in (400, 413, 422), f"{what}: {status} {str(answer)[:200]}")
        if status == 400 and isinstance(answer, dict):
            m = answer["error"]["message"]
            told.must(m["ja"] and m["ja"] != m["en"], f"{what}: {m}")
    told.must([c["name"] for c in i.get("cert", "list")["items"]] == ["a.test"], "something was stored")
    cert = i.get("cert", "show", "a.test")
    crossing(told, ask, i, cert)
    told.must(ask("GET", "/health")[0] == 200, "the daemon does not answer")
    told.end()


def crossing(told, ask, i, cert):
    """52: a double click, the same key twice, and an edit of what has changed meanwhile."""
    key = {"Idempotency-Key": "click-1"}
    first = ask("POST", "/certs", {"names": ["double.test"], "ca": "own"}, **key)
    second = ask("POST", "/certs", {"names": ["double.test"], "ca": "own"}, **key)
    certs = [c for c in i.get("cert", "list")["items"] if c["name"] == "double.test"]
    told.must(first[0] in (200, 201, 202) and len(certs) == 1, f"a double click: {first[0]}, {second[0]}, {len(certs)}")
    third = ask("POST", "/certs", {"names": ["double.test"], "ca": "own"})
    told.must(third[0] == 409, f"the same name again: {third[0]} {third[1]}")
    url = f"/certs/{cert['id']}"
    fresh = ask("PATCH", url, {"policy": {"renew_before": "5d"}, "revision": cert["revision"]})
    stale = ask("PATCH", url, {"policy": {"renew_before": "6d"}, "revision": cert["revision"]})
    told.must(fresh[0] == 200 and stale[0] == 409, f"edits: {fresh[0]} {str(fresh[1])[:150]}, {stale[0]} {str(stale[1])[:150]}")


def batch(box):
    """Many at once: a bad line is told and stops none of the others, in its own lot neither."""
    i = box.rig.add(Inro(box.inro, f"{box.folder}/inro"))
    i.start()
    i.cli("ca", "add", "own", "--type", "private")
    told = Told()
    good = [f"n{k}.test, www.n{k}.test" for k in range(60)]
    names = f"{box.folder}/names.txt"
    with open(names, "w") as f:
        f.write("\n".join(["# two of these are wrong", *good[:55], "not a name", "", *good[55:], "n7.test"]) + "\n")
    code, _, err = i.cli("cert", "request", "--batch", names, "--ca", "own", "--wait", ok=False)
    told.must(code != 0 and "not a name:" in err and "n7.test:" in err, f"{code} {err[:300]}")
    certs = i.get("cert", "list", "--limit", "500")["items"]
    told.must(sorted(c["name"] for c in certs) == sorted(f"n{k}.test" for k in range(60)), f"{len(certs)} certificates")
    told.must(all(c["health"] == "valid" and len(c["names"]) == 2 for c in certs), "not all were issued for both names")
    with open(names, "w") as f:
        f.write("\n".join(f"m{k}.test" for k in range(51)) + "\n")
    code, _, err = i.cli("cert", "request", "--batch", names, "--ca", "own", "--wait")
    told.must(code == 0 and not err.strip(), f"{code} {err[:300]}")
    told.must(len(i.get("cert", "list", "--limit", "500", "--state", "valid")["items"]) == 111, "not all are valid")
    told.end()


TESTS = [command_line, configuration, api, batch]
