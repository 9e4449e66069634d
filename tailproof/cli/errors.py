"""How an error of a command is told: one sentence and the documented exit code."""

from __future__ import annotations

import sys
from collections.abc import Callable
from functools import wraps
from typing import Any

import click

from tailproof.incoming import BadInput
from tailproof.outgoing.say import say
from tailproof.runner import ending
from tailproof.runner.outputs import NoScratch


def acts_on_errors(command: Callable[..., Any]) -> Callable[..., Any]:
    """Turns the errors that a user can act on into one sentence and the documented exit code."""

    @wraps(command)
    def run(*args: Any, **kwargs: Any) -> Any:
        from tailproof.provision.errors import Unavailable

        try:
            return command(*args, **kwargs)
        except BadInput as error:
            raise click.UsageError(str(error)) from error
        except (NoScratch, Unavailable) as error:
            say(f"Error: {error}", err=True)
            sys.exit(ending.CANNOT_TELL)

    return run
