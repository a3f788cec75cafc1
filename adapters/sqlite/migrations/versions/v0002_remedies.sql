-- Who put a dead letter right or away, and why: {"by", "actor_type", "reason", "at"}.
ALTER TABLE dead_letters ADD COLUMN remedy BLOB;
