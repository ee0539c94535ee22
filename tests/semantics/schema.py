"""The objects every case finds, and how they are put back between two plays."""

# For the user the cases log in as; {user} is filled in.
SCHEMA = """
DROP SCHEMA IF EXISTS north, south CASCADE;
DROP TABLE IF EXISTS notes, whose, numbers;
DROP SEQUENCE IF EXISTS counter, other_counter;
CREATE TABLE notes (id int PRIMARY KEY, note text NOT NULL DEFAULT 'none');
CREATE TABLE numbers (n int);
INSERT INTO numbers SELECT generate_series(1, 10);
CREATE SEQUENCE counter;
CREATE SEQUENCE other_counter START 500;
CREATE SCHEMA north;
CREATE SCHEMA south;
CREATE TABLE whose (name text);
CREATE TABLE north.whose (name text);
CREATE TABLE south.whose (name text, extra int DEFAULT 7);
INSERT INTO whose VALUES ('public');
INSERT INTO north.whose VALUES ('north');
INSERT INTO south.whose VALUES ('south');
CREATE OR REPLACE FUNCTION quiet_set(name text, value text, local bool DEFAULT false) RETURNS int
  LANGUAGE plpgsql AS $$ BEGIN PERFORM set_config(name, value, local); RETURN 1; END $$;
DO $$ BEGIN CREATE ROLE semantics_other; EXCEPTION WHEN duplicate_object THEN NULL; END $$;
GRANT semantics_other TO {user};
GRANT ALL ON SCHEMA public, north, south TO {user}, semantics_other;
GRANT ALL ON ALL TABLES IN SCHEMA public, north, south TO {user}, semantics_other;
GRANT ALL ON ALL SEQUENCES IN SCHEMA public TO {user}, semantics_other;
"""

RESET = """
DELETE FROM notes;
SELECT setval('counter', 1, false), setval('other_counter', 500, false);
"""
