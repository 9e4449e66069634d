"""A check while its shards run in a cluster, seen from the process that started it: their namespace, their progress, their one result."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from uuid import uuid4

from rich.console import Console

from tailproof.cluster.namespaces import make_namespace, marks_of, remove_namespace, wait_removed
from tailproof.cluster.reach import TIMEOUT_S, Cluster
from tailproof.cluster.refusals import ClusterError
from tailproof.incoming.files import from_here
from tailproof.outgoing.atomic import write_atomically
from tailproof.outgoing.say import say
from tailproof.ownership.owners import Owner, owner_id
from tailproof.reports import json, terminal
from tailproof.reports.assemble import check_result
from tailproof.reports.merge import Standard
from tailproof.reports.progress import Kept, Together, follower
from tailproof.reports.result import Environment, NotRunResult, Result
from tailproof.reports.run_events import CheckEnded
from tailproof.runner import out_dir
from tailproof.runner.check import Check
from tailproof.runner.ending import complain, sentence_of
from tailproof.runner.estimate import began, costs_of
from tailproof.runner.finished import put_together
from tailproof.runner.interrupts import INTERRUPTS
from tailproof.runner.shard import Shard
from tailproof.shards import job
from tailproof.shards.account import ATTEMPTS, Account, Part
from tailproof.shards.inside import FETCH_S
from tailproof.shards.watching import START_S, Watching
from tailproof.waiting import Budget, DeadlineMissed

_NAMESPACE_S = 60.0
_LEAST_ATTEMPT_S = 1800.0
_SLOWER = 10.0
"""A pod is ended when its part takes so many times as long as it was expected to."""
_LEAVE_S = 5.0
"""How long whoever was cut off waits for the cluster to hear that its namespace is to go."""


class ShardsSession:
    """`to_the_end` is called once. `place` is a directory for what is fetched, which its maker removes."""

    def __init__(
        self,
        check: Check,
        deal: Sequence[frozenset[str]],
        *,
        place: Path,
        parallel: int,
        progress: str,
        width: int,
        start_s: float = START_S,
    ) -> None:
        self.check = check
        self.out = Path(check.options.out)
        trials = {order.name: str(order.scenario["name"]) for order in check.orders}
        parts = [
            Part(number=number, names=names, trials=frozenset(one for one, of in trials.items() if of in names))
            for number, names in enumerate(deal, 1)
        ]
        self._costs = costs_of(check)
        self._parallel = parallel
        self.account = Account(parts, self._costs, parallel=parallel * len(parts))
        self._place = place
        self._start_s = start_s
        self._began = time.monotonic()
        self._started = time.time()
        self._width = width
        self._as_json = progress == "json"
        shown = follower(
            progress,
            say=lambda line: say(line, err=not self._as_json),
            console=Console(stderr=True, width=width),
        )
        self._follows = Together([Kept(place / out_dir.EVENTS), shown])

    def to_the_end(self, cluster: Cluster, image: str, files: Mapping[str, bytes], *, pull: str) -> int:
        """Returns the exit code of the gate; the reports are in `--out` then, and the namespace is gone. `pull` is the policy of the
        image, that of the cluster when empty. Raises ClusterError, DeadlineMissed: no shard has ever run."""
        owner = Owner(trial=f"shards-{uuid4().hex[:12]}", owner=owner_id())
        namespace = f"tailproof-{owner.trial}"
        plan = job.Plan(
            image=image,
            pull=pull or "IfNotPresent",
            shards=len(self.account.parts),
            parallel=self._parallel,
            attempt_s=self._attempt_s() + FETCH_S,
            marks=marks_of(owner),
        )
        parallel = self._parallel * len(self.account.parts)
        self._follows.tell(began(self.check, self._costs, parallel=parallel, started=self._started))
        results: Mapping[int, Path] = {}
        cut = ""
        try:
            make_namespace(cluster, namespace, owner, Budget(_NAMESPACE_S), labels=job.LABELS)
            job.begin(cluster, namespace, plan, files)
            watching = Watching(
                cluster,
                namespace,
                self.account,
                place=self._place,
                tell=self._follows.tell,
                elapsed=self._elapsed,
                start_s=self._start_s,
            )
            results = watching.results
            try:
                watching.until_done(Budget(ATTEMPTS * plan.attempt_s * plan.shards + START_S))
            finally:
                with INTERRUPTS.held():
                    watching.close()
        except KeyboardInterrupt:
            cut = INTERRUPTS.says
        except (ClusterError, DeadlineMissed) as error:
            if not self.account.ran:
                self._follows.close()
                raise
            cut = str(error)
        except OSError as error:
            cut = f"what a shard has found cannot be kept: {sentence_of(error)}"
        finally:
            with INTERRUPTS.held():
                self._remove(cluster, namespace, hurry=bool(cut or INTERRUPTS.by))
        with INTERRUPTS.held():
            return self._finish(results, cut)

    def _finish(self, results: Mapping[int, Path], cut: str) -> int:
        """Put together what came, with what did not."""
        paths = []
        for number, part in self.account.parts.items():
            if number in results:
                paths.append(results[number])
                continue
            lost = self._place / f"lost-{number}"
            lost.mkdir()
            json.write(self._missing(part, cut), lost / out_dir.RESULT)
            paths.append(lost)
        page = Path(self.check.options.html) if self.check.options.html else None
        result, gone = put_together(paths, self.out, Standard(baseline=self.check.baseline), page=page)
        for sentence in gone:
            complain(sentence)
        gate = result.gate
        self._follows.tell(CheckEnded(t_s=self._elapsed(), state=gate.state, exit_code=gate.exit_code, says=gate.says))
        self._follows.close()
        write_atomically(self.out / out_dir.EVENTS, (self._place / out_dir.EVENTS).read_bytes())
        here = from_here(self.out)
        files = {
            "page": from_here(page or self.out / out_dir.PAGE),
            "report": f"{here}/{out_dir.REPORT}",
            "result": f"{here}/{out_dir.RESULT}",
        }
        say(terminal.render(result, folder=here, files=files, width=max(80, self._width)), err=self._as_json)
        return gate.exit_code

    def _missing(self, part: Part, cut: str) -> Result:
        """The result of a shard that left none: its scenarios were not run, and nobody can tell."""
        check = self.check
        shard = Shard(number=part.number, of=len(self.account.parts))
        mine = check.part(shard, part.names)
        lost = part.state == "lost"
        why = f"it was lost {ATTEMPTS} times, at last because {part.why}" if lost else cut
        rows = [
            NotRunResult(
                scenario=cell.scenario.name,
                guarantee=None,
                reason=f"shard {shard.number} of {shard.of} has no result: {why}",
                target=cell.pair.target,
                client=cell.pair.client,
            )
            for cell in mine.cells
            if cell.order is not None
        ]
        return check_result(
            [],
            pairs=mine.pairs,
            seed=check.options.seed,
            started=self._started,
            duration_s=0.0,
            environment=Environment(),
            not_run=[*mine.not_run, *dict.fromkeys(rows)],
            errors=[why] if lost else [],
            fail_on=check.options.fail_on,
            allow_inconclusive=check.options.allow_inconclusive,
            cut_off="" if lost else cut,
            shard=mine.shard,
        )

    def _attempt_s(self) -> float:
        most = max(sum(self._costs[trial] for trial in part.trials) for part in self.account.parts.values())
        return max(_LEAST_ATTEMPT_S, _SLOWER * most)

    def _remove(self, cluster: Cluster, namespace: str, *, hurry: bool) -> None:
        try:
            remove_namespace(cluster, namespace, timeout_s=_LEAVE_S if hurry else TIMEOUT_S)
            if not hurry:
                wait_removed(cluster, namespace, Budget(_NAMESPACE_S))
        except (ClusterError, DeadlineMissed) as error:
            complain(f"the namespace {namespace} is left, `tailproof clean` removes it: {error}")

    def _elapsed(self) -> float:
        return round(time.monotonic() - self._began, 3)
