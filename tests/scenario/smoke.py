"""The daemon starts, answers, stops, and leaves nothing behind."""
import os

from rig import Failure, Inro, wait_for, zombie


def start_and_stop(box):
    i = box.rig.add(Inro(box.inro, f"{box.folder}/inro"))
    took = i.start()
    if took >= 1.0:
        raise Failure(f"from start to listening: {took:.2f} s")
    pids = [r["pid"] for r in i.roles().values()]
    i.stop()
    wait_for("no role left", lambda: all(not os.path.exists(f"/proc/{p}") or zombie(p) for p in pids), 5)


TESTS = [start_and_stop]
