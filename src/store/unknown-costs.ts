/** How many attempts run, or used tokens of no known price. Null where there is no attempt. */
export const unknownCosts = `SUM(CASE WHEN a.cost_nano_usd IS NOT NULL THEN 0
      WHEN a.status <> 'started' AND a.input_tokens + a.output_tokens = 0 THEN 0 ELSE 1 END)`;
