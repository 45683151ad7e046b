-- What a receipt shows beside the tokens: how far a hold grew, the upstream's own tool calls (a JSON object: name ->
-- calls), the service tier that was charged, and what the upstream says it cost (nano-dollars). NULL: not known.
ALTER TABLE requests ADD COLUMN extended INTEGER;
ALTER TABLE requests ADD COLUMN server_tools TEXT;
ALTER TABLE requests ADD COLUMN service_tier TEXT;
ALTER TABLE requests ADD COLUMN upstream_cost INTEGER;
