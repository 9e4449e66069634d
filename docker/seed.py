"""Brings pip into an environment whose Python came without it, as Debian's does: python docker/seed.py DIRECTORY

Only the standard library is there to do it with. The index, its certificates and proxies are those that pip itself is told.
"""

import base64
import configparser
import hashlib
import os
import re
import ssl
import subprocess
import sys
import tempfile
import urllib.parse
import urllib.request
from pathlib import Path

WHEEL = "pip-26.3-py3-none-any.whl"
SHA256 = "f3b60b20ffaadd4415ed7957212a38ac63fa4c5fa375bd0f4a797777940fad13"
INDEX = "https://pypi.org/simple"
SECONDS = 60.0


def main() -> int:
    python = Path(sys.argv[1]) / "bin" / "python"
    try:
        wheel = fetched(setting("index-url") or INDEX, setting("cert"))
    except (OSError, ValueError) as error:
        sys.stderr.write(f"pip could not be had from the package index: {error}\n")
        return 2
    with tempfile.TemporaryDirectory() as place:
        file = Path(place) / WHEEL
        file.write_bytes(wheel)
        # A wheel of pip runs as it lies there, and so installs itself.
        return subprocess.run([python, file / "pip", "install", "--quiet", "--no-index", file], check=False).returncode


def setting(name: str) -> str:
    """What pip is told in its environment, else in its files, of which the last that says something counts."""
    told = os.environ.get(f"PIP_{name.upper().replace('-', '_')}")
    if told:
        return told
    home = Path.home()
    files = [
        *(Path("/etc") / place for place in ("xdg/pip/pip.conf", "pip.conf")),
        *(home / ".pip" / "pip.conf", Path(os.environ.get("XDG_CONFIG_HOME") or home / ".config") / "pip" / "pip.conf"),
        Path(os.environ.get("PIP_CONFIG_FILE") or os.devnull),
    ]
    said = configparser.RawConfigParser(strict=False)
    try:
        said.read(files)
    except configparser.Error as error:
        raise ValueError(str(error)) from error
    return said.get("install", name, fallback="") or said.get("global", name, fallback="")


def fetched(index: str, certificates: str) -> bytes:
    """The wheel of pip, as the index lists it and with the hash that is known here. Raises OSError, ValueError."""
    page = f"{index.rstrip('/')}/pip/"
    listed = re.search(rf'href="([^"]*/)?{re.escape(WHEEL)}[^"]*"', get(page, certificates).decode())
    if listed is None:
        raise ValueError(f"it lists no {WHEEL}")
    link = urllib.parse.urldefrag(urllib.parse.urljoin(page, listed[0][6:-1])).url
    wheel = get(link, certificates)
    if hashlib.sha256(wheel).hexdigest() != SHA256:
        raise ValueError(f"its {WHEEL} is not the one whose hash is known")
    return wheel


def get(url: str, certificates: str) -> bytes:
    """What is at an address; a name and password in it are sent as pip would."""
    parts = urllib.parse.urlsplit(url)
    user, at, host = parts.netloc.rpartition("@")
    asked = urllib.request.Request(parts._replace(netloc=host).geturl())
    if at:
        asked.add_header("Authorization", f"Basic {base64.b64encode(urllib.parse.unquote(user).encode()).decode()}")
    trusted = ssl.create_default_context(cafile=certificates or None)
    with urllib.request.urlopen(asked, timeout=SECONDS, context=trusted) as answer:
        found: bytes = answer.read()
    return found


if __name__ == "__main__":
    sys.exit(main())
