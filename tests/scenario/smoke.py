"""The daemon starts, answers, stops, and leaves nothing behind."""
import os

from rig import Failure, Inro, wait_for, write, zombie


def start_and_stop(box):
    i = box.rig.add(Inro(box.inro, f"{box.folder}/inro"))
    i.start()
    pids = [r["pid"] for r in i.roles().values()]
    i.stop()
    wait_for("no role left", lambda: all(not os.path.exists(f"/proc/{p}") or zombie(p) for p in pids), 30)


def status_of(text):
    return dict(line.split(":\t", 1) for line in text.splitlines() if ":\t" in line)


def roles_are_confined(box):
    """Every role but the one that starts commands is under a filter; what it starts is free, and gets nothing of ours."""
    i = box.rig.add(Inro(box.inro, f"{box.folder}/inro"))
    i.start()
    got = {}
    for name, r in i.roles().items():
        with open(f"/proc/{r['pid']}/status") as f:
            s = status_of(f.read())
        got[name] = (s["Seccomp"].strip(), s["NoNewPrivs"].strip())
    want = {n: ("2", "1") for n in ("vault", "prober", "worker", "front")} | {"runner": ("0", "0")}
    if got != want:
        raise Failure(f"filter and privileges: {got}")
    runner = i.roles()["runner"]["pid"]
    if any("socket" in os.readlink(f"/proc/{runner}/fd/{fd}") for fd in os.listdir(f"/proc/{runner}/fd") if int(fd) > 40):
        raise Failure("the runner has more sockets than it needs")

    out = f"{box.folder}/out"
    os.makedirs(out)
    script = write(f"{box.folder}/reload", f"#!/bin/sh\ncat /proc/self/status > {out}/status\nls /proc/self/fd > {out}/fds\n"
                                           f"env > {out}/env\nif [ -e {out}/slow ]; then rm {out}/slow; sleep 60; fi\n", 0o700)
    i.cli("ca", "add", "own", "--type", "private")
    i.cli("cert", "request", "a.confined.test", "--ca", "own", "--wait")
    i.cli("target", "add", "t", "--type", "files", "--via", "local", "--reload-command", script)
    i.cli("bind", "a.confined.test", "t", "--cert-path", f"{box.folder}/a.crt", "--key-path", f"{box.folder}/a.key")
    i.cli("deploy", "a.confined.test", "--wait")
    s = status_of(open(f"{out}/status").read())
    if (s["Seccomp"].strip(), s["NoNewPrivs"].strip()) != ("0", "0"):
        raise Failure(f"a command is confined: {s['Seccomp']} {s['NoNewPrivs']}")
    if set(open(f"{out}/fds").read().split()) - {"0", "1", "2", "3"}:  # 3: the folder that ls reads
        raise Failure(f"a command has descriptors of ours: {open(f'{out}/fds').read()}")
    names = {line.split("=", 1)[0] for line in open(f"{out}/env")}
    if names - {"PATH", "LC_ALL", "PWD", "SHLVL", "_"}:
        raise Failure(f"a command has our environment: {names}")

    # the runner dies with a command: it is started again, and so is the step
    write(f"{out}/slow", "")
    before = open(f"{box.folder}/a.crt").read()
    i.cli("cert", "renew", "a.confined.test")
    wait_for("the slow command", lambda: not os.path.exists(f"{out}/slow"), 30, 0.05)
    i.kill_role("runner")
    wait_for("the runner is back", lambda: i.roles()["runner"]["ready"] and i.roles()["runner"]["pid"] not in (0, runner), 30, 0.1)
    wait_for("the deployment", lambda: i.get("cert", "show", "a.confined.test")["targets"]["deployed"] == 1 and not [
        j for j in i.get("job", "list", "--open")["items"] if j["kind"] == "deploy"], 90, 0.3)
    if open(f"{box.folder}/a.crt").read() == before:
        raise Failure("the old certificate is still there")


def changes(box):
    """What is not named stays; secrets stay without being asked for; a place that changed is deployed anew."""
    i = box.rig.add(Inro(box.inro, f"{box.folder}/inro"))
    i.start()
    secret = write(f"{box.folder}/password", "mail-password", 0o600)
    i.cli("notify", "add", "mail", "--type", "smtp", "--host", "127.0.0.1", "--port", "2525", "--from", "a@x.test", "--to",
          "b@x.test", "--user", "u", "--password-file", secret)
    code, _, said = i.cli("notify", "change", "mail", "--port", "2626", ok=False)
    if code != 3 or "password" not in said:
        raise Failure(f"the password would go elsewhere: {code} {said}")
    i.cli("notify", "change", "mail", "--port", "2626", "--password-file", secret)
    got = i.cli("notify", "change", "mail", "--from", "c@x.test", "--name", "post")[1]
    want = {"host": "127.0.0.1", "port": 2626, "from": "c@x.test", "to": ["b@x.test"], "user": "u", "password": {"set": True}}
    if got["name"] != "post" or {k: got["settings"].get(k) for k in want} != want:
        raise Failure(f"changed: {got}")
    i.cli("ca", "add", "own", "--type", "private")
    i.cli("cert", "request", "a.test", "--ca", "own", "--wait")
    root = {"type": "http-01-webroot", "via": "ssh", "host": "127.0.0.1", "user": "u", "auth": "password",
            "password": {"set": True}}
    got = i.cli("cert", "change", "a.test", "--names", "a.test,b.test", "--auto-renew", "no", "--challenge",
                "http-01-webroot", "--directory", "/srv/www", "--via", "ssh", "--host", "127.0.0.1", "--user", "u", "--auth",
                "password", "--password-file", secret)[1]
    if got["names"] != ["a.test", "b.test"] or got["policy"]["auto_renew"] or got["policy"]["on_failure"] != "stop":
        raise Failure(f"certificate: {got}")
    again = i.cli("cert", "change", "a.test", "--on-failure", "continue", "--renew-before", "10d")[1]
    if {k: again["challenge"].get(k) for k in root} != root or again["challenge"] != got["challenge"]:
        raise Failure(f"the challenge: {again['challenge']}")
    if again["policy"] != {**got["policy"], "on_failure": "continue", "renew_before": 864000}:
        raise Failure(f"the policy: {again['policy']}")
    i.cli("target", "add", "here", "--type", "files", "--via", "local")
    i.cli("bind", "a.test", "here", "--cert-path", f"{box.folder}/c.pem", "--key-path", f"{box.folder}/k.pem")
    i.cli("deploy", "a.test", "--wait")
    bound = i.get("binding", "list", "a.test")["items"][0]
    if bound["cert_name"] != "a.test" or bound["state"] != "deployed":
        raise Failure(f"bound: {bound}")
    same = i.cli("binding", "change", str(bound["id"]), "--seq", "7")[1]
    if (same["seq"], same["state"], same["place"]) != (7, "deployed", bound["place"]):
        raise Failure(f"another order only: {same}")
    moved = i.cli("binding", "change", str(bound["id"]), "--key-path", f"{box.folder}/other.pem")[1]
    if moved["state"] != "new" or moved["place"] != {**bound["place"], "key_path": f"{box.folder}/other.pem"}:
        raise Failure(f"another place: {moved}")
    i.cli("binding", "remove", str(bound["id"]))
    if i.get("binding", "list")["items"]:
        raise Failure("the binding is still there")
    w = i.cli("watch", "add", "127.0.0.1:1", "--cert", "a.test")[1]
    w = i.cli("watch", "change", str(w["id"]), "--every", "10m", "--cert", "-")[1]
    if (w["every"], w["cert"]) != (600, None):
        raise Failure(f"watched: {w}")
    code, _, said = i.cli("ca", "change", "own", "--key-alg", "rsa2048", ok=False, lang="ja")
    if code != 3 or "key_alg" not in said:
        raise Failure(f"what cannot change: {code} {said}")


TESTS = [start_and_stop, roles_are_confined, changes]
