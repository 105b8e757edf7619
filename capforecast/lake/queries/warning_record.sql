-- How often past warnings came true, beside the rules used today (line, level), for one level and horizon.
-- Rule `capforecast` is what the report calls "this report"; its headline counts both levels. `tier ...` takes the warnings
-- of that tier alone. A rule that finds more breaches mostly warns more often in vain: read recall beside false_alarms.
-- param cadence cadence = daily: spacing of the data
-- param as_of as_of = latest: cut-off of the run
-- param scope one of fleet business_unit metric criticality region = fleet: whose warnings, one row for each
-- param level one of both high very_high = both: which threshold was breached
-- param horizon_days count = 90: days within which a breach counts
-- returns name text: which of the scope; empty = the fleet
-- returns rule text: which rule warned
-- returns cases integer: series and origins that were judged
-- returns events integer: of these, breaches that came
-- returns warned number: warnings given
-- returns precision number: share of warnings that came true
-- returns recall number: share of breaches that were announced
-- returns false_alarms number: per 100 servers and month
-- returns lead_days number: median days from warning to breach
-- returns brier_skill number: against always stating the base rate; null of rules without probability
SELECT name, rule, cases, events, warned, "precision", recall, false_alarms, lead_days, brier_skill
FROM scorecard
WHERE cadence = :cadence AND as_of = :as_of AND scope = :scope AND level = :level AND horizon_days = :horizon_days
ORDER BY name, rule
