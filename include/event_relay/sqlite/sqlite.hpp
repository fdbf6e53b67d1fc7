// SPDX-License-Identifier: MIT
// Umbrella: the outbox in an SQLite file, and the worker that empties it. Link event_relay::sqlite.
#pragma once

#include "event_relay/event_relay.hpp"
#include "event_relay/outbox/dead_letters.hpp"
#include "event_relay/outbox/outbox.hpp"
#include "event_relay/outbox/worker.hpp"
#include "event_relay/sqlite/driver/transaction.hpp"
#include "event_relay/sqlite/store.hpp"
