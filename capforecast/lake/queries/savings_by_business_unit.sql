-- What advised changes of size would save a month, by business unit and kind of action; the largest saving first.
-- Only of servers with prices of both sizes; a change below 0 is a saving, one above 0 a cost.
-- Rows `all` are the sums of the other kinds and come first: leave them out, or the others, before adding up.
-- param cadence cadence = daily: spacing of the data
-- param as_of as_of = latest: cut-off of the run
-- returns business_unit text: the business unit
-- returns kind text: downsize, stop, upsize, or all of these
-- returns servers integer: servers with such advice
-- returns priced integer: of these, with prices
-- returns monthly number: what they cost now, a month
-- returns to_monthly number: what they would cost
-- returns monthly_change number: the difference
-- returns change_q10 number: of the change over sample paths, 10 % value
-- returns change_q90 number: 90 % value
-- returns currency text: of all money here
SELECT
  name AS business_unit, kind, servers, priced, monthly, to_monthly, monthly_change, change_q10, change_q90, currency
FROM savings
WHERE cadence = :cadence AND as_of = :as_of AND scope = 'business_unit'
ORDER BY CASE kind WHEN 'all' THEN 0 ELSE 1 END, monthly_change, name, kind
