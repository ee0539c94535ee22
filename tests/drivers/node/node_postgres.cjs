// node-postgres: connection settings from libpq's environment, one line for each thing that works.
const assert = require('assert');
const fs = require('fs');
const {pipeline} = require('stream/promises');
const {Readable, Writable} = require('stream');
const {Client} = require('pg');
const copy = require('pg-copy-streams');

const env = process.env;
const ssl = env.PGSSLMODE === 'disable' ? false : {
  ca: fs.readFileSync(env.PGSSLROOTCERT),
  checkServerIdentity: () => undefined,
};
const connect = async () => {
  const client = new Client({ssl});
  await client.connect();
  return client;
};

(async () => {
  delete env.PGSSLMODE;  // the setting above counts; the library would warn about the variable
  const client = await connect();
  console.log('ok connect');
  assert.equal((await client.query("select 'äöü' as v")).rows[0].v, 'äöü');
  await assert.rejects(client.query('select 1/0'), {code: '22012'});
  console.log('ok simple');
  for (let n = 0; n < 50; n++) {
    const found = await client.query({name: 'plus', text: 'select $1::int + 1 as v', values: [n]});
    assert.equal(found.rows[0].v, n + 1);
  }
  console.log('ok prepared');
  await client.query('create temp table t (a int, b text)');
  await client.query('begin');
  await client.query('insert into t values ($1, $2)', [1, 'gone']);
  await client.query('rollback');
  assert.equal((await client.query('select count(*)::int as n from t')).rows[0].n, 0);
  console.log('ok transaction');
  const lines = Array.from({length: 5000}, (_, n) => `${n}\t${'x'.repeat(100)}\n`);
  await pipeline(Readable.from(lines), client.query(copy.from('copy t from stdin')));
  let size = 0;
  await pipeline(client.query(copy.to('copy t to stdout')), new Writable({
    write(chunk, _, done) { size += chunk.length; done(); },
  }));
  assert.equal(size, lines.join('').length);
  console.log('ok copy');
  const heard = new Promise((resolve) => client.on('notification', resolve));
  await client.query('listen node_channel');
  const other = await connect();
  await other.query("notify node_channel, 'hello'");
  assert.equal((await heard).payload, 'hello');
  console.log('ok listen');
  await other.end();
  await client.end();
})().catch((error) => { console.error(error); process.exit(1); });
