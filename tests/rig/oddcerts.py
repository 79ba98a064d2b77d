"""Certificates and files that are wrong or strange, made byte by byte where libraries refuse to."""
import subprocess

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from scripted_ca import Authority, pem

NO = serialization.NoEncryption()


def new_key():
    return ec.generate_private_key(ec.SECP256R1())


def key_pem(key, password=None):
    enc = serialization.BestAvailableEncryption(password.encode()) if password else NO
    return key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, enc).decode()


def der(cert):
    return cert.public_bytes(serialization.Encoding.DER)


def tlv(tag, body):
    n = len(body)
    if n < 128:
        return bytes([tag, n]) + body
    size = (n.bit_length() + 7) // 8
    return bytes([tag, 0x80 | size]) + n.to_bytes(size, "big") + body


def split(data):
    """(tag, content, rest) of the first element."""
    n, head = data[1], 2
    if n & 0x80:
        head = 2 + (n & 0x7F)
        n = int.from_bytes(data[2:head], "big")
    return data[0], data[head:head + n], data[head + n:]


def parts(content):
    out = []
    while content:
        tag, body, rest = split(content)
        out.append(content[:len(content) - len(rest)])
        content = rest
    return out


def resigned(cert, key, change):
    """cert with its TBSCertificate's elements changed by change(list), signed again with key."""
    tbs, alg, _ = parts(split(der(cert))[1])
    fields = parts(split(tbs)[1])
    change(fields)
    tbs = tlv(0x30, b"".join(fields))
    sig = key.sign(tbs, ec.ECDSA(hashes.SHA256()))
    return tlv(0x30, tbs + alg + tlv(0x03, b"\0" + sig))


def with_serial(cert, key, content):
    def change(fields):
        fields[1] = tlv(0x02, content)
    return resigned(cert, key, change)


def indefinite(data):
    """The outermost length given as BER's indefinite form."""
    return b"\x30\x80" + split(data)[1] + b"\0\0"


def armour(data, label="CERTIFICATE"):
    import base64
    text = base64.b64encode(data).decode()
    lines = "\n".join(text[i:i + 64] for i in range(0, len(text), 64))
    return f"-----BEGIN {label}-----\n{lines}\n-----END {label}-----\n"


def pkcs12(folder, name, cert, key, password, *more):
    """By the openssl command, which can do the old ciphers too."""
    paths = f"{folder}/{name}.crt", f"{folder}/{name}.key", f"{folder}/{name}.p12"
    for path, text in zip(paths, (pem(cert), key_pem(key))):
        with open(path, "w") as f:
            f.write(text)
    subprocess.run(["openssl", "pkcs12", "-export", "-in", paths[0], "-inkey", paths[1], "-out", paths[2], "-passout",
                    f"pass:{password}", *more], check=True, capture_output=True)
    return paths[2]


def pkcs7(certs):
    from cryptography.hazmat.primitives.serialization import pkcs7 as p7
    return p7.serialize_certificates(certs, serialization.Encoding.DER)


def loop():
    """A issued by B and B issued by A."""
    a, b = new_key(), new_key()
    return Authority.sign("Loop A", a, "Loop B", b, ca=1), Authority.sign("Loop B", b, "Loop A", a, ca=1), a


def long_chain(n, leaf_key, name):
    """Leaf and n intermediates, leaf first."""
    keys = [new_key() for _ in range(n + 1)]
    chain = [Authority.sign(name, leaf_key, "Step 0", keys[0], names=[name])]
    for i in range(n):
        chain.append(Authority.sign(f"Step {i}", keys[i], f"Step {i + 1}", keys[i + 1], ca=9))
    return chain


def with_names(issuer, key, names, subject="odd"):
    """SANs as they are, valid or not."""
    sans = [n if isinstance(n, x509.GeneralName) else x509.DNSName._init_without_validation(n) for n in names]
    b = Authority.sign(subject, key, "Scripted intermediate", issuer.key, names=["x.test"])
    raw = x509.SubjectAlternativeName(sans).public_bytes()

    def change(fields):
        exts = parts(split(split(fields[-1])[1])[1])
        oid = bytes.fromhex("0603551d11")
        at = next(i for i, e in enumerate(exts) if oid in e[:12])
        exts[at] = tlv(0x30, oid + tlv(0x04, raw))
        fields[-1] = tlv(0xA3, tlv(0x30, b"".join(exts)))
    return resigned(b, issuer.key, change)
