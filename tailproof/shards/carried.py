"""While the image of the harness is built: what it carries becomes environments where the harness looks for them.

    python -m tailproof.shards.carried FOLDER

An environment is named by the Python that it has, which is known in the image alone.
"""

from __future__ import annotations

import sys
from pathlib import Path

from tailproof.clients.recipes import recipes
from tailproof.incoming.json import decoder
from tailproof.provision.environments import adopt
from tailproof.provision.harness_image import MANIFEST, Carried
from tailproof.provision.recipe import PythonRecipe
from tailproof.waiting import Budget

_S = 300.0


def main(folder: Path) -> None:
    """Make an environment of each release that lies in `folder`. Raises Unavailable."""
    known = {recipe.locks: recipe for recipe in recipes().values() if isinstance(recipe, PythonRecipe)}
    for one in decoder(list[Carried]).decode((folder / MANIFEST).read_bytes()):
        adopt(known[one.locks], one.version, folder / one.packages, folder / one.lock, Budget(_S))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
