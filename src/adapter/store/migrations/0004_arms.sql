-- The arms of a holdout, how long calls were held for others, and what errands asked. Of what was there
-- before, no conversation was left alone and no call was held.
ALTER TABLE exchanges ADD COLUMN held_micros BIGINT NOT NULL DEFAULT 0;
ALTER TABLE exchanges ADD COLUMN errand_kind TEXT;
ALTER TABLE exchanges ADD COLUMN arm TEXT;

CREATE INDEX exchanges_arm ON exchanges (at) WHERE arm IS NOT NULL;
