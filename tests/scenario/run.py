"""Runs the scenarios: every function test_* of tests/scenario/test_*.py gets a Rig, the path of the
binary and a folder of its own. A scenario fails by raising.

usage: run.py --inro PATH --out DIR [NAME...]
"""
import argparse
import importlib
import os
import shutil
import sys
import time
import traceback

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.join(HERE, "..", "rig")]
from rig import Rig  # noqa: E402


def main():
    p = argparse.ArgumentParser()
    p.add_argument("--inro", required=True)
    p.add_argument("--out", required=True)
    p.add_argument("names", nargs="*")
    o = p.parse_args()
    shutil.rmtree(o.out, ignore_errors=True)
    passed = failed = 0
    for file in sorted(os.listdir(HERE)):
        if not (file.startswith("test_") and file.endswith(".py")):
            continue
        module = importlib.import_module(file[:-3])
        for name, fn in [(n, f) for n, f in vars(module).items() if n.startswith("test_") and callable(f)]:
            if o.names and not any(w in name or w in file for w in o.names):
                continue
            folder = os.path.abspath(f"{o.out}/{name}")
            os.makedirs(folder, mode=0o700)
            begin = time.monotonic()
            try:
                with Rig() as rig:
                    fn(rig, os.path.abspath(o.inro), folder)
                passed += 1
                print(f"ok      {name} ({time.monotonic() - begin:.1f} s)", flush=True)
                shutil.rmtree(folder, ignore_errors=True)
            except Exception as e:  # a scenario may fail in any way; it is told, and its folder kept
                failed += 1
                last = traceback.extract_tb(e.__traceback__)[-1]
                print(f"FAILED  {name}: {e} ({os.path.basename(last.filename)}:{last.lineno}); see {folder}", flush=True)
                if not str(e):
                    traceback.print_exc()
    print(f"{passed} passed, {failed} failed", flush=True)
    return 1 if failed or not passed else 0


sys.exit(main())
