//! sqlx: a pool, typed rows, bound parameters, streams, batches, COPY, nested blocks, cancels by the function.

use std::env::var;
use std::time::Duration;

use chrono::{DateTime, NaiveDate, NaiveDateTime, Utc};
use futures_util::{TryStreamExt, pin_mut};
use rust_decimal::Decimal;
use serde_json::{Map, Value, json};
use sqlx::postgres::{PgConnectOptions, PgConnection, PgPool, PgPoolCopyExt, PgPoolOptions, PgRow};
use sqlx::{Acquire, Column, Either, Executor, FromRow, Row, Statement, TypeInfo};

use crate::{Answer, BY_EACH, COPIED, ECHO, ENDLESS, EVERY_TYPE, FAILING, LARGE, NATIONS, spelled};

pub async fn ask() -> Answer<Value> {
    let options = PgConnectOptions::new().database(&var("PGDATABASE")?);
    let pool = PgPoolOptions::new().max_connections(3).connect_with(options).await?;
    let answers = json!({
        "every type": every_type(&pool).await?,
        "parameters": parameters(&pool).await?,
        "parameters of every type": of_every_type(&pool).await?,
        "stream": stream(&pool).await?,
        "several statements": several(&pool).await?,
        "pool": shared(&pool).await?,
        "errors": errors(&pool).await?,
        "savepoints": savepoints(&mut *pool.acquire().await?).await?,
        "COPY": copy(&pool).await?,
        "cancel": cancel(&pool).await?,
    });
    pool.close().await;
    Ok(answers)
}

/// `sample.every_type` as Rust has it.
#[derive(Debug)]
struct Every {
    id: i32,
    bool: Option<bool>,
    int2: Option<i16>,
    int4: Option<i32>,
    int8: Option<i64>,
    float4: Option<f32>,
    float8: Option<f64>,
    numeric: Option<Decimal>,
    text: Option<String>,
    bytea: Option<Vec<u8>>,
    date: Option<NaiveDate>,
    timestamptz: Option<DateTime<Utc>>,
    timestamp: Option<NaiveDateTime>,
    int4_array: Option<Vec<Option<i32>>>,
    text_array: Option<Vec<Option<String>>>,
}

impl<'r> FromRow<'r, PgRow> for Every {
    fn from_row(row: &'r PgRow) -> sqlx::Result<Self> {
        Ok(Self {
            id: row.try_get("id")?,
            bool: row.try_get("bool")?,
            int2: row.try_get("int2")?,
            int4: row.try_get("int4")?,
            int8: row.try_get("int8")?,
            float4: row.try_get("float4")?,
            float8: row.try_get("float8")?,
            numeric: row.try_get("numeric")?,
            text: row.try_get("text")?,
            bytea: row.try_get("bytea")?,
            date: row.try_get("date")?,
            timestamptz: row.try_get("timestamptz")?,
            timestamp: row.try_get("timestamp")?,
            int4_array: row.try_get("int4_array")?,
            text_array: row.try_get("text_array")?,
        })
    }
}

async fn every_type(pool: &PgPool) -> Answer<Value> {
    let statement = pool.prepare(EVERY_TYPE).await?;
    let columns: Vec<_> = statement.columns().iter().map(|one| json!([one.name(), one.type_info().name()])).collect();
    let rows: Vec<Every> = sqlx::query_as(EVERY_TYPE).fetch_all(pool).await?;
    Ok(json!([columns, rows.iter().map(spelled).collect::<Vec<_>>()]))
}

async fn parameters(pool: &PgPool) -> Answer<Value> {
    let statement = pool.prepare(NATIONS).await?;
    let types = match statement.parameters() {
        Some(Either::Left(types)) => types.iter().map(|one| one.name().to_string()).collect(),
        _ => vec![],
    };
    let found: Vec<(i32, String)> = sqlx::query_as(NATIONS).bind(7_i32).bind("PERU").fetch_all(pool).await?;
    let with_null: Vec<(i32, String)> =
        sqlx::query_as(NATIONS).bind(17_i32).bind(None::<&str>).persistent(false).fetch_all(pool).await?;
    Ok(json!([types, found, with_null]))
}

async fn of_every_type(pool: &PgPool) -> Answer<Value> {
    let own: Every =
        sqlx::query_as("SELECT * FROM sample.every_type WHERE id = $1").bind(1_i32).fetch_one(pool).await?;
    let mut values = vec![];
    for every in [&own, &Every { id: 0, ..NOTHING }] {
        let found = each(sqlx::query(BY_EACH), every).fetch_all(pool).await?;
        let echo = each(sqlx::query(ECHO), every).bind(&every.int4_array).bind(&every.text_array);
        let echo = echo.bind(json!({"id": every.id})).fetch_one(pool).await?;
        values.push(json!([found.len(), told(&echo)?]));
    }
    Ok(json!(values))
}

const NOTHING: Every = Every {
    id: 0,
    bool: None,
    int2: None,
    int4: None,
    int8: None,
    float4: None,
    float8: None,
    numeric: None,
    text: None,
    bytea: None,
    date: None,
    timestamptz: None,
    timestamp: None,
    int4_array: None,
    text_array: None,
};

type Query<'q> = sqlx::query::Query<'q, sqlx::Postgres, sqlx::postgres::PgArguments>;

fn each<'q>(query: Query<'q>, every: &'q Every) -> Query<'q> {
    let query = query.bind(every.bool).bind(every.int2).bind(every.int4).bind(every.int8);
    let query = query.bind(every.float4).bind(every.float8).bind(every.numeric).bind(&every.text);
    query.bind(&every.bytea).bind(every.date).bind(every.timestamptz).bind(every.timestamp)
}

fn told(row: &PgRow) -> Answer<Vec<String>> {
    Ok(vec![
        spelled(row.try_get::<Option<bool>, _>(0)?),
        spelled(row.try_get::<Option<i16>, _>(1)?),
        spelled(row.try_get::<Option<Decimal>, _>(6)?),
        spelled(row.try_get::<Option<Vec<u8>>, _>(8)?),
        spelled(row.try_get::<Option<DateTime<Utc>>, _>(10)?),
        spelled(row.try_get::<Option<Vec<Option<i32>>>, _>(12)?),
        spelled(row.try_get::<Option<Vec<Option<String>>>, _>(13)?),
        spelled(row.try_get::<Option<Value>, _>(14)?),
    ])
}

async fn stream(pool: &PgPool) -> Answer<Value> {
    let rows = sqlx::query_as::<_, (i64,)>(LARGE).fetch(pool);
    pin_mut!(rows);
    let (mut count, mut sum) = (0, 0);
    while let Some((key,)) = rows.try_next().await? {
        count += 1;
        sum += key;
    }
    Ok(json!([count, sum]))
}

async fn several(pool: &PgPool) -> Answer<Value> {
    let results: Vec<_> = sqlx::raw_sql("SELECT 1; SELECT n_name FROM tpch.nation; SET application_name = 'sqlx'")
        .fetch_many(pool)
        .try_collect()
        .await?;
    let spelled = results.iter().map(|one| match one {
        Either::Left(done) => json!(done.rows_affected()),
        Either::Right(row) => json!(row.len()),
    });
    Ok(spelled.collect())
}

async fn shared(pool: &PgPool) -> Answer<Value> {
    let name = "SELECT n_name FROM tpch.nation WHERE n_nationkey = $1";
    let asked = (0..9_i32).map(|key| sqlx::query_scalar::<_, String>(name).bind(key).fetch_one(pool));
    Ok(json!(futures_util::future::try_join_all(asked).await?))
}

fn failure(error: sqlx::Error) -> Value {
    match error.into_database_error() {
        Some(one) => json!([one.code(), one.message()]),
        None => Value::Null,
    }
}

async fn errors(pool: &PgPool) -> Answer<Value> {
    let mut found = Map::new();
    for statement in FAILING {
        found.insert(statement.into(), pool.execute(sqlx::query(statement)).await.err().map_or(Value::Null, failure));
    }
    Ok(Value::Object(found))
}

async fn savepoints(connection: &mut PgConnection) -> Answer<Value> {
    let mut block = connection.begin().await?;
    let mut nested = block.begin().await?;
    let failed = sqlx::query(FAILING[0]).execute(&mut *nested).await.err().map(failure);
    nested.rollback().await?;
    let (usable,): (i64,) = sqlx::query_as("SELECT count(*) FROM tpch.region").fetch_one(&mut *block).await?;
    let mut dropped = block.begin().await?;
    sqlx::query("SELECT 1").execute(&mut *dropped).await?;
    drop(dropped);
    block.commit().await?;
    Ok(json!([failed, usable]))
}

async fn copy(pool: &PgPool) -> Answer<Value> {
    let mut sink = pool.copy_in_raw("COPY sample.copied (id, t, n) FROM STDIN (FORMAT csv)").await?;
    sink.send(&b"6,\"a,b\",1.50\n7,,\n"[..]).await?;
    let written = sink.finish().await?;
    let mut given_up = pool.copy_in_raw("COPY sample.copied (id, t, n) FROM STDIN").await?;
    given_up.send(&b"8\tx\t1\n"[..]).await?;
    given_up.abort("changed my mind").await?;
    let taken: Vec<_> = pool.copy_out_raw(COPIED).await?.try_collect().await?;
    Ok(json!([written, String::from_utf8(taken.concat())?]))
}

/// sqlx sends no cancel requests; from another connection the function ends the statement.
async fn cancel(pool: &PgPool) -> Answer<Value> {
    let mut connection = pool.acquire().await?;
    let (pid,): (i32,) = sqlx::query_as("SELECT pg_backend_pid()").fetch_one(&mut *connection).await?;
    let ended = {
        let running = sqlx::query(ENDLESS).execute(&mut *connection);
        pin_mut!(running);
        loop {
            tokio::select! {
                ended = &mut running => break ended,
                () = tokio::time::sleep(Duration::from_millis(500)) => {
                    sqlx::query("SELECT pg_cancel_backend($1)").bind(pid).execute(pool).await?;
                }
            }
        }
    };
    let (usable,): (i64,) = sqlx::query_as("SELECT count(*) FROM tpch.region").fetch_one(&mut *connection).await?;
    Ok(json!([ended.err().map(failure), usable]))
}
