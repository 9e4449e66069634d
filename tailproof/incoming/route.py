"""How a running server is reached: over which proxy, and whose certificates are believed."""

from __future__ import annotations

import os
import ssl
import urllib.request
from base64 import b64encode
from dataclasses import dataclass
from urllib.parse import unquote, urlsplit

import h11

CA_VARIABLE = "TAILPROOF_CA"
"""A file of certificates (PEM) that are believed besides those of the machine: what `--ca` sets."""
CONNECT_S = 10.0
LOOPBACK = ("127.0.0.1", "localhost", "::1")
_UNKNOWN_ISSUERS = (18, 19, 20, 21)
"""X.509 errors that say: nobody whom we know has signed it."""


class Unreachable(OSError):
    """The server cannot be reached, or is not who it should be; one sentence."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """The way to one server."""

    host: str
    port: int
    tls: bool
    proxy: str = ""
    """The URL of the proxy in between, userinfo included: never written down. Empty for none."""
    ca: str = ""
    """The file of `CA_VARIABLE`; empty for none."""

    @classmethod
    def of(cls, url: str) -> Route:
        """As the environment says: HTTPS_PROXY, HTTP_PROXY, ALL_PROXY, NO_PROXY, TAILPROOF_CA. What runs on this machine is reached
        directly."""
        parts = urlsplit(url)
        host, tls = parts.hostname or "", parts.scheme in ("https", "wss")
        proxies = urllib.request.getproxies_environment()
        direct = host in LOOPBACK or urllib.request.proxy_bypass(host)
        proxy = "" if direct else proxies.get("https" if tls else "http") or proxies.get("all", "")
        port = parts.port or (443 if tls else 80)
        return cls(host=host, port=port, tls=tls, proxy=proxy, ca=os.environ.get(CA_VARIABLE, "") if tls else "")

    @property
    def at(self) -> str:
        """`HOST:PORT`, `[V6]:PORT`."""
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    @property
    def direct(self) -> bool:
        """Plain TCP, with nobody in between."""
        return not (self.tls or self.proxy)

    def context(self) -> ssl.SSLContext:
        """Believes whom the machine believes (or SSL_CERT_FILE), and `ca`. Raises Unreachable."""
        context = ssl.create_default_context()
        context.set_alpn_protocols(["http/1.1"])
        if self.ca:
            try:
                context.load_verify_locations(self.ca)
            except (OSError, ssl.SSLError) as error:
                why = "it holds no certificate in PEM" if isinstance(error, ssl.SSLError) else error.strerror
                raise Unreachable(f"the certificates of {self.ca} cannot be read: {why}") from error
        return context

    @property
    def hop(self) -> tuple[str, int]:
        """Host and port of whom is connected to first: the proxy, or the server. Raises Unreachable."""
        if not self.proxy:
            return self.host, self.port
        proxy = urlsplit(self.proxy)
        if proxy.scheme != "http" or not proxy.hostname:
            raise Unreachable(
                f"the proxy to {self.host} is no http://HOST:PORT: see HTTPS_PROXY, HTTP_PROXY and NO_PROXY"
            )
        return proxy.hostname, proxy.port or 80

    @property
    def hop_says(self) -> str:
        """How a sentence begins that says that nobody is there."""
        host, port = self.hop
        return f"the proxy {host}:{port} cannot be reached" if self.proxy else f"nobody answers at {self.at}"

    def tunnel(self) -> h11.Request:
        """What the proxy is asked for."""
        proxy = urlsplit(self.proxy)
        fields = [("Host", self.at)]
        if proxy.username is not None:
            user = f"{unquote(proxy.username)}:{unquote(proxy.password or '')}"
            fields.append(("Proxy-Authorization", f"Basic {b64encode(user.encode()).decode()}"))
        return h11.Request(method="CONNECT", target=self.at, headers=fields)

    def why_not(self, error: OSError) -> str:
        """A sentence about a handshake of TLS that failed."""
        if isinstance(error, ssl.SSLCertVerificationError):
            reason = error.verify_message.rstrip(".")
            hint = "; give the CA that signed it with --ca FILE" if error.verify_code in _UNKNOWN_ISSUERS else ""
            return f"the certificate of {self.at} is not to be believed: {reason}{hint}"
        if isinstance(error, ssl.SSLError):
            return (
                f"{self.at} does not speak TLS as it should: {(error.reason or str(error)).replace('_', ' ').lower()}"
            )
        return f"{self.at} broke the handshake of TLS off: {error.strerror or error}"
