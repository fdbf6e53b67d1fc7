// SPDX-License-Identifier: MIT
// Umbrella: the outbox in a PostgreSQL database, and the worker that empties it. Link event_relay::postgres.
#pragma once

#include "event_relay/event_relay.hpp"
#include "event_relay/outbox/dead_letters.hpp"
#include "event_relay/outbox/outbox.hpp"
#include "event_relay/outbox/worker.hpp"
#include "event_relay/postgres/driver/transaction.hpp"
#include "event_relay/postgres/store.hpp"
