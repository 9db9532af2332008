-- Sources: who calls us, and what their callbacks must carry to be believed.
-- Everything secret is sealed by the program's key (package seal); the database never sees it in clear.

-- +goose Up
CREATE TABLE sources (
    id                   bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    slug                 text        NOT NULL CHECK (slug ~ '^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$'),
    name                 text        NOT NULL CHECK (name <> '' AND length(name) <= 200),
    enabled              boolean     NOT NULL DEFAULT true,
    observe              boolean     NOT NULL DEFAULT false, -- rejected callbacks are answered 2xx, kept as rejected, never sent on
    tolerance_seconds    integer     NOT NULL DEFAULT 300    CHECK (tolerance_seconds > 0),
    late_window_seconds  integer     NOT NULL DEFAULT 115200 CHECK (late_window_seconds >= 0), -- 0: late callbacks are rejected
    basic_auth_sealed    bytea,       -- "user:password"; null: not asked for
    scheme               json        NOT NULL DEFAULT '"plenigo"', -- how the sender signs: the name of a shipped scheme, or one of its own whole
    expected_types       text[]      NOT NULL DEFAULT '{}', -- entity.callback in lower case, either may be *; empty: every type
    revision             integer     NOT NULL DEFAULT 1, -- grows with each change: a change of an older one is refused
    demo                 boolean     NOT NULL DEFAULT false,
    created_at           timestamptz NOT NULL DEFAULT now(),
    removed_at           timestamptz  -- a removed source's events stay; its slug is free again
);
CREATE UNIQUE INDEX sources_slug ON sources (slug) WHERE removed_at IS NULL;

CREATE TABLE source_secrets (
    id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    source_id   bigint      NOT NULL REFERENCES sources,
    name        text        NOT NULL CHECK (name <> '' AND length(name) <= 100),
    sealed      bytea       NOT NULL,
    valid_from  timestamptz, -- null: always been valid
    valid_until timestamptz, -- null: no end
    created_at  timestamptz NOT NULL DEFAULT now(),
    UNIQUE (source_id, name),
    CHECK (valid_until > valid_from)
);

CREATE TABLE source_headers (
    source_id bigint NOT NULL REFERENCES sources,
    name      text   NOT NULL, -- canonical form
    sealed    bytea  NOT NULL,
    PRIMARY KEY (source_id, name)
);

-- What every instance holds in memory (sources, destinations) is read again when this number grows.
CREATE TABLE settings_revision (
    singleton boolean PRIMARY KEY DEFAULT true CHECK (singleton), -- one row
    revision  bigint NOT NULL,
    key_id    text            -- the program's key that sealed the secrets; null until the first start
);
INSERT INTO settings_revision (revision) VALUES (1);

-- +goose StatementBegin
CREATE FUNCTION bump_settings_revision() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    UPDATE settings_revision SET revision = revision + 1;
    RETURN NULL;
END $$;
-- +goose StatementEnd
CREATE TRIGGER settings_changed AFTER INSERT OR UPDATE OR DELETE ON sources        FOR EACH STATEMENT EXECUTE FUNCTION bump_settings_revision();
CREATE TRIGGER settings_changed AFTER INSERT OR UPDATE OR DELETE ON source_secrets FOR EACH STATEMENT EXECUTE FUNCTION bump_settings_revision();
CREATE TRIGGER settings_changed AFTER INSERT OR UPDATE OR DELETE ON source_headers FOR EACH STATEMENT EXECUTE FUNCTION bump_settings_revision();

-- +goose Down
DROP TABLE source_headers, source_secrets, sources, settings_revision;
DROP FUNCTION bump_settings_revision;
