"""The report's look for plots in the notebooks: its font and colours, few lines, and one way to draw a forecast."""

from __future__ import annotations

from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from matplotlib import font_manager
from matplotlib.axes import Axes

from capforecast.report import style


def use() -> None:
    """Set the house style for all plots that follow."""
    fonts = Path(style.__file__).parent / "fonts"
    for name in style.FONT_FILES.values():
        font_manager.fontManager.addfont(fonts / name)
    plt.rcParams.update(
        {
            "font.family": [style.FONT, style.FALLBACK_FONT], "font.size": 10, "text.color": style.INK,
            "figure.figsize": (9, 3.6), "figure.dpi": 110, "figure.constrained_layout.use": True,
            "axes.titlelocation": "left", "axes.titleweight": "bold", "axes.titlesize": 11,
            "axes.edgecolor": style.RULE, "axes.labelcolor": style.MUTED,
            "axes.spines.top": False, "axes.spines.right": False, "axes.grid.axis": "y", "axes.axisbelow": True,
            "grid.color": style.FAINT, "xtick.color": style.MUTED, "ytick.color": style.MUTED,
            "legend.frameon": False, "text.parse_math": False,
        }
    )  # fmt: skip


def forecast(axes: Axes, when: np.ndarray, quantiles: np.ndarray) -> None:
    """Median, 80 and 95 % band of `quantiles` (rows: 2.5, 10, 50, 90, 97.5 %) by date."""
    low, q10, q50, q90, high = quantiles[:5]
    axes.fill_between(when, low, high, color=style.BAND_95, linewidth=0, label="95 % interval")
    axes.fill_between(when, q10, q90, color=style.BAND_80, linewidth=0, label="80 % interval")
    axes.plot(when, q50, color=style.MEDIAN, linewidth=1.6, label="median forecast")


def threshold(axes: Axes, value: float, name: str) -> None:
    """A threshold across the plot, named at its right end."""
    axes.axhline(value, color=style.THRESHOLD_HIGH, linewidth=1, linestyle=(0, (4, 2)))
    axes.annotate(name, (1, value), xycoords=("axes fraction", "data"), xytext=(4, 0), textcoords="offset points",
                  va="center", color=style.THRESHOLD_HIGH, annotation_clip=False)  # fmt: skip
