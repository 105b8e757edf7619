"""Which size a server could have: the cheapest instance type that holds its peaks, or else the next usual amount."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from capforecast.actions.sizes import GIB_STEPS, SHARE_STEPS, VCPU_STEPS, Sizes, next_step
from capforecast.fleet.shapes import INSTANCE_TYPE
from capforecast.schema import BoolArray, FloatArray
from capforecast.settings import SizingSettings

Array = npt.NDArray[np.float64]
_ALIKE = 1e-6  # shares of one size that differ by less are rounding
_UNPRICED = 1e9  # rank of the first size without a price: above every price


@dataclass(frozen=True)
class Needs:
    """What servers need on sample paths, without headroom.

    servers: [S] server_id, business_unit, region, criticality, tier, instance_type, vcpus, memory_gib; days observed as
    `history_days`; days that the paths reach ahead as `horizon_days` (0 = there are none; short of the horizon where
    past errors are); `peaks_unseen` in words ("" = none); cpu_statistic, memory_statistic, and in words `basis`.
    cpu, memory: float32 [J, S], peak of each path as a share of what the server has now, the same path in both; NaN =
    not forecast.  origins: UTC [J], repeat: [J], which draw.
    """

    servers: pd.DataFrame
    cpu: FloatArray
    memory: FloatArray
    origins: pd.DatetimeIndex
    repeat: npt.NDArray[np.int64]


@dataclass(frozen=True)
class Held:
    """Peaks [J, S] as shares of the present size, headroom included, and where both are known [S]."""

    cpu: FloatArray
    memory: FloatArray
    known_cpu: BoolArray
    known_memory: BoolArray

    @staticmethod
    def of(needs: Needs, settings: SizingSettings) -> Held:
        """Memory that is known by its P95 alone gets a wider margin."""
        exact = (needs.servers["memory_statistic"] == "max").to_numpy()
        room = np.where(exact, 1.0 - settings.headroom, 1.0 - settings.headroom_memory_p95).astype(np.float32)
        cpu, memory = needs.cpu / np.float32(1.0 - settings.headroom), needs.memory / room
        return Held(cpu, memory, np.isfinite(cpu).all(axis=0), np.isfinite(memory).all(axis=0))

    def part(self, which: BoolArray) -> Held:
        """Those of some servers."""
        return Held(self.cpu[:, which], self.memory[:, which], self.known_cpu[which], self.known_memory[which])

    def fits(self, cpu_share: Array, memory_share: Array) -> Array:
        """Share of the paths that a size holds, [S]; a resource that is not known does not count."""
        ok = (self.cpu <= cpu_share * (1 + _ALIKE)) | ~self.known_cpu
        ok &= (self.memory <= memory_share * (1 + _ALIKE)) | ~self.known_memory
        return np.asarray(ok.mean(axis=0)) if len(ok) else np.full(len(self.known_cpu), np.nan)

    def needed(self, share: float) -> dict[str, Array]:
        """What this share of the paths need, as shares of the present size, [S] each; NaN = not known."""
        if not len(self.cpu):
            nothing = np.full(len(self.known_cpu), np.nan)
            return {"need_cpu_share": nothing, "need_memory_share": nothing.copy()}
        return {
            name: np.where(known, np.quantile(np.nan_to_num(values), share, axis=0, method="higher"), np.nan)
            for name, values, known in (
                ("need_cpu_share", self.cpu, self.known_cpu), ("need_memory_share", self.memory, self.known_memory),
            )
        }  # fmt: skip


def chosen(
    servers: pd.DataFrame, held: Held, sizes: Sizes, settings: SizingSettings, at_risk: BoolArray
) -> pd.DataFrame:
    """For each server [S]: to_type, to_vcpus, to_memory_gib, to_cpu_share, to_memory_share, found, fits, fits_now,
    hourly, to_hourly, alternatives, need_cpu_share, need_memory_share.

    A server at risk gets no less of anything than it has, another no more.
    """
    typed = (sizes.place(servers[INSTANCE_TYPE]) >= 0) & (servers[["vcpus", "memory_gib"]] > 0).all(axis=1).to_numpy()
    return pd.concat(
        [
            _by_type(servers[typed], held.part(typed), sizes, settings, at_risk[typed]),
            _by_amount(servers[~typed], held.part(~typed), settings, at_risk[~typed]),
        ]
    ).sort_index(kind="stable")


def shares_of(servers: pd.DataFrame, sizes: Sizes) -> tuple[Array, Array]:
    """vCPUs and GiB of each type by what each server has, [S, T]; above the size by rounding alone counts as equal."""
    table = sizes.table
    found = []
    for name in ("vcpus", "memory_gib"):
        share = table[name].to_numpy(dtype=np.float64) / servers[name].to_numpy(dtype=np.float64)[:, None]
        found.append(np.where(np.abs(share - 1.0) < _ALIKE, 1.0, share))
    return found[0], found[1]


def _by_type(
    servers: pd.DataFrame, held: Held, sizes: Sizes, settings: SizingSettings, at_risk: BoolArray
) -> pd.DataFrame:
    """The cheapest instance type that is safe; of those without a price the smallest, where none with one is."""
    costs, (cpu, memory) = sizes.costs(servers["region"]), shares_of(servers, sizes)
    count, table, row = len(servers), sizes.table, np.arange(len(servers))
    up = at_risk[:, None]
    allowed = sizes.allowed(servers, settings) & np.where(up, (cpu >= 1) & (memory >= 1), (cpu <= 1) & (memory <= 1))
    fit = np.full((count, len(table)), np.nan)
    for t in range(len(table)):
        which = allowed[:, t]
        fit[which, t] = held.part(which).fits(cpu[which, t], memory[which, t])
    rank = np.where(np.isfinite(costs), costs, _UNPRICED + np.arange(len(table)))
    rank = np.where(allowed & (fit >= settings.fit_share), rank, np.inf)
    best, now = rank.argmin(axis=1) if count else np.zeros(0, np.int64), sizes.place(servers[INSTANCE_TYPE])
    found = np.asarray(np.isfinite(rank.min(axis=1, initial=np.inf)))
    name = table[INSTANCE_TYPE].to_numpy(dtype=object)
    picked = {
        "to_vcpus": table["vcpus"].to_numpy(dtype=np.float64)[best],
        "to_memory_gib": table["memory_gib"].to_numpy(dtype=np.float64)[best],
        "to_cpu_share": cpu[row, best], "to_memory_share": memory[row, best], "fits": fit[row, best],
        "to_hourly": costs[row, best],
    }  # fmt: skip
    moves = found & (best != now)
    return pd.DataFrame(
        {"to_type": np.where(found, name[best], ""), "found": found}
        | {key: np.where(found, values, np.nan) for key, values in picked.items()}
        | {
            "fits_now": held.fits(np.ones(count), np.ones(count)),
            "hourly": costs[row, now] if count else np.zeros(0),
            "alternatives": _alternatives(rank, fit, allowed, np.where(moves, best, -1), now, name, settings),
        }
        | held.needed(settings.fit_share),
        index=servers.index,
    )


def _alternatives(
    rank: Array, fit: Array, allowed: BoolArray, best: npt.NDArray[np.int64], now: npt.NDArray[np.int64],
    name: npt.NDArray[np.object_], settings: SizingSettings,
) -> list[str]:  # fmt: skip
    """Of servers that move (best >= 0): up to three sizes that were considered and why they were not taken."""
    out = [""] * len(rank)
    for i in np.flatnonzero(best >= 0):
        tight = np.flatnonzero(allowed[i] & (fit[i] < settings.fit_share))
        tight = tight[np.argsort(-fit[i][tight], kind="stable")][:2]
        safe = np.flatnonzero(np.isfinite(rank[i]) & (np.arange(len(name)) != best[i]))
        safe = safe[np.argsort(rank[i][safe], kind="stable")][:1]
        said = [f"{name[t]}: holds {fit[i][t]:.0%} of the paths, less than {settings.fit_share:.0%}" for t in tight]
        said += [f"{name[t]}: safe too, but {_but(rank[i], int(t), int(best[i]), int(now[i]))}" for t in safe]
        out[i] = "; ".join(said)
    return out


def _but(rank: Array, other: int, best: int, now: int) -> str:
    """Why a size that is safe too was not taken."""
    if other == now:
        return "as it is"
    return "without a price" if rank[other] >= _UNPRICED > rank[best] else "larger or dearer"


def _by_amount(servers: pd.DataFrame, held: Held, settings: SizingSettings, at_risk: BoolArray) -> pd.DataFrame:
    """The next usual number of vCPUs and GiB, or share of the present size where that is not known; no money."""
    needed, now = held.needed(settings.fit_share), np.ones(len(servers))
    cpu, memory = _steps(servers, needed, settings, at_risk)
    tight = held.fits(cpu, memory) < settings.fit_share  # each holds its share of the paths, both together may not
    more = _steps(servers, held.needed((1 + settings.fit_share) / 2), settings, at_risk)
    cpu, memory = (np.where(tight, larger, size) for size, larger in zip((cpu, memory), more, strict=True))
    fits, nothing = held.fits(cpu, memory), np.full(len(servers), np.nan)
    found = np.isfinite(needed["need_cpu_share"]) & (fits >= settings.fit_share)
    return pd.DataFrame(
        {
            "to_type": "", "found": found,
            "to_vcpus": _times(cpu, servers["vcpus"]), "to_memory_gib": _times(memory, servers["memory_gib"]),
            "to_cpu_share": np.where(found, cpu, np.nan), "to_memory_share": np.where(found, memory, np.nan),
            "fits": fits, "fits_now": held.fits(now, now),
            "hourly": nothing, "to_hourly": nothing, "alternatives": "",
        } | needed,
        index=servers.index,
    )  # fmt: skip


def _steps(
    servers: pd.DataFrame, needed: dict[str, Array], settings: SizingSettings, at_risk: BoolArray
) -> tuple[Array, Array]:
    """The next step up from what is needed, by what each server has, [S]; what is not known stays as it is."""
    found = []
    for name, size, steps, least in (
        ("cpu", "vcpus", VCPU_STEPS, settings.least_vcpus),
        ("memory", "memory_gib", GIB_STEPS, settings.least_memory_gib),
    ):
        has, need = servers[size].to_numpy(dtype=np.float64), needed[f"need_{name}_share"]
        sized = np.where(has > 0, has, np.nan)
        units = next_step(np.maximum(need * sized, least), steps) / sized
        share = np.where(has > 0, units, next_step(need, SHARE_STEPS))
        share = np.where(need <= 1.0, np.minimum(share, 1.0), share)  # it holds what it needs: odd sizes stay
        share = np.where(share > 1.0 - settings.least_cut, np.maximum(share, 1.0), share)
        share = np.where(at_risk, np.maximum(share, 1.0), np.minimum(share, 1.0))
        found.append(np.where(np.isnan(share), 1.0, share))
    return found[0], found[1]


def _times(share: Array, size: pd.Series) -> Array:
    has = size.to_numpy(dtype=np.float64)
    return np.asarray(np.where(has > 0, np.round(share * has, 6), np.nan))
