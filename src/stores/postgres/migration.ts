/** Serialises the migrations of processes that start at once. Any number that nobody else uses. */
const LOCK = 7_262_013_511;

/**
 * The SQL that makes the tables of {@link postgresStore}, or brings them up to date: one statement, which may be run any
 * number of times, and by several at once. The store runs it at its first use; with `migrate: false` run it yourself.
 */
export const postgresMigration = `do $$
declare
  current integer;
begin
  perform pg_advisory_xact_lock(${LOCK});
  create table if not exists troupe_migrations (
    version integer primary key,
    applied_at timestamptz not null default now()
  );
  select coalesce(max(version), 0) into current from troupe_migrations;
  if current > 1 then
    raise exception 'The tables were made by a newer Troupe (version %): update Troupe', current;
  end if;
  if current < 1 then
    create table troupe_runs (
      id text collate "C" primary key,
      key text not null,
      fingerprint text not null,
      owner text not null,
      lease_until double precision not null,
      output text,
      kept_until double precision
    );
    create index troupe_runs_kept on troupe_runs (kept_until) where output is not null;
    create index troupe_runs_lease on troupe_runs (lease_until) where output is null;
    create table troupe_breakers (
      provider text collate "C" primary key,
      snapshot text not null,
      saved_at double precision not null
    );
    insert into troupe_migrations (version) values (1);
  end if;
end $$`;
