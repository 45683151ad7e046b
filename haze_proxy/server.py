"""The process: its loop, its socket, its signals, and what it says at the start."""

import asyncio
import gc
import logging
import resource
import signal
import sys
from pathlib import Path
from typing import Final

import uvloop
from aiohttp import web

from haze_proxy import config
from haze_proxy.app import create_app
from haze_proxy.config import Config
from haze_proxy.config_file import ConfigFile
from haze_proxy.context import CARDS, CONFIG_FILE, DIRECTORY, KEYRING, STORE
from haze_proxy.gate.connection import Runner
from haze_proxy.payments.cards import Cards
from haze_proxy.store import accounts
from haze_proxy.store.database import StoreError
from haze_proxy.web.site import SITE

log = logging.getLogger("haze_proxy")

HEADER_BYTES_MAX: Final = 32 * 2**10
BACKLOG: Final = 4096
SHUTDOWN_S: Final = 30
OPEN_FILES: Final = 65_536
MODELS_NAMED_MAX: Final = 20


def serve(config_path: Path, host: str | None = None, port: int | None = None) -> int:
    """Run the server until it is told to stop; returns the exit status. `host` and `port` win over the file's.

    Raises ConfigError or StoreError, in one line, when it cannot start.
    """
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s", stream=sys.stderr)

    def read(path: Path) -> Config:
        return config.listening(config.load(path), host, port)

    settings = read(config_path)
    _allow_open_files()
    stop = Stop()
    app = create_app(settings, file=ConfigFile(config_path, settings, read), fatal=stop.fatal, shutdown_s=SHUTDOWN_S)
    return uvloop.run(_run(app, config_path, stop, settings.server.host, settings.server.port))


class Stop:
    """Waits for the reason to stop: a signal (0), or a store that cannot be trusted any more (1)."""

    def __init__(self) -> None:
        self.status = 0
        self.asked = asyncio.Event()

    def fatal(self, reason: str) -> None:
        """End with status 1, and say why."""
        log.critical("%s", reason)
        self.status = 1
        self.asked.set()


async def _run(app: web.Application, config_path: Path, stop: Stop, host: str, port: int) -> int:
    runner = Runner(
        app,
        access_log=None,
        max_field_size=HEADER_BYTES_MAX,
        max_line_size=HEADER_BYTES_MAX,
        # aiohttp waits twice for an answer that runs: before it asks it to end, and after.
        shutdown_timeout=1,  # the application has waited for its requests before
    )
    await runner.setup()
    try:
        site = web.TCPSite(runner, host, port, backlog=BACKLOG)
        try:
            await site.start()
        except OSError as error:
            raise StoreError(f"{host}:{port}: {error.strerror or error}") from error
        _settle_down()
        _listen(app, stop)
        _greet(app, config_path, site)
        await _invite(app)
        await stop.asked.wait()
    finally:
        await runner.cleanup()
    return stop.status


def _settle_down() -> None:
    # What was loaded stays; looking at it again and again for garbage costs a tenth of a large request.
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 50)


def _listen(app: web.Application, stop: Stop) -> None:
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.asked.set)
    reloads: set[asyncio.Task[bool]] = set()

    def reload() -> None:
        task = loop.create_task(app[CONFIG_FILE].reload())
        reloads.add(task)
        task.add_done_callback(reloads.discard)

    loop.add_signal_handler(signal.SIGHUP, reload)


def _greet(app: web.Application, config_path: Path, site: web.TCPSite) -> None:
    directory = app[DIRECTORY].value
    for channel in directory.channels:
        if channel.inactive:
            say(f"Channel {channel.name} is inactive: {channel.inactive}.")
        elif channel.off:
            say(f"Channel {channel.name} is {channel.off}.")
    for name in directory.waiting:
        say(f"Channel {name} waits for the list of its upstream's models.")
    _greet_cards(app[CARDS])
    say(f"Haze serves {_models([listed.id for listed in directory.listed()])}.")
    say(f"Haze listens on {site.name}")
    if not app[KEYRING].keys:
        command = _command(config_path)
        say("\nNobody has a key yet. Make an account and its first key:")
        say(f"  {command} account add you@example.com --credit 5")
        say(f"  {command} key add you@example.com")


def _greet_cards(cards: Cards) -> None:
    if cards.inactive and cards.is_configured:
        say(f"Top-ups by card are inactive: {cards.inactive}.")
    elif cards.deaf and cards.is_configured:
        say(f"Stripe is not listened to: {cards.deaf}. A payment is credited when whoever paid comes back.")


async def _invite(app: web.Application) -> None:
    """Show the link that makes an administrator, as long as there is none: it is kept nowhere, and works once."""
    if not await app[STORE].read(accounts.has_admin):
        say("\nNobody administers this Haze yet. Whoever opens this link first does; it works once, until Haze stops:")
        say(f"  {app[SITE].invitation_url}")


def _models(ids: list[str]) -> str:
    more = f" and {len(ids) - MODELS_NAMED_MAX} more" if len(ids) > MODELS_NAMED_MAX else ""
    return (", ".join(ids[:MODELS_NAMED_MAX]) or "no model") + more


def _command(config_path: Path) -> str:
    """How this program is called from here, as short as it can be typed."""
    script = Path(sys.executable).with_name("haze-proxy")
    shown = script.relative_to(Path.cwd()) if script.is_relative_to(Path.cwd()) else script
    command = str(shown) if script.exists() else f"{sys.executable} -m haze_proxy"
    return command if config_path == Path("config.toml") else f"{command} --config {config_path}"


def say(text: str) -> None:
    """A line for the person at the terminal, at once even through a pipe."""
    print(text, flush=True)  # noqa: T201 - what is said at the start is no log


def _allow_open_files() -> None:
    # Each stream needs two sockets; the usual soft limit of 1,024 would stop at 500.
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = OPEN_FILES if hard == resource.RLIM_INFINITY else min(OPEN_FILES, hard)
    if soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
