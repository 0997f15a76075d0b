"""The demo on a terminal, drawn again as it goes on."""

from __future__ import annotations

from types import TracebackType
from typing import Self

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.text import Text

from ullage.demo.report import Event, View
from ullage.demo.words import event_line, opening
from ullage.model.settings import Watermarks
from ullage.model.units import format_size
from ullage.model.words import Level
from ullage.policy.assess import shown_percent

_STYLES = {
    Level.OK: "green",
    Level.WARNING: "yellow",
    Level.CRITICAL: "red",
    Level.EMERGENCY: "bold red",
    Level.UNAVAILABLE: "magenta",
}
_LABEL = 11
_ROOM = 34
"""Columns beside a bar: its label before it, its numbers behind it."""
_LINES = 12
"""Of what happened, the last so many are shown."""


class LiveScreen:
    """Usage against the watermarks, the writer's progress, and the last acts with their reasons."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._live = Live(console=console, auto_refresh=False, redirect_stdout=False, redirect_stderr=False)
        self._marks = Watermarks()
        self._to_write = 1
        self._happened: list[str] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._live.stop()

    def begin(self, place: str, marks: Watermarks, to_write: int) -> None:
        self._marks, self._to_write = marks, to_write
        for line in opening(place, marks, to_write):
            self._console.print(Text(line))
        self._live.start()

    def show(self, view: View, events: list[Event]) -> None:
        self._happened += map(event_line, events)
        self._live.update(self._frame(view), refresh=True)

    def _frame(self, view: View) -> RenderableType:
        lines = [Text(line, no_wrap=True, overflow="ellipsis") for line in self._happened[-_LINES:]]
        return Group(Text(), self._usage(view), self._scale(), self._dump(view), Text(), *lines)

    def _usage(self, view: View) -> Text:
        usage = view.usage or 0.0
        text = Text("usage".ljust(_LABEL), no_wrap=True)
        text.append_text(self._bar(usage / 100.0, _STYLES[view.level]))
        return text.append(f"  {shown_percent(usage)} %  {view.level}", _STYLES[view.level])

    def _scale(self) -> Text:
        """The watermarks under the bar, each at its place."""
        marks = (self._marks.warning, self._marks.critical, self._marks.emergency)
        row = [" "] * (self._width + 1)
        for mark in marks:
            row[round(self._width * mark / 100.0)] = "^"
        words = ", ".join(f"{mark:g}" for mark in marks)
        return Text(f"{'':{_LABEL}}{''.join(row)} ^ {words} %", style="dim", no_wrap=True)

    def _dump(self, view: View) -> Text:
        text = Text("dump".ljust(_LABEL), no_wrap=True)
        text.append_text(self._bar(view.written / self._to_write, "cyan"))
        text.append(f"  {format_size(view.written)} of {format_size(self._to_write)}")
        if view.no_space:
            text.append(f", NO SPACE LEFT {view.no_space} times", "bold red")
        return text

    def _bar(self, fraction: float, style: str) -> Text:
        filled = round(self._width * min(1.0, fraction))
        full, rest = ("#", ".") if self._console.options.ascii_only else ("█", "░")
        return Text(full * filled, style).append(rest * (self._width - filled), "dim")

    @property
    def _width(self) -> int:
        return max(10, self._console.width - _LABEL - _ROOM)
