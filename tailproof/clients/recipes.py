"""The recipes that the kinds of targets and clients of this installation have, by the word that stands before a version."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TypeVar

from tailproof.clients.kind import Kind
from tailproof.extensions import BadExtension, table
from tailproof.incoming import BadInput
from tailproof.incoming.limits import SAID_CHARS
from tailproof.outgoing.visible import clip
from tailproof.provision.recipe import ImageRecipe, Recipe
from tailproof.targets.kind import TargetKind

Found = TypeVar("Found", Recipe, ImageRecipe)


def recipes() -> Mapping[str, Recipe]:
    """What releases are installed from, and what packs them. Raises BadExtension: two have one word."""
    kinds: list[TargetKind | Kind] = [*table("targets").values(), *table("clients").values()]
    packers = (image.binary.packer for image in images().values() if image.binary is not None)
    found = [*(kind.recipe for kind in kinds if kind.recipe is not None), *packers]
    return _by_word((recipe.word, recipe) for recipe in found)


def images() -> Mapping[str, ImageRecipe]:
    """What images of releases are made from. Raises BadExtension: two have one word."""
    kinds: Iterable[TargetKind] = table("targets").values()
    return _by_word((kind.image.releases.word, kind.image) for kind in kinds if kind.image is not None)


def named(spec: str, known: Mapping[str, Found]) -> tuple[Found, str]:
    """The recipe of `VERSION` or `WORD:VERSION`, and the version. Raises BadInput."""
    word, _, version = spec.rpartition(":")
    if word not in known or not version:
        forms = " or ".join(f"{word}:VERSION" if word else "VERSION" for word in known)
        raise BadInput(f"{clip(repr(spec), SAID_CHARS)} names no release: {forms or 'nothing here has any'}")
    return known[word], version


def _by_word(found: Iterable[tuple[str, Found]]) -> dict[str, Found]:
    recipes: dict[str, Found] = {}
    for word, recipe in found:
        if recipes.setdefault(word, recipe) != recipe:
            raise BadExtension(
                f"two recipes have the word {word!r}: remove a package that brings one, `tailproof list` names them"
            )
    return recipes
