-- Gaps in the history of a metric: runs of periods without a value, the longest first, with the verdict on the series.
-- Periods before a series was first seen are no gap; a series that was never observed is in no row (see `quality`).
-- param cadence cadence = daily: spacing of the data
-- param as_of as_of = latest: cut-off of the run whose snapshot is read
-- param business_unit business_unit = *: only this business unit; * = all
-- param metric one of cpu mem disk net net_in net_out disk_io = cpu: which metric
-- param days count = 90: days back from the end of the history
-- param least count = 1: shortest gap shown, in periods
-- returns business_unit text: where the server belongs
-- returns server_id text: the server
-- returns gap_start time: first period without a value, UTC
-- returns gap_end time: last one
-- returns periods integer: how many
-- returns open yes/no: it reaches to the end of the history
-- returns verdict text: of the series: ok or unknown
-- returns reason text: why it is unknown
WITH seen AS (
  SELECT
    business_unit,
    server_id,
    timestamp,
    CASE :metric
      WHEN 'cpu' THEN coalesce(cpu_p95, cpu_p99, cpu_mean, cpu_max, cpu_p50, cpu_min)
      WHEN 'mem' THEN coalesce(mem_p95, mem_p99, mem_mean, mem_max, mem_p50, mem_min)
      WHEN 'disk' THEN coalesce(disk_p95, disk_p99, disk_mean, disk_max, disk_p50, disk_min)
      WHEN 'net' THEN coalesce(net_p95, net_p99, net_mean, net_max, net_p50, net_min)
      WHEN 'net_in' THEN coalesce(net_in_p95, net_in_p99, net_in_mean, net_in_max, net_in_p50, net_in_min)
      WHEN 'net_out' THEN coalesce(net_out_p95, net_out_p99, net_out_mean, net_out_max, net_out_p50, net_out_min)
      WHEN 'disk_io' THEN coalesce(disk_io_p95, disk_io_p99, disk_io_mean, disk_io_max, disk_io_p50, disk_io_min)
    END AS value
  FROM processed
  WHERE cadence = :cadence AND as_of = :as_of AND (:business_unit = '*' OR business_unit = :business_unit)
),
ends AS (SELECT max(timestamp) AS last_seen FROM seen),
verdicts AS (
  SELECT business_unit, server_id, verdict, reason, first_seen
  FROM quality
  WHERE cadence = :cadence AND as_of = :as_of AND metric = :metric
    AND (:business_unit = '*' OR business_unit = :business_unit)
),
missing AS (
  SELECT
    s.business_unit, s.server_id, s.timestamp, e.last_seen, v.verdict, v.reason,
    -- the same for all periods of one gap, since they follow each other
    date_diff('hour', TIMESTAMP '2000-01-01 00:00:00', s.timestamp)
      - row_number() OVER (PARTITION BY s.business_unit, s.server_id ORDER BY s.timestamp)
      * CASE :cadence WHEN 'hourly' THEN 1 ELSE 24 END AS gap
  FROM seen AS s
  CROSS JOIN ends AS e
  JOIN verdicts AS v ON v.business_unit = s.business_unit AND v.server_id = s.server_id
  WHERE s.value IS NULL AND s.timestamp > date_add('day', 0 - :days, e.last_seen) AND s.timestamp >= v.first_seen
)
SELECT
  url_decode(business_unit) AS business_unit,
  server_id,
  min(timestamp) AS gap_start,
  max(timestamp) AS gap_end,
  count(*) AS periods,
  max(timestamp) = max(last_seen) AS open,
  max(verdict) AS verdict,
  max(reason) AS reason
FROM missing
GROUP BY business_unit, server_id, gap
HAVING count(*) >= :least
ORDER BY periods DESC, server_id, gap_start
