"""tailproof: can an agent server be trusted when the network lags, the process dies and the container restarts?"""

from importlib.metadata import version

__version__ = version("tailproof")
