//! tokio-postgres: prepared, pipelined and simple statements, portals, COPY, savepoints, cancels.

use std::env::var;
use std::fs::File;
use std::io::BufReader;
use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, NaiveDate, NaiveDateTime, Utc};
use futures_util::future::try_join_all;
use futures_util::{SinkExt, TryStreamExt, pin_mut};
use rust_decimal::Decimal;
use rustls::pki_types::{CertificateDer, pem::PemObject};
use rustls::{ClientConfig, RootCertStore};
use serde_json::{Map, Value, json};
use tokio_postgres::config::SslMode;
use tokio_postgres::types::{ToSql, Type};
use tokio_postgres::{Client, Config, NoTls, Row, SimpleQueryMessage, binary_copy::BinaryCopyInWriter};
use tokio_postgres_rustls::MakeRustlsConnect;

use crate::{Answer, BY_EACH, COPIED, ECHO, ENDLESS, EVERY_TYPE, FAILING, LARGE, NATIONS, spelled};

pub async fn ask() -> Answer<Value> {
    let mut client = connect().await?;
    Ok(json!({
        "every type": every_type(&client).await?,
        "parameters": parameters(&client).await?,
        "parameters of every type": of_every_type(&client).await?,
        "pipeline": pipeline(&client).await?,
        "simple": simple(&client).await?,
        "stream": stream(&client).await?,
        "portal": portal(&mut client).await?,
        "errors": errors(&client).await?,
        "savepoints": savepoints(&mut client).await?,
        "COPY": copy(&client).await?,
        "cancel": cancel(&client).await?,
    }))
}

fn authority() -> Answer<Option<MakeRustlsConnect>> {
    let Ok(file) = var("PGSSLROOTCERT") else {
        return Ok(None);
    };
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_reader_iter(BufReader::new(File::open(file)?)) {
        roots.add(certificate?)?;
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions()?;
    Ok(Some(MakeRustlsConnect::new(config.with_root_certificates(roots).with_no_client_auth())))
}

async fn connect() -> Answer<Client> {
    let mut config = Config::new();
    config.host(var("PGHOST")?).port(var("PGPORT")?.parse()?).user(var("PGUSER")?);
    config.password(var("PGPASSWORD")?).dbname(var("PGDATABASE")?);
    Ok(match authority()? {
        Some(authority) => {
            let (client, connection) = config.ssl_mode(SslMode::Require).connect(authority).await?;
            tokio::spawn(connection);
            client
        }
        None => {
            let (client, connection) = config.ssl_mode(SslMode::Disable).connect(NoTls).await?;
            tokio::spawn(connection);
            client
        }
    })
}

fn cell(row: &Row, index: usize) -> Answer<String> {
    Ok(match *row.columns()[index].type_() {
        Type::BOOL => spelled(row.try_get::<_, Option<bool>>(index)?),
        Type::INT2 => spelled(row.try_get::<_, Option<i16>>(index)?),
        Type::INT4 => spelled(row.try_get::<_, Option<i32>>(index)?),
        Type::INT8 => spelled(row.try_get::<_, Option<i64>>(index)?),
        Type::FLOAT4 => spelled(row.try_get::<_, Option<f32>>(index)?),
        Type::FLOAT8 => spelled(row.try_get::<_, Option<f64>>(index)?),
        Type::NUMERIC => spelled(row.try_get::<_, Option<Decimal>>(index)?),
        Type::TEXT => spelled(row.try_get::<_, Option<String>>(index)?),
        Type::BYTEA => spelled(row.try_get::<_, Option<Vec<u8>>>(index)?),
        Type::DATE => spelled(row.try_get::<_, Option<NaiveDate>>(index)?),
        Type::TIMESTAMPTZ => spelled(row.try_get::<_, Option<DateTime<Utc>>>(index)?),
        Type::TIMESTAMP => spelled(row.try_get::<_, Option<NaiveDateTime>>(index)?),
        Type::INT4_ARRAY => spelled(row.try_get::<_, Option<Vec<Option<i32>>>>(index)?),
        Type::TEXT_ARRAY => spelled(row.try_get::<_, Option<Vec<Option<String>>>>(index)?),
        Type::JSONB => spelled(row.try_get::<_, Option<Value>>(index)?),
        ref other => return Err(format!("a column of type {other}").into()),
    })
}

fn cells(rows: &[Row]) -> Answer<Vec<Vec<String>>> {
    rows.iter().map(|row| (0..row.len()).map(|index| cell(row, index)).collect()).collect()
}

async fn every_type(client: &Client) -> Answer<Value> {
    let statement = client.prepare(EVERY_TYPE).await?;
    let columns: Vec<_> = statement.columns().iter().map(|one| json!([one.name(), one.type_().oid()])).collect();
    Ok(json!([columns, cells(&client.query(&statement, &[]).await?)?]))
}

async fn parameters(client: &Client) -> Answer<Value> {
    let statement = client.prepare(NATIONS).await?;
    let types: Vec<_> = statement.params().iter().map(ToString::to_string).collect();
    let found = client.query(&statement, &[&7_i32, &"PERU"]).await?;
    let with_null = client.query(&statement, &[&17_i32, &None::<&str>]).await?;
    let declared = client.query_typed(NATIONS, &[(&3_i32, Type::INT4), (&"CHINA", Type::TEXT)]).await?;
    Ok(json!([types, cells(&found)?, cells(&with_null)?, cells(&declared)?]))
}

async fn of_every_type(client: &Client) -> Answer<Value> {
    let own = client.query_one("SELECT * FROM sample.every_type WHERE id = 1", &[]).await?;
    let (truth, small, int, big): (bool, i16, i32, i64) = (own.get(1), own.get(2), own.get(3), own.get(4));
    let (single, double, number): (f32, f64, Decimal) = (own.get(5), own.get(6), own.get(7));
    let (text, bytes, date): (String, Vec<u8>, NaiveDate) = (own.get(8), own.get(9), own.get(10));
    let (instant, local): (DateTime<Utc>, NaiveDateTime) = (own.get(11), own.get(12));
    let (ints, texts): (Vec<Option<i32>>, Vec<Option<String>>) = (own.get(13), own.get(14));
    let tree = json!({"a": [1, null, "ü"]});
    let mut values: Vec<&(dyn ToSql + Sync)> =
        vec![&truth, &small, &int, &big, &single, &double, &number, &text, &bytes, &date, &instant, &local];
    let found = client.query(BY_EACH, &values).await?;
    values.extend([&ints as &(dyn ToSql + Sync), &texts, &tree]);
    let echo = client.prepare(ECHO).await?;
    let nulls: Vec<Option<&str>> = vec![None; values.len()];
    let types: Vec<_> = echo.params().iter().map(ToString::to_string).collect();
    let told = client.query(&echo, &values).await?;
    let empty = client.query_raw(ECHO_AS_TEXT, nulls).await?.try_collect::<Vec<_>>().await?;
    Ok(json!([cells(&found)?, types, cells(&told)?, cells(&empty)?]))
}

const ECHO_AS_TEXT: &str = "SELECT $1::text, $2::text, $3::text, $4::text, $5::text, $6::text, $7::text, $8::text,
    $9::text, $10::text, $11::text, $12::text, $13::text, $14::text, $15::text";

async fn pipeline(client: &Client) -> Answer<Value> {
    let name = "SELECT n_name FROM tpch.nation WHERE n_nationkey = $1";
    let asked = (0..20_i32).map(|key| async move { client.query_one(name, &[&key]).await });
    let names: Vec<String> = try_join_all(asked).await?.iter().map(|row| row.get(0)).collect();
    Ok(json!(names))
}

async fn simple(client: &Client) -> Answer<Value> {
    let told = client.simple_query(&format!("{EVERY_TYPE}; SELECT 1; SET application_name = 'rust'")).await?;
    Ok(told
        .iter()
        .map(|message| match message {
            SimpleQueryMessage::Row(row) => (0..row.len()).map(|index| row.get(index)).collect(),
            SimpleQueryMessage::CommandComplete(count) => json!(count),
            _ => Value::Null,
        })
        .collect())
}

async fn stream(client: &Client) -> Answer<Value> {
    let rows = client.query_raw(LARGE, std::iter::empty::<&(dyn ToSql + Sync)>()).await?;
    pin_mut!(rows);
    let (mut count, mut sum) = (0, 0);
    while let Some(row) = rows.try_next().await? {
        count += 1;
        sum += row.get::<_, i64>(0);
    }
    Ok(json!([count, sum]))
}

async fn portal(client: &mut Client) -> Answer<Value> {
    let transaction = client.transaction().await?;
    let portal = transaction.bind(LARGE, &[]).await?;
    let mut pages = vec![];
    for size in [100, 1, 5000, 0] {
        let page = transaction.query_portal(&portal, size).await?;
        pages.push(json!([page.len(), page.last().map(|row| row.get::<_, i64>(0))]));
    }
    transaction.commit().await?;
    Ok(json!(pages))
}

fn failure(error: &tokio_postgres::Error) -> Value {
    error.as_db_error().map_or(Value::Null, |one| {
        json!([one.severity(), one.code().code(), one.message(), one.detail(), one.hint(), spelled(one.position())])
    })
}

async fn errors(client: &Client) -> Answer<Value> {
    let mut found = Map::new();
    for statement in FAILING {
        let failed = client.query(statement, &[]).await.err();
        found.insert(statement.into(), failed.as_ref().map_or(Value::Null, failure));
    }
    Ok(Value::Object(found))
}

async fn savepoints(client: &mut Client) -> Answer<Value> {
    let mut transaction = client.transaction().await?;
    let nested = transaction.savepoint("one").await?;
    let failed = nested.query(FAILING[0], &[]).await.err();
    let after = nested.query("SELECT 1", &[]).await.err();
    nested.rollback().await?;
    let nested = transaction.transaction().await?;
    let usable: i64 = nested.query_one("SELECT count(*) FROM tpch.nation", &[]).await?.get(0);
    nested.commit().await?;
    transaction.rollback().await?;
    Ok(json!([failed.as_ref().map(failure), after.as_ref().map(failure), usable]))
}

async fn copy(client: &Client) -> Answer<Value> {
    let sink = client.copy_in("COPY sample.copied (id, t, n) FROM STDIN").await?;
    pin_mut!(sink);
    sink.send(bytes::Bytes::from_static(b"1\ta\\tb\t1.50\n2\t\\N\t\\N\n")).await?;
    let as_text = sink.finish().await?;
    let sink = client.copy_in("COPY sample.copied (id, t, n) FROM STDIN (FORMAT binary)").await?;
    let writer = BinaryCopyInWriter::new(sink, &[Type::INT4, Type::TEXT, Type::NUMERIC]);
    pin_mut!(writer);
    writer.as_mut().write(&[&3_i32, &"ü", &Decimal::new(-1, 2)]).await?;
    writer.as_mut().write(&[&4_i32, &None::<&str>, &None::<Decimal>]).await?;
    let as_binary = writer.finish().await?;
    let sink = client.copy_in::<_, bytes::Bytes>("COPY sample.copied (id, t, n) FROM STDIN").await?;
    pin_mut!(sink);
    sink.send(bytes::Bytes::from_static(b"5\tx\t1\nsix\ty\t2\n")).await?;
    let refused = sink.finish().await.err();
    let taken: Vec<_> = client.copy_out(COPIED).await?.try_collect().await?;
    let taken = String::from_utf8(taken.concat())?;
    Ok(json!([as_text, as_binary, refused.as_ref().and_then(|one| one.code()).map(|one| one.code()), taken]))
}

/// A cancel that comes before the statement began is void, so it is sent again until the statement has ended.
async fn cancel(client: &Client) -> Answer<Value> {
    let (token, authority) = (client.cancel_token(), authority()?);
    let running = client.query(ENDLESS, &[]);
    pin_mut!(running);
    let ended = loop {
        tokio::select! {
            ended = &mut running => break ended,
            () = tokio::time::sleep(Duration::from_millis(500)) => match &authority {
                Some(authority) => token.cancel_query(authority.clone()).await?,
                None => token.cancel_query(NoTls).await?,
            },
        }
    };
    let usable: i64 = client.query_one("SELECT count(*) FROM tpch.nation", &[]).await?.get(0);
    Ok(json!([ended.err().as_ref().map(failure), usable]))
}
