// SPDX-License-Identifier: MIT
// The host's side of the durable half: an event is appended to the outbox in the transaction of the change
// that it reports. Whatever happens to the process after the commit, a worker will find the event.
#pragma once

#include <cstddef>
#include <optional>
#include <ranges>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "event_relay/core/event.hpp"
#include "event_relay/core/event_catalog.hpp"
#include "event_relay/core/instant.hpp"
#include "event_relay/outbox/codec.hpp"
#include "event_relay/outbox/event_record.hpp"
#include "event_relay/outbox/store.hpp"
#include "event_relay/outbox/traceparent.hpp"

namespace event_relay {

/// What a host may add when it appends an event.
struct append_options {
  /// The event is not attempted before; absent: it may be at once.
  std::optional<instant> available_at = std::nullopt;
  std::optional<traceparent> trace = std::nullopt;
  /// Which part of the host appends it, e.g. "booking-api".
  std::string source = {};
  /// Events of one key, e.g. a booking's id, are attempted one at a time and in the order of their append;
  /// empty if the order does not matter.
  std::string ordering_key = {};
};

/// The events of `Catalog` in `Store`. Refers to the store, which must outlive it; as thread-safe as that.
template <catalog Catalog, event_store Store, codec_of<Catalog> Codec>
class outbox {
 public:
  using catalog_type = Catalog;
  using store_type = Store;
  using codec_type = Codec;

  /// The longest id of an event, source and ordering key, in bytes.
  static constexpr std::size_t max_text = 255;

  outbox(Catalog, Store& store, Codec codec) : store_{store}, codec_{std::move(codec)} {}

  /// Appends `event` in the transaction that is open on `host`, the host's own connection. An event whose id
  /// is in the store already changes nothing, and the result is `duplicate`. Throws std::invalid_argument for
  /// an id that is empty or too long, what the codec throws for a payload that it cannot keep, and
  /// `store_error`; then nothing is appended, and the host should roll its transaction back, unless the
  /// database has done so.
  template <event_type Event>
  append_status append(typename Store::host_connection host, const Event& event, const append_options& options = {}) {
    const event_record record = record_of(event, options);
    return store_.append(host, {&record, 1}).front();
  }

  /// The same for many events, in their order; none is appended if the codec throws for one.
  template <std::ranges::sized_range Events>
  requires event_type<std::ranges::range_value_t<Events>> std::vector<append_status> append(
      typename Store::host_connection host, const Events& events, const append_options& options = {}) {
    std::vector<event_record> records;
    records.reserve(std::ranges::size(events));
    for (const auto& event : events) {
      records.push_back(record_of(event, options));
    }
    return store_.append(host, records);
  }

  Store& store() const { return store_; }
  const Codec& codec() const { return codec_; }

 private:
  template <event_type Event>
  event_record record_of(const Event& event, const append_options& options) const {
    Catalog::template require<Event>();
    require_text("id", event.id, 1);
    require_text("source", options.source, 0);
    require_text("ordering key", options.ordering_key, 0);
    if (event.correlation.view().empty()) {
      throw std::invalid_argument(
          fmt::format("outbox: the correlation id of {} {} was moved from", Event::name, event.id));
    }
    return {.id = event.id,
            .name = std::string{Event::name},
            .payload = codec_.encode(event.payload),
            .occurred_at = event.occurred_at,
            .correlation_id = std::string{event.correlation.view()},
            .replayed = event.replayed,
            .caused_by = {},
            .trace = options.trace ? std::string{options.trace->view()} : std::string{},
            .source = options.source,
            .ordering_key = options.ordering_key,
            .available_at = options.available_at
                                ? std::optional{std::clamp(*options.available_at, min_instant, max_instant)}
                                : std::nullopt};
  }

  static void require_text(std::string_view field, std::string_view text, std::size_t least) {
    if (text.size() < least || text.size() > max_text || text.find('\0') != std::string_view::npos) {
      throw std::invalid_argument(fmt::format("outbox: the event's {} has {} bytes, must be {} to {} without NUL",
                                              field, text.size(), least, max_text));
    }
  }

  Store& store_;
  Codec codec_;
};

}  // namespace event_relay
