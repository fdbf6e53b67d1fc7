// SPDX-License-Identifier: MIT
#include <event_relay/event_relay.hpp>
#include <event_relay/testing/testing.hpp>

namespace {

struct greeting {
  std::string whom;
  static constexpr auto fields = event_relay::payload_fields(event_relay::reference("whom", &greeting::whom));
};
using greeted = event_relay::domain_event<"person.greeted", greeting>;

}  // namespace

bool published_elsewhere() {
  event_relay::testing::collecting_sink breadcrumbs;
  event_relay::relay relay{event_relay::event_catalog<greeted>{}, [](const event_relay::worker_envelope<greeted>&) {},
                           event_relay::relay_options().with_sink(breadcrumbs)};
  const auto result = relay.publish(event_relay::event_factory{}.make<greeted>({.whom = "world"}));
  return result.status == event_relay::attempt_status::processed && breadcrumbs.take().size() == 5;
}
