// SPDX-License-Identifier: MIT
// All that a host's unit tests need to run its handler in virtual time, without a clock, a network or a
// database. Include it from tests only.
#pragma once

#include "event_relay/testing/collecting_sink.hpp"
#include "event_relay/testing/manual_clock.hpp"
#include "event_relay/testing/memory_store.hpp"
#include "event_relay/testing/recording_waiter.hpp"
#include "event_relay/testing/scripted_handler.hpp"
#include "event_relay/testing/sequential_ids.hpp"
