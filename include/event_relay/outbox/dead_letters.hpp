// SPDX-License-Identifier: MIT
// An operator's functions for dead letters: list, show, redrive, export and purge.
#pragma once

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <optional>
#include <set>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "event_relay/core/instant.hpp"
#include "event_relay/core/json_lines_sink.hpp"
#include "event_relay/core/json_text.hpp"
#include "event_relay/outbox/dead_letter_store.hpp"
#include "event_relay/outbox/event_record.hpp"

namespace event_relay {

/// Whether a function does its work, or only counts what it would do.
enum class run_kind { real, dry };

struct redrive_options {
  /// Events a second, 1 or more: they become ready one after another at this rate, so that a receiver that
  /// has just recovered is not overloaded. Absent: all at once.
  std::optional<std::uint32_t> per_second = std::nullopt;
  /// At most so many, the first that the filter admits.
  std::size_t at_most = std::numeric_limits<std::size_t>::max();
  run_kind run = run_kind::real;
};

/// Appends an event as it stands in a store, as a JSON object without a line feed.
inline void append_json(fmt::memory_buffer& out, const stored_event& event) {
  bool is_first = true;
  const auto name = [&](std::string_view member) {
    detail::append(out, is_first ? "{" : ",");
    is_first = false;
    append_json_string(out, member);
    detail::append(out, ":");
  };
  const auto text = [&](std::string_view member, std::string_view value) {
    if (!value.empty()) {
      name(member);
      append_json_string(out, value);
    }
  };
  const auto time = [&](std::string_view member, const std::optional<instant>& at) {
    if (at) {
      text(member, iso8601_text{*at}.view());
    }
  };
  const event_record& record = event.record;
  text("id", record.id);
  text("name", record.name);
  text("state", wire_name(event.state));
  text("reason", event.reason ? wire_name(*event.reason) : std::string_view{});
  time("deadSince", event.dead_since);
  name("attempts");
  detail::append(out, fmt::format("{}", event.attempts));
  time("occurredAt", record.occurred_at);
  time("availableAt", event.available_at);
  text("correlationId", record.correlation_id);
  text("orderingKey", record.ordering_key);
  text("causedBy", record.caused_by);
  text("traceparent", record.trace);
  text("source", record.source);
  if (event.holds_key) {
    name("holdsKey");
    detail::append(out, "true");
  }
  text("payload", record.payload);
  name("failures");
  detail::append(out, "[");
  for (const failure_record& failure : event.failures) {
    detail::append(
        out, fmt::format("{}{{\"attempt\":{},\"at\":\"{}\",\"text\":", &failure == &event.failures.front() ? "" : ",",
                         failure.attempt, iso8601_text{failure.at}.view()));
    append_json_string(out, failure.text);
    detail::append(out, "}");
  }
  detail::append(out, "]}");
}

/// Refers to the store, which must outlive it; as thread-safe as that. Works in batches, each one
/// transaction: after an error the batches before it are done, and the same call does the rest. **Errors**:
/// `store_error`.
template <dead_letter_store Store>
class dead_letters {
 public:
  /// Dead letters of one transaction. Few, so that other users of the store do not wait long.
  static constexpr std::size_t batch = 100;

  explicit dead_letters(Store& store) : store_{store} {}

  dead_letter_page list(const dead_letter_filter& filter = {},
                        const std::optional<dead_letter_cursor>& after = std::nullopt, std::size_t limit = batch) {
    return store_.dead_letters(filter, after, limit);
  }

  /// The dead letter with its payload and failures; nothing if there is none of this id.
  std::optional<stored_event> show(std::string_view id) {
    auto found = store_.find(id);
    return found && found->state == event_state::dead_letter ? std::move(found) : std::nullopt;
  }

  /// False if there is no such dead letter. While another dead letter holds its key, the redriven event waits
  /// for that one.
  bool redrive(const std::string& id) {
    const redrive_request request{id, store_.now()};
    return store_.redrive({&request, 1}).front();
  }

  /// Redrives those that are dead letters by now, the oldest first; one that becomes a dead letter again
  /// meanwhile is left. Returns how many it redrove. Throws std::invalid_argument for a rate of 0.
  std::size_t redrive(const dead_letter_filter& filter, const redrive_options& options = {}) {
    if (options.per_second == 0U) {
      throw std::invalid_argument("redrive_options: per_second is 0, must be 1 or more");
    }
    const instant start = store_.now();
    std::size_t redriven = 0;
    std::size_t position = 0;
    std::set<std::string> redriven_at_start;  // one may be a dead letter again within `start`'s millisecond
    for_each_page(filter, options.at_most, start, [&](const dead_letter_page& page) {
      if (options.run == run_kind::dry) {
        redriven += page.events.size();
        return;
      }
      const bool is_start = store_.now() == start;
      std::vector<redrive_request> requests;
      for (const stored_event& each : page.events) {
        if (*each.dead_since == start && redriven_at_start.contains(each.record.id)) {
          continue;
        }
        requests.push_back({each.record.id, due(start, position++, options.per_second), each.dead_since});
        if (is_start) {
          redriven_at_start.insert(each.record.id);
        }
      }
      for (const bool is_redriven : store_.redrive(requests)) {
        redriven += is_redriven ? 1 : 0;
      }
    });
    return redriven;
  }

  /// Deletes those that are dead letters by now; one that becomes a dead letter again meanwhile is left.
  /// Returns how many it deleted.
  std::size_t purge(const dead_letter_filter& filter, run_kind run = run_kind::real) {
    std::size_t purged = 0;
    for_each_page(filter, std::numeric_limits<std::size_t>::max(), store_.now(), [&](const dead_letter_page& page) {
      std::vector<purge_request> requests;
      for (const stored_event& each : page.events) {
        requests.push_back({each.record.id, each.dead_since});
      }
      purged += run == run_kind::dry ? requests.size() : store_.purge(requests);
    });
    return purged;
  }

  /// Writes each as one line of JSON, with its payload as a text. Returns how many it wrote.
  template <line_writer Writer>
  std::size_t export_to(Writer& write, const dead_letter_filter& filter = {}) {
    std::size_t exported = 0;
    for_each_page(filter, std::numeric_limits<std::size_t>::max(), store_.now(), [&](const dead_letter_page& page) {
      for (const stored_event& each : page.events) {
        fmt::memory_buffer line;
        append_json(line, each);
        line.push_back('\n');
        write(std::string_view{line.data(), line.size()});
      }
      exported += page.events.size();
    });
    return exported;
  }

 private:
  // Visits the pages of those that are dead letters at `start`.
  template <class Visit>
  void for_each_page(dead_letter_filter filter, std::size_t at_most, instant start, Visit visit) {
    const instant after_start = saturating_add(start, std::chrono::milliseconds{1});
    filter.until = filter.until ? std::min(*filter.until, after_start) : after_start;
    std::optional<dead_letter_cursor> after;
    while (at_most > 0) {
      const dead_letter_page page = store_.dead_letters(filter, after, std::min(at_most, batch));
      visit(page);
      at_most -= page.events.size();
      if (!page.next) {
        return;
      }
      after = page.next;
    }
  }

  static instant due(instant start, std::size_t position, const std::optional<std::uint32_t>& per_second) {
    if (!per_second) {
      return start;
    }
    const auto seconds = static_cast<std::int64_t>(position / *per_second);
    const auto part = static_cast<std::int64_t>(position % *per_second) * 1000 / *per_second;
    return saturating_add(start, std::chrono::milliseconds{seconds * 1000 + part});
  }

  Store& store_;
};

}  // namespace event_relay
