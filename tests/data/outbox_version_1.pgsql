--
-- An outbox of version 1 in a schema of its own, with events in all states. event_relay's store of that version made and
-- filled it, with two failures and one day of processed events kept; its clock stood at 1750000006000 in the end.
--
-- By pg_dump --no-owner --no-privileges --inserts --schema outbox_version_1, without its commands for psql.
--

--
-- PostgreSQL database dump
--

SET statement_timeout = 0;
SET lock_timeout = 0;
SET idle_in_transaction_session_timeout = 0;
SET client_encoding = 'UTF8';
SET standard_conforming_strings = on;
SELECT pg_catalog.set_config('search_path', '', false);
SET check_function_bodies = false;
SET xmloption = content;
SET client_min_messages = warning;
SET row_security = off;

--
-- Name: outbox_version_1; Type: SCHEMA; Schema: -; Owner: -
--

CREATE SCHEMA outbox_version_1;

SET default_tablespace = '';

SET default_table_access_method = heap;

--
-- Name: event_relay_events; Type: TABLE; Schema: outbox_version_1; Owner: -
--

CREATE TABLE outbox_version_1.event_relay_events (
    "row" bigint NOT NULL,
    id text NOT NULL COLLATE pg_catalog."C",
    name text NOT NULL COLLATE pg_catalog."C",
    payload text NOT NULL,
    occurred_at bigint NOT NULL,
    correlation_id text NOT NULL,
    replayed boolean NOT NULL,
    caused_by text,
    traceparent text,
    source text,
    ordering_key text COLLATE pg_catalog."C",
    state smallint DEFAULT 0 NOT NULL,
    available_at bigint NOT NULL,
    attempt bigint DEFAULT 0 NOT NULL,
    token bigint DEFAULT 0 NOT NULL,
    failures bigint DEFAULT 0 NOT NULL,
    leased_until bigint,
    solo boolean DEFAULT false NOT NULL,
    crashed boolean DEFAULT false NOT NULL,
    holds_key boolean DEFAULT false NOT NULL,
    dead_since bigint,
    reason text,
    kept_until bigint
)
WITH (autovacuum_vacuum_scale_factor='0', autovacuum_vacuum_threshold='10000', autovacuum_vacuum_cost_delay='0', autovacuum_analyze_scale_factor='0', autovacuum_analyze_threshold='50000');

--
-- Name: event_relay_events_row_seq; Type: SEQUENCE; Schema: outbox_version_1; Owner: -
--

ALTER TABLE outbox_version_1.event_relay_events ALTER COLUMN "row" ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME outbox_version_1.event_relay_events_row_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

--
-- Name: event_relay_failures; Type: TABLE; Schema: outbox_version_1; Owner: -
--

CREATE TABLE outbox_version_1.event_relay_failures (
    event bigint NOT NULL,
    number bigint NOT NULL,
    attempt bigint NOT NULL,
    at bigint NOT NULL,
    text text NOT NULL
)
WITH (autovacuum_vacuum_scale_factor='0', autovacuum_vacuum_threshold='10000', autovacuum_vacuum_cost_delay='0');

--
-- Name: event_relay_outbox; Type: TABLE; Schema: outbox_version_1; Owner: -
--

CREATE TABLE outbox_version_1.event_relay_outbox (
    version integer NOT NULL,
    id uuid DEFAULT gen_random_uuid() NOT NULL
);

--
-- Name: event_relay_outcomes; Type: TABLE; Schema: outbox_version_1; Owner: -
--

CREATE TABLE outbox_version_1.event_relay_outcomes (
    name text NOT NULL COLLATE pg_catalog."C",
    part smallint NOT NULL,
    processed bigint NOT NULL,
    retried bigint NOT NULL,
    dead_lettered bigint NOT NULL
)
WITH (fillfactor='20', autovacuum_vacuum_scale_factor='0', autovacuum_vacuum_threshold='1000', autovacuum_vacuum_cost_delay='0');

--
-- Name: event_relay_tokens; Type: SEQUENCE; Schema: outbox_version_1; Owner: -
--

CREATE SEQUENCE outbox_version_1.event_relay_tokens
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;

--
-- Data for Name: event_relay_events; Type: TABLE DATA; Schema: outbox_version_1; Owner: -
--

INSERT INTO outbox_version_1.event_relay_events OVERRIDING SYSTEM VALUE VALUES (1, 'crashed', 'booking.created', '{"id":"crashed"}', 1749999999000, 'corr-crashed', false, NULL, NULL, NULL, NULL, 2, 1750000000000, 1, 2, 1, NULL, true, true, false, NULL, NULL, NULL);
INSERT INTO outbox_version_1.event_relay_events OVERRIDING SYSTEM VALUE VALUES (2, 'orphan', 'booking.created', '{"id":"orphan"}', 1749999999000, 'corr-orphan', false, NULL, NULL, NULL, 'orphaned-key', 2, 1750000004000, 0, 3, 0, NULL, false, false, false, NULL, NULL, NULL);
INSERT INTO outbox_version_1.event_relay_events OVERRIDING SYSTEM VALUE VALUES (3, 'behind-orphan', 'booking.created', '{"id":"behind-orphan"}', 1749999999000, 'corr-behind-orphan', false, NULL, NULL, NULL, 'orphaned-key', 4, 1750000006000, 0, 0, 0, NULL, false, false, false, NULL, NULL, NULL);
INSERT INTO outbox_version_1.event_relay_events OVERRIDING SYSTEM VALUE VALUES (4, 'dead', 'payment.captured', '{"id":"dead"}', 1749999999000, 'corr-dead', false, NULL, NULL, NULL, 'released-key', 3, 1750000006000, 1, 4, 1, NULL, false, false, false, 1750000006000, 'rejected', NULL);
INSERT INTO outbox_version_1.event_relay_events OVERRIDING SYSTEM VALUE VALUES (5, 'dead-holding', 'payment.captured', '{"id":"dead-holding"}', 1749999999000, 'corr-dead-holding', false, NULL, NULL, NULL, 'held-key', 3, 1750000006000, 1, 5, 1, NULL, false, false, true, 1750000006000, 'rejected', NULL);
INSERT INTO outbox_version_1.event_relay_events OVERRIDING SYSTEM VALUE VALUES (6, 'behind-held', 'payment.captured', '{"id":"behind-held"}', 1749999999000, 'corr-behind-held', false, NULL, NULL, NULL, 'held-key', 4, 1750000006000, 0, 0, 0, NULL, false, false, false, NULL, NULL, NULL);
INSERT INTO outbox_version_1.event_relay_events OVERRIDING SYSTEM VALUE VALUES (7, 'processed', 'booking.completed', '{"id":"processed"}', 1749999999000, 'corr-processed', false, NULL, NULL, NULL, NULL, 5, 1750000006000, 1, 6, 0, NULL, false, false, false, NULL, NULL, 1750086406000);
INSERT INTO outbox_version_1.event_relay_events OVERRIDING SYSTEM VALUE VALUES (8, 'processed-keyed', 'booking.completed', '{"id":"processed-keyed"}', 1749999999000, 'corr-processed-keyed', false, NULL, NULL, NULL, 'done-key', 5, 1750000006000, 1, 7, 0, NULL, false, false, false, NULL, NULL, 1750086406000);
INSERT INTO outbox_version_1.event_relay_events OVERRIDING SYSTEM VALUE VALUES (9, 'retried', 'booking.created', '{"id":"retried"}', 1749999999000, 'corr-retried', false, NULL, NULL, NULL, NULL, 0, 1750003606000, 3, 10, 3, NULL, false, false, false, NULL, NULL, NULL);
INSERT INTO outbox_version_1.event_relay_events OVERRIDING SYSTEM VALUE VALUES (10, 'leased-keyed', 'booking.accepted', '{"id":"leased-keyed"}', 1749999999000, 'corr-leased-keyed', false, NULL, NULL, NULL, 'leased-key', 1, 1750000006000, 1, 11, 0, 1750000066000, false, false, false, NULL, NULL, NULL);
INSERT INTO outbox_version_1.event_relay_events OVERRIDING SYSTEM VALUE VALUES (11, 'behind-leased', 'booking.accepted', '{"id":"behind-leased"}', 1749999999000, 'corr-behind-leased', false, NULL, NULL, NULL, 'leased-key', 4, 1750000006000, 0, 0, 0, NULL, false, false, false, NULL, NULL, NULL);
INSERT INTO outbox_version_1.event_relay_events OVERRIDING SYSTEM VALUE VALUES (12, 'behind-leased-too', 'booking.accepted', '{"id":"behind-leased-too"}', 1749999999000, 'corr-behind-leased-too', false, NULL, NULL, NULL, 'leased-key', 4, 1750000006000, 0, 0, 0, NULL, false, false, false, NULL, NULL, NULL);
INSERT INTO outbox_version_1.event_relay_events OVERRIDING SYSTEM VALUE VALUES (13, 'leased', 'booking.accepted', '{"id":"leased"}', 1749999999000, 'corr-leased', false, NULL, NULL, NULL, NULL, 1, 1750000006000, 1, 12, 0, 1750000066000, false, false, false, NULL, NULL, NULL);
INSERT INTO outbox_version_1.event_relay_events OVERRIDING SYSTEM VALUE VALUES (14, 'scheduled', 'booking.created', '{"id":"scheduled"}', 1749999999000, 'corr-scheduled', false, NULL, NULL, NULL, NULL, 0, 1750007200000, 0, 0, 0, NULL, false, false, false, NULL, NULL, NULL);
INSERT INTO outbox_version_1.event_relay_events OVERRIDING SYSTEM VALUE VALUES (15, 'ready', 'booking.created', '{"id":"ready"}', 1749999999000, 'corr-ready', true, 'processed', '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01', 'Grüße ☃', NULL, 0, 1750000006000, 0, 0, 0, NULL, false, false, false, NULL, NULL, NULL);
INSERT INTO outbox_version_1.event_relay_events OVERRIDING SYSTEM VALUE VALUES (16, 'ready-keyed', 'booking.created', '{"id":"ready-keyed"}', 1749999999000, 'corr-ready-keyed', false, NULL, NULL, NULL, 'ready-key', 0, 1750000006000, 0, 0, 0, NULL, false, false, false, NULL, NULL, NULL);
INSERT INTO outbox_version_1.event_relay_events OVERRIDING SYSTEM VALUE VALUES (17, 'behind-ready', 'booking.created', '{"id":"behind-ready"}', 1749999999000, 'corr-behind-ready', false, NULL, NULL, NULL, 'ready-key', 0, 1750000006000, 0, 0, 0, NULL, false, false, false, NULL, NULL, NULL);

--
-- Data for Name: event_relay_failures; Type: TABLE DATA; Schema: outbox_version_1; Owner: -
--

INSERT INTO outbox_version_1.event_relay_failures VALUES (1, 1, 1, 1750000004000, 'lease expired');
INSERT INTO outbox_version_1.event_relay_failures VALUES (4, 1, 1, 1750000006000, 'card "declined" \ O''Brien');
INSERT INTO outbox_version_1.event_relay_failures VALUES (5, 1, 1, 1750000006000, 'held');
INSERT INTO outbox_version_1.event_relay_failures VALUES (9, 2, 2, 1750000006000, 'second');
INSERT INTO outbox_version_1.event_relay_failures VALUES (9, 3, 3, 1750000006000, 'third');

--
-- Data for Name: event_relay_outbox; Type: TABLE DATA; Schema: outbox_version_1; Owner: -
--

INSERT INTO outbox_version_1.event_relay_outbox VALUES (1, 'd2467426-1968-4614-b267-ceee00931af1');

--
-- Data for Name: event_relay_outcomes; Type: TABLE DATA; Schema: outbox_version_1; Owner: -
--

INSERT INTO outbox_version_1.event_relay_outcomes VALUES ('payment.captured', 60, 0, 0, 2);
INSERT INTO outbox_version_1.event_relay_outcomes VALUES ('booking.completed', 60, 2, 0, 0);
INSERT INTO outbox_version_1.event_relay_outcomes VALUES ('booking.created', 60, 0, 3, 0);

--
-- Name: event_relay_events_row_seq; Type: SEQUENCE SET; Schema: outbox_version_1; Owner: -
--

SELECT pg_catalog.setval('outbox_version_1.event_relay_events_row_seq', 17, true);

--
-- Name: event_relay_tokens; Type: SEQUENCE SET; Schema: outbox_version_1; Owner: -
--

SELECT pg_catalog.setval('outbox_version_1.event_relay_tokens', 12, true);

--
-- Name: event_relay_failures event_relay_failures_pkey; Type: CONSTRAINT; Schema: outbox_version_1; Owner: -
--

ALTER TABLE ONLY outbox_version_1.event_relay_failures
    ADD CONSTRAINT event_relay_failures_pkey PRIMARY KEY (event, number);

--
-- Name: event_relay_outcomes event_relay_outcomes_pkey; Type: CONSTRAINT; Schema: outbox_version_1; Owner: -
--

ALTER TABLE ONLY outbox_version_1.event_relay_outcomes
    ADD CONSTRAINT event_relay_outcomes_pkey PRIMARY KEY (name, part);

--
-- Name: event_relay_blocked; Type: INDEX; Schema: outbox_version_1; Owner: -
--

CREATE INDEX event_relay_blocked ON outbox_version_1.event_relay_events USING btree (ordering_key) WHERE (state = 4);

--
-- Name: event_relay_dead_letters; Type: INDEX; Schema: outbox_version_1; Owner: -
--

CREATE INDEX event_relay_dead_letters ON outbox_version_1.event_relay_events USING btree (dead_since, "row") WHERE (state = 3);

--
-- Name: event_relay_ids; Type: INDEX; Schema: outbox_version_1; Owner: -
--

CREATE UNIQUE INDEX event_relay_ids ON outbox_version_1.event_relay_events USING btree (id);

--
-- Name: event_relay_kept; Type: INDEX; Schema: outbox_version_1; Owner: -
--

CREATE INDEX event_relay_kept ON outbox_version_1.event_relay_events USING btree (kept_until, "row") WHERE (state = 5);

--
-- Name: event_relay_leased; Type: INDEX; Schema: outbox_version_1; Owner: -
--

CREATE INDEX event_relay_leased ON outbox_version_1.event_relay_events USING btree (leased_until) WHERE (state = 1);

--
-- Name: event_relay_ready; Type: INDEX; Schema: outbox_version_1; Owner: -
--

CREATE INDEX event_relay_ready ON outbox_version_1.event_relay_events USING btree (available_at, "row") WHERE (state = 0);

--
-- Name: event_relay_ready_by_name; Type: INDEX; Schema: outbox_version_1; Owner: -
--

CREATE INDEX event_relay_ready_by_name ON outbox_version_1.event_relay_events USING btree (name, available_at, "row") WHERE (state = 0);

--
-- Name: event_relay_rows; Type: INDEX; Schema: outbox_version_1; Owner: -
--

CREATE UNIQUE INDEX event_relay_rows ON outbox_version_1.event_relay_events USING btree ("row");

--
-- Name: event_relay_suspects; Type: INDEX; Schema: outbox_version_1; Owner: -
--

CREATE INDEX event_relay_suspects ON outbox_version_1.event_relay_events USING btree ("row") WHERE (state = 2);

--
-- Name: event_relay_taken; Type: INDEX; Schema: outbox_version_1; Owner: -
--

CREATE UNIQUE INDEX event_relay_taken ON outbox_version_1.event_relay_events USING btree (ordering_key) WHERE ((ordering_key IS NOT NULL) AND ((state = ANY (ARRAY[1, 2])) OR holds_key));

--
-- Name: event_relay_waiting; Type: INDEX; Schema: outbox_version_1; Owner: -
--

CREATE INDEX event_relay_waiting ON outbox_version_1.event_relay_events USING btree (ordering_key, "row") WHERE ((ordering_key IS NOT NULL) AND (state = ANY (ARRAY[0, 4])));

--
-- PostgreSQL database dump complete
--
