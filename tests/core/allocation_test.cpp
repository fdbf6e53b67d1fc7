// SPDX-License-Identifier: MIT
// What publishing allocates, counted by operators new and delete of this program's own.
#include <atomic>
#include <cstddef>
#include <cstdlib>
#include <exception>
#include <new>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "event_relay/core/relay.hpp"
#include "support/catch.hpp"
#include "support/sample_events.hpp"

namespace {

std::atomic<std::size_t> allocations{0};
// The next allocation fails; set only where nothing but the code under test allocates.
std::atomic<bool> fail_next{false};

void* allocate(std::size_t size) noexcept {
  if (fail_next.exchange(false)) {
    return nullptr;
  }
  allocations.fetch_add(1, std::memory_order_relaxed);
  return std::malloc(size > 0 ? size : 1);
}

void* allocate_or_throw(std::size_t size) {
  if (void* const memory = allocate(size)) {
    return memory;
  }
  throw std::bad_alloc{};
}

}  // namespace

// All forms that are not aligned, so that none is left to pair one of these with one of the library's.
[[gnu::noinline]] void* operator new(std::size_t size) { return allocate_or_throw(size); }
[[gnu::noinline]] void* operator new[](std::size_t size) { return allocate_or_throw(size); }
[[gnu::noinline]] void* operator new(std::size_t size, const std::nothrow_t&) noexcept { return allocate(size); }
[[gnu::noinline]] void* operator new[](std::size_t size, const std::nothrow_t&) noexcept { return allocate(size); }
[[gnu::noinline]] void operator delete(void* memory) noexcept { std::free(memory); }
[[gnu::noinline]] void operator delete[](void* memory) noexcept { std::free(memory); }
[[gnu::noinline]] void operator delete(void* memory, std::size_t) noexcept { std::free(memory); }
[[gnu::noinline]] void operator delete[](void* memory, std::size_t) noexcept { std::free(memory); }
[[gnu::noinline]] void operator delete(void* memory, const std::nothrow_t&) noexcept { std::free(memory); }
[[gnu::noinline]] void operator delete[](void* memory, const std::nothrow_t&) noexcept { std::free(memory); }

namespace {

using namespace event_relay;
using namespace event_relay_test;

// How often `work` allocates.
template <class Work>
std::size_t allocations_of(Work work) {
  const std::size_t before = allocations.load();
  work();
  return allocations.load() - before;
}

// Longer than what std::string holds in place, so that every copy counts.
const std::string long_text(100, 'x');
booking_created long_event() { return sample_event(long_text, {long_text, long_text}, long_text); }

processed two_notifications() { return processed{email(long_text, long_text, long_text), push(long_text, long_text)}; }

struct notifying_handler {
  outcome operator()(const auto&) const { return two_notifications(); }
};
struct quiet_handler {
  void operator()(const auto&) const {}
};

}  // namespace

TEST_CASE("allocation: the count, right") {
  CHECK(allocations_of([] {}) == 0);
  CHECK(allocations_of([] { ::operator delete(::operator new(1)); }) == 1);
  CHECK(allocations_of([] { const std::vector<std::string> copies(3, long_text); }) == 4);
}

TEST_CASE("allocation: publishing without notifications into the null sink, none") {
  const booking_created event = long_event();
  relay processes{sample_events{}, quiet_handler{}};
  relay recovers{sample_events{}, quiet_handler{}, relay_options().with_faults(fail_until{2})};
  relay buries{sample_events{}, quiet_handler{}, relay_options().with_faults(fail_until{3})};
  attempt_status statuses[4] = {};

  CHECK(allocations_of([&] { statuses[0] = processes.publish(event).status; }) == 0);
  CHECK(allocations_of([&] { statuses[1] = recovers.publish(event).status; }) == 0);
  CHECK(allocations_of([&] { statuses[2] = buries.publish(event).status; }) == 0);
  CHECK(allocations_of([&] { statuses[3] = processes.attempt(event, 1).status; }) == 0);
  CHECK(statuses[0] == attempt_status::processed);
  CHECK(statuses[1] == attempt_status::processed);
  CHECK(statuses[2] == attempt_status::dead_letter);
  CHECK(statuses[3] == attempt_status::processed);
}

TEST_CASE("allocation: publishing with two notifications into the null sink, what they need by themselves") {
  const booking_created event = long_event();
  std::size_t needed = 0;
  {
    // The handler's texts and list; each notification's event id and correlation id; the collection.
    collecting_notifier collected;
    needed = allocations_of([&] {
      processed done = two_notifications();
      for (notification_request& request : std::move(done).notifications()) {
        collected.notify({std::move(request), event.id, event.correlation, sample_instant});
      }
    });
    CHECK(collected.take().size() == 2);
  }
  CHECK(needed == 5 + 1 + 2 * 2 + 2);

  collecting_notifier collected;
  relay notifies{sample_events{}, notifying_handler{}, relay_options().with_notifier(collected)};
  CHECK(allocations_of([&] { notifies.publish(event); }) <= needed);
  CHECK(collected.take().size() == 2);
}

TEST_CASE("allocation: out of memory while an exception's text is kept, the text given up and not the event") {
  struct last_straw : std::exception {
    const char* what() const noexcept override {
      fail_next = true;
      return long_text.c_str();
    }
  };
  const auto handler = [](const auto&) -> outcome { throw last_straw{}; };
  relay tested{sample_events{}, handler, relay_options().with_max_attempts(1)};
  const relay_result result = tested.publish(sample_event());
  CHECK_FALSE(fail_next.load());
  CHECK(result.status == attempt_status::dead_letter);
  CHECK(result.error.empty());
}
