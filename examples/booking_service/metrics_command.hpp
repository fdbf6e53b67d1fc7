// SPDX-License-Identifier: MIT
// The numbers of the outbox, for people and for whatever watches over the service.
#pragma once

#include <functional>
#include <stop_token>

#include <event_relay/outbox/queue_metrics.hpp>

#include "operator_options.hpp"

namespace bookings {

/// Prints what `read` returns, once, or every second until `stop` is requested or standard output fails; returns
/// 0, 1 or 2 for what was last: good, watch or critical. Throws what `read` throws.
int show_metrics(const std::function<event_relay::queue_metrics()>& read, const operator_request& asked,
                 const std::stop_token& stop);

}  // namespace bookings
