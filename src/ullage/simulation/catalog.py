"""The engine's memory, held in memory: the port of ``ports.py`` without a file, for a store that does not exist."""

from __future__ import annotations

from collections import defaultdict

from msgspec.structs import replace

from ullage.model.backups import Operation
from ullage.model.words import Action, Phase, Result, Trigger
from ullage.policy.alerting import AlertState
from ullage.policy.cadence import Rhythm
from ullage.policy.caps import Cap, Taken
from ullage.policy.clock import ClockMark
from ullage.policy.forecast import Point
from ullage.policy.outlook import Outlook
from ullage.policy.stall import Stall

_TAKEN = {False: (Action.ARCHIVE, Action.DELETE), True: (Action.DELETE_ARCHIVE,)}


class SimulatedCatalog:
    """What is remembered from cycle to cycle; ``history`` holds every operation, in the order in which it began."""

    def __init__(self) -> None:
        self.history: dict[int, Operation] = {}
        self._open: dict[int, Operation] = {}
        self._of: dict[tuple[str, str], list[int]] = defaultdict(list)
        self._memory: dict[tuple[str, str], object] = {}
        self._alerts: dict[str, AlertState] = {}
        self._digests: dict[tuple[str, str], str] = {}
        self._mark: ClockMark | None = None
        self._recent: list[int] = []

    def begin(self, op: Operation) -> Operation:
        return self._insert(replace(op, phase=Phase.INTENT, result=None))

    def advance(self, op: Operation, phase: Phase, **changes: object) -> Operation:
        return self._update(replace(op, phase=phase, **changes))

    def settle(
        self,
        op: Operation,
        result: Result,
        *,
        reason: str | None = None,
        reclaimed_bytes: int = 0,
        duration_seconds: float = 0.0,
        **more: object,
    ) -> Operation:
        return self._update(
            replace(
                op,
                phase=Phase.SETTLED,
                result=result,
                reason=op.reason if reason is None else reason,
                reclaimed_bytes=reclaimed_bytes,
                duration_seconds=duration_seconds,
                **more,
            )
        )

    def record(self, op: Operation) -> Operation:
        return self._insert(replace(op, phase=Phase.SETTLED))

    def unsettled(self, store: str) -> list[Operation]:
        return [op for op in self._open.values() if op.store == store and op.phase is not Phase.TRASHED]

    def trashed(self, store: str) -> list[Operation]:
        return [op for op in self._open.values() if op.store == store and op.phase is Phase.TRASHED]

    def latest(self, store: str, backup_id: str, since: float) -> list[Operation]:
        found = [self.history[number] for number in reversed(self._of[store, backup_id])]
        return [
            op
            for op in found
            if op.phase not in (Phase.SETTLED, Phase.TRASHED)
            or (op.result is Result.DONE and op.at + op.duration_seconds >= since)
        ]

    def newest(self) -> int:
        return len(self.history)

    def taken(self, store: str, since: float | None, after: int, *, archives: bool = False) -> Taken:
        found = []
        for number in reversed(self._recent):
            op = self.history[number]
            if number <= after or (since is not None and op.at < since):
                break  # they began in this order, by a clock that never jumps
            gone = op.result is Result.DONE or op.phase is Phase.PURGING
            if gone and op.store == store and op.action in _TAKEN[archives]:
                found.append(op)
        first = min((op.at for op in found), default=None)
        return Taken(count=len(found), bytes=sum(op.predicted_bytes for op in found), first=first)

    def add_reading(self, *_: object, **__: object) -> None:
        """Nothing: whoever simulates looks for himself."""

    def add_points(self, *_: object) -> None:
        """Nothing: as above."""

    def points(self, *_: object) -> dict[str, list[Point]]:
        return {}  # so that the engine foresees nothing: whoever simulates sees what comes

    def add_outlook(self, store: str, seen: Outlook, **_: object) -> None:
        self._memory[store, "outlook"] = seen

    def outlook(self, store: str) -> Outlook | None:
        found = self._memory.get((store, "outlook"))
        return found if isinstance(found, Outlook) else None

    def alert_state(self, store: str) -> AlertState | None:
        return self._alerts.get(store)

    def set_alert_state(self, store: str, state: AlertState) -> None:
        self._alerts[store] = state

    def forget_alert(self, store: str) -> None:
        self._alerts.pop(store, None)

    def clock_mark(self) -> ClockMark | None:
        return self._mark

    def set_clock_mark(self, mark: ClockMark) -> None:
        self._mark = mark

    def rhythm(self, store: str) -> Rhythm | None:
        found = self._memory.get((store, "rhythm"))
        return found if isinstance(found, Rhythm) else None

    def set_rhythm(self, store: str, rhythm: Rhythm) -> None:
        self._memory[store, "rhythm"] = rhythm

    def stall(self, store: str, *, archives: bool = False) -> Stall | None:
        found = self._memory.get((store, f"stall {archives}"))
        return found if isinstance(found, Stall) else None

    def set_stall(self, store: str, stall: Stall | None, *, archives: bool = False) -> None:
        self._memory[store, f"stall {archives}"] = stall

    def capped(self, store: str) -> Cap | None:
        found = self._memory.get((store, "cap"))
        return found if isinstance(found, Cap) else None

    def set_capped(self, store: str, cap: Cap | None) -> None:
        self._memory[store, "cap"] = cap

    def resumed(self, store: str) -> int:
        return 0  # nobody sits before a simulated store

    def set_resumed(self, store: str, operation: int) -> None:
        raise NotImplementedError

    def remember_archive(self, store: str, path: str, backup_id: str, digest: str, size: int, created_at: int) -> None:
        self._digests[store, path] = digest

    def archive_digest(self, store: str, path: str) -> str | None:
        return self._digests.get((store, path))

    def forget_archive(self, store: str, path: str) -> None:
        self._digests.pop((store, path), None)

    def reserve(self) -> None:
        """Nothing: there is no disk that could fill."""

    def _insert(self, op: Operation) -> Operation:
        made = replace(op, id=len(self.history) + 1)
        self._of[made.store, made.backup_id].append(made.id)
        if made.trigger is Trigger.DISK_SPACE:
            self._recent.append(made.id)
        return self._update(made)

    def _update(self, op: Operation) -> Operation:
        self.history[op.id] = op
        if op.phase is Phase.SETTLED:
            self._open.pop(op.id, None)
        else:
            self._open[op.id] = op
        return op
