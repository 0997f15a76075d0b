"""``ullage start``, ``stop`` and ``restart``: the daemon as a process."""

from __future__ import annotations

import logging
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from functools import partial
from io import TextIOWrapper
from logging.handlers import RotatingFileHandler
from typing import Any

import click

from ullage.cli.context import application, common, common_options, dry_run_option
from ullage.cli.output import print_json, say
from ullage.errors import Refused, SettingsError, UllageError
from ullage.model.units import MIB, printable

log = logging.getLogger("ullage")

STOP_SECONDS = 30.0
"""How long a stop waits for the step under way before it uses force (the seed's number)."""
_START_SECONDS = 30.0
_GRACE = 25.0
"""How long the daemon itself waits for its watches; what is left then is finished at the next start."""
_SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)


@click.command()
@click.option("--foreground", is_flag=True, help="Stay in the foreground and log to stderr.")
@click.option("--log-file", hidden=True, type=click.Path())
@dry_run_option
@common_options
def start(foreground: bool, log_file: str | None, dry_run: bool) -> None:
    """Start the daemon that watches every store."""
    if dry_run:
        _tell("the daemon would be started")
    elif foreground:
        _serve(log_file)
    else:
        _tell(_start())


@click.command()
@dry_run_option
@common_options
def stop(dry_run: bool) -> None:
    """Stop the daemon once it has finished or undone its step; after 30 s it is killed, and the next start recovers."""
    _tell("the daemon would be stopped" if dry_run else _stop())


@click.command()
@dry_run_option
@common_options
def restart(dry_run: bool) -> None:
    """Stop the daemon, then start it."""
    if dry_run:
        _tell("the daemon would be restarted")
        return
    stopped = _stop()
    if not common().json:
        say(stopped)
    _tell(_start())


def _state_dir() -> str:
    from ullage.app import load_settings

    return str(load_settings(common().config).state_dir)


def _tell(text: str) -> None:
    """Say what became of the daemon; in JSON, what there is of it now."""
    from ullage.cli.status import daemon

    if common().json:
        print_json({"daemon": daemon(_state_dir())})
    else:
        say(text)


def _start() -> str:
    """What to say of a daemon of its own session once it is ready; raises what it said instead."""
    from ullage.app import load_settings
    from ullage.system.runfile import LOG, running

    settings = load_settings(common().config)
    other = running(settings.state_dir)
    if other is not None:
        raise Refused(f"the daemon is already running: process {other.pid}")
    path = os.path.join(settings.state_dir, LOG)
    command = [sys.executable, "-P", "-m", "ullage", "--config", settings.path, "start", "--foreground"]
    child = subprocess.Popen(  # -P: no code of whatever directory we happen to be in; "/": nor is it kept busy
        [*command, "--log-file", path],
        cwd="/",
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        start_new_session=True,
    )
    until = time.monotonic() + _START_SECONDS
    while time.monotonic() < until and child.poll() is None:
        found = running(settings.state_dir)
        if found is not None and found.pid == child.pid:
            _try_log(path)
            return f"the daemon is running: process {found.pid}"
        time.sleep(0.05)
    if child.poll() is None:
        child.kill()
    said = (child.stderr.read() if child.stderr else b"").decode("utf-8", "replace").strip()
    raise UllageError(said.removeprefix("ullage: ") or f"the daemon did not start; see {path}")


def _try_log(path: str) -> None:
    """Nothing; says where the daemon, which goes on without one, has no log."""
    try:
        os.close(os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600))
    except OSError as error:
        say(f"cannot write the log {printable(path)}: {error.strerror}; the daemon goes on and tries again")


def _stop() -> str:
    """What to say of a daemon that is gone now. Raises UllageError where it cannot be killed."""
    from ullage.system.runfile import running, send

    state_dir = _state_dir()
    daemon = running(state_dir)
    if daemon is not None:
        send(daemon, signal.SIGTERM)
        if not _gone(state_dir, STOP_SECONDS):
            say(f"it has not stopped in {STOP_SECONDS:.0f} s; killing it (the next start settles what was under way)")
            send(daemon, signal.SIGKILL)
            if not _gone(state_dir, 5.0):
                raise UllageError(f"process {daemon.pid} cannot be killed: it waits for a filesystem that hangs")
    return "the daemon is not running" if daemon is None else "the daemon is stopped"


def _gone(state_dir: str, seconds: float) -> bool:
    from ullage.system.runfile import running

    until = time.monotonic() + seconds
    while running(state_dir) is not None:
        if time.monotonic() >= until:
            return False
        time.sleep(0.05)
    return True


def _serve(log_file: str | None) -> None:
    """Be the daemon until a signal ends it."""
    from ullage.app import load_settings
    from ullage.system import systemd
    from ullage.system.runfile import claim

    config = common().config
    signal.pthread_sigmask(signal.SIG_BLOCK, _SIGNALS)  # until there is somebody to take them
    with application() as app, claim(app.settings.state_dir):
        _log_to(log_file)
        forever = run_daemon(app, reload=lambda: load_settings(config), ready=lambda: systemd.notify(READY="1"))
        systemd.notify(STOPPING="1")
        if not forever:
            logging.shutdown()
            os._exit(0)  # a watch hangs in the kernel: the interpreter would wait for it


def run_daemon(
    app: Any, reload: Callable[[], Any], ready: Callable[[], None], cycled: Callable[[Any], None] = lambda _: None
) -> bool:
    """Run until SIGTERM or SIGINT; SIGHUP reloads. False where a watch did not come to its end in time."""
    from ullage.engine.daemon import Daemon
    from ullage.system import systemd

    daemon = Daemon(app.engine, app.clock, app.deliver, lambda status: _alive(systemd, status), cycled)

    def hang_up(*_: object) -> None:
        systemd.notify(RELOADING="1", MONOTONIC_USEC=str(time.monotonic_ns() // 1000))
        try:
            settings = reload()
            if settings.state_dir != app.settings.state_dir:
                raise SettingsError([f"{settings.path}: state_dir cannot change while the daemon runs; restart it"])
            daemon.watch(app.reload(settings))
            log.warning("settings reloaded from %s", settings.path)
        except (UllageError, OSError) as error:
            log.error("the settings were not reloaded, the old ones stay in force: %s", error)
        ready()

    signal.signal(signal.SIGTERM, lambda *_: daemon.end())
    signal.signal(signal.SIGINT, lambda *_: daemon.end())
    signal.signal(signal.SIGHUP, hang_up)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, _SIGNALS)
    log.warning("watching %d store%s", len(app.sites), "" if len(app.sites) == 1 else "s")
    daemon.watch(list(app.sites.values()))
    ready()
    daemon.run()
    log.warning("stopping")
    ended = daemon.wait_for_watches(_GRACE)
    log.warning("stopped" if ended else "stopped; what is under way in a store is settled at the next start")
    return ended


def _alive(systemd: Any, status: str) -> None:
    systemd.notify(WATCHDOG="1", STATUS=status)


def _log_to(path: str | None) -> None:
    """To stderr for the journal (which adds the time), or to a file that is rotated; a full disk loses only lines."""
    logging.raiseExceptions = False
    handler: logging.Handler
    if path is None:
        handler = logging.StreamHandler()
        stamp = "" if "JOURNAL_STREAM" in os.environ else "%(asctime)s "
    else:
        handler = _LogFile(path, maxBytes=4 * MIB, backupCount=4, delay=True)
        stamp = "%(asctime)s "
    handler.setFormatter(logging.Formatter(f"{stamp}%(levelname)s %(message)s"))
    log.addHandler(handler)
    log.setLevel(logging.INFO)


class _LogFile(RotatingFileHandler):
    """A log for our eyes alone; while it cannot be opened, each line tries again, and is lost."""

    def _open(self) -> TextIOWrapper:
        return open(self.baseFilename, "a", encoding="utf-8", opener=partial(os.open, mode=0o600))
