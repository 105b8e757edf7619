-- An earlier run's forecasts against what has come since, by business unit and metric.
-- What came is the snapshot of a later run; a value that was not observed is not scored.
-- param cadence cadence = daily: spacing of the data
-- param as_of as_of = previous: cut-off of the run that forecast
-- param seen_as_of as_of = latest: cut-off of the run whose snapshot holds what came
-- param business_unit business_unit = *: only servers that belonged there when forecast; * = all
-- param days count = 90: days ahead that are scored
-- returns business_unit text: where the servers belonged when forecast
-- returns metric text: the metric
-- returns servers integer: servers compared
-- returns points integer: values compared
-- returns actual number: mean of what came
-- returns forecast number: mean of the median forecasts
-- returns mae number: mean absolute error of the median, in the metric's unit
-- returns bias number: mean of forecast less actual
-- returns coverage_80 number: share of values inside the 80 % interval; the aim is 0.8
WITH said AS (
  SELECT business_unit, server_id, metric, timestamp, q10, q50, q90
  FROM forecasts
  WHERE cadence = :cadence AND as_of = :as_of AND (:business_unit = '*' OR business_unit = :business_unit)
    AND timestamp <= date_add('day', :days, origin)
),
came AS (
  SELECT
    server_id, timestamp,
    coalesce(cpu_p95, cpu_p99, cpu_mean, cpu_max, cpu_p50, cpu_min) AS cpu,
    coalesce(mem_p95, mem_p99, mem_mean, mem_max, mem_p50, mem_min) AS mem,
    coalesce(disk_p95, disk_p99, disk_mean, disk_max, disk_p50, disk_min) AS disk,
    coalesce(net_p95, net_p99, net_mean, net_max, net_p50, net_min) AS net,
    coalesce(net_in_p95, net_in_p99, net_in_mean, net_in_max, net_in_p50, net_in_min) AS net_in,
    coalesce(net_out_p95, net_out_p99, net_out_mean, net_out_max, net_out_p50, net_out_min) AS net_out,
    coalesce(disk_io_p95, disk_io_p99, disk_io_mean, disk_io_max, disk_io_p50, disk_io_min) AS disk_io
  FROM processed
  WHERE cadence = :cadence AND as_of = :seen_as_of
    AND timestamp >= date_parse(substr(:as_of, 1, 10), '%Y-%m-%d')
),
compared AS (
  SELECT
    s.business_unit, s.metric, s.server_id, s.q10, s.q50, s.q90,
    CASE s.metric
      WHEN 'cpu' THEN c.cpu WHEN 'mem' THEN c.mem WHEN 'disk' THEN c.disk WHEN 'net' THEN c.net
      WHEN 'net_in' THEN c.net_in WHEN 'net_out' THEN c.net_out WHEN 'disk_io' THEN c.disk_io
    END AS actual
  FROM said AS s
  JOIN came AS c ON c.server_id = s.server_id AND c.timestamp = s.timestamp
),
by_server AS (
  SELECT
    business_unit, metric, server_id, count(*) AS points,
    sum(CAST(actual AS double)) AS actual, sum(CAST(q50 AS double)) AS forecast,
    sum(abs(CAST(q50 AS double) - actual)) AS missed,
    count_if(actual BETWEEN q10 AND q90) AS inside
  FROM compared
  WHERE actual IS NOT NULL
  GROUP BY business_unit, metric, server_id
)
SELECT
  url_decode(business_unit) AS business_unit,
  metric,
  count(*) AS servers,
  CAST(sum(points) AS bigint) AS points,
  sum(actual) / sum(points) AS actual,
  sum(forecast) / sum(points) AS forecast,
  sum(missed) / sum(points) AS mae,
  (sum(forecast) - sum(actual)) / sum(points) AS bias,
  CAST(sum(inside) AS double) / sum(points) AS coverage_80
FROM by_server
GROUP BY business_unit, metric
ORDER BY 1, 2
