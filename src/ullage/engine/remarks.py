"""What people are told of beside a level."""

from __future__ import annotations

from collections.abc import Container, Sequence

from ullage.model.backups import Operation
from ullage.model.units import printable

_NAMED = 3
"""So many operations are named, and the others counted."""


def settled(ops: Sequence[Operation], unsettled: Container[int]) -> list[str]:
    """What a recovery did with what an interrupted run had left; ``unsettled``: the operations that are so still."""
    done = [op for op in ops if op.id not in unsettled]
    names = [f"{op.action} of {printable(op.backup_id)} {op.result}" for op in done[:_NAMED]]
    names += [f"{len(done) - _NAMED} more"] if len(done) > _NAMED else []
    notes = [f"what an interrupted run had left was settled: {', '.join(names)}; see ullage history"] if done else []
    return notes + [
        f"{op.action} of {printable(op.backup_id)}, which an interrupted run had left, is tried again in the next"
        f" cycle: {op.reason}"
        for op in ops
        if op.id in unsettled
    ]
