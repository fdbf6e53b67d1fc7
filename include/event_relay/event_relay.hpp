// SPDX-License-Identifier: MIT
// The core of event_relay, in the order in which an event passes through it. It needs the standard library
// and fmt; databases, codecs and test helpers are included by their own headers.
#pragma once

// clang-format off
#include "event_relay/version.hpp"

// An event, and what it is made of.
#include "event_relay/core/fixed_string.hpp"
#include "event_relay/core/event_name.hpp"
#include "event_relay/core/instant.hpp"
#include "event_relay/core/clock.hpp"
#include "event_relay/core/random.hpp"
#include "event_relay/core/sha1.hpp"
#include "event_relay/core/uuid.hpp"
#include "event_relay/core/correlation_id.hpp"
#include "event_relay/core/payload.hpp"
#include "event_relay/core/event.hpp"
#include "event_relay/core/event_catalog.hpp"

// An attempt: the envelope, what the handler answers, what follows.
#include "event_relay/core/envelope.hpp"
#include "event_relay/core/backoff.hpp"
#include "event_relay/core/jitter.hpp"
#include "event_relay/core/fault_injection.hpp"
#include "event_relay/core/notification.hpp"
#include "event_relay/core/outcome.hpp"
#include "event_relay/core/handler.hpp"
#include "event_relay/core/decision.hpp"

// What is recorded of it, and where its notifications go.
#include "event_relay/core/breadcrumb.hpp"
#include "event_relay/core/json_text.hpp"
#include "event_relay/core/breadcrumb_json.hpp"
#include "event_relay/core/json_lines_sink.hpp"
#include "event_relay/core/notifier.hpp"

// The loop.
#include "event_relay/core/pacing.hpp"
#include "event_relay/core/relay_options.hpp"
#include "event_relay/core/breadcrumb_trail.hpp"
#include "event_relay/core/publisher.hpp"
#include "event_relay/core/relay.hpp"
// clang-format on
