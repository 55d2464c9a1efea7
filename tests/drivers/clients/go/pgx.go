package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"
)

func throughPgx() map[string]any {
	answers := map[string]any{"batch": batch(), "pool": pool(), "savepoints": savepoints(), "COPY": copyRows(),
		"cancel": cancel(), "errors": failures(), "parameters of every type": ofEveryType()}
	for name, mode := range map[string]pgx.QueryExecMode{
		"cached statements": pgx.QueryExecModeCacheStatement,
		"cached describes":  pgx.QueryExecModeCacheDescribe,
		"described each":    pgx.QueryExecModeDescribeExec,
		"executed at once":  pgx.QueryExecModeExec,
		"simple":            pgx.QueryExecModeSimpleProtocol,
	} {
		answers[name] = inMode(mode)
	}
	return answers
}

func connect(ctx context.Context) *pgx.Conn {
	connection, err := pgx.Connect(ctx, "")
	check(err)
	return connection
}

func inMode(mode pgx.QueryExecMode) map[string]any {
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
	_, failed := transaction.Exec(ctx, failing[0])
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

func code(err error) string {
	var failure *pgconn.PgError
	if errors.As(err, &failure) {
		return fmt.Sprint(failure.Severity, " ", failure.Code, " ", failure.Message, " ", failure.Detail, " ",
			failure.Hint, " ", failure.Position)
	}
	return fmt.Sprint(err)
}

func failures() map[string]string {
	ctx := context.Background()
	connection := connect(ctx)
	defer func() { check(connection.Close(ctx)) }()
	answers := map[string]string{}
	for _, statement := range failing {
		_, err := connection.Exec(ctx, statement)
		answers[statement] = code(err)
	}
	return answers
}

func ofEveryType() []rows {
	ctx := context.Background()
	connection := connect(ctx)
	defer func() { check(connection.Close(ctx)) }()
	own, err := connection.Query(ctx, "SELECT * FROM sample.every_type WHERE id = 1")
	check(err)
	own.Next()
	values, err := own.Values()
	check(err)
	own.Close()
	echo := `SELECT $1::bool, $2::int2, $3::int4, $4::int8, $5::float4, $6::float8, $7::numeric, $8::text,
		$9::bytea, $10::date, $11::timestamptz, $12::timestamp, $13::int4[], $14::text[]`
	nothing := make([]any, 14)
	return []rows{
		read(connection.Query(ctx, byEach, values[1:13]...)),
		read(connection.Query(ctx, echo, values[1:]...)),
		read(connection.Query(ctx, echo, nothing...)),
	}
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

func savepoints() []any {
	ctx := context.Background()
	connection := connect(ctx)
	defer func() { check(connection.Close(ctx)) }()
	outer, err := connection.Begin(ctx)
	check(err)
	inner, err := outer.Begin(ctx)
	check(err)
	_, failed := inner.Exec(ctx, failing[0])
	check(inner.Rollback(ctx))
	usable := read(outer.Query(ctx, counted))
	check(outer.Commit(ctx))
	return []any{code(failed), usable}
}

func copyRows() []any {
	ctx := context.Background()
	connection := connect(ctx)
	defer func() { check(connection.Close(ctx)) }()
	given := [][]any{{1, "a\tb", "1.50"}, {2, nil, nil}}
	columns := []string{"id", "t", "n"}
	written, err := connection.CopyFrom(ctx, pgx.Identifier{"sample", "copied"}, columns, pgx.CopyFromRows(given))
	check(err)
	wrong := bytes.NewBufferString("3,x,1\nfour,y,2\n")
	_, refused := connection.PgConn().CopyFrom(ctx, wrong, "COPY sample.copied FROM STDIN (FORMAT csv)")
	var failure *pgconn.PgError
	errors.As(refused, &failure)
	taken := &bytes.Buffer{}
	told, err := connection.PgConn().CopyTo(ctx, taken, "COPY ("+copied+") TO STDOUT")
	check(err)
	return []any{written, failure.Code, told.String(), taken.String()}
}

// A request that comes before the statement began is void, so it is sent again until the statement has ended.
func cancel() []any {
	ctx := context.Background()
	connection := connect(ctx)
	defer func() { check(connection.Close(ctx)) }()
	ended := make(chan error)
	go func() {
		_, err := connection.Exec(ctx, endless)
		ended <- err
	}()
	for {
		select {
		case err := <-ended:
			return []any{code(err), read(connection.Query(ctx, counted))}
		case <-time.After(500 * time.Millisecond):
			check(connection.PgConn().CancelRequest(ctx))
		}
	}
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
