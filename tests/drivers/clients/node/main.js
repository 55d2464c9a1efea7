// node-postgres and pg-cursor: asks the server of the PG… variables and prints what it was answered, as JSON.

import pg from "pg";
import Cursor from "pg-cursor";

const ssl = process.env.PGSSLMODE === "require" ? { rejectUnauthorized: false } : false;

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
  } catch ({ code, message, position }) {
    return { code, message, position };
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

const client = await connect();
const answers = {};
for (const [name, question] of Object.entries({ everyType, parameters, block, cursor, several, pool })) {
  answers[name] = await question(client);
}
await client.end();
console.log(JSON.stringify(answers));
