// SPDX-License-Identifier: MIT
#include <event_relay/json/json_codec.hpp>
#include <event_relay/postgres/postgres.hpp>
#include <event_relay/sqlite/sqlite.hpp>

namespace {

struct greeting {
  std::string whom;
  static constexpr auto fields = event_relay::payload_fields(event_relay::reference("whom", &greeting::whom));
};
using greeted = event_relay::domain_event<"person.greeted", greeting>;

}  // namespace

bool processed_elsewhere(event_relay::sqlite::store<>& store) {
  event_relay::outbox outbox{event_relay::event_catalog<greeted>{}, store, event_relay::json_codec{}};
  event_relay::sqlite::connection host{store.path(), std::chrono::seconds{5}};
  event_relay::sqlite::immediate_transaction change{host};
  outbox.append(host.handle(), event_relay::event_factory{}.make<greeted>({.whom = "world"}));
  change.commit();
  event_relay::worker worker{outbox, [](const event_relay::worker_envelope<greeted>&) {}};
  return worker.run_until_done().processed == 1;
}
