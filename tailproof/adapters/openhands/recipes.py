"""What the releases of the server, its SDK and its TypeScript client are installed from, and how images of them are made."""

from __future__ import annotations

from tailproof import resources
from tailproof.provision.recipe import BinaryRecipe, ImageRecipe, NpmRecipe, Package, PythonRecipe

_DOCKER = resources.folder("docker")

SERVER = Package("openhands-agent-server", "openhands.agent_server")
SDK = Package("openhands-sdk", "openhands.sdk")

RELEASES = PythonRecipe(
    home=_DOCKER,
    locks="locks",
    # The server does not pin its siblings, so a lock file has to.
    packages=(
        SERVER,
        SDK,
        Package("openhands-tools", "openhands.tools"),
        Package("openhands-workspace", "openhands.workspace"),
    ),
    lowest_python="3.12",
    pythons=("3.13", "3.12"),
)
"""The server and its SDK."""

TYPESCRIPT_RELEASES = NpmRecipe(
    word="ts", home=_DOCKER, locks="locks/typescript", package="@openhands/typescript-client"
)

IMAGES = ImageRecipe(
    releases=RELEASES,
    repository="tailproof/agent-server",
    dockerfile=_DOCKER / "Dockerfile",
    binary=BinaryRecipe(
        releases=RELEASES,
        repository="tailproof/agent-server-binary",
        published="ghcr.io/openhands/agent-server:{version}-python",
        dockerfile=_DOCKER / "binary.Dockerfile",
        spec=_DOCKER / "binary.spec",
        packer=PythonRecipe(
            word="pyinstaller",
            home=_DOCKER,
            locks="locks/pyinstaller",
            packages=(Package("pyinstaller", "PyInstaller"),),
            lowest_python=RELEASES.lowest_python,
            pythons=RELEASES.pythons,
        ),
    ),
)
