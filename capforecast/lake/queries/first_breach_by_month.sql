-- How many servers breach `high` for the first time in which month, as forecast, by business unit.
-- Servers that are not expected to within the horizon are in no row; those in breach now count with their next one.
-- param cadence cadence = daily: spacing of the data
-- param as_of as_of = latest: cut-off of the run
-- param business_unit business_unit = *: only this business unit; * = all
-- param quantile choice = q50: q10, q50 or q90: by when that share of sample paths has breached
-- returns month text: yyyy-mm
-- returns business_unit text: where the servers belong
-- returns servers integer: servers whose first breach is in that month
-- returns in_breach_now integer: of these, in breach already
-- returns earliest time: earliest first breach of them, UTC
WITH dated AS (
  SELECT
    business_unit,
    server_id,
    in_breach_high,
    CASE :quantile WHEN 'q10' THEN days_q10 WHEN 'q50' THEN days_q50 WHEN 'q90' THEN days_q90 END AS days,
    date_parse(substr(as_of, 1, 10), '%Y-%m-%d') AS cut_off
  FROM servers
  WHERE cadence = :cadence AND as_of = :as_of AND (:business_unit = '*' OR business_unit = :business_unit)
),
breaches AS (
  SELECT business_unit, in_breach_high, date_add('day', CAST(ceil(days) AS bigint) - 1, cut_off) AS breach
  FROM dated
  WHERE days IS NOT NULL
)
SELECT
  date_format(breach, '%Y-%m') AS month,
  url_decode(business_unit) AS business_unit,
  count(*) AS servers,
  count_if(in_breach_high) AS in_breach_now,
  min(breach) AS earliest
FROM breaches
GROUP BY date_format(breach, '%Y-%m'), business_unit
ORDER BY 1, 2
