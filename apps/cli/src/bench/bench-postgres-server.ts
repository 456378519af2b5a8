import { randomUUID } from 'node:crypto';
import fastify from 'fastify';
import pg from 'pg';
import { NamedThreads } from './thread-times.js';

/**
 * The same command without events: a row for the ticket and one for the audit, in one transaction, with only Fastify and `pg`, on the
 * server at POSTGRES_URL. Its tables are temporary. Prints where it listens, as bench-server.ts does.
 */
const threads = new NamedThreads('application');
const pool = new pg.Pool({ connectionString: process.env['POSTGRES_URL'], max: 16 });
const schema = `tierline_bench_${randomUUID().slice(0, 8)}`;
await pool.query(`CREATE SCHEMA ${schema}`);
await pool.query(`CREATE TABLE ${schema}.tickets (id uuid PRIMARY KEY, ticket jsonb NOT NULL)`);
await pool.query(
  `CREATE TABLE ${schema}.audit (id bigserial PRIMARY KEY, ticket uuid NOT NULL, at timestamptz NOT NULL DEFAULT now(), what jsonb NOT NULL)`,
);

const app = fastify();
app.post('/tickets', async (request, reply) => {
  const id = randomUUID();
  const client = await pool.connect();
  try {
    await client.query('BEGIN');
    await client.query({ name: 'ticket', text: `INSERT INTO ${schema}.tickets (id, ticket) VALUES ($1, $2)`, values: [id, request.body] });
    await client.query({ name: 'audit', text: `INSERT INTO ${schema}.audit (ticket, what) VALUES ($1, $2)`, values: [id, request.body] });
    await client.query('COMMIT');
  } catch (error) {
    await client.query('ROLLBACK');
    throw error;
  } finally {
    client.release();
  }
  return reply.code(201).send({ id });
});
const address = await app.listen({ port: 0, host: '127.0.0.1' });
process.stdout.write(`${JSON.stringify({ api: address, bench: address, threads: threads.names })}\n`);
