// SPDX-License-Identifier: MIT
#include <cstdio>

#include <event_relay/event_relay.hpp>
#include <event_relay/testing/testing.hpp>

bool published_elsewhere();

static_assert(EVENT_RELAY_VERSION_MAJOR == 0);

int main() {
  std::puts(published_elsewhere() ? "published" : "lost");
  return published_elsewhere() ? 0 : 1;
}
