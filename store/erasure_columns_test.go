package store_test

import (
	"strings"
	"testing"

	"recall/store/storetest"
)

// Each column that can hold text or bytes stands in storetest.ErasedFrom, and nothing else does.
func TestErasureKnowsEveryColumn(t *testing.T) {
	t.Parallel()
	known := map[string]string{}
	for what, columns := range storetest.ErasedFrom {
		for _, c := range strings.Fields(columns) {
			if known[c] != "" {
				t.Errorf("%s stands twice", c)
			}
			known[c] = what
		}
	}
	rows, err := storetest.New(t).Pool().Query(t.Context(), `
		SELECT p.relname || '.' || a.attname
		FROM pg_class p JOIN pg_attribute a ON a.attrelid = p.oid JOIN pg_type y ON y.oid = a.atttypid LEFT JOIN pg_type e ON e.oid = y.typelem
		WHERE p.relnamespace = 'public'::regnamespace AND p.relkind IN ('r', 'p') AND NOT p.relispartition AND a.attnum > 0 AND NOT a.attisdropped
			AND ARRAY[y.typname, e.typname] && '{text,varchar,bpchar,json,jsonb,bytea,inet,hstore,tsvector,xml}'::name[] AND p.relname <> 'schema_version'`)
	must(t, err)
	for rows.Next() {
		var column string
		must(t, rows.Scan(&column))
		if known[column] == "" {
			t.Errorf("what becomes of %s when a person is erased?", column)
		}
		delete(known, column)
	}
	must(t, rows.Err())
	for column := range known {
		t.Errorf("%s is no column", column)
	}
}
