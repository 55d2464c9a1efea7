package main

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"github.com/lib/pq"
)

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
		"array": scan(database.Query("SELECT n_name FROM tpch.nation WHERE n_nationkey = ANY($1) ORDER BY 1",
			pq.Array([]int64{3, 5, 99}))),
		"errors": failuresOf(database),
	}
	check(prepared.Close())
	transaction, err := database.Begin()
	check(err)
	_, failed := transaction.Exec(failing[0])
	check(transaction.Rollback())
	answers["failed block"] = []any{codeOf(failed), scan(database.Query(counted))}
	answers["savepoints"] = savepointsOf(database)
	answers["COPY"] = copyInto(database)
	answers["cancel"] = cancelOf(database)
	return answers
}

func codeOf(err error) string {
	var failure *pq.Error
	if errors.As(err, &failure) {
		return fmt.Sprint(failure.Severity, " ", failure.Code, " ", failure.Message, " ", failure.Detail, " ",
			failure.Hint, " ", failure.Position)
	}
	return fmt.Sprint(err)
}

func failuresOf(database *sql.DB) map[string]string {
	answers := map[string]string{}
	for _, statement := range failing {
		_, err := database.Exec(statement)
		answers[statement] = codeOf(err)
	}
	return answers
}

func savepointsOf(database *sql.DB) []any {
	transaction, err := database.Begin()
	check(err)
	_, err = transaction.Exec("SAVEPOINT one")
	check(err)
	_, failed := transaction.Exec(failing[2])
	_, err = transaction.Exec("ROLLBACK TO one")
	check(err)
	usable := scan(transaction.Query(counted))
	check(transaction.Commit())
	return []any{codeOf(failed), usable}
}

// Lib/pq copies in a block only, as `COPY … FROM STDIN` prepared.
func copyInto(database *sql.DB) any {
	transaction, err := database.Begin()
	check(err)
	defer func() { check(transaction.Rollback()) }()
	rows, err := transaction.Prepare(pq.CopyInSchema("sample", "copied", "id", "t", "n"))
	if err != nil {
		return codeOf(err)
	}
	_, err = rows.Exec(3, "c", "2.25")
	check(err)
	_, err = rows.Exec()
	return []any{codeOf(err), codeOf(rows.Close())}
}

// Lib/pq sends a cancel request when the context ends.
func cancelOf(database *sql.DB) []any {
	ctx, done := context.WithTimeout(context.Background(), 2*time.Second)
	defer done()
	_, err := database.ExecContext(ctx, endless)
	return []any{codeOf(err), scan(database.Query(counted))}
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
