// Pgx and lib/pq: asks the server of the PG… variables and prints what it was answered, as JSON.
package main

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"os"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/lib/pq"
)

const (
	everyType = "SELECT * FROM sample.every_type WHERE id < 3 ORDER BY id"
	nations   = "SELECT n_nationkey, n_name FROM tpch.nation WHERE n_nationkey = $1 OR n_name = $2 ORDER BY 1"
	large     = "SELECT l_orderkey FROM tpch.lineitem WHERE l_orderkey < $1"
	counted   = "SELECT count(*) FROM tpch.nation"
	unknown   = "SELECT nothing FROM tpch.nation"
)

// Rows are printed as Go prints them, with their columns' names and types.
type rows struct {
	Columns []string
	Cells   [][]string
}

func check(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func main() {
	answers := map[string]any{}
	for name, mode := range map[string]pgx.QueryExecMode{
		"cached statements": pgx.QueryExecModeCacheStatement,
		"cached describes":  pgx.QueryExecModeCacheDescribe,
		"described each":    pgx.QueryExecModeDescribeExec,
		"executed at once":  pgx.QueryExecModeExec,
		"simple":            pgx.QueryExecModeSimpleProtocol,
	} {
		answers["pgx, "+name] = throughPgx(mode)
	}
	answers["pgx, batch"] = batch()
	answers["pgx, pool"] = pool()
	answers["lib/pq"] = throughPq()
	check(json.NewEncoder(os.Stdout).Encode(answers))
}

func connect(ctx context.Context) *pgx.Conn {
	connection, err := pgx.Connect(ctx, "")
	check(err)
	return connection
}

func throughPgx(mode pgx.QueryExecMode) map[string]any {
	ctx := context.Background()
	config, err := pgx.ParseConfig("")
	check(err)
	config.DefaultQueryExecMode = mode
	connection, err := pgx.ConnectConfig(ctx, config)
	check(err)
	defer func() { check(connection.Close(ctx)) }()
	answers := map[string]any{
		"every type": read(connection.Query(ctx, everyType)),
		"parameters": []rows{
			read(connection.Query(ctx, nations, 7, "PERU")),
			read(connection.Query(ctx, nations, 17, nil)),
		},
	}
	transaction, err := connection.Begin(ctx)
	check(err)
	_, failed := transaction.Exec(ctx, unknown)
	_, after := transaction.Exec(ctx, counted)
	check(transaction.Rollback(ctx))
	answers["block"] = []string{code(failed), code(after)}
	var count, sum int64
	found, err := connection.Query(ctx, large, 20000)
	check(err)
	var key int64
	_, err = pgx.ForEachRow(found, []any{&key}, func() error {
		count, sum = count+1, sum+key
		return nil
	})
	check(err)
	answers["large"] = []int64{count, sum}
	return answers
}

func read(found pgx.Rows, err error) rows {
	check(err)
	answer := rows{}
	for _, field := range found.FieldDescriptions() {
		answer.Columns = append(answer.Columns, fmt.Sprint(field.Name, " ", field.DataTypeOID, " ", field.TypeModifier))
	}
	for found.Next() {
		values, err := found.Values()
		check(err)
		answer.Cells = append(answer.Cells, spell(values))
	}
	check(found.Err())
	return answer
}

func spell(values []any) []string {
	cells := make([]string, len(values))
	for i, value := range values {
		cells[i] = fmt.Sprintf("%v", value)
	}
	return cells
}

func code(err error) string {
	var failure *pgconn.PgError
	if errors.As(err, &failure) {
		return failure.Code + " " + failure.Message
	}
	return fmt.Sprint(err)
}

func batch() []string {
	ctx := context.Background()
	connection := connect(ctx)
	defer func() { check(connection.Close(ctx)) }()
	queued := &pgx.Batch{}
	for key := range 20 {
		queued.Queue("SELECT n_name FROM tpch.nation WHERE n_nationkey = $1", key)
	}
	results := connection.SendBatch(ctx, queued)
	names := make([]string, queued.Len())
	for i := range names {
		check(results.QueryRow().Scan(&names[i]))
	}
	check(results.Close())
	return names
}

func pool() int {
	ctx := context.Background()
	shared, err := pgxpool.New(ctx, "pool_max_conns=3")
	check(err)
	defer shared.Close()
	answers := make(chan int)
	for range 9 {
		go func() {
			var count int
			check(shared.QueryRow(ctx, counted).Scan(&count))
			answers <- count
		}()
	}
	total := 0
	for range 9 {
		total += <-answers
	}
	return total
}

func throughPq() map[string]any {
	database, err := sql.Open("postgres", "")
	check(err)
	defer func() { check(database.Close()) }()
	database.SetMaxOpenConns(1)
	prepared, err := database.Prepare(nations)
	check(err)
	answers := map[string]any{
		"every type": scan(database.Query(everyType)),
		"parameters": []rows{scan(database.Query(nations, 7, "PERU")), scan(prepared.Query(17, nil))},
		"large":      len(scan(database.Query(large, 20000)).Cells),
	}
	check(prepared.Close())
	transaction, err := database.Begin()
	check(err)
	_, failed := transaction.Exec(unknown)
	check(transaction.Rollback())
	var failure *pq.Error
	if errors.As(failed, &failure) {
		answers["block"] = string(failure.Code) + " " + failure.Message
	}
	answers["after"] = scan(database.Query(counted))
	return answers
}

func scan(found *sql.Rows, err error) rows {
	check(err)
	types, err := found.ColumnTypes()
	check(err)
	answer := rows{}
	for _, column := range types {
		answer.Columns = append(answer.Columns, column.Name()+" "+column.DatabaseTypeName())
	}
	for found.Next() {
		values, places := make([]any, len(types)), make([]any, len(types))
		for i := range values {
			places[i] = &values[i]
		}
		check(found.Scan(places...))
		answer.Cells = append(answer.Cells, spell(values))
	}
	check(found.Err())
	return answer
}
