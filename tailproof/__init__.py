"""tailproof: can an agent server be trusted when the network lags, the process dies and the container restarts?"""


def __getattr__(name: str) -> str:
    """`__version__`, when somebody asks: to import what reads it is a quarter of a wire's start, and a check starts hundreds."""
    if name != "__version__":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib.metadata import version

    return version(__name__)
