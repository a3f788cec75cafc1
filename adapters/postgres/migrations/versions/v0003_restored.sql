-- When the store was last told that it comes from a backup: what was heard by then may be old.
ALTER TABLE store ADD COLUMN restored_us bigint NOT NULL DEFAULT 0;
