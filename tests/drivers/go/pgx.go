// pgx: connection settings from libpq's environment, one line for each thing that works.
package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/jackc/pgconn"
	"github.com/jackc/pgx/v4"
)

func must(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func check(holds bool, what string) {
	if !holds {
		must(errors.New(what))
	}
}

func main() {
	ctx := context.Background()
	conn, err := pgx.Connect(ctx, "")
	must(err)
	fmt.Println("ok connect")

	var text string
	must(conn.QueryRow(ctx, "select 'äöü'", pgx.QuerySimpleProtocol(true)).Scan(&text))
	check(text == "äöü", "simple")
	fmt.Println("ok simple")

	_, err = conn.Prepare(ctx, "plus", "select $1::int + 1")
	must(err)
	for n := 0; n < 50; n++ {
		var found int
		must(conn.QueryRow(ctx, "plus", n).Scan(&found))
		check(found == n+1, "prepared")
	}
	fmt.Println("ok prepared")

	_, err = conn.Exec(ctx, "create temp table t (a int, b text)")
	must(err)
	tx, err := conn.Begin(ctx)
	must(err)
	batch := &pgx.Batch{}
	for n := 0; n < 100; n++ {
		batch.Queue("insert into t values ($1, $2)", n, "gone")
	}
	must(tx.SendBatch(ctx, batch).Close())
	must(tx.Rollback(ctx))
	var count int
	must(conn.QueryRow(ctx, "select count(*) from t").Scan(&count))
	check(count == 0, "rollback")
	fmt.Println("ok transaction")

	rows := make([][]interface{}, 5000)
	for n := range rows {
		rows[n] = []interface{}{int32(n), strings.Repeat("x", 100)}
	}
	copied, err := conn.CopyFrom(ctx, pgx.Identifier{"t"}, []string{"a", "b"},
		pgx.CopyFromRows(rows))
	must(err)
	check(copied == 5000, "copy in")
	var out bytes.Buffer
	_, err = conn.PgConn().CopyTo(ctx, &out, "copy t to stdout")
	must(err)
	check(bytes.Count(out.Bytes(), []byte("\n")) == 5000, "copy out")
	fmt.Println("ok copy")

	ended, stopped := make(chan bool), make(chan bool)
	go func() {
		defer close(stopped)
		for {
			select {
			case <-ended:
				return
			case <-time.After(400 * time.Millisecond): // one before the statement is ignored
				must(conn.PgConn().CancelRequest(ctx))
			}
		}
	}()
	_, err = conn.Exec(ctx, "select pg_sleep(20)")
	close(ended)
	<-stopped
	var failure *pgconn.PgError
	check(errors.As(err, &failure) && failure.Code == "57014", "cancel")
	fmt.Println("ok cancel")

	_, err = conn.Exec(ctx, "listen pgx_channel")
	must(err)
	other, err := pgx.Connect(ctx, "")
	must(err)
	_, err = other.Exec(ctx, "notify pgx_channel, 'hello'")
	must(err)
	limited, stop := context.WithTimeout(ctx, 5*time.Second)
	defer stop()
	heard, err := conn.WaitForNotification(limited)
	must(err)
	check(heard.Payload == "hello", "payload")
	fmt.Println("ok listen")
	must(other.Close(ctx))
	must(conn.Close(ctx))
}
