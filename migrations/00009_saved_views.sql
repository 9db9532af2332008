-- Saved views: a filter of the list of events with its columns and time zone, under a name; and the view a user begins with.

-- +goose Up
CREATE TABLE saved_views (
    id         bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    owner_id   bigint      NOT NULL REFERENCES users,
    name       text        NOT NULL CHECK (char_length(name) BETWEEN 1 AND 60),
    shared     boolean     NOT NULL DEFAULT false, -- everybody sees it; only its owner and admins change it
    filter     text        NOT NULL,               -- as it was written: ages stay ages
    columns    text        NOT NULL DEFAULT '',    -- names with commas; '' the usual ones
    zone       text        NOT NULL DEFAULT '',    -- IANA name; '' the reader's own
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL
);
CREATE UNIQUE INDEX saved_views_name ON saved_views (owner_id, lower(name));
CREATE INDEX saved_views_shared ON saved_views (id) WHERE shared;

CREATE TABLE start_views (
    user_id bigint NOT NULL PRIMARY KEY REFERENCES users,
    view_id bigint NOT NULL REFERENCES saved_views ON DELETE CASCADE
);
CREATE INDEX start_views_view ON start_views (view_id);

-- +goose Down
DROP TABLE start_views, saved_views;
