"""Write docker/cluster/go.mod for a release of Kubernetes: python docker/cluster/gomod.py v1.33.13

It holds what k8s.io/kubernetes itself requires, with each replacement by a directory of its repository turned into one by the module
that was published from it. `go mod tidy` is not for it: docker/cluster.sh build fills go.sum.
"""

import json
import re
import subprocess
import sys
from pathlib import Path

_HEAD = """\
// What docker/cluster.sh builds a cluster from, written by docker/cluster/gomod.py.
module tailproof-cluster
"""


def main(version: str) -> None:
    told = subprocess.run(
        ["go", "mod", "download", "-json", f"k8s.io/kubernetes@{version}"], cwd="/", check=True, capture_output=True
    )
    text = Path(json.loads(told.stdout)["GoMod"]).read_text()
    staging = f"v0.{version.removeprefix('v1.')}"
    text = re.sub(r"=> \./staging/src/(k8s\.io/\S+)", lambda found: f"=> {found[1]} {staging}", text)
    body = re.split(r"^module .*\n", text, maxsplit=1, flags=re.MULTILINE)[1]
    (Path(__file__).parent / "go.mod").write_text(f"{_HEAD}{body}\nrequire k8s.io/kubernetes {version}\n")


if __name__ == "__main__":
    main(sys.argv[1])
