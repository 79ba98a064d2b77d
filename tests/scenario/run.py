"""Runs the scenarios. A module of this folder takes part by having TESTS, a list of functions; each
is called with a Box (below) and fails by raising. Every test has a folder and a Rig of its own.

usage: run.py --inro PATH --out DIR [--only NAME]... [--jobs N] [--long] [--seed N] [--list]
  --only NAME  a module, a test, or module.test; may be repeated
  --jobs N     tests at once, each in a process of its own (3: they mostly wait)
  --long       every point of a kill loop instead of a sample (hours)
"""
import argparse
import importlib
import multiprocessing
import os
import shutil
import signal
import sys
import time
import traceback

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.join(HERE, "..", "rig")]
from rig import Rig  # noqa: E402


class Box:
    """What a test is given."""

    def __init__(self, rig, inro, folder, options):
        self.rig = rig        # box.rig.add(part): stopped at the end, whatever happens
        self.inro = inro      # path of the binary
        self.folder = folder  # its own, empty, 0700; kept when the test fails
        self.long, self.seed = options.long, options.seed


class Skip(Exception):
    """The machine lacks what the test needs (root, a program); the text says what."""


def modules():
    for file in sorted(os.listdir(HERE)):
        if file.endswith(".py") and file != "run.py":
            module = importlib.import_module(file[:-3])
            if hasattr(module, "TESTS"):
                yield file[:-3], module


def chosen(only):
    """(module.test, function) in order; a name that meets nothing is an error."""
    seen, found = set(), []
    for module, m in modules():
        for fn in m.TESTS:
            names = {module, fn.__name__, f"{module}.{fn.__name__}"}
            seen |= names
            if not only or names & set(only):
                found.append((f"{module}.{fn.__name__}", fn))
    unknown = [n for n in only if n not in seen]
    if unknown:
        sys.exit(f"no such test or module: {', '.join(unknown)}")
    return found


def run_one(name, fn, o, n):
    """'ok', 'skipped' or 'FAILED'."""
    # Short: the daemon's local socket below it has a path of at most 107 bytes.
    folder = os.path.abspath(f"{o.out}/{n:02}-{fn.__name__[:12]}")
    os.makedirs(folder, mode=0o700)
    begin = time.monotonic()
    try:
        with Rig() as rig:
            fn(Box(rig, os.path.abspath(o.inro), folder, o))
    except Skip as e:
        print(f"skipped {name}: {e}", flush=True)
        return "skipped"
    except Exception as e:  # a scenario may fail in any way; it is told, and its folder kept
        last = traceback.extract_tb(e.__traceback__)[-1]
        print(f"FAILED  {name}: {e} ({os.path.basename(last.filename)}:{last.lineno}); see {folder}", flush=True)
        with open(f"{folder}/traceback.txt", "w") as f:
            traceback.print_exc(file=f)
        return "FAILED"
    print(f"ok      {name} ({time.monotonic() - begin:.1f} s)", flush=True)
    shutil.rmtree(folder, ignore_errors=True)
    return "ok"


def prepare(tests, options):
    """In each process: told to end, it still stops what it started."""
    global TESTS, OPTIONS
    TESTS, OPTIONS = tests, options
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))


def run_nth(i):
    return run_one(*TESTS[i], OPTIONS, i)


def main():
    p = argparse.ArgumentParser()
    p.add_argument("--inro", required=True)
    p.add_argument("--out", required=True)
    p.add_argument("--only", action="append", default=[])
    p.add_argument("--jobs", type=int, default=3)
    p.add_argument("--long", action="store_true")
    p.add_argument("--seed", type=int, default=1)
    p.add_argument("--list", action="store_true")
    o = p.parse_args()
    tests = chosen(o.only)
    if o.list:
        print("\n".join(name for name, _ in tests))
        return 0
    shutil.rmtree(o.out, ignore_errors=True)
    os.makedirs(o.out, mode=0o700)
    # Forked after the modules are read; the last modules hold the longest tests and go first.
    with multiprocessing.get_context("fork").Pool(o.jobs, prepare, (tests, o), maxtasksperchild=1) as pool:
        results = list(pool.imap_unordered(run_nth, reversed(range(len(tests))), chunksize=1))
    skipped = results.count("skipped")
    if skipped:
        print(f"{skipped} skipped", flush=True)
    print(f"{results.count('ok')} passed, {results.count('FAILED')} failed", flush=True)
    return 1 if "FAILED" in results or "ok" not in results else 0


if __name__ == "__main__":
    # Modules that say `from run import Skip` must get this one.
    sys.modules["run"] = sys.modules["__main__"]
    sys.exit(main())
