//! tokio-postgres and sqlx: asks the server of the PG… variables and prints what it was answered, as JSON.

mod through_sqlx;
mod through_tokio_postgres;

use std::error::Error;
use std::fmt::Debug;

use serde_json::json;

type Answer<T> = Result<T, Box<dyn Error>>;

const EVERY_TYPE: &str = "SELECT * FROM sample.every_type ORDER BY id";
const NATIONS: &str = "SELECT n_nationkey, n_name FROM tpch.nation WHERE n_nationkey = $1 OR n_name = $2 ORDER BY 1";
const LARGE: &str = "SELECT l_orderkey FROM tpch.lineitem WHERE l_orderkey < 20000 ORDER BY l_orderkey";
const ENDLESS: &str =
    "SELECT count(*) FROM tpch.lineitem a, tpch.lineitem b, tpch.lineitem c WHERE a.l_tax + b.l_tax > c.l_discount";
const COPIED: &str = "COPY (SELECT id, t, n FROM sample.copied ORDER BY id) TO STDOUT";
/// Statements that fail: a name, a value before and one while rows are read, a type, a privilege's object.
const FAILING: [&str; 5] = [
    "SELECT nothing FROM tpch.nation",
    "SELECT * FROM tpch.nation WHERE n_name = 'x' AND n_nationkey = 'seven'",
    "SELECT 1 / (n_nationkey - n_nationkey) FROM tpch.nation",
    "SELECT n_name + 1 FROM tpch.nation",
    "SELECT * FROM tpch.nowhere",
];
/// A row where each of the columns `every_type` has a value of its own is found by these parameters.
const BY_EACH: &str = "SELECT id FROM sample.every_type WHERE bool = $1 AND int2 = $2 AND int4 = $3 AND int8 = $4
    AND float4 = $5 AND float8 = $6 AND numeric = $7 AND text = $8 AND bytea = $9 AND date = $10
    AND timestamptz = $11 AND \"timestamp\" = $12";
const ECHO: &str = "SELECT $1::bool, $2::int2, $3::int4, $4::int8, $5::float4, $6::float8, $7::numeric, $8::text,
    $9::bytea, $10::date, $11::timestamptz, $12::timestamp, $13::int4[], $14::text[], $15::jsonb";

#[tokio::main(flavor = "current_thread")]
async fn main() -> Answer<()> {
    let answers = json!({
        "tokio-postgres": through_tokio_postgres::ask().await?,
        "sqlx": through_sqlx::ask().await?,
    });
    println!("{answers}");
    Ok(())
}

fn spelled<T: Debug>(value: T) -> String {
    format!("{value:?}")
}
