"""Parts of the summary on past warnings: how often they came true, beside the rules used today."""

from __future__ import annotations

from pydantic import Field

from capforecast.report.part import Part


class RuleScore(Part):
    """How often the warnings of one rule came true, at one horizon, in replay. Null: too few to tell, or not of it.

    Events, cases and the base rate are of the fleet at that horizon, the same for every rule but the logistic, which is
    scored on those it stated something of.
    """

    rule: str = Field(description="Rule; `capforecast` is this report")
    horizon_days: int = Field(description="Days within which a warning must come true")
    cases: int = Field(description="Series, origins and levels not in breach then, whose outcome is known")
    events: int = Field(description="Of these, breached within the horizon")
    base_rate: float | None = Field(description="Events / cases")
    warned: int = Field(description="Warnings given")
    came_true: int = Field(description="Warnings followed by a breach within the horizon")
    false: int = Field(description="Warnings that were not")
    precision: float | None = Field(description="came_true over warned")
    recall: float | None = Field(description="Share of events that were warned of")
    recall_low: float | None = Field(description="Lower end of its 95 % interval, by bootstrap over servers")
    recall_high: float | None = Field(description="Upper end of that interval")
    false_alarms: float | None = Field(description="Per 100 servers and month")
    lead_days: float | None = Field(description="Median, from a warning to the breach it announced")
    our_recall: float | None = Field(default=None, description="Recall of this report at this rule's false alarms")
    recall_ratio: float | None = Field(
        default=None, description="Our recall over that of this rule, at equal false alarms"
    )
    ratio_low: float | None = Field(default=None, description="Lower end of the 95 % interval of recall_ratio")
    ratio_high: float | None = Field(default=None, description="Upper end of that interval")


class Calibration(Part):
    """How far the stated probabilities of one horizon can be taken at their word."""

    horizon_days: int = Field(description="Horizon, days")
    brier_skill: float | None = Field(
        description="Brier skill score over always stating the base rate; above 0 is better than that"
    )
    skill_low: float | None = Field(description="Lower end of its 95 % interval")
    skill_high: float | None = Field(description="Upper end of that interval")
    calibration_error: float | None = Field(description="Expected calibration error")
    chance_floor: float | None = Field(description="Calibration error that perfect probabilities would show by chance")
    mean_probability: float | None = Field(description="Mean stated probability")


class Bin(Part):
    """One bin of the reliability diagram: stated against observed."""

    horizon_days: int = Field(description="Horizon, days")
    low: float = Field(description="From which stated probability")
    high: float = Field(description="To which stated probability")
    cases: int = Field(description="Cases in the bin")
    mean_probability: float = Field(description="Mean stated probability")
    rate: float = Field(description="Share that breached")


class RecentWarnings(Part):
    """Warnings of the last quarter that can be judged: of dates whose horizon is over. Counts as in `ours`."""

    horizon_days: int = Field(description="Days within which a warning must come true")
    origins: int = Field(description="Past dates at which warnings were made again")
    first_origin: str = Field(description="The first of these dates")
    last_origin: str = Field(description="The last of these dates")
    cases: int = Field(description="Series, dates and levels not in breach then, whose outcome is known")
    events: int = Field(description="Of these, breached within the horizon")
    warned: int = Field(description="Warnings given")
    came_true: int = Field(description="Warnings followed by a breach within the horizon")
    missed: int = Field(description="Events that were not warned of")
    sentence: str = Field(description="The same in one sentence")


class Scorecard(Part):
    """How good the warnings were, replayed at past origins: whole fleet, both thresholds, at the headline horizons."""

    servers: int = Field(description="Servers replayed")
    of_servers: int = Field(description="Servers of the run that could be forecast")
    sampled: bool = Field(description="Fewer were replayed than could be")
    series: int = Field(description="Series replayed")
    origins: int = Field(description="Past dates at which warnings were made again")
    first_origin: str | None = Field(description="The first of these dates")
    last_origin: str | None = Field(description="The last of these dates")
    ours: list[RuleScore] = Field(description="Warnings of this report, one row per horizon")
    calibration: list[Calibration] = Field(description="Stated probabilities, one row per horizon")
    rules: list[RuleScore] = Field(description="What operations use today, beside ours")
    reliability: list[Bin] = Field(description="Reliability diagram")
    last_quarter: RecentWarnings | None = Field(
        default=None, description="The latest quarter that can be judged; null = not on record"
    )
    sentence: str = Field(description="The answer in one line")
