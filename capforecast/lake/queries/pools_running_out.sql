-- Pools (business unit and region) whose demand outgrows what is usable, the likeliest first.
-- param cadence cadence = daily: spacing of the data
-- param as_of as_of = latest: cut-off of the run
-- param business_unit business_unit = *: only this business unit; * = all
-- param probability number = 0.1: least probability of running out within 90 days
-- returns business_unit text: the pool's business unit
-- returns region text: and region
-- returns resource text: vcpu or memory_gib
-- returns usable number: units that may be used
-- returns demand_now number: units asked for on the last day
-- returns peak_q90 number: level the largest demand stays below with 90 % probability
-- returns p_90d number: probability of running out within 90 days
-- returns days_q50 number: days until then, by half of the sample paths; null = later than the horizon
-- returns buy_q90 number: units to add
-- returns buy_by time: last day to order, UTC
SELECT
  url_decode(business_unit) AS business_unit, region, resource, usable, demand_now, peak_q90, p_90d, days_q50, buy_q90,
  buy_by
FROM pools
WHERE cadence = :cadence AND as_of = :as_of AND (:business_unit = '*' OR business_unit = :business_unit)
  AND p_90d >= :probability
ORDER BY p_90d DESC, business_unit, region, resource
