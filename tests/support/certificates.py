"""An authority of this test and what it has signed, by the openssl of the machine."""

import subprocess
from pathlib import Path
from typing import NamedTuple

SUBJECT = "/CN=127.0.0.1"
VALID_DAYS = "2"


class Certificates(NamedTuple):
    """Files in PEM: the authority, the server's certificate, its key, and both in one."""

    authority: Path
    certificate: Path
    key: Path
    both: Path


def make_certificates(folder: Path) -> Certificates:
    """Return what a server on 127.0.0.1 needs, and what its clients must trust."""
    folder.mkdir(parents=True, exist_ok=True)
    made = Certificates(*(folder / name for name in ("ca.pem", "server.pem", "server.key", "both.pem")))
    authority_key = folder / "ca.key"
    _openssl("req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", VALID_DAYS, "-subj", "/CN=tests",
             "-keyout", authority_key, "-out", made.authority)  # fmt: skip
    _openssl("req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", VALID_DAYS, "-subj", SUBJECT,
             "-addext", "subjectAltName=IP:127.0.0.1", "-CA", made.authority, "-CAkey", authority_key,
             "-keyout", made.key, "-out", made.certificate)  # fmt: skip
    made.both.write_text(made.key.read_text() + made.certificate.read_text())
    return made


def _openssl(*arguments: str | Path) -> None:
    subprocess.run(["openssl", *map(str, arguments)], check=True, capture_output=True)
