-- Average forecast utilisation of the next days, by business unit and metric.
-- A mean over servers and periods of the forecast's mean; peak: the largest such mean of one day.
-- param cadence cadence = daily: spacing of the data
-- param as_of as_of = latest: cut-off of the run
-- param business_unit business_unit = *: only this business unit; * = all
-- param days count = 30: days ahead of the cut-off
-- returns business_unit text: where the servers belong
-- returns metric text: the metric
-- returns servers integer: servers with a forecast
-- returns average number: mean forecast, in the metric's unit
-- returns upper_90 number: mean of the 90 % values
-- returns peak number: largest mean of one day over the servers
-- returns peak_day time: that day, UTC
WITH ahead AS (
  SELECT business_unit, metric, server_id, date_trunc('day', timestamp) AS day, mean, q90
  FROM forecasts
  WHERE cadence = :cadence AND as_of = :as_of AND (:business_unit = '*' OR business_unit = :business_unit)
    AND timestamp <= date_add('day', :days, origin)
),
by_day AS (
  SELECT business_unit, metric, day, avg(CAST(mean AS double)) AS level
  FROM ahead
  GROUP BY business_unit, metric, day
),
peaks AS (
  SELECT business_unit, metric, max(level) AS peak, max_by(day, level) AS peak_day
  FROM by_day
  GROUP BY business_unit, metric
),
means AS (
  SELECT
    business_unit, metric, count(DISTINCT server_id) AS servers,
    avg(CAST(mean AS double)) AS average, avg(CAST(q90 AS double)) AS upper_90
  FROM ahead
  GROUP BY business_unit, metric
)
SELECT
  url_decode(m.business_unit) AS business_unit, m.metric, m.servers, m.average, m.upper_90, p.peak, p.peak_day
FROM means AS m
JOIN peaks AS p ON p.business_unit = m.business_unit AND p.metric = m.metric
ORDER BY 1, 2
