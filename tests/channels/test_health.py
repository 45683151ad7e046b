"""A channel that failed is left alone for a while, and comes back by itself."""

from collections.abc import Callable

import pytest

from haze_proxy import config, config_models
from haze_proxy.channels.directory import Candidate, Directory
from haze_proxy.channels.faults import OwnersTrouble, PassedOn, Unreachable
from haze_proxy.channels.health import Change, Health
from haze_proxy.errors import BadRequest, HazeError, Overloaded, RateLimited, UpstreamFailed, UpstreamSilent

ROW = {"kind": "openai", "api_key": "k", "models": ("a", "b")}
SETTINGS = config.Config(
    channels=tuple(config.Channel(name=name, **ROW) for name in ("one", "two")),
    models=tuple(config_models.Model(id=name, free=True) for name in ("a", "b")),
)
DIRECTORY = Directory(SETTINGS, {})


def of(model: str) -> dict[str, Candidate]:
    """The candidates of a model, by their channels' names."""
    return {each.channel.name: each for each in DIRECTORY.candidates(model, "chat")}


A, B = of("a"), of("b")
ONE = A["one"].channel


class Clock:
    """Time that a test moves."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def health(clock: Clock) -> Health:
    return Health(clock)


def names(ready: tuple[Candidate, ...]) -> list[str]:
    return [each.channel.name for each in ready]


def both(model: dict[str, Candidate] = A) -> tuple[Candidate, ...]:
    return model["one"], model["two"]


CHANNELS_FAULT: dict[str, Callable[[], HazeError]] = {
    "rate limit": lambda: RateLimited("x"),
    "overloaded": lambda: Overloaded("x"),
    "broke": lambda: UpstreamFailed("x"),
    "silent": lambda: UpstreamSilent("x"),
    "unreachable": lambda: Unreachable("x"),
    "the owner's": lambda: OwnersTrouble("x"),
}


@pytest.mark.parametrize("made", CHANNELS_FAULT.values(), ids=CHANNELS_FAULT)
def test_a_channel_that_fails_is_passed_over_and_returns_by_itself(
    health: Health, clock: Clock, made: Callable[[], HazeError]
) -> None:
    """Nobody has to switch it on again, and nobody waits for it meanwhile."""
    health.failed(A["one"], made(), began=clock())
    assert names(health.ready(both())) == ["two"]
    clock.now += health.wait(A["one"])
    assert names(health.ready(both())) == ["one", "two"]


@pytest.mark.parametrize("error", [BadRequest("x"), PassedOn(ONE, 400, None), PassedOn(ONE, 404, None)])
def test_a_callers_own_fault_never_counts_against_a_channel(health: Health, clock: Clock, error: HazeError) -> None:
    """One client that asks nonsense must not take a channel from the others."""
    health.failed(A["one"], error, began=clock())
    assert names(health.ready(both())) == ["one", "two"]


def test_each_failure_in_a_row_doubles_the_wait_up_to_a_minute(health: Health, clock: Clock) -> None:
    """A hiccup costs a second, a dead channel is asked once a minute."""
    waits = []
    for _ in range(9):
        health.failed(A["one"], UpstreamFailed("x"), began=clock())
        waits.append(health.wait(A["one"]))
        clock.now += waits[-1] + 1
    assert waits == [1, 2, 4, 8, 16, 32, 60, 60, 60]


def test_the_owners_trouble_begins_with_a_minute_and_ends_at_half_an_hour(health: Health, clock: Clock) -> None:
    """A wallet is not filled within a second."""
    waits = []
    for _ in range(7):
        health.failed(A["one"], OwnersTrouble("x"), began=clock())
        waits.append(health.wait(A["one"]))
        clock.now += waits[-1] + 1
    assert waits == [60, 120, 240, 480, 960, 1800, 1800]


@pytest.mark.parametrize(("own", "wait"), [(7.5, 7.5), (0.0, 1.0), (999_999.0, 1800.0)])
def test_a_channels_own_wait_is_kept_within_bounds(health: Health, clock: Clock, own: float, wait: float) -> None:
    """It knows best; but a header must not switch a channel off for ever."""
    health.failed(A["one"], RateLimited("x"), began=clock(), own_wait_s=own)
    assert health.wait(A["one"]) == wait


def test_requests_that_fail_together_count_once(health: Health, clock: Clock) -> None:
    """A hundred requests under way when a channel dies are one failure, not a hundred doublings."""
    began, clock.now = clock(), clock() + 5
    for _ in range(100):
        health.failed(A["one"], UpstreamFailed("x"), began=began)
    assert health.wait(A["one"]) == 1


def test_an_answer_makes_a_channel_as_good_as_new(health: Health, clock: Clock) -> None:
    """Otherwise two failures a week apart would count as two in a row."""
    for _ in range(3):
        health.failed(A["one"], UpstreamFailed("x"), began=clock())
        clock.now += 60
    health.worked(A["one"], began=clock())
    health.failed(A["one"], UpstreamFailed("x"), began=clock())
    assert health.wait(A["one"]) == 1


def test_the_end_of_what_began_before_a_failure_proves_nothing(health: Health, clock: Clock) -> None:
    """A busy channel always has a stream that ends: a rate limit or an empty wallet would be forgotten at once."""
    began, clock.now = clock(), clock() + 5
    health.failed(A["one"], RateLimited("x"), began=clock(), own_wait_s=60)
    health.worked(A["one"], began=began)
    assert health.is_barred(A["one"])
    clock.now += 60
    health.worked(A["one"], began=clock())
    health.failed(A["one"], UpstreamFailed("x"), began=clock())
    assert health.wait(A["one"]) == 1


def test_a_models_rate_limit_leaves_the_channels_other_models_alone(health: Health, clock: Clock) -> None:
    """One busy free model must not take three hundred others with it."""
    health.failed(A["one"], RateLimited("x"), began=clock(), own_wait_s=30)
    assert names(health.ready(both(A))) == ["two"]
    assert names(health.ready(both(B))) == ["one", "two"]


@pytest.mark.parametrize("error", [Unreachable("x"), OwnersTrouble("x")])
def test_what_concerns_the_whole_channel_takes_all_its_models(health: Health, clock: Clock, error: HazeError) -> None:
    """A refused key is refused for every model."""
    health.failed(A["one"], error, began=clock())
    assert names(health.ready(both(B))) == ["two"]


def test_a_model_that_the_owner_may_not_use_is_out_alone(health: Health, clock: Clock) -> None:
    """The rest of the account works."""
    health.failed(A["one"], OwnersTrouble("x", every_model=False), began=clock())
    assert (names(health.ready(both(A))), names(health.ready(both(B)))) == (["two"], ["one", "two"])


def test_without_a_stand_in_a_cooling_channel_is_asked_all_the_same(health: Health, clock: Clock) -> None:
    """To refuse for a second after each hiccup of the only provider would only double the trouble."""
    for candidate in both():
        health.failed(candidate, UpstreamFailed("x"), began=clock())
    assert names(health.ready(both())) == ["one", "two"]


def test_a_channel_that_asked_to_be_left_alone_is_left_alone(health: Health, clock: Clock) -> None:
    """Who goes on asking after a Retry-After is locked out for longer; the caller is told when to come back."""
    health.failed(A["one"], RateLimited("x"), began=clock(), own_wait_s=12.5)
    health.failed(A["two"], OwnersTrouble("x"), began=clock())
    assert health.ready(both()) == ()
    assert health.returns_in(both()) == 13


def test_nobody_is_told_to_wait_for_what_the_owner_has_to_mend(health: Health, clock: Clock) -> None:
    """A client that waits for a wallet to fill would wait all night."""
    for candidate in both():
        health.failed(candidate, OwnersTrouble("x"), began=clock())
    assert (health.ready(both()), health.returns_in(both())) == ((), None)


def test_every_change_is_told_once(health: Health, clock: Clock) -> None:
    """The owner's commands read it from the store; a row for each failing request would be a flood."""
    told: list[Change] = []
    health.changed = told.append
    began, clock.now = clock(), clock() + 1
    for _ in range(5):
        health.failed(A["one"], UpstreamFailed("why"), began=began)
    health.worked(A["one"], began=clock())
    health.worked(A["one"], began=clock())
    assert [(change.place, change.cooling is not None, change.wait_s) for change in told] == [
        (("one", "a"), True, 1.0),
        (("one", "a"), False, 0.0),
    ]


def test_the_log_tells_the_owner_why_and_the_caller_does_not_hear_it(
    health: Health, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    """His trouble is his alone."""
    error = OwnersTrouble("status 402: top up")
    health.failed(A["one"], error, began=clock())
    assert "Channel one (all models) is out for 60 s: status 402: top up" in caplog.text
    assert "402" not in error.message
