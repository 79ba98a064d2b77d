"""An ACME CA for tests, in this process, that is strict and does what a scenario says.

One ScriptedCa serves many cases over HTTPS on loopback: each has its own directory, accounts,
orders and list of calls, so that one daemon meets them all at once. It checks requests as Pebble
does: content type, flattened JWS, exact URL, nonces used once, kid or jwk, signature, empty payload
of a POST-as-GET; and it fetches the HTTP-01 answer before an authorization is valid.

A case is made honest and bent by:
  on     {kind: f(case, call)}: returns an Answer instead of the honest one, or None
  edit   {kind: f(case, call, object)}: changes the JSON that would be answered
  issue  f(case, csr, names): the PEM text that the certificate URL gives
  nonce  f(case, n): False refuses the n-th signed request with badNonce
kind: directory nonce account order-new order authz challenge finalize certificate alternate revoke
"""
import base64
import datetime
import hashlib
import hmac
import http.server
import json
import secrets
import socket
import ssl
import subprocess
import threading
import time
import urllib.request

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

URN = "urn:ietf:params:acme:error:"


def b64(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def unb64(text):
    if "=" in text or "+" in text or "/" in text:
        raise Refused(400, "malformed", "not base64url without padding")
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def now():
    return datetime.datetime.utcnow().replace(microsecond=0)


class Refused(Exception):
    """What a strict CA answers to a bad request."""

    def __init__(self, status, kind, detail, headers=None):
        super().__init__(detail)
        self.answer = problem(status, kind, detail, headers=headers)


class Answer:
    """status, headers, body; or chunks: an iterable that is sent piece by piece, without a length."""

    def __init__(self, status=200, body=b"", headers=None, content_type="application/json", chunks=None, delay=0.0):
        self.status, self.headers, self.content_type = status, dict(headers or {}), content_type
        self.body = json.dumps(body).encode() if isinstance(body, (dict, list)) else \
            body.encode() if isinstance(body, str) else body
        self.chunks, self.delay = chunks, delay


def problem(status, kind, detail, headers=None, **more):
    body = {"type": URN + kind, "detail": detail, "status": status, **more}
    return Answer(status, body, headers, "application/problem+json")


class Authority:
    """Root and intermediate that sign with EC P-256."""

    def __init__(self, name):
        self.root_key, self.key = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
        self.root = self.sign(f"{name} root", self.root_key, f"{name} root", self.root_key, ca=1)
        self.cert = self.sign(f"{name} intermediate", self.key, f"{name} root", self.root_key, ca=0)

    @staticmethod
    def sign(subject, key, issuer, issuer_key, ca=None, names=(), days=90.0, start=None, poison=False, eku=None):
        pub = key if hasattr(key, "public_bytes") else key.public_key()
        begin = start or now() - datetime.timedelta(hours=1)
        b = (x509.CertificateBuilder()
             .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, subject)] if subject else []))
             .issuer_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, issuer)]))
             .public_key(pub).serial_number(x509.random_serial_number()).not_valid_before(begin)
             .not_valid_after(begin + datetime.timedelta(days=days))
             .add_extension(x509.BasicConstraints(ca is not None, ca), True)
             .add_extension(x509.SubjectKeyIdentifier.from_public_key(pub), False)
             .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer_key.public_key()), False))
        if names:
            b = b.add_extension(x509.SubjectAlternativeName([x509.DNSName(n) for n in names]), not subject)
        if ca is None:
            b = b.add_extension(x509.ExtendedKeyUsage(eku or [ExtendedKeyUsageOID.SERVER_AUTH]), False)
        if poison:
            b = b.add_extension(x509.PrecertPoison(), True)
        return b.sign(issuer_key, hashes.SHA256())

    def leaf(self, key, names, **how):
        cn = self.cert.subject.get_attributes_for_oid(NameOID.COMMON_NAME)[0].value
        return self.sign(names[0], key, cn, self.key, names=names, **how)


def pem(*certs):
    return "".join(c.public_bytes(serialization.Encoding.PEM).decode() for c in certs)


class Call:
    def __init__(self, kind, method, path, payload):
        self.kind, self.method, self.path, self.payload, self.at = kind, method, path, payload, time.monotonic()

    def __repr__(self):
        return f"{self.method} {self.kind}"


class Case:
    """One directory with all its state."""

    def __init__(self, ca, name, on=None, edit=None, issue=None, nonce=None, eab=None, validate=True, profile=None):
        self.ca, self.name, self.on, self.edit = ca, name, on or {}, edit or {}
        self.issue, self.nonce_ok, self.eab, self.validate = issue, nonce, eab, validate
        self.calls, self.nonces, self.accounts, self.orders, self.authz, self.certs = [], set(), {}, {}, {}, {}
        self.revoked, self.posts = [], 0
        self.lists_orders = False
        self.alternates = []  # PEM texts offered beside the default chain
        self.lock = threading.RLock()
        self.base = f"{ca.base}/{name}"
        self.directory = f"{self.base}/directory"
        self.profile = profile

    def count(self, kind=None):
        with self.lock:
            return sum(1 for c in self.calls if kind in (None, c.kind))

    def since(self, at):
        with self.lock:
            return [c for c in self.calls if c.at >= at]

    # -- honest behaviour -----------------------------------------------------------------------
    def new_nonce(self):
        n = b64(secrets.token_bytes(16))
        with self.lock:
            self.nonces.add(n)
        return n

    def honest(self, kind, call, ident, account):
        return getattr(self, "do_" + kind.replace("-", "_"))(call, ident, account)

    def do_directory(self, *_):
        meta = {"termsOfService": "data:text/plain,be%20good"}
        if self.eab:
            meta["externalAccountRequired"] = True
        return Answer(200, {"newNonce": f"{self.base}/nonce", "newAccount": f"{self.base}/account",
                            "newOrder": f"{self.base}/order-new", "revokeCert": f"{self.base}/revoke",
                            "keyChange": f"{self.base}/key-change", "meta": meta})

    def do_nonce(self, *_):
        return Answer(200, b"", {"Cache-Control": "no-store"})

    def do_account(self, call, ident, account):
        jwk = call.jwk
        thumb = thumbprint(jwk)
        for kid, a in self.accounts.items():
            if a["thumb"] == thumb:
                return Answer(200, {"status": a["status"]}, {"Location": kid})
        if call.payload.get("onlyReturnExisting"):
            raise Refused(400, "accountDoesNotExist", "no such account")
        if not call.payload.get("termsOfServiceAgreed"):
            raise Refused(403, "agreementRequired", "terms")
        if self.eab:
            self.check_eab(call)
        kid = f"{self.base}/acct/{len(self.accounts) + 1}"
        self.accounts[kid] = {"jwk": jwk, "thumb": thumb, "status": "valid"}
        return Answer(201, {"status": "valid"}, {"Location": kid})

    def check_eab(self, call):
        outer = call.payload.get("externalAccountBinding")
        if not outer:
            raise Refused(403, "externalAccountRequired", "external account binding is required")
        head = json.loads(unb64(outer["protected"]))
        kid, key = self.eab
        good = head == {"alg": "HS256", "kid": kid, "url": f"{self.base}/account"} and \
            json.loads(unb64(outer["payload"])) == call.jwk and hmac.compare_digest(
                hmac.new(key, f"{outer['protected']}.{outer['payload']}".encode(), hashlib.sha256).digest(),
                unb64(outer["signature"]))
        if not good:
            raise Refused(403, "unauthorized", "the external account binding is wrong")

    def do_order_new(self, call, ident, account):
        ids = call.payload["identifiers"]
        oid = str(len(self.orders) + 1)
        order = {"status": "pending", "identifiers": ids, "authorizations": [], "finalize": f"{self.base}/finalize/{oid}",
                 "expires": (now() + datetime.timedelta(days=1)).isoformat() + "Z"}
        if "notAfter" in call.payload:
            order["notAfter"] = call.payload["notAfter"]
        for i, one in enumerate(reversed(ids)):
            aid = f"{oid}-{i}"
            name, wild = one["value"].removeprefix("*."), one["value"].startswith("*.")
            self.authz[aid] = {"status": "pending", "identifier": {"type": one["type"], "value": name},
                               "challenges": [{"type": t, "status": "pending", "url": f"{self.base}/challenge/{aid}",
                                               "token": b64(secrets.token_bytes(24))}
                                              for t in (["dns-01"] if wild else ["tls-alpn-01", "http-01"])],
                               **({"wildcard": True} if wild else {})}
            order["authorizations"].append(f"{self.base}/authz/{aid}")
        self.orders[oid] = order
        return Answer(201, dict(order), {"Location": f"{self.base}/order/{oid}"})

    def do_acct(self, call, ident, account):
        return Answer(200, {"status": "valid", **({"orders": f"{self.base}/orders/{ident}"} if self.lists_orders else {})})

    def do_orders(self, call, ident, account):
        if not self.lists_orders:
            raise Refused(404, "malformed", "no list of orders here")
        return Answer(200, {"orders": [f"{self.base}/order/{oid}" for oid in self.orders]})

    def do_order(self, call, ident, account):
        order = self.orders.get(ident)
        if not order:
            return Answer(404, b"")
        states = [self.authz[u.rsplit("/", 1)[1]]["status"] for u in order["authorizations"]]
        if order["status"] == "pending":
            order["status"] = "invalid" if "invalid" in states else "ready" if set(states) == {"valid"} else "pending"
        return Answer(200, dict(order))

    def do_authz(self, call, ident, account):
        authz = self.authz.get(ident)
        if not authz:
            return Answer(404, b"")
        if isinstance(call.payload, dict) and call.payload.get("status") == "deactivated":
            authz["status"] = "deactivated"
        return Answer(200, authz)

    def do_challenge(self, call, ident, account):
        authz = self.authz[ident]
        if call.payload != {}:
            raise Refused(400, "malformed", "a challenge is answered with {}")
        if authz["status"] != "pending":
            raise Refused(400, "malformed", "authorization is not pending")
        c = authz["challenges"][-1]
        self.prove(authz, c, self.accounts[account]["thumb"])
        return Answer(200, c, {"Link": f'<{self.base}/authz/{ident}>;rel="up"'})

    def prove(self, authz, c, thumb):
        want = f"{c['token']}.{thumb}"
        url = f"http://127.0.0.1:{self.ca.http01}/.well-known/acme-challenge/{c['token']}"
        try:
            got = want
            if self.validate:
                req = urllib.request.Request(url, headers={"Host": authz["identifier"]["value"]})
                with urllib.request.urlopen(req, timeout=5) as r:
                    got = r.read().decode()
            if got.strip() != want:
                raise OSError("another answer")
            authz["status"] = c["status"] = "valid"
        except OSError as e:
            c["error"] = {"type": URN + "incorrectResponse", "detail": str(e), "status": 403}
            authz["status"] = c["status"] = "invalid"

    def do_finalize(self, call, ident, account):
        self.do_order(call, ident, account)
        order = self.orders[ident]
        if order["status"] != "ready":
            raise Refused(403, "orderNotReady", f"the order is {order['status']}")
        csr = x509.load_der_x509_csr(unb64(call.payload["csr"]))
        names = csr.extensions.get_extension_for_class(x509.SubjectAlternativeName).value.get_values_for_type(x509.DNSName)
        if not csr.is_signature_valid or sorted(names) != sorted(i["value"] for i in order["identifiers"]):
            raise Refused(400, "badCSR", "names or signature of the CSR are wrong")
        how = {}
        if "notAfter" in order:
            end = datetime.datetime.fromisoformat(order["notAfter"].replace("Z", "+00:00")).replace(tzinfo=None)
            how["start"] = now() - datetime.timedelta(seconds=5)
            how["days"] = (end - how["start"]).total_seconds() / 86400
        self.certs[ident] = self.issue(self, csr, names) if self.issue else \
            pem(self.ca.authority.leaf(csr.public_key(), names, **how), self.ca.authority.cert)
        order.update(status="valid", certificate=f"{self.base}/certificate/{ident}")
        return Answer(200, dict(order))

    def do_certificate(self, call, ident, account):
        links = ", ".join(f'<{self.base}/alternate/{i}>;rel="alternate"' for i in range(len(self.alternates)))
        return Answer(200, self.certs[ident], {"Link": links} if links else {}, "application/pem-certificate-chain")

    def do_alternate(self, call, ident, account):
        return Answer(200, self.alternates[int(ident)](self), {}, "application/pem-certificate-chain")

    def do_revoke(self, call, ident, account):
        der = unb64(call.payload["certificate"])
        if der in self.revoked:
            raise Refused(400, "alreadyRevoked", "revoked before")
        self.revoked.append(der)
        return Answer(200, b"")

    # -- requests -------------------------------------------------------------------------------
    def answer(self, method, path, headers, body):
        kind, _, ident = path.partition("/")
        call = Call(kind, method, path, None)
        with self.lock:
            self.calls.append(call)
        try:
            if not hasattr(self, "do_" + kind.replace("-", "_")):
                return Answer(404, b"")
            account = None
            if kind not in ("directory", "nonce"):
                if method != "POST":
                    return Answer(405, b"")
                account = self.check_jws(call, headers, body)
            bent = self.on.get(kind)
            a = bent(self, call) if bent else None
            if a is None:
                with self.lock:
                    a = self.honest(kind, call, ident, account)
                if kind in self.edit:
                    obj = json.loads(a.body)
                    a.body = json.dumps(self.edit[kind](self, call, obj) or obj).encode()
        except Refused as e:
            a = e.answer
        if method == "POST" or kind == "nonce":
            a.headers.setdefault("Replay-Nonce", self.new_nonce())
        return a

    def check_jws(self, call, headers, body):
        if headers.get("Content-Type") != "application/jose+json":
            raise Refused(415, "malformed", "content type")
        jws = json.loads(body)
        if set(jws) != {"protected", "payload", "signature"}:
            raise Refused(400, "malformed", "not a flattened JWS")
        head = json.loads(unb64(jws["protected"]))
        if set(head) - {"alg", "nonce", "url", "jwk", "kid"} or ("jwk" in head) == ("kid" in head):
            raise Refused(400, "malformed", "header members")
        if head["url"] != f"{self.base}/{call.path}":
            raise Refused(400, "malformed", f"url {head['url']}")
        with self.lock:
            self.posts += 1
            fresh = head.get("nonce") in self.nonces
            self.nonces.discard(head.get("nonce"))
            n = self.posts
        if not fresh or (self.nonce_ok and not self.nonce_ok(self, n)):
            raise Refused(400, "badNonce", "the nonce is stale")
        jwk = head.get("jwk")
        if (call.kind == "account") != (jwk is not None):
            raise Refused(400, "malformed", "jwk for a new account only")
        if not jwk and head["kid"] not in self.accounts:
            raise Refused(400, "accountDoesNotExist", "no such account")
        if not jwk and self.accounts[head["kid"]]["status"] != "valid":
            raise Refused(403, "unauthorized", "the account is deactivated")
        call.jwk = jwk
        verify(jwk or self.accounts[head["kid"]]["jwk"], head["alg"], jws)
        text = unb64(jws["payload"])
        call.payload = json.loads(text) if text else ""
        if call.kind in ("order", "certificate", "alternate") and call.payload != "":
            raise Refused(400, "malformed", "POST-as-GET with a payload")
        return head.get("kid")


def thumbprint(jwk):
    members = {"EC": ("crv", "kty", "x", "y"), "RSA": ("e", "kty", "n")}[jwk["kty"]]
    text = json.dumps({m: jwk[m] for m in members}, separators=(",", ":"), sort_keys=True)
    return b64(hashlib.sha256(text.encode()).digest())


def verify(jwk, alg, jws):
    number = {m: int.from_bytes(unb64(jwk[m]), "big") for m in ("x", "y", "n", "e") if m in jwk}
    data, sig = f"{jws['protected']}.{jws['payload']}".encode(), unb64(jws["signature"])
    try:
        if alg == "ES256" and jwk["kty"] == "EC" and len(sig) == 64:
            pub = ec.EllipticCurvePublicNumbers(number["x"], number["y"], ec.SECP256R1()).public_key()
            raw = encode_dss_signature(int.from_bytes(sig[:32], "big"), int.from_bytes(sig[32:], "big"))
            pub.verify(raw, data, ec.ECDSA(hashes.SHA256()))
        elif alg == "RS256" and jwk["kty"] == "RSA":
            rsa.RSAPublicNumbers(number["e"], number["n"]).public_key().verify(
                sig, data, padding.PKCS1v15(), hashes.SHA256())
        else:
            raise Refused(400, "badSignatureAlgorithm", alg)
    except InvalidSignature:
        raise Refused(400, "malformed", "the signature is wrong") from None


class ScriptedCa:
    """The server; use as a part of a Rig."""

    def __init__(self, folder, http01, cert=None, key=None):
        self.folder, self.http01, self.cases = folder, http01, {}
        self.authority = Authority("Scripted")
        self.stopping = threading.Event()
        ca = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def serve(self):
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                _, name, path = self.path.split("/", 2) if self.path.count("/") > 1 else ("", "", "")
                case = ca.cases.get(name)
                a = case.answer(self.command, path, self.headers, body) if case else Answer(404)
                if a.delay and ca.stopping.wait(a.delay):
                    return
                self.send(a)

            def send(self, a):
                self.send_response(a.status)
                for k, v in a.headers.items():
                    self.send_header(k, v)
                self.send_header("Content-Type", a.content_type)
                if a.chunks is None:
                    self.send_header("Content-Length", str(len(a.body)))
                else:
                    self.send_header("Connection", "close")
                    self.close_connection = True
                self.end_headers()
                if self.command == "HEAD":
                    return
                for piece in a.chunks or [a.body]:
                    if ca.stopping.is_set():
                        return
                    self.wfile.write(piece)

            do_GET = do_POST = do_HEAD = serve

            def log_message(self, *_):
                pass

        class Server(http.server.ThreadingHTTPServer):
            daemon_threads = True
            request_queue_size = 128

            def handle_error(self, *_):
                pass  # a client that hangs up is part of the tests

        from rig import self_signed
        self.cert, tls_key = (cert, key) if cert else self_signed(folder, "scripted-ca", "DNS:localhost,IP:127.0.0.1")
        tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        tls.load_cert_chain(self.cert, tls_key)
        self.server = Server(("127.0.0.1", 0), Handler)
        # the handshake belongs to the connection's thread, not to the accepting one
        self.server.socket = tls.wrap_socket(self.server.socket, server_side=True, do_handshake_on_connect=False)
        self.port = self.server.server_address[1]
        self.base = f"https://127.0.0.1:{self.port}"
        threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()

    def case(self, name, **how):
        c = self.cases[name] = Case(self, name, **how)
        return c

    def stop(self):
        self.stopping.set()
        self.server.shutdown()
        self.server.server_close()

    def root_pem(self):
        return pem(self.authority.root)


def expired_pair(folder):
    """A TLS pair for 127.0.0.1 that ended yesterday, and the root that signed it."""
    import ipaddress
    import os
    os.makedirs(folder, exist_ok=True)
    a, key = Authority("Expired"), ec.generate_private_key(ec.SECP256R1())
    begin = now() - datetime.timedelta(days=10)
    cert = (x509.CertificateBuilder().subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")]))
            .issuer_name(a.cert.subject).public_key(key.public_key()).serial_number(77).not_valid_before(begin)
            .not_valid_after(now() - datetime.timedelta(days=1))
            .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), False)
            .sign(a.key, hashes.SHA256()))
    paths = f"{folder}/expired.crt", f"{folder}/expired.key", f"{folder}/root.crt"
    for path, text in zip(paths, (pem(cert, a.cert), key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()).decode(), pem(a.root))):
        with open(path, "w") as f:
            f.write(text)
    return paths
