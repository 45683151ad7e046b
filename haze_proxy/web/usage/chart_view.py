"""Sums over time as a page shows them: a chart, its legend with the numbers, its table, and what came to nothing."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from aiohttp import web

from haze_proxy.money import endings
from haze_proxy.store import usage_series
from haze_proxy.store.usage_series import NOTHING, Series, Sums
from haze_proxy.web.paging import with_query
from haze_proxy.web.usage import charts, spans
from haze_proxy.web.usage.charts import BANDS_MAX, COLOURS, REST, Band, Chart
from haze_proxy.web.usage.spans import SPANS, Choice, Measure

DASH: Final = "\N{EN DASH}"
# Links come back to the chart, and not to the top of the page.
PLACE: Final = "#use"


@dataclass(frozen=True, slots=True)
class Group:
    """One row of the legend: its colour's class and what its requests came to; `sums` by step."""

    label: str
    colour: str
    steps: tuple[Sums, ...]

    @property
    def total(self) -> Sums:
        """Over the whole span."""
        return usage_series.total(self.steps)


@dataclass(frozen=True, slots=True)
class Option:
    """A link that changes one thing about the chart."""

    label: str
    href: str
    is_chosen: bool


@dataclass(frozen=True, slots=True)
class Failure:
    """How often requests came to nothing in one way, and when that is."""

    word: str
    when: str
    count: int


@dataclass(frozen=True, slots=True)
class Row:
    """One step in the table beside the chart: its name, the sum of all groups, and each group's number."""

    name: str
    total: int
    values: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class View:
    """What the templates need; `options` are the links by what they change, `title` says what is seen."""

    choice: Choice
    measure: Measure
    by: str
    options: dict[str, list[Option]]
    groups: list[Group]
    total: Sums
    chart: Chart
    axis: tuple[str, str, str]
    rows: list[Row]
    failures: list[Failure]

    @property
    def title(self) -> str:
        """What is drawn, in words."""
        return f"{self.measure.label} by {self.by.lower()}"

    @property
    def number(self) -> int:
        """What is drawn, in all."""
        return self.measure.of(self.total)


@dataclass(frozen=True, slots=True)
class Asked:
    """What a page lets people choose: `measures` and `dimensions` by the names of their links."""

    choice: Choice
    measures: Mapping[str, Measure]
    dimensions: Mapping[str, str]

    @classmethod
    def of(cls, request: web.Request, measures: Mapping[str, Measure], dimensions: Mapping[str, str]) -> "Asked":
        """What this request's query asks for."""
        return cls(spans.choice(request.query, measures, dimensions), measures, dimensions)

    def of_account(self, account_id: int, now_ms: int) -> usage_series.Asked:
        """What is to be read for it: as many names as a chart has colours."""
        choice, rank = self.choice, self.measures[self.choice.show].rank
        return usage_series.Asked(
            account_id, choice.by, choice.span.grain, choice.span.times(now_ms)[0], rank, BANDS_MAX
        )


def view(request: web.Request, asked: Asked, series: Series, now_ms: int) -> View:
    """Put a page's series into the view that was asked for."""
    choice, measure = asked.choice, asked.measures[asked.choice.show]
    span, times = choice.span, choice.span.times(now_ms)
    groups = _groups(series, times, choice.by)
    bands = [Band(each.label, each.colour, tuple(map(measure.of, each.steps))) for each in groups]
    names = [f"{span.said(at)} UTC" for at in times]
    rows = [
        Row(span.said(at), sum(values), values)
        for at, values in zip(times, zip(*(band.values for band in bands), strict=True), strict=bool(bands))
    ]
    return View(
        choice,
        measure,
        asked.dimensions[choice.by],
        _options(request, asked),
        groups,
        usage_series.total(each.total for each in groups),
        charts.stacked(bands, names, measure.show),
        (span.marked(times[0]), span.marked(times[len(times) // 2]), span.marked(times[-1])),
        [row for row in reversed(rows) if row.total],
        _failures(series.ended),
    )


def _groups(series: Series, times: list[int], by: str) -> list[Group]:
    led = list(series.cells)
    labels = _labels(led, series.labels)
    groups = [
        Group(label, colour, tuple(series.cells[name].get(at, NOTHING) for at in times))
        for name, label, colour in zip(led, labels, COLOURS, strict=False)
    ]
    if series.rest:
        label = "others" if series.others or by != "channel" else "no channel"
        groups.append(Group(label, REST, tuple(series.rest.get(at, NOTHING) for at in times)))
    return groups


def _labels(names: list[str], known: Mapping[str, str]) -> list[str]:
    """What people call names; two of the same name are told apart by their numbers."""
    labels = [known.get(name, name) for name in names]
    often = Counter(labels)
    return [f"{label} (#{name})" if often[label] > 1 else label for name, label in zip(names, labels, strict=True)]


def _options(request: web.Request, asked: Asked) -> dict[str, list[Option]]:
    choices = {
        "range": ({name: span.label for name, span in SPANS.items()}, asked.choice.range),
        "show": ({name: measure.label for name, measure in asked.measures.items()}, asked.choice.show),
        "by": ({name: f"By {label.lower()}" for name, label in asked.dimensions.items()}, asked.choice.by),
    }
    return {
        what: [
            Option(label, with_query(request, **{what: name}) + PLACE, name == chosen) for name, label in labels.items()
        ]
        for what, (labels, chosen) in choices.items()
    }


def _failures(ended: Mapping[str, Sums]) -> list[Failure]:
    found = [
        Failure(word, endings.BY_WORD[word].when if word in endings.BY_WORD else "", sums.void)
        for word, sums in ended.items()
        if sums.void
    ]
    return sorted(found, key=lambda each: (-each.count, each.word))
