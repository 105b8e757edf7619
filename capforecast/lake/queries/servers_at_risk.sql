-- Servers of the worst tiers, worst first, with the metric that decides and when it breaches.
-- param cadence cadence = daily: spacing of the data
-- param as_of as_of = latest: cut-off of the run
-- param business_unit business_unit = *: only this business unit; * = all
-- param most count = 100: how many at the most
-- returns tier text: critical or high
-- returns server_id text: the server
-- returns business_unit text: where it belongs
-- returns region text: its region
-- returns metric text: the metric that decides
-- returns last_value number: last value observed
-- returns threshold_high number: threshold it is held against
-- returns threshold_very_high number: the one behind `critical`
-- returns in_breach_high yes/no: above the threshold now, as the breach rule has it
-- returns in_breach_very_high yes/no: the same of threshold_very_high
-- returns probability_high number: share of sample paths that breach within the horizon; 1 = all of them, not certainty
-- returns days_q50 number: days to the next breach, by half of the sample paths; null = later than the horizon
WITH ranked AS (
  SELECT
    tier, server_id, url_decode(business_unit) AS business_unit, region, metric, last_value, threshold_high,
    threshold_very_high, in_breach_high, in_breach_very_high, probability_high, days_q50,
    row_number() OVER (
      ORDER BY
        CASE tier WHEN 'critical' THEN 0 ELSE 1 END, in_breach_high DESC, coalesce(probability_high, 0) DESC, server_id
    ) AS place
  FROM servers
  WHERE cadence = :cadence AND as_of = :as_of AND (:business_unit = '*' OR business_unit = :business_unit)
    AND tier IN ('critical', 'high')
)
SELECT
  tier, server_id, business_unit, region, metric, last_value, threshold_high, threshold_very_high, in_breach_high,
  in_breach_very_high, probability_high, days_q50
FROM ranked
WHERE place <= :most
ORDER BY place
