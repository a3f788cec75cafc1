-- Until when what may not be repeated is looked into before it is commanded (after a restore).
ALTER TABLE store ADD COLUMN doubt_until_us bigint NOT NULL DEFAULT 0;
