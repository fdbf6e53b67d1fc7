// SPDX-License-Identifier: MIT
// The store in memory: dead letters and metrics, as in every store.
#include "event_relay/outbox/dead_letter_store.hpp"
#include "event_relay/outbox/queue_metrics.hpp"
#include "event_relay/testing/memory_store.hpp"
#include "support/dead_letter_contract.hpp"

namespace {

using namespace event_relay;
using namespace event_relay_test;

// Looks for each id among all: fewer than elsewhere.
[[maybe_unused]] const bool is_registered =
    register_dead_letter_contract<memory_fixture_of<testing::memory_store>, 1'000>("memory_store");

static_assert(dead_letter_store<testing::memory_store>);
static_assert(metrics_store<testing::memory_store>);

}  // namespace
