"""What strangers and small thieves try against the running daemon over TLS, and what they get."""
import hashlib
import hmac
import base64
import json
import resource
import socket
import ssl
import struct
import time

from rig import Failure, Inro

PASSWORD, OTHER = "violet tandem kettle 77", "brisk onion ladder 31!"


class Web:
    """A browser of few words: one connection per request, whatever bytes the test wants."""

    def __init__(self, inro):
        self.host, self.port = inro.listen.rsplit(":", 1)
        self.cookie = self.csrf = None

    def raw(self, data, timeout=10, keep=False):
        ctx = ssl.create_default_context()
        ctx.check_hostname, ctx.verify_mode = False, ssl.CERT_NONE
        s = ctx.wrap_socket(socket.create_connection((self.host, int(self.port)), timeout=timeout))
        try:
            s.sendall(data)
            if keep:
                return s
            out = b""
            while chunk := s.recv(65536):
                out += chunk
                head, _, body = out.partition(b"\r\n\r\n")
                want = [h for h in head.lower().split(b"\r\n") if h.startswith(b"content-length:")]
                if want and len(body) >= int(want[0].split(b":")[1]):
                    break
            return out
        except (ConnectionError, ssl.SSLError, socket.timeout):
            return b""
        finally:
            if not keep:
                s.close()

    def ask(self, method, path, body=None, headers=None, origin=True):
        h = {"Host": f"{self.host}:{self.port}", "Connection": "close"}
        if origin:
            h["Origin"] = f"https://{self.host}:{self.port}"
        if self.cookie:
            h["Cookie"] = f"__Host-inro={self.cookie}"
        if self.csrf:
            h["X-Inro-CSRF"] = self.csrf
        h.update(headers or {})
        data = json.dumps(body).encode() if body is not None else b""
        if data:
            h["Content-Type"] = "application/json"
        h["Content-Length"] = str(len(data))
        text = f"{method} {path} HTTP/1.1\r\n" + "".join(f"{k}: {v}\r\n" for k, v in h.items()) + "\r\n"
        answer = self.raw(text.encode() + data)
        head, _, rest = answer.partition(b"\r\n\r\n")
        status = int(head.split(b" ", 2)[1]) if head.startswith(b"HTTP/") else 0
        return status, head.decode("latin-1"), rest

    def sign_in(self, login, password, code=None):
        body = {"login": login, "password": password}
        if code:
            body["code"] = code
        status, head, rest = self.ask("POST", "/api/v1/session", body)
        if status == 200:
            self.cookie = head.split("__Host-inro=")[1].split(";")[0]
            self.csrf = json.loads(rest)["csrf"]
        return status, head, rest


def start(box):
    i = box.rig.add(Inro(box.inro, f"{box.folder}/inro"))
    i.start()
    return i


def want(got, *statuses, what=""):
    if got not in statuses:
        raise Failure(f"{what}: {got} instead of {statuses}")


def add_user(i, login, role, *more):
    i.cli("user", "add", login, "--role", role, "--password-file", "-", *more, stdin=PASSWORD + "\n")


def at_work(i, login, role, *more):
    add_user(i, login, role, *more)
    w = Web(i)
    want(w.sign_in(login, PASSWORD)[0], 200, what="sign-in")
    status, head, rest = w.ask("POST", "/api/v1/session/password", {"old": PASSWORD, "new": OTHER})
    want(status, 200, what="first password")
    w.cookie = head.split("__Host-inro=")[1].split(";")[0]
    w.csrf = json.loads(rest)["csrf"]
    return w


def forced_browsing(box):
    """Without a session nothing of the API but sign-in and health, and nothing of the disk."""
    i = start(box)
    w = Web(i)
    admin = at_work(i, "root@x.example", "admin")
    paths = json.loads(admin.ask("GET", "/api/v1/openapi.json")[2])["paths"]
    tried = 0
    for path, methods in paths.items():
        for method, about in methods.items():
            real = path.replace("{id}", "1").replace("{kind}", "ca").replace("{user}", "1")
            status = w.ask(method.upper(), "/api/v1" + real.replace("{session}", "0" * 16))[0]
            open_ = about.get("x-permission") == "public"
            if not open_:
                want(status, 401, what=f"{method} {path}")
            tried += 1
    if tried < 60:
        raise Failure(f"only {tried} routes were tried")
    for path in ("/", "/api/v1/health", "/api/v1/certs"):
        lines = w.ask("GET", path)[1].lower().split("\r\n")[1:]
        names = [line.partition(":")[0] for line in lines]
        for name in ("content-security-policy", "strict-transport-security", "x-content-type-options", "referrer-policy"):
            if names.count(name) != 1:
                raise Failure(f"{path}: {name} is sent {names.count(name)} times")
    for path in ("/../../etc/passwd", "/%2e%2e/%2e%2e/etc/passwd", "/..%2f..%2fetc/passwd", "/%00", "/api/v1/../../x",
                 "/assets/%2e%2e/%2e%2e/master.key", "//etc/passwd", "/%c0%ae%c0%ae/x"):
        status, _, rest = w.ask("GET", path)
        if b"root:" in rest or b"inro-master-key" in rest or status >= 500:
            raise Failure(f"{path}: {status}")


def sessions_are_bound(box):
    """Fixation, cross-site requests, replay after sign-out, after a new password, after demotion."""
    i = start(box)
    w = at_work(i, "op@x.example", "operator")
    want(w.ask("GET", "/api/v1/session")[0], 200)
    flags = Web(i)
    _, head, _ = flags.sign_in("op@x.example", OTHER)
    cookie = [h for h in head.split("\r\n") if h.lower().startswith("set-cookie")][0]
    for word in ("Secure", "HttpOnly", "SameSite=Strict", "Path=/", "__Host-"):
        if word not in cookie:
            raise Failure(f"the cookie lacks {word}: {cookie}")
    planted = Web(i)
    planted.cookie = "a" * 64
    planted.sign_in("op@x.example", OTHER)
    if planted.cookie == "a" * 64:
        raise Failure("the planted cookie was taken up")
    for change in ({"headers": {"Origin": "https://evil.example"}}, {"origin": False},
                   {"headers": {"X-Inro-CSRF": "0" * 64}}, {"headers": {"Sec-Fetch-Site": "cross-site"}}):
        want(w.ask("DELETE", "/api/v1/sessions", **change)[0], 403, what=f"cross-site {change}")
    # a live stream ends at once when the role is taken away
    head = (f"GET /api/v1/events HTTP/1.1\r\nHost: {w.host}:{w.port}\r\nCookie: __Host-inro={w.cookie}\r\n\r\n")
    stream = w.raw(head.encode(), keep=True, timeout=30)
    if b"text/event-stream" not in stream.recv(4096):
        raise Failure("no event stream")
    i.cli("user", "change", "op@x.example", "--role", "viewer")
    seen = b""
    try:
        while not seen.endswith(b"0\r\n\r\n") and (more := stream.recv(4096)):
            seen += more
    except (ConnectionError, ssl.SSLError):
        pass
    except TimeoutError:
        raise Failure("the event stream outlived the role") from None
    stream.close()
    want(w.ask("GET", "/api/v1/session")[0], 401, what="the cookie from before")
    w = Web(i)
    w.sign_in("op@x.example", OTHER)
    old = w.cookie
    want(w.ask("DELETE", "/api/v1/session")[0], 200)
    w.cookie = old
    want(w.ask("GET", "/api/v1/session")[0], 401, what="replay after sign-out")


def other_groups_do_not_exist(box):
    i = start(box)
    for g in ("web", "mail"):
        i.cli("group", "add", g)
    i.cli("watch", "add", "www.mail.example", "--group", "mail")
    i.cli("ca", "add", "priv", "--type", "private")
    w = at_work(i, "op@x.example", "operator", "--groups", "web")
    for n in range(1, 6):
        want(w.ask("GET", f"/api/v1/endpoints/{n}")[0], 404, what="another group's endpoint")
    absent, other = w.ask("GET", "/api/v1/endpoints/99"), w.ask("GET", "/api/v1/endpoints/1")
    if absent[2].replace(b"99", b"1") != other[2]:
        raise Failure("the refusals differ")
    for body in ({"host": "a.example", "group": "mail"}, {"host": "a.example", "group_id": 2},
                 {"host": "a.example", "id": 7}, {"host": "a.example", "role": "admin"}):
        want(w.ask("POST", "/api/v1/endpoints", body)[0], 400, what=f"mass assignment {body}")
    want(w.ask("POST", "/api/v1/users", {"login": "x@x.example", "password": PASSWORD})[0], 403)


def nothing_leaves_the_line(box):
    """Header injection, smuggling, oversized heads and bodies: refused, and the next request is its own."""
    i = start(box)
    w = Web(i)
    host = f"Host: {w.host}:{w.port}\r\n"
    hostile = [
        f"POST /api/v1/session HTTP/1.1\r\n{host}Content-Length: 5\r\nContent-Length: 6\r\n\r\nhello!",
        f"POST /api/v1/session HTTP/1.1\r\n{host}Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        f"POST /api/v1/session HTTP/1.1\r\n{host}Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
        f"POST /api/v1/session HTTP/1.1\r\n{host}Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n",
        f"GET /api/v1/health HTTP/1.1\r\n{host}{host}\r\n",
        "GET /api/v1/health HTTP/1.1\r\n\r\n",
        f"GET /api/v1/health HTTP/1.1\r\n{host}X: a\r\n b\r\n\r\n",
        f"POST /api/v1/session HTTP/1.1\r\n{host}Content-Length: +5\r\n\r\nhello",
        f"GET /api/v1/health HTTP/1.1\r\n{host}X-Big: {'a' * 100000}\r\n\r\n",
        f"POST /api/v1/session HTTP/1.1\r\n{host}Content-Length: 99999999999\r\n\r\n",
    ]
    for text in hostile:
        head = w.raw(text.encode()).split(b"\r\n")[0]
        if head and head.split(b" ")[1] not in (b"400", b"413", b"431", b"501"):
            raise Failure(f"{text[:90]!r}: {head!r}")
    for login in ("a@x.example\r\nSet-Cookie: x=1", "a\nb@x.example", "\x00@x.example"):
        status, head, _ = w.sign_in(login, "wrong wrong wrong")
        want(status, 400, 401, what="a login with a line end")
        if "x=1" in head:
            raise Failure("a header was injected")
    want(w.ask("GET", "/api/v1/health")[0], 200, what="afterwards")


def guessing_waits_and_tells_nothing(box):
    i = start(box)
    add_user(i, "a@x.example", "viewer")
    times = {"a@x.example": [], "b@x.example": []}
    texts = set()
    for n in range(3):  # so many are free of waiting
        for login, seen in times.items():
            began = time.monotonic()
            status, _, rest = Web(i).sign_in(login, f"wrong wrong {n}")
            seen.append(time.monotonic() - began)
            want(status, 401)
            texts.add(rest)
    if len(texts) != 1:
        raise Failure("the refusals differ")
    known, unknown = (min(t) for t in times.values())
    if abs(known - unknown) > 0.6 * max(known, unknown):
        raise Failure(f"known {known:.3f} s, unknown {unknown:.3f} s")
    for _ in range(6):
        Web(i).sign_in("a@x.example", "wrong wrong wrong")
    want(Web(i).sign_in("a@x.example", PASSWORD)[0], 401, what="the right password while waiting")
    want(Web(i).sign_in("a@x.example", "x" * 1100000)[0], 400, 413, what="a password of 1 MB")


def one_time_codes(box):
    i = start(box)
    w = at_work(i, "a@x.example", "viewer")
    secret = json.loads(w.ask("POST", "/api/v1/session/totp")[2])["secret"]

    def code(step=0):
        key = base64.b32decode(secret)
        mac = hmac.new(key, struct.pack(">Q", int(time.time()) // 30 + step), hashlib.sha1).digest()
        at = mac[-1] & 15
        return f"{(struct.unpack('>I', mac[at:at + 4])[0] & 0x7fffffff) % 10**6:06d}"

    used = code()
    want(w.ask("POST", "/api/v1/session/totp/confirm", {"code": used})[0], 200, what="turning it on")
    want(Web(i).sign_in("a@x.example", OTHER, used)[0], 401, what="the code that was used")
    want(Web(i).sign_in("a@x.example", OTHER, f" {used[:3]} {used[3:]} ")[0], 401, what="the same with spaces")
    want(Web(i).sign_in("a@x.example", OTHER, code(1))[0], 200, what="the next code")
    want(Web(i).sign_in("a@x.example", OTHER, code(1))[0], 401, what="the next code again")


def slow_clients(box):
    """47: a thousand that say nothing, never finish head or body, or do not read: others are not kept waiting."""
    i = start(box)
    w = Web(i)
    resource.setrlimit(resource.RLIMIT_NOFILE, (4096, resource.getrlimit(resource.RLIMIT_NOFILE)[1]))
    host = f"Host: {w.host}:{w.port}\r\n"
    kinds = (b"", f"POST /api/v1/session HTTP/1.1\r\n{host}".encode(),
             f"POST /api/v1/session HTTP/1.1\r\n{host}Content-Length: 100\r\n\r\n{{".encode(),
             f"GET / HTTP/1.1\r\n{host}\r\n".encode() * 50)
    ctx = ssl.create_default_context()
    ctx.check_hostname, ctx.verify_mode = False, ssl.CERT_NONE
    held, refused = [], 0
    for n in range(1000):
        try:
            s = socket.create_connection((w.host, int(w.port)), timeout=10, source_address=(f"127.0.7.{n % 250 + 1}", 0))
            held.append(s)
            if n % 5:  # every fifth does not even shake hands
                held[-1] = ctx.wrap_socket(s)
                held[-1].sendall(kinds[n % 4])
        except OSError:
            refused += 1
        if n % 100 == 99:
            began = time.monotonic()
            want(w.ask("GET", "/api/v1/health")[0], 200, what=f"another client beside {n + 1}")
            if time.monotonic() - began > 8:  # they are cut after 10 s
                raise Failure(f"beside {n + 1} slow ones another waited {time.monotonic() - began:.1f} s")
    for s in held:
        s.close()
    if refused > 500:
        raise Failure(f"{refused} of 1000 could not even connect")
    want(w.ask("GET", "/api/v1/health")[0], 200, what="after them")


TESTS = [forced_browsing, sessions_are_bound, other_groups_do_not_exist, nothing_leaves_the_line,
         guessing_waits_and_tells_nothing, one_time_codes, slow_clients]
