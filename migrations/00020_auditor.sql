-- The role of who checks what others did: sees what a viewer sees, and the audit list (store/right.go).

-- +goose Up
ALTER TYPE role ADD VALUE 'auditor' AFTER 'viewer';

-- +goose Down
-- A value cannot be taken out of an enum, so it is made anew; who was an auditor may look on.
UPDATE users SET role = 'viewer' WHERE role = 'auditor';
ALTER TYPE role RENAME TO role_before;
CREATE TYPE role AS ENUM ('viewer', 'operator', 'admin');
ALTER TABLE users
    ALTER COLUMN role DROP DEFAULT,
    ALTER COLUMN role TYPE role USING role::text::role,
    ALTER COLUMN role SET DEFAULT 'admin';
DROP TYPE role_before;
