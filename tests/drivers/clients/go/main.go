// Pgx and lib/pq: asks the server of the PG… variables and prints what it was answered, as JSON.
package main

import (
	"encoding/json"
	"fmt"
	"os"
)

const (
	everyType = "SELECT * FROM sample.every_type ORDER BY id"
	nations   = "SELECT n_nationkey, n_name FROM tpch.nation WHERE n_nationkey = $1 OR n_name = $2 ORDER BY 1"
	large     = "SELECT l_orderkey FROM tpch.lineitem WHERE l_orderkey < $1"
	counted   = "SELECT count(*) FROM tpch.nation"
	copied    = "SELECT id, t, n FROM sample.copied ORDER BY id"
	byEach    = `SELECT id FROM sample.every_type WHERE bool = $1 AND int2 = $2 AND int4 = $3 AND int8 = $4
		AND float4 = $5 AND float8 = $6 AND numeric = $7 AND text = $8 AND bytea = $9 AND date = $10
		AND timestamptz = $11 AND "timestamp" = $12`
	endless = `SELECT count(*) FROM tpch.lineitem a, tpch.lineitem b, tpch.lineitem c
		WHERE a.l_tax + b.l_tax > c.l_discount`
)

var failing = []string{
	"SELECT nothing FROM tpch.nation",
	"SELECT * FROM tpch.nation WHERE n_name = 'x' AND n_nationkey = 'seven'",
	"SELECT 1 / (n_nationkey - n_nationkey) FROM tpch.nation",
	"SELECT n_name + 1 FROM tpch.nation",
	"SELECT * FROM tpch.nowhere",
}

// Rows are printed as Go prints them, with their columns' names and types.
type rows struct {
	Columns []string
	Cells   [][]string
}

func main() {
	answers := map[string]any{"jackc/pgx": throughPgx(), "lib/pq": throughPq()}
	check(json.NewEncoder(os.Stdout).Encode(answers))
}

func check(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func spell(values []any) []string {
	cells := make([]string, len(values))
	for i, value := range values {
		cells[i] = fmt.Sprintf("%v", value)
	}
	return cells
}
