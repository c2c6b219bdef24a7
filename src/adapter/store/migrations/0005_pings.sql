-- What pings cost, and what reading saved that they had kept. Of what was there before, their cost is
-- within that of the errands.
ALTER TABLE exchanges ADD COLUMN kept_saved_pico BIGINT;
ALTER TABLE hours ADD COLUMN pings BIGINT NOT NULL DEFAULT 0;
ALTER TABLE hours ADD COLUMN pings_cost_micro BIGINT NOT NULL DEFAULT 0;
ALTER TABLE hours ADD COLUMN pings_cost_rest BIGINT NOT NULL DEFAULT 0;
ALTER TABLE hours ADD COLUMN pings_saved_micro BIGINT NOT NULL DEFAULT 0;
ALTER TABLE hours ADD COLUMN pings_saved_rest BIGINT NOT NULL DEFAULT 0;
