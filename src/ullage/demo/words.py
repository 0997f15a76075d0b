"""The demo in words: lines for a pipe, and the summary at the end of every run."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from ullage.demo.play import CHANGED
from ullage.demo.report import Event, Report, View
from ullage.model.backups import Operation
from ullage.model.settings import Watermarks
from ullage.model.units import format_size, printable
from ullage.model.words import Action, Result
from ullage.policy.assess import shown_percent

_DONE = {Action.ARCHIVE: "archived", Action.DELETE: "deleted", Action.PROMOTE: "promoted"}
_STEP = 5.0
"""Points of usage between two lines that say nothing else."""


class Lines:
    """The demo as plain lines: one for each change of level and each act, and usage at every 5 points."""

    def __init__(self, out: Callable[[str], None]) -> None:
        self._out = out
        self._shown = -_STEP

    def begin(self, place: str, marks: Watermarks, to_write: int) -> None:
        for line in opening(place, marks, to_write):
            self._out(line)

    def show(self, view: View, events: list[Event]) -> None:
        for event in events:
            self._out(event_line(event))
        usage = view.usage or 0.0
        if abs(usage - self._shown) >= _STEP or (view.last and usage != self._shown):
            self._shown = usage
            dump = f"the dump has {format_size(view.written)}"
            self._out(f"{_at(view.seconds)}  {view.level:<9}  {shown_percent(usage)} % used, {dump}")


def opening(place: str, marks: Watermarks, to_write: int) -> Iterator[str]:
    """What will be seen, before it is."""
    yield f"disk:      {place}"
    yield f"dump:      another process writes {format_size(to_write)} there, whatever the disk says"
    yield (
        f"levels:    warning {marks.warning:g} %, critical {marks.critical:g} %, emergency {marks.emergency:g} %,"
        f" then down to {100 - marks.target_free:g} %"
    )
    yield f"settings:  the defaults, but {', '.join(f'{key} = {value}' for key, value in CHANGED.items())}"


def event_line(event: Event) -> str:
    """One line of what the daemon noted."""
    if event.operation is None:
        usage = "-" if event.usage is None else f"{shown_percent(event.usage)} %"
        return f"{_at(event.seconds)}  {event.level:<9}  the level is {event.level} now, at {usage}"
    return f"{_at(event.seconds)}  {operation_line(event.operation)}"


def operation_line(op: Operation) -> str:
    """What became of a backup, what it gained, and why."""
    word = _DONE.get(op.action, str(op.action)) if op.result is Result.DONE else f"{op.result}"
    gained = "" if op.action is Action.PROMOTE else f", {format_size(op.reclaimed_bytes)}"
    forced = ", forced" if op.forced else ""
    return f"{word:<9}  {printable(op.backup_id)} ({op.from_state}{gained}{forced}): {printable(op.reason)}"


def summary(report: Report) -> Iterator[str]:
    """What was archived, deleted, promoted and kept, whether there was always room, and what to type next."""
    yield ""
    for action in (Action.ARCHIVE, Action.DELETE, Action.PROMOTE):
        yield from _acts(report, action)
    size = sum(kept.size_bytes for kept in report.kept)
    yield f"kept {len(report.kept)}, {format_size(size)}:"
    for kept in report.kept:
        yield f"  {printable(kept.backup_id):<24} {kept.state:<9} {printable('; '.join(kept.reasons))}"
    yield ""
    yield from _verdict(report)
    yield ""
    yield "for your own disks:  ullage init --backup-root PATH --archive-root PATH"
    yield "then:                ullage plan"


def _acts(report: Report, action: Action) -> Iterator[str]:
    done = [op for op in report.operations if op.action is action and op.result is Result.DONE]
    gained = f", {format_size(sum(op.reclaimed_bytes for op in done))} gained" if action is not Action.PROMOTE else ""
    if action is Action.ARCHIVE:
        gained += f", {format_size(sum(archive.size_bytes for archive in report.archives))} of archives"
    yield f"{_DONE[action]} {len(done)}{gained}{':' if done else ''}"
    for op in done:
        yield f"  {printable(op.backup_id):<24} {op.from_state:<9} {printable(op.reason)}"


def _verdict(report: Report) -> Iterator[str]:
    pinned = "is there, every byte of it" if report.pinned_kept else "IS GONE"
    yield f"{'pinned:':<17} {printable(report.pinned)} {pinned}"
    yield f"{'one of its kind:':<17} {printable(report.single)} {'is there' if report.single_kept else 'IS GONE'}"
    full = f'the writer saw "no space left" {report.no_space} times' if report.no_space else _never(report)
    yield f"{'room:':<17} {full}"
    highest = f"{shown_percent(report.highest)} % at the highest"
    yield f"{'dump:':<17} {format_size(report.written)} written in {report.seconds:.0f} s, usage {highest}"
    yield from (f"{'fault:':<17} {printable(fault)}" for fault in report.faults)


def _never(report: Report) -> str:
    if report.highest > 100.0:
        return "usage WENT OVER the capacity"
    return 'the writer never saw "no space left"' if report.loop else "usage never went over the capacity"


def _at(seconds: float) -> str:
    return f"{max(0.0, seconds):5.1f} s"
