"""Roll-outs that wait: for somebody's word, and for the hours in which they may begin. From the command line, to a real nginx."""
import time

from rig import Failure, Inro, Nginx, free_port, self_signed, served, wait_for

NAME = "hours.test"


def setup(box):
    i = box.rig.add(Inro(box.inro, f"{box.folder}/inro"))
    i.start()
    crt, key = self_signed(f"{box.folder}/pair", NAME, f"DNS:{NAME}")
    web = box.rig.add(Nginx(f"{box.folder}/nginx", "127.0.0.9", free_port("127.0.0.9"), {NAME: (crt, key)}))
    i.cli("ca", "add", "own", "--type", "private")
    i.cli("cert", "request", NAME, "--ca", "own", "--wait")
    i.cli("target", "add", "web", "--type", "nginx", "--via", "local", "--test-command", web.test_command, "--reload-command",
          web.reload_command)
    i.cli("bind", NAME, "web", "--cert-path", crt, "--key-path", key, "--verify", f"{web.address}:{web.port}", "--sni", NAME)
    i.cli("deploy", NAME, "--wait")
    return i, web


def now_served(web):
    return served(web.address, web.port, NAME)[0]


def newest(i):
    return max(i.get("cert", "show", NAME)["versions"], key=lambda v: v["id"])["sha256"]


def waiting(i, what, check):
    """The open roll-out, once it is as it should be."""
    found = []

    def look():
        found[:] = [j for j in i.get("job", "list", "--open")["items"] if j["kind"] == "deploy" and check(j)]
        return bool(found)

    wait_for(what, look, 60, 0.2)
    return str(found[0]["id"])


def asks(j):
    return j["state"] == "blocked" and j["error"]["id"] == "job.needs_approval"


def refused(i, code, word, *argv):
    got, _, said = i.cli(*argv, ok=False)
    if got != code or word not in said:
        raise Failure(f"inro {' '.join(argv)}: exit {got}, not {code}: {said}")


def somebody_elses_word(box):
    i, web = setup(box)
    before = now_served(web)
    i.cli("cert", "change", NAME, "--approval", "yes")
    i.cli("cert", "renew", NAME)
    job = waiting(i, "the roll-out asks", asks)
    if newest(i) == before or now_served(web) != before:
        raise Failure("the new certificate is served before anybody approved it")
    i.cli("job", "approve", job)
    wait_for("what was approved is served", lambda: now_served(web) == newest(i), 60, 0.2)
    wait_for("the roll-out ends", lambda: i.get("job", "show", job)["state"] == "done", 30, 0.2)
    refused(i, 3, "does not wait", "job", "approve", job)
    # asked for by hand: not approved by who asked
    i.cli("deploy", NAME)
    job = waiting(i, "the roll-out by hand asks", asks)
    refused(i, 6, "cannot approve", "job", "approve", job)
    i.cli("job", "cancel", job)
    # going back does not wait
    i.cli("undo", NAME, "--wait")
    if now_served(web) != before:
        raise Failure("going back waited, or put something else there")


def hours(box):
    i, web = setup(box)
    before = now_served(web)
    refused(i, 3, "no time for roll-outs", "cert", "change", NAME, "--window", "at night")
    opens = time.gmtime(time.time() + 7200)
    closes = time.gmtime(time.time() + 10800)
    i.cli("cert", "change", NAME, "--window", f"{time.strftime('%H:%M', opens)}-{time.strftime('%H:%M', closes)} +00:00")
    i.cli("cert", "renew", NAME)
    job = waiting(i, "the roll-out waits for its time", lambda j: j["state"] == "ready" and j["step"] == "begin" and not j["error"])
    at = i.get("job", "show", job)["run_at"]
    if at[:16] != time.strftime("%Y-%m-%dT%H:%M", opens):
        raise Failure(f"it begins at {at}, not {time.strftime('%H:%M', opens)}")
    i.stop()
    i.start()  # it waits on after a restart
    if now_served(web) != before or i.get("job", "show", job)["run_at"] != at:
        raise Failure("a restart began it")
    refused(i, 3, "does not wait", "job", "approve", job)
    i.cli("job", "approve", job, "--now")
    wait_for("what was begun now is served", lambda: now_served(web) == newest(i), 60, 0.2)


TESTS = [somebody_elses_word, hours]
