"""A DNS server that answers as it is told, and a way to make one program ask it: /etc/resolv.conf of its own, in a
mount namespace of its own."""
import os
import random
import socket
import struct
import subprocess
import threading
import time

from rig import write

A, AAAA = 1, 28
SERVFAIL, NXDOMAIN = 2, 3
SILENT = "silent"  # no answer at all


class Dns:
    """names: {name: answers}. answers: a list of addresses, SERVFAIL, NXDOMAIN or SILENT; or a function that is given
    the how-manieth question of its kind for the name this is (0, 1, ...) and returns one of those. delay: {name: seconds}.
    Unknown names do not exist."""

    def __init__(self, names, delay=None):
        self.names, self.delay, self.asked, self.lock = names, delay or {}, {}, threading.Lock()
        self.socket, self.address = listen()
        threading.Thread(target=self.run, daemon=True).start()

    def run(self):
        while True:
            try:
                data, peer = self.socket.recvfrom(4096)
            except OSError:
                return
            threading.Thread(target=self.serve, args=(data, peer), daemon=True).start()

    def serve(self, data, peer):
        name, kind, end = question(data)
        with self.lock:
            n = self.asked.get((name, kind), 0)
            self.asked[name, kind] = n + 1
        answer = self.names.get(name, NXDOMAIN)
        answer = answer(n) if callable(answer) else answer
        time.sleep(self.delay.get(name, 0))
        if answer == SILENT:
            return
        code, records = (answer, []) if isinstance(answer, int) else (0, [r for r in map(record, answer) if r[0] == kind])
        head = data[:2] + struct.pack(">HHHHH", 0x8180 | code, 1, len(records), 0, 0)
        body = b"".join(b"\xc0\x0c" + struct.pack(">HHIH", t, 1, 0, len(ip)) + ip for t, ip in records)
        try:
            self.socket.sendto(head + data[12:end] + body, peer)
        except OSError:
            pass  # it was stopped meanwhile

    def count(self, name, kind=A):
        with self.lock:
            return self.asked.get((name, kind), 0)

    def stop(self):
        self.socket.close()


def listen():
    """Port 53, which resolv.conf cannot change, of a loopback address that nobody has."""
    for _ in range(50):
        address = f"127.{random.randint(64, 254)}.{random.randint(1, 254)}.{random.randint(1, 254)}"
        s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        try:
            s.bind((address, 53))
            return s, address
        except PermissionError:
            s.close()
            raise
        except OSError:
            s.close()
    raise OSError("no address is free for a DNS server")


def question(data):
    """(name, type, offset behind the question)"""
    at, labels = 12, []
    while data[at]:
        labels.append(data[at + 1:at + 1 + data[at]].decode())
        at += 1 + data[at]
    return ".".join(labels).lower(), struct.unpack(">H", data[at + 1:at + 3])[0], at + 5


def record(address):
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    return (AAAA if ":" in address else A), socket.inet_pton(family, address)


class Resolver:
    """What is put before a command so that it asks the servers given, in turn, and nothing else."""

    def __init__(self, folder, *servers):
        self.conf = f"{folder}/resolv.conf"
        self.switch = write(f"{folder}/nsswitch.conf", "hosts: files dns\npasswd: files\ngroup: files\n")
        self.ask(*servers)

    def ask(self, *servers):
        """Also while the command runs: the C library looks whether the file changed. The file stays the same one."""
        mode = "r+" if os.path.exists(self.conf) else "w"
        with open(self.conf, mode) as f:
            f.write("".join(f"nameserver {s.address}\n" for s in servers) + "options timeout:2 attempts:1\n")
            f.truncate()

    def prefix(self):
        script = ('mount --bind "$1" /etc/resolv.conf && mount --bind "$2" /etc/nsswitch.conf && shift 2 && exec "$@"')
        return ["unshare", "--mount", "--propagation", "private", "sh", "-c", script, "sh", self.conf, self.switch]

    def works(self):
        """Not for everybody: a container, or a user who is not root, may not."""
        return subprocess.run([*self.prefix(), "true"], capture_output=True).returncode == 0
