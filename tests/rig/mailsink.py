"""SMTP server for tests: STARTTLS and authentication are required, every mail becomes a file.

usage: mailsink.py PORT FOLDER USER   (FOLDER holds localhost.crt, localhost.key, password)
A file FOLDER/refuse with a reply line such as "451 later" makes it refuse mails with that line.
"""
import os
import signal
import ssl
import sys
import time

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, AuthResult


def main():
    port, folder, user = int(sys.argv[1]), sys.argv[2], sys.argv[3]
    with open(f"{folder}/password") as f:
        password = f.read()

    class Handler:
        async def handle_DATA(self, server, session, envelope):
            try:
                with open(f"{folder}/refuse") as f:
                    return f.read().strip()
            except OSError:
                pass
            name = f"{folder}/box/{time.time_ns()}"
            with open(name, "wb") as f:
                f.write(envelope.original_content)
            os.rename(name, name + ".eml")
            return f"250 2.0.0 queued as {os.path.basename(name)}"

    def authenticate(server, session, envelope, mechanism, data):
        ok = data.login == user.encode() and data.password == password.encode()
        return AuthResult(success=ok)

    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(f"{folder}/localhost.crt", f"{folder}/localhost.key")

    class Sink(Controller):
        def factory(self):
            return SMTP(self.handler, tls_context=tls, require_starttls=True, authenticator=authenticate,
                        auth_required=True, hostname="localhost", enable_SMTPUTF8=True)

    sink = Sink(Handler(), hostname="127.0.0.1", port=port)
    sink.start()
    signal.sigwait({signal.SIGTERM, signal.SIGINT})
    sink.stop()


main()
