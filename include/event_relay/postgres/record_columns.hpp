// SPDX-License-Identifier: MIT
// Events on their way into the table, as the columns that the statements which insert them take.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "event_relay/outbox/event_record.hpp"
#include "event_relay/postgres/driver/parameters.hpp"
#include "event_relay/sql/rows.hpp"

namespace event_relay::postgres::detail {

/// The parameters of `insert_events` and `insert_plain_events` but the first.
struct record_columns {
  array ids = array::of_texts();
  array names = array::of_texts();
  array payloads = array::of_texts();
  array occurred_at = array::of_integers();
  array correlation_ids = array::of_texts();
  array replayed = array::of_integers();
  array caused_by = array::of_texts();
  array traces = array::of_texts();
  array sources = array::of_texts();
  array keys = array::of_texts();
  array available_at = array::of_integers();
  /// Whether `insert_plain_events` will do, as for most events that have no key.
  bool is_plain = true;

  void add(const event_record& record) {
    ids.add(std::string_view{record.id});
    names.add(std::string_view{record.name});
    payloads.add(std::string_view{record.payload});
    occurred_at.add(sql::integer_of(record.occurred_at));
    correlation_ids.add(std::string_view{record.correlation_id});
    replayed.add(std::int64_t{record.replayed});
    caused_by.add(sql::text_or_null(record.caused_by));
    traces.add(sql::text_or_null(record.trace));
    sources.add(sql::text_or_null(record.source));
    keys.add(sql::text_or_null(record.ordering_key));
    available_at.add(sql::integer_of(record.available_at));
    is_plain = is_plain && !record.replayed && !record.available_at && record.caused_by.empty() &&
               record.trace.empty() && record.source.empty() && record.ordering_key.empty();
  }

  /// Calls `run` with the columns of `insert_plain_events` if it will do, and otherwise with those of `insert_events`.
  template <class Run>
  void give_to(Run run) const {
    if (is_plain) {
      run(ids, names, payloads, occurred_at, correlation_ids);
    } else {
      run(ids, names, payloads, occurred_at, correlation_ids, replayed, caused_by, traces, sources, keys, available_at);
    }
  }
};

}  // namespace event_relay::postgres::detail
