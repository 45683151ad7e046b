-- What the log of requests is filtered by. Each is in the order of ids, which begin with their time; the first also
-- tells which models an account has used. No index holds a column that the end of a request changes, but for the last
-- two: they hold the few rows that did not simply complete, of an account and of all.
CREATE INDEX requests_by_model ON requests (account_id, model, id);
CREATE INDEX requests_by_key ON requests (account_id, key_id, id);
CREATE INDEX requests_unusual_of_account ON requests (account_id, id) WHERE ended <> 'completed' OR estimated;
CREATE INDEX requests_unusual ON requests (id) WHERE ended <> 'completed' OR estimated;
