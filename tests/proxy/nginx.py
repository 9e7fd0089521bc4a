"""A real nginx in front of live servers, configured as docs/DEPLOY.md says, with a certificate of its own making."""

import ipaddress
import os
import re
import shutil
import socket
import ssl
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

import httpx
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from tests.conftest import IN_CI
from tests.engine.waiting import wait_for
from tests.live import Live
from tests.serving import ROOT, free_port

# One process, so that nobody else needs to be allowed into the folder; no file outside it is touched.
FRAME: Final = """
daemon off;
master_process off;
pid nginx.pid;
error_log error.log warn;
events {{ worker_connections 256; }}
http {{
    access_log off;
    client_body_temp_path temp/body;
    proxy_temp_path temp/proxy;
    fastcgi_temp_path temp/fastcgi;
    uwsgi_temp_path temp/uwsgi;
    scgi_temp_path temp/scgi;
    ssl_certificate {folder}/certificate.pem;
    ssl_certificate_key {folder}/key.pem;
{servers}
}}
"""


@dataclass(frozen=True)
class Site:
    """What nginx serves at one port. `url` without a slash at the end."""

    url: str
    live: Live
    certificate: Path

    @contextmanager
    def browser(self, address: str = "127.0.0.2", **headers: str) -> Iterator[httpx.Client]:
        """Somebody at that address of the loopback network, on our own page."""
        trust = ssl.create_default_context(cafile=str(self.certificate))
        transport = httpx.HTTPTransport(verify=trust, local_address=address)
        origin = re.sub(r"(?<=\d)/.*", "", self.url)
        sent = {"Origin": origin, **headers}
        with httpx.Client(base_url=self.url, transport=transport, headers=sent, timeout=10) as client:
            yield client


def documented() -> str:
    """The location that the manual shows."""
    manual = (ROOT / "docs/DEPLOY.md").read_text()
    found = re.search(r"^```nginx\n(location / \{\n.*?^\})", manual, re.MULTILINE | re.DOTALL)
    assert found is not None
    return found[1]


def location(live: Live, *, prefix: str = "", strip: bool = False, append: bool = False) -> str:
    """The documented location in front of that server, with what the manual leaves to choose."""
    text = documented().replace("location / {", f"location {prefix}/ {{")
    text = text.replace("http://127.0.0.1:7860;", live.url + ("/;" if strip else ";"))
    if append:
        text = text.replace("X-Forwarded-For $remote_addr", "X-Forwarded-For $proxy_add_x_forwarded_for")
    assert live.url in text
    return text


@contextmanager
def nginx(folder: Path, wanted: Mapping[str, tuple[Live, str, str]]) -> Iterator[dict[str, Site]]:
    """`wanted`: for each site the server behind it, its location, and the path of its URL.

    Its name starts with `http` if it is without TLS.
    """
    make_certificate(folder)
    (folder / "temp").mkdir()
    sites, servers = {}, []
    for name, (live, text, path) in wanted.items():
        port, tls = free_port(), not name.startswith("http")
        servers.append(f"server {{ listen 127.0.0.1:{port}{' ssl http2' if tls else ''};\n{text}\n}}")
        scheme = "https" if tls else "http"
        sites[name] = Site(f"{scheme}://127.0.0.1:{port}{path}", live, folder / "certificate.pem")
    (folder / "nginx.conf").write_text(FRAME.format(folder=folder, servers="\n".join(servers)))
    with (folder / "stderr.log").open("w") as log:
        process = subprocess.Popen([program(), "-p", folder, "-c", folder / "nginx.conf"], stdout=log, stderr=log)
    try:
        wait_for(lambda: process.poll() is not None or all(listens(site.url) for site in sites.values()))
        assert process.poll() is None, (folder / "stderr.log").read_text()
        yield sites
    finally:
        process.terminate()
        process.wait(10)


def program() -> str:
    """Debian keeps it where only root looks."""
    found = shutil.which("nginx", path=os.pathsep.join([os.environ.get("PATH", os.defpath), "/usr/sbin"]))
    if found is None:
        reason = "nginx is not installed; scripts/test installs it, or: apt install nginx-light"
        if IN_CI:
            pytest.fail(reason)
        pytest.skip(reason)
    return found


def listens(url: str) -> bool:
    parts = httpx.URL(url)
    try:
        with socket.create_connection((parts.host, parts.port or 0), timeout=1):
            return True
    except OSError:
        return False


def make_certificate(folder: Path) -> None:
    """For 127.0.0.1, signed by itself."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")])
    now = datetime.now(UTC)  # noqa: TID251 - the browser's clock is the real one
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False)
        .sign(key, hashes.SHA256())
    )
    pem, no_password = serialization.Encoding.PEM, serialization.NoEncryption()
    (folder / "key.pem").write_bytes(key.private_bytes(pem, serialization.PrivateFormat.PKCS8, no_password))
    (folder / "certificate.pem").write_bytes(certificate.public_bytes(pem))
