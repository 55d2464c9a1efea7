// node-postgres, pg-cursor and pg-copy-streams: asks the server of the PG… variables and prints what it was answered,
// as JSON.

import { readFileSync } from "node:fs";
import { pipeline } from "node:stream/promises";
import { Readable } from "node:stream";
import { text } from "node:stream/consumers";
import pg from "pg";
import { from, to } from "pg-copy-streams";
import Cursor from "pg-cursor";

const authority = process.env.PGSSLROOTCERT;
const ssl = authority ? { ca: readFileSync(authority, "utf8") } : false;
const endless =
  "SELECT count(*) FROM tpch.lineitem a, tpch.lineitem b, tpch.lineitem c WHERE a.l_tax + b.l_tax > c.l_discount";
const failing = [
  "SELECT nothing FROM tpch.nation",
  "SELECT * FROM tpch.nation WHERE n_name = 'x' AND n_nationkey = 'seven'",
  "SELECT 1 / (n_nationkey - n_nationkey) FROM tpch.nation",
  "SELECT n_name + 1 FROM tpch.nation",
  "SELECT * FROM tpch.nowhere",
];

const connect = async () => {
  const client = new pg.Client({ ssl });
  await client.connect();
  return client;
};

const described = ({ command, rowCount, fields, rows }) => ({
  command,
  rowCount,
  columns: fields.map(({ name, dataTypeID, dataTypeModifier, format }) => [name, dataTypeID, dataTypeModifier, format]),
  rows,
});

const ask = async (client, text, values, more = {}) =>
  described(await client.query({ text, values, rowMode: "array", ...more }));

const errorOf = async (promise) => {
  try {
    await promise;
    return null;
  } catch ({ severity, code, message, detail, hint, position }) {
    return { severity, code, message, detail, hint, position };
  }
};

const everyType = (client) => ask(client, "SELECT * FROM sample.every_type ORDER BY id");

const parameters = async (client) => {
  const text = "SELECT n_name, $3::text FROM tpch.nation WHERE n_nationkey = $1 OR n_name = $2 ORDER BY 1";
  const named = { name: "nations" };
  return [
    await ask(client, text, [7, "PERU", null]),
    await ask(client, text, [1, "CHINA", "word"], named),
    await ask(client, text, [2, "INDIA", "again"], named),
  ];
};

const ofEveryType = async (client) => {
  const values = [true, 7, -70000, 7000000000n, 0.5, 0.1, "1234.5600", "it's", Buffer.from([0, 255]), "2024-02-29"];
  const more = [new Date(1709210096789), "2024-02-29 12:34:56", [1, null, -3], ["a", "", null, 'q"u\\'], { a: [1, null] }];
  const types = "bool int2 int4 int8 float4 float8 numeric text bytea date timestamptz timestamp int4[] text[] jsonb";
  const echo = `SELECT ${types.split(" ").map((type, index) => `$${index + 1}::${type}`)}`;
  const all = [...values, ...more];
  const each = "SELECT id FROM sample.every_type WHERE bool = $1 AND int2 = $2 AND int4 = $3 AND int8 = $4 AND numeric = $5";
  return [
    await ask(client, echo, all),
    await ask(client, echo, all.map(() => null)),
    await ask(client, each, [true, 7, -70000, 7000000000n, "1234.5600"]),
  ];
};

const errors = async (client) =>
  Promise.all(failing.map(async (text) => [text, await errorOf(client.query(text)), await errorOf(client.query({ text, values: [] }))]));

const savepoints = async (client) => {
  await client.query("BEGIN");
  await client.query("SAVEPOINT inner_one");
  const failed = await errorOf(client.query(failing[0]));
  await client.query("ROLLBACK TO SAVEPOINT inner_one");
  const usable = await ask(client, "SELECT count(*) FROM tpch.nation");
  await client.query("RELEASE SAVEPOINT inner_one");
  const committed = await client.query("COMMIT");
  return [failed, usable, committed.command];
};

const copy = async (client) => {
  const rows = Readable.from(["1\ta\\tb\t1.50\n2\t\\", "N\t\\N\n"]);
  const into = client.query(from("COPY sample.copied (id, t, n) FROM STDIN"));
  await pipeline(rows, into);
  const wrong = client.query(from("COPY sample.copied (id, t, n) FROM STDIN (FORMAT csv)"));
  const refused = await errorOf(pipeline(Readable.from(["3,x,1\nfour,y,2\n"]), wrong));
  const out = "COPY (SELECT id, t, n FROM sample.copied ORDER BY id) TO STDOUT (FORMAT csv, HEADER)";
  return [into.rowCount, refused.code, await text(client.query(to(out)))];
};

// Until the statement has ended: a signal that comes before it began is void.
const cancel = async (client) => {
  const other = await connect();
  const running = errorOf(client.query(endless));
  const signal = setInterval(() => other.query("SELECT pg_cancel_backend($1)", [client.processID]), 500);
  const ended = await running;
  clearInterval(signal);
  await other.end();
  return [ended, await ask(client, "SELECT count(*) FROM tpch.nation")];
};

const block = async (client) => {
  await client.query("BEGIN");
  const failed = await errorOf(client.query("SELECT nothing FROM tpch.nation"));
  const after = await errorOf(client.query("SELECT 1"));
  await client.query("ROLLBACK");
  return [failed, after, await ask(client, "SELECT count(*) FROM tpch.nation")];
};

const cursor = async (client) => {
  const reading = client.query(new Cursor("SELECT l_orderkey FROM tpch.lineitem WHERE l_orderkey < $1", [20000]));
  let count = 0;
  let sum = 0;
  for (;;) {
    const rows = await reading.read(1000);
    if (rows.length === 0) break;
    count += rows.length;
    sum += rows.reduce((total, { l_orderkey }) => total + Number(l_orderkey), 0);
  }
  await reading.close();
  const early = client.query(new Cursor("SELECT l_orderkey FROM tpch.lineitem"));
  const first = (await early.read(3)).length;
  await early.close();
  return { count, sum, first, usable: (await client.query("SELECT 1 AS one")).rows };
};

const several = async (client) => (await client.query("SELECT 1; SELECT count(*) FROM tpch.region")).map(described);

const pool = async () => {
  const shared = new pg.Pool({ ssl, max: 3 });
  const found = await Promise.all(
    Array.from({ length: 9 }, (_, key) => shared.query("SELECT n_name FROM tpch.nation WHERE n_nationkey = $1", [key])),
  );
  await shared.end();
  return found.map(({ rows }) => rows);
};

const questions = {
  "every type": everyType,
  parameters,
  "parameters of every type": ofEveryType,
  "failed block": block,
  savepoints,
  errors,
  cursor,
  "several statements": several,
  pool,
  COPY: copy,
  cancel,
};
const client = await connect();
const answers = {};
for (const [name, question] of Object.entries(questions)) {
  answers[name] = await question(client);
}
await client.end();
console.log(JSON.stringify({ "node-postgres": answers }));
