"""Discovery: servers on many addresses of the loopback are found, each is told for what it is to us, a
killed worker or prober goes on, and what was found comes under management as the plan said."""
import contextlib
import socket
import threading
import time

import oddcerts
from cryptography import x509
from rig import Failure, Inro, Nginx, Part, free_port, openssl_text, self_signed, served, wait_for, write
from scripted_ca import Authority

HOSTILE = "<img src=x onerror=alert(1)>"


def check(what, good, seen=""):
    if not good:
        raise Failure(f"{what}: {seen}")


class Plain(threading.Thread):
    """Accepts, counts, and speaks no TLS; `silent` says nothing at all."""

    def __init__(self, address, port, silent=False):
        super().__init__(daemon=True)
        self.silent, self.count, self.held = silent, 0, []
        self.listener = socket.create_server((address, port))
        self.start()

    def run(self):
        with contextlib.suppress(OSError):
            while True:
                conn = self.listener.accept()[0]
                self.count += 1
                if self.silent:
                    self.held.append(conn)
                    continue
                with conn, contextlib.suppress(OSError):
                    conn.sendall(b"220 this is no TLS\r\n")

    def stop(self):
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()


class Server(Part):
    """openssl s_server, that shows whatever it is given."""

    def __init__(self, folder, address, port, crt, key):
        super().__init__(folder)
        self.spawn(["openssl", "s_server", "-accept", f"{address}:{port}", "-quiet", "-cert", crt, "-key", key])
        self.wait_port(address, port)


def hostile_pair(folder):
    key = oddcerts.new_key()
    made = oddcerts.with_names(Authority("Odd CA"), key, [x509.DNSName("evil.found.test")], subject=HOSTILE)
    return (write(f"{folder}/odd.crt", oddcerts.armour(made)),
            write(f"{folder}/odd.key", oddcerts.key_pem(key), 0o600))


class Net:
    """What stands on 127.0.0.0/24 at one port."""

    def __init__(self, box):
        self.port = port = free_port("127.0.0.2")
        self.new = self_signed(f"{box.folder}/new", "www.found.test", "DNS:www.found.test,DNS:found.test")
        self.held = self_signed(f"{box.folder}/held", "held.found.test", "DNS:held.found.test")
        self.other = self_signed(f"{box.folder}/other", "held.found.test", "DNS:held.found.test")
        for n, (name, pair) in {2: ("www.found.test", self.new), 3: ("www.found.test", self.new),
                                6: ("held.found.test", self.held), 7: ("held.found.test", self.other)}.items():
            box.rig.add(Nginx(f"{box.folder}/nginx{n}", f"127.0.0.{n}", port, {name: pair}))
        box.rig.add(Server(f"{box.folder}/odd", "127.0.0.4", port, *hostile_pair(f"{box.folder}/oddpair")))
        self.plain = box.rig.add(Plain("127.0.0.5", port))
        self.silent = box.rig.add(Plain("127.0.0.8", port, silent=True))


def relations(i, number):
    return {x["host"]: x for x in i.get("discover", "show", str(number), "--limit", "500")["items"]}


def found_and_adopted(box):
    net = Net(box)
    i = box.rig.add(Inro(box.inro, f"{box.folder}/inro"))
    i.start()
    i.cli("cert", "import", net.held[0], "--name", "held")
    code, got, said = i.cli("discover", "add", "--file", "-", ok=False, stdin="127.0.0.1\n10.0.0.0/8\n")
    check("a wide range is refused with its line", code == 3 and "line 2" in said, (code, said))
    made = i.get("discover", "add", "127.0.0.0/28", "169.254.7.7", "--ports", str(net.port), "--wait")
    check("ended", made["state"] == "done" and made["looked"] == made["total"] == 15 and made["found"] == 5, made)
    seen = relations(i, made["id"])
    want = {"127.0.0.1": "nothing", "127.0.0.2": "unknown", "127.0.0.3": "unknown", "127.0.0.4": "unknown",
            "127.0.0.5": "no_tls", "127.0.0.6": "held", "127.0.0.7": "other", "127.0.0.8": "no_tls",
            "169.254.7.7": "refused"}
    check("each is told for what it is", all(seen[h]["relation"] == r for h, r in want.items()),
          {h: seen[h]["relation"] for h in want})
    check("by name", seen["127.0.0.6"]["cert_name"] == seen["127.0.0.7"]["cert_name"] == "held", seen["127.0.0.7"])
    sha, der = served("127.0.0.2", net.port, None)
    check("as it is served", seen["127.0.0.2"]["sha256"] == sha and seen["127.0.0.2"]["names"] == ["www.found.test", "found.test"],
          seen["127.0.0.2"])
    check("hostile names are text", HOSTILE in seen["127.0.0.4"]["subject"].replace("\\", ""), seen["127.0.0.4"])

    number = str(made["id"])
    plan = i.get("discover", "adopt", number, "--state", "unknown", "--plan")
    check("the plan", (plan["certs"], plan["joined"], plan["endpoints"], plan["left_out"]) == (2, 1, 3, 0), plan)
    check("a plan does nothing", not i.get("watch", "list")["items"], "watched")
    done = i.get("discover", "adopt", number, "--state", "unknown")
    check("as planned", [x["what"] for x in done["items"]] == [x["what"] for x in plan["items"]], done)
    i.cli("discover", "adopt", number, str(seen["127.0.0.6"]["id"]), str(seen["127.0.0.5"]["id"]), "--watch")
    watched = {e["host"]: e for e in i.get("watch", "list")["items"]}
    check("watched", set(watched) == {"127.0.0.2", "127.0.0.3", "127.0.0.4", "127.0.0.6"}, set(watched))
    check("expected", [watched[f"127.0.0.{n}"]["cert_name"] for n in (2, 3, 6)] == ["www.found.test"] * 2 + ["held"], watched)
    cert = i.get("cert", "show", "www.found.test")
    check("registered without a key", cert["sha256"] == sha and not cert["versions"][0]["has_key"], cert)
    wait_for("the looks agree", lambda: {e["state"] for e in i.get("watch", "list")["items"]} == {"ok"}, 60, 0.5)
    again = i.get("discover", "adopt", number, "--state", "held", "--plan")
    check("nothing twice", again["endpoints"] == again["certs"] == 0, again)

    # Next, as people are told: a CA, and Inro renews it.
    i.cli("ca", "add", "own", "--type", "private", "--common-name", "Own CA")
    i.cli("cert", "change", "www.found.test", "--ca", "own")
    i.cli("cert", "renew", "www.found.test", "--wait")
    cert = i.get("cert", "show", "www.found.test")
    check("renewed with a key of its own", cert["sha256"] != sha and cert["versions"][0]["has_key"], cert)
    i.cli("watch", "now", str(watched["127.0.0.2"]["id"]), "--wait")
    state = {e["host"]: e["state"] for e in i.get("watch", "list")["items"]}
    check("what is served is not that yet", state["127.0.0.2"] == "drift", state)
    check("the CN is whole", "www.found.test" in openssl_text(der, "-subject"), "")

    # One that is watched, without a discovery.
    spot = i.get("watch", "add", f"127.0.0.7:{net.port}")
    i.cli("watch", "now", str(spot["id"]), "--wait")
    got = i.get("watch", "adopt", str(spot["id"]))
    check("taken over", got["new"] and got["endpoint"]["cert_name"].startswith("held.found.test"), got)
    code, _, said = i.cli("watch", "adopt", str(spot["id"]), ok=False)
    check("once", code != 0 and "expected there already" in said, said)


def goes_on_after_kills(box):
    net = Net(box)
    late = box.rig.add(Plain("127.0.0.120", net.port))
    i = box.rig.add(Inro(box.inro, f"{box.folder}/inro"))
    i.start()
    made = i.get("discover", "add", "127.0.0.1-250", "--ports", str(net.port))
    number = str(made["id"])

    def now():
        return i.api("GET", f"/discoveries/{number}")[1]

    wait_for("the first batch is saved", lambda: now()["looked"] >= 64, 60, 0.05)
    i.kill_role("worker")
    before = net.plain.count
    wait_for("it goes on", lambda: now()["looked"] >= 128, 180, 0.1)
    i.kill_role("prober")
    wait_for("it ends", lambda: now()["state"] == "done", 180, 0.2)
    got = now()
    check("all were looked at", got["looked"] == got["total"] == 250 and got["found"] == 5, got)
    check("what was saved is not looked at again", net.plain.count == before == 1, (before, net.plain.count))
    check("the rest was", 1 <= late.count <= 3, late.count)
    check("each is there once", len(relations(i, number)) == 250, "")

    made = i.get("discover", "add", "127.0.0.1-250", "--ports", str(net.port))
    number = str(made["id"])
    wait_for("the first batch is saved", lambda: now()["looked"] >= 64, 60, 0.05)
    i.cli("discover", "cancel", number)
    looked = now()["looked"]
    time.sleep(1)
    check("ended by a person", now()["state"] == "cancelled" and now()["looked"] == looked < 250, now())
    i.cli("discover", "remove", number)
    check("gone", i.cli("discover", "show", number, ok=False)[0] == 4, "")


TESTS = [found_and_adopted, goes_on_after_kills]
