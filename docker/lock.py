"""Writes what one release is installed with, resolved as of its own day, to where the recipe of its adapter has its lock files:
`docker/locks/VERSION.txt`, `docker/locks/typescript/VERSION/`.

python docker/lock.py 1.7.3
python docker/lock.py 1.58.0 --as-of 2026-11-21
python docker/lock.py ts:1.39.0
"""

from __future__ import annotations

import argparse
import datetime as dt
import sys

from tailproof.clients.recipes import named, recipes
from tailproof.incoming import BadInput
from tailproof.provision.errors import Unavailable
from tailproof.provision.locks import resolve_lock
from tailproof.provision.npm_locks import resolve_npm_lock, write_npm_lock
from tailproof.provision.recipe import NpmRecipe, PythonRecipe
from tailproof.waiting import Budget


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("release", metavar="VERSION|WORD:VERSION")
    parser.add_argument("--as-of", type=dt.datetime.fromisoformat, help="YYYY-MM-DD; default: a day after its upload")
    asked = parser.parse_args()
    as_of = asked.as_of.replace(tzinfo=dt.UTC) if asked.as_of else None
    budget = Budget(600)
    try:
        match named(asked.release, recipes()):
            case NpmRecipe() as recipe, version:
                write_npm_lock(resolve_npm_lock(recipe, version, budget, as_of=as_of), recipe.committed / version)
            case PythonRecipe() as recipe, version:
                text = resolve_lock(recipe, version, budget, as_of=as_of)
                recipe.committed.mkdir(parents=True, exist_ok=True)
                (recipe.committed / f"{version}.txt").write_text(text)
            case recipe, _:
                raise BadInput(
                    f"{asked.release} is installed by neither uv nor npm: nobody can write a lock of {type(recipe).__name__}"
                )
    except (BadInput, Unavailable) as error:
        sys.stderr.write(f"{error}\n")
        return 2
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
