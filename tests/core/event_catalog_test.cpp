// SPDX-License-Identifier: MIT
#include "event_relay/core/event_catalog.hpp"

#include <array>
#include <string>
#include <string_view>
#include <tuple>
#include <vector>

#include "support/catch.hpp"

namespace {

using namespace event_relay;

struct note {
  std::string id;
  static constexpr auto fields = payload_fields(reference("noteId", &note::id));
};
using note_written = domain_event<"note.written", note>;
struct note_read : domain_event<"note.read", note> {};
using note_erased = domain_event<"note.erased", note>;
using note_printed = domain_event<"note.printed", note>;

using notes = event_catalog<note_written, note_read, note_erased>;
using one_note = event_catalog<note_written>;

static_assert(catalog<notes> && catalog<one_note>);
static_assert(!catalog<int> && !catalog<note_written> && !catalog<std::tuple<note_written, note_read>>);

static_assert(notes::size == 3 && one_note::size == 1);
static_assert(notes::names == std::array<std::string_view, 3>{"note.written", "note.read", "note.erased"});

static_assert(notes::contains<note_written> && notes::contains<note_read> && notes::contains<note_erased>);
static_assert(!notes::contains<note_printed> && !one_note::contains<note_read> && !notes::contains<int>);
// A named event and the domain_event that it derives from are two types; the catalog lists the first.
static_assert(!notes::contains<note_read::base_event>);

// For an event of the catalog it compiles; compile_fail/event_not_in_catalog.cpp has the other case.
[[maybe_unused]] consteval bool requires_its_own() {
  notes::require<note_written>();
  notes::require<note_read>();
  notes::require<note_erased>();
  return true;
}
static_assert(requires_its_own());

struct total_of_sizes {
  template <event_type Event>
  constexpr void operator()() {
    total += Event::name.size();
  }
  std::size_t total = 0;
};

}  // namespace

TEST_CASE("event_catalog: for_each, visits each event once in the order of the list") {
  std::vector<std::string_view> visited;
  notes::for_each([&]<class Event>() { visited.push_back(Event::name); });
  CHECK(visited == std::vector<std::string_view>(notes::names.begin(), notes::names.end()));
  visited.clear();
  event_catalog<note_erased, note_written>::for_each([&]<class Event>() { visited.push_back(Event::name); });
  CHECK(visited == std::vector<std::string_view>{"note.erased", "note.written"});
}

TEST_CASE("event_catalog: for_each of a visitor with state, keeps the state and runs at compile time") {
  total_of_sizes visitor;
  notes::for_each(visitor);
  CHECK(visitor.total == 12 + 9 + 11);
  static_assert([] {
    total_of_sizes at_compile_time;
    notes::for_each(at_compile_time);
    return at_compile_time.total;
  }() == 12 + 9 + 11);
}
