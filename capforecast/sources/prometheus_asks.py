"""Which metrics are asked of which exporters: the presets of the settings, and the user's own PromQL over them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from capforecast.errors import ConfigError
from capforecast.settings_sources import PrometheusSettings
from capforecast.sources.promql import PRESETS, Preset, Query, fill, matchers

Identity = tuple[str, ...]  # values of the labels `by`, in that order
OWN = "own"


@dataclass(frozen=True)
class Ask:
    """One metric of one kind of server, as it is asked for.  key: `<preset>/<metric>`."""

    key: str
    metric: str
    by: tuple[str, ...]
    server_id: str
    expression: str
    present: str = ""
    remedy: str = ""

    @property
    def preset(self) -> str:
        """Whose metric it is; OWN for PromQL of the settings that is no preset's metric."""
        return self.key.split("/")[0]

    @property
    def divisible(self) -> bool:
        """Can it be asked of some servers only?"""
        return "$match" in self.expression

    def query(self, settings: PrometheusSettings, servers: Iterable[Identity] = ()) -> str:
        """The expression, of these servers and perhaps some more; none = of all."""
        return fill(self.expression, self.by, self._match(settings, servers), settings.rate_minutes)

    def selector(self, settings: PrometheusSettings) -> str:
        """The selector that tells which servers there are."""
        return fill(self.present, self.by, self._match(settings, ()), settings.rate_minutes)

    def _match(self, settings: PrometheusSettings, servers: Iterable[Identity]) -> str:
        values = list(zip(*servers, strict=True))
        return matchers(settings.select, dict(zip(self.by, values, strict=True)) if values else {})


def asks(settings: PrometheusSettings) -> list[Ask]:
    """What is asked for, by preset and metric. Raises ConfigError where that is nothing."""
    made = []
    for name in dict.fromkeys(settings.presets):
        preset = PRESETS[name]
        for query in preset.queries:
            own = settings.metrics.get(query.metric, query.expression)
            if own is not None:
                made.append(_ask(preset, _own(query.metric, own) if own != query.expression else query, settings))
    known = {ask.metric for ask in made}
    first = PRESETS[settings.presets[0]] if settings.presets else PRESETS["node_exporter"]
    own_preset = Preset(OWN, first.by, first.server_id, ())
    made += [
        _ask(own_preset, _own(metric, expression), settings)
        for metric, expression in settings.metrics.items()
        if expression is not None and metric not in known
    ]
    if not made:
        raise ConfigError("`remote.prometheus`: no metric is asked for; name presets or metrics")
    return made


def capacities(settings: PrometheusSettings) -> list[Ask]:
    """What tells the size of servers: asks whose metric is a column of the inventory."""
    presets = [PRESETS[name] for name in dict.fromkeys(settings.presets)]
    return [
        _ask(preset, Query(column, expression), settings)
        for preset in presets
        for column, expression in preset.capacity.items()
    ]


def named(template: str, labels: Mapping[str, str]) -> str:
    """A server's name, made of its labels; {host} is `instance` without its port. "" where a label is missing."""
    words = re.findall(r"\{(\w+)\}", template)
    texts = {word: host(labels.get("instance", "")) if word == "host" else labels.get(word, "") for word in words}
    if not all(texts.values()):
        return ""
    return re.sub(r"\{(\w+)\}", lambda found: texts[found[1]], template).strip()


def host(instance: str) -> str:
    """`web-1:9100` -> `web-1`, `[::1]:9100` -> `::1`; what has no port stays."""
    found = re.fullmatch(r"\[(.+)\](:\d+)?|([^:]*):\d+", instance)
    return (found[1] or found[3]) if found else instance


def _own(metric: str, expression: str) -> Query:
    remedy = (
        f"see what remote.prometheus.metrics.{metric} gives at the server: a series per server, with the labels `by`"
    )
    return Query(metric, expression, "", remedy)


def _ask(preset: Preset, query: Query, settings: PrometheusSettings) -> Ask:
    return Ask(
        f"{preset.name}/{query.metric}", query.metric, settings.by or preset.by,
        settings.server_id or preset.server_id, query.expression, query.present, query.remedy,
    )  # fmt: skip
