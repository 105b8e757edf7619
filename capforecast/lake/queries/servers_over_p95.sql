-- Servers whose P95 of a metric was over a level within the last days of history, the fullest first.
-- One period is a day (daily data) or an hour (hourly data).
-- param cadence cadence = daily: spacing of the data
-- param as_of as_of = latest: cut-off of the run whose snapshot is read
-- param business_unit business_unit = *: only this business unit; * = all
-- param metric one of cpu mem disk net net_in net_out disk_io = cpu: which metric
-- param over number = 80: level, in the metric's unit
-- param days count = 28: days back from the end of the history
-- returns business_unit text: where the server belongs
-- returns server_id text: the server
-- returns periods integer: periods observed
-- returns periods_over integer: of these, over the level
-- returns highest number: highest P95
-- returns average number: mean of the P95s
-- returns last_over time: start of the last period over the level, UTC
WITH seen AS (
  SELECT
    business_unit,
    server_id,
    timestamp,
    CASE :metric
      WHEN 'cpu' THEN cpu_p95 WHEN 'mem' THEN mem_p95 WHEN 'disk' THEN disk_p95 WHEN 'net' THEN net_p95
      WHEN 'net_in' THEN net_in_p95 WHEN 'net_out' THEN net_out_p95 WHEN 'disk_io' THEN disk_io_p95
    END AS value
  FROM processed
  WHERE cadence = :cadence AND as_of = :as_of AND (:business_unit = '*' OR business_unit = :business_unit)
),
ends AS (SELECT max(timestamp) AS last_seen FROM seen)
SELECT
  url_decode(business_unit) AS business_unit,
  server_id,
  count(value) AS periods,
  count_if(value > :over) AS periods_over,
  CAST(max(value) AS double) AS highest,
  avg(CAST(value AS double)) AS average,
  max(CASE WHEN value > :over THEN timestamp END) AS last_over
FROM seen
CROSS JOIN ends
WHERE timestamp > date_add('day', 0 - :days, last_seen)
GROUP BY business_unit, server_id
HAVING count_if(value > :over) > 0
ORDER BY highest DESC, server_id
