"""Kills a role of the daemon at its n-th write, sync, rename, unlink or message (killpoint.c)."""
import ctypes
import mmap
import os
import subprocess

HERE = os.path.dirname(os.path.abspath(__file__))
WRITE, SYNC, RENAME, UNLINK, SEND = 1, 2, 4, 8, 16
KINDS = {WRITE: "write", SYNC: "sync", RENAME: "rename", UNLINK: "unlink", SEND: "send"}
FILES = WRITE | SYNC | RENAME | UNLINK
ROLES = ["", "vault", "prober", "worker", "front", "supervisor"]
KILL, HALT, FAIL, FAIL_ON = 0, 1, 2, 3
MANY = 1 << 40


class Control(ctypes.Structure):
    _fields_ = [("role", ctypes.c_int), ("mode", ctypes.c_int), ("error", ctypes.c_int), ("mask", ctypes.c_uint),
                ("left", ctypes.c_longlong), ("fired", ctypes.c_int), ("kind", ctypes.c_int),
                ("path", ctypes.c_char * 200)]


class KillPoint:
    def __init__(self, folder):
        os.makedirs(folder, exist_ok=True)
        self.library, self.file = f"{folder}/killpoint.so", f"{folder}/control"
        subprocess.run(["gcc", "-O1", "-Wall", "-shared", "-fPIC", "-o", self.library, f"{HERE}/killpoint.c", "-ldl"],
                       check=True, capture_output=True)
        with open(self.file, "wb") as f:
            f.write(bytes(4096))
        fd = os.open(self.file, os.O_RDWR)
        self.map = mmap.mmap(fd, 4096)
        os.close(fd)
        self.c = Control.from_buffer(self.map)

    def env(self):
        return {"LD_PRELOAD": self.library, "INRO_KILLPOINT": self.file}

    def arm(self, role, n, mask=FILES | SEND, mode=KILL, error=0, path=""):
        c = self.c
        c.role = 0
        c.mode, c.error, c.mask, c.left, c.fired, c.kind = mode, error, mask, n, 0, 0
        c.path = path.encode()
        c.role = ROLES.index(role)

    def disarm(self):
        """True when it was met."""
        self.c.role = 0
        if self.c.mode == HALT:
            self.c.mode = KILL  # whoever still waits there dies
        return bool(self.c.fired)

    def count(self, role, mask=FILES | SEND, path=""):
        """Starts counting; counted() says how many calls there were."""
        self.arm(role, MANY, mask, path=path)

    def counted(self):
        self.c.role = 0
        return MANY - self.c.left

    def what(self):
        return KINDS.get(self.c.kind, "?")
