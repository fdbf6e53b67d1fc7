// SPDX-License-Identifier: MIT
// What a store in a database does for operators and between the attempts, whichever database it is: each verb is one
// transaction, and those that may have made events ready wake the workers.
#pragma once

#include <cstddef>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "event_relay/outbox/dead_letter_store.hpp"
#include "event_relay/outbox/event_record.hpp"
#include "event_relay/outbox/queue_metrics.hpp"

namespace event_relay::sql {

/// The base of `Store`, which offers: `in_transaction(body)`, one write transaction that `body(session)` is run in,
/// again where the database asks for that; `at_one_instant(body)`, the same for reading; `time()`, what its statements
/// are told of the time; `has_redriven()`, called when events have become ready in their old places; `wake()`. The
/// statements themselves are functions found by the session's type.
template <class Store>
class store_operations {
 public:
  std::optional<stored_event> find(std::string_view id) {
    return self().at_one_instant([&](auto& on) { return find_event(on, id); });
  }

  dead_letter_page dead_letters(const dead_letter_filter& filter, const std::optional<dead_letter_cursor>& after,
                                std::size_t limit) {
    return self().at_one_instant([&](auto& on) { return read_dead_letters(on, filter, after, limit); });
  }

  std::vector<bool> redrive(std::span<const redrive_request> requests) {
    auto redriven = self().in_transaction([&](auto& on) { return redrive_dead_letters(on, requests); });
    self().has_redriven();
    self().wake();
    return redriven;
  }

  std::size_t purge(std::span<const std::string> ids) { return purge(event_relay::detail::purge_requests(ids)); }
  std::size_t purge(std::span<const purge_request> requests) {
    const std::size_t purged = self().in_transaction([&](auto& on) { return purge_dead_letters(on, requests); });
    self().wake();
    return purged;
  }

  queue_metrics metrics() {
    return self().at_one_instant([&](auto& on) { return read_metrics(on, self().time()); });
  }

 protected:
  /// The transaction of `maintain(limit)`. Returns whether it deleted all it might, and whether a key was freed.
  struct maintained {
    bool may_find_more = false;
    bool has_freed_keys = false;
  };
  maintained maintain_once(std::size_t limit) {
    const std::lock_guard one_at_a_time{maintenance_mutex_};
    std::string swept_to;
    maintained result;
    result.may_find_more = self().in_transaction([&](auto& on) {
      const auto swept = sweep_keys(on, swept_to_, limit);
      swept_to = swept.to;
      result.has_freed_keys = swept.has_freed;
      return delete_kept(on, self().time(), limit);
    });
    swept_to_ = std::move(swept_to);
    return result;
  }

 private:
  Store& self() { return static_cast<Store&>(*this); }

  std::mutex maintenance_mutex_;
  std::string swept_to_;  // the last key that was looked at
};

}  // namespace event_relay::sql
