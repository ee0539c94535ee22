// postgres.js: pipelines everything by itself, one line for each thing that works.
const assert = require('assert');
const fs = require('fs');
const {pipeline} = require('stream/promises');
const {Readable, Writable} = require('stream');
const postgres = require('postgres');

const env = process.env;
const sql = postgres({
  host: env.PGHOST, port: +env.PGPORT, user: env.PGUSER, pass: env.PGPASSWORD,
  database: env.PGDATABASE, max: 3, onnotice: () => undefined,
  ssl: env.PGSSLMODE === 'disable' ? false : {
    ca: fs.readFileSync(env.PGSSLROOTCERT), checkServerIdentity: () => undefined,
  },
});

(async () => {
  assert.equal((await sql`select 1 as v`)[0].v, 1);
  console.log('ok connect');
  assert.equal((await sql`select 1 as v; select 2 as v`.simple()).length, 2);
  await assert.rejects(sql`select 1/0`, {code: '22012'});
  console.log('ok simple');
  const many = await Promise.all(
    Array.from({length: 200}, (_, n) => sql`select ${n}::int + 1 as v`));
  many.forEach((rows, n) => assert.equal(rows[0].v, n + 1));
  console.log('ok prepared');
  await assert.rejects(sql.begin(async (tx) => {
    await tx`create table never_there (a int)`;
    await tx.savepoint((inner) => inner`insert into never_there values (1)`);
    throw new Error('roll back');
  }), /roll back/);
  assert.equal((await sql`select to_regclass('never_there') as v`)[0].v, null);
  console.log('ok transaction');
  await sql.begin(async (tx) => {
    await tx`create temp table t (a int, b text)`;
    const lines = Array.from({length: 5000}, (_, n) => `${n}\t${'x'.repeat(100)}\n`);
    await pipeline(Readable.from(lines), await tx`copy t from stdin`.writable());
    let size = 0;
    await pipeline(await tx`copy t to stdout`.readable(), new Writable({
      write(chunk, _, done) { size += chunk.length; done(); },
    }));
    assert.equal(size, lines.join('').length);
  });
  console.log('ok copy');
  const slow = sql`select pg_sleep(20)`.execute();
  setTimeout(() => slow.cancel(), 1500);  // one before the statement is ignored; it sends one only
  await assert.rejects(slow, {code: '57014'});
  console.log('ok cancel');
  let resolve;
  const heard = new Promise((done) => { resolve = done; });
  await sql.listen('postgres_js_channel', resolve);
  await sql.notify('postgres_js_channel', 'hello');
  assert.equal(await heard, 'hello');
  console.log('ok listen');
  await sql.end();
})().catch((error) => { console.error(error); process.exit(1); });
