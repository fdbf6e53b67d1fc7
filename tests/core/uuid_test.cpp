// SPDX-License-Identifier: MIT
#include "event_relay/core/uuid.hpp"

#include <algorithm>
#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <latch>
#include <limits>
#include <random>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

#include "event_relay/testing/manual_clock.hpp"
#include "event_relay/testing/sequential_ids.hpp"
#include "support/catch.hpp"

namespace {

using namespace event_relay;
using namespace std::chrono_literals;
using testing::manual_clock;

// Gives `bits` in order, again and again.
struct scripted_random {
  using result_type = std::uint64_t;
  static constexpr result_type min() { return 0; }
  static constexpr result_type max() { return std::numeric_limits<result_type>::max(); }
  result_type operator()() { return bits[next++ % 2]; }
  std::array<result_type, 2> bits;
  std::size_t next = 0;
};

// Has no state to share.
struct no_bits {
  using result_type = std::uint64_t;
  static constexpr result_type min() { return 0; }
  static constexpr result_type max() { return std::numeric_limits<result_type>::max(); }
  result_type operator()() const { return 0; }
};

struct number_ids {
  int next_id();
};
struct view_ids {
  std::string_view next_id();
};
static_assert(id_source<process_ids> && id_source<uuid_v7_source<>> && id_source<testing::sequential_ids>);
static_assert(id_source<const process_ids>);
static_assert(!id_source<int> && !id_source<number_ids> && !id_source<view_ids> && !id_source<const uuid_v7_source<>>);

constexpr uuid dns_namespace{
    {0x6b, 0xa7, 0xb8, 0x10, 0x9d, 0xad, 0x11, 0xd1, 0x80, 0xb4, 0x00, 0xc0, 0x4f, 0xd4, 0x30, 0xc8}};
static_assert(uuid{} < dns_namespace && dns_namespace == dns_namespace && uuid{} == uuid{});

constexpr instant start = std::chrono::sys_days{std::chrono::year{2026} / 3 / 20} + 10h;

std::uint64_t milliseconds_of(const uuid& id) {
  std::uint64_t count = 0;
  for (unsigned at = 0; at < 6; ++at) {
    count = count << 8U | id.bytes[at];
  }
  return count;
}

// Of `count` new ids: how many are not above the one before, as a number or as a text.
template <class Source>
unsigned out_of_order(Source& source, uuid& last, unsigned count) {
  unsigned wrong = 0;
  for (unsigned at = 0; at < count; ++at) {
    const uuid next = source.next();
    wrong += next > last && next.to_string() > last.to_string() ? 0 : 1;
    last = next;
  }
  return wrong;
}

}  // namespace

TEST_CASE("uuid: its text, 36 characters with lower-case digits and four dashes") {
  CHECK(uuid{}.to_string() == "00000000-0000-0000-0000-000000000000");
  CHECK(dns_namespace.to_string() == "6ba7b810-9dad-11d1-80b4-00c04fd430c8");
  CHECK(uuid{{0x01, 0x8f, 0x6b, 0x2e, 0x7c, 0x1d, 0x7a, 0x4b, 0x9e, 0x0f, 0x12, 0x34, 0x56, 0x78, 0x90, 0xab}}
            .to_string() == "018f6b2e-7c1d-7a4b-9e0f-1234567890ab");
}

TEST_CASE("uuid: two that differ in any one byte, are ordered by it") {
  for (std::size_t at = 0; at < 16; ++at) {
    uuid above = dns_namespace;
    ++above.bytes[at];
    if (at + 1 < 16) {
      above.bytes[at + 1] = 0;
    }
    CHECK(above > dns_namespace);
    CHECK(above.to_string() > dns_namespace.to_string());
  }
}

TEST_CASE("uuid_v5: known names, the ids of RFC 9562 and of another implementation") {
  uuid url_namespace = dns_namespace;
  url_namespace.bytes[3] = 0x11;
  struct {
    uuid name_space;
    std::string name;
    std::string_view expected;
  } const cases[] = {
      {dns_namespace, "www.example.com", "2ed6657d-e927-568b-95e1-2665a8aea6a2"},  // RFC 9562, appendix A.4
      {dns_namespace, "python.org", "886313e1-3b8a-5372-9b90-0c9aee199e5d"},
      {dns_namespace, "", "4ebd0208-8328-5d69-8c44-ec50939c0967"},
      {url_namespace, "http://example.com/", "0a300ee9-f9e4-5697-a51a-efc7fafaba67"},
      {uuid{}, std::string(200, 'a'), "72b414da-4150-5cce-8c27-c0e5432327bf"},
      {dns_namespace,
       std::string{"b\xc3\xbc"
                   "cher\0x",
                   9},
       "369604f6-a581-5418-9747-606da4635ea9"},
  };
  for (const auto& each : cases) {
    CHECK(uuid_v5(each.name_space, each.name).to_string() == each.expected);
  }
  CHECK(uuid_v5(dns_namespace, {}) == uuid_v5(dns_namespace, ""));
}

TEST_CASE("uuid_v7_source: a fixed clock and fixed bits, the layout of RFC 9562") {
  // The time and the random bits of appendix A.6; the counter there starts in its upper half, ours never.
  const instant appendix{1'645'557'742'000ms};
  uuid_v7_source source{manual_clock{appendix}, scripted_random{{0x18c4dc0c0c07398fU, 0xcc3U}}};
  CHECK(source.next_id() == "017f22e2-79b0-74c3-98c4-dc0c0c07398f");
  CHECK(source.next_id() == "017f22e2-79b0-74c4-98c4-dc0c0c07398f");
  uuid_v7_source highest{manual_clock{appendix}, scripted_random{{~std::uint64_t{0}, ~std::uint64_t{0}}}};
  CHECK(highest.next_id() == "017f22e2-79b0-77ff-bfff-ffffffffffff");
  uuid_v7_source lowest{manual_clock{appendix}, scripted_random{{0, 0}}};
  CHECK(lowest.next_id() == "017f22e2-79b0-7000-8000-000000000000");
}

TEST_CASE("uuid_v7_source: any instant and bits, version 7, variant 10 and the instant's milliseconds") {
  std::mt19937_64 random{2026};
  for (int round = 0; round < 1000; ++round) {
    const instant at{std::chrono::milliseconds{random() >> 16U}};
    uuid_v7_source source{manual_clock{at}, random};
    const uuid id = source.next();
    CHECK(id.bytes[6] >> 4U == 7);
    CHECK((id.bytes[6] & 0x8U) == 0);  // the counter's lower half
    CHECK(id.bytes[8] >> 6U == 2);
    CHECK(milliseconds_of(id) == static_cast<std::uint64_t>(at.time_since_epoch().count()));
  }
}

TEST_CASE("uuid_v7_source: a clock that stands still, steps back or lags behind the counter, ids increase strictly") {
  for (const std::uint64_t counter : {0x000U, 0x001U, 0x3ffU, 0x7feU, 0x7ffU}) {
    manual_clock clock{start};
    uuid_v7_source source{clock, scripted_random{{0, counter}}};
    uuid last;
    CHECK(out_of_order(source, last, 2048) == 0);
    CHECK(milliseconds_of(last) == static_cast<std::uint64_t>(start.time_since_epoch().count()));
    CHECK(out_of_order(source, last, 8000) == 0);  // the counter runs over into the milliseconds
    for (const auto step : {1ms, -1ms, -3'600'000ms, 2ms, 3'600'000ms, 1ms}) {
      clock.advance(step);
      CHECK(out_of_order(source, last, 10) == 0);
    }
    clock.set(instant{});
    CHECK(out_of_order(source, last, 6000) == 0);
    clock.set(start + 24h);
    CHECK(out_of_order(source, last, 1) == 0);
    CHECK(milliseconds_of(last) == static_cast<std::uint64_t>((start + 24h).time_since_epoch().count()));
  }
}

TEST_CASE("uuid_v7_source: a clock at 1970 and before, ids increase strictly into the present") {
  for (const auto from : {0ms, -1ms, -86'400'000ms}) {
    CAPTURE(from.count());
    manual_clock clock{instant{from}};
    uuid_v7_source source{clock, scripted_random{{0, 0}}};
    uuid last;
    CHECK(out_of_order(source, last, 5000) == 0);
    clock.set(start);
    CHECK(out_of_order(source, last, 5000) == 0);
  }
}

TEST_CASE("uuid_v7_source: a clock beyond the 48 bits of a UUIDv7, ids go on increasing") {
  manual_clock clock{instant{std::chrono::milliseconds{(std::int64_t{1} << 48) - 2}}};
  uuid_v7_source source{clock, scripted_random{{0, 0}}};
  uuid last;
  CHECK(out_of_order(source, last, 100) == 0);
  clock.advance(std::chrono::milliseconds{2});
  CHECK(out_of_order(source, last, 100) == 0);
  clock.set(max_instant);
  CHECK(out_of_order(source, last, 100) == 0);
}

TEST_CASE("uuid_v7_source: four threads, distinct ids, and each thread sees increasing ones") {
  uuid_v7_source<> of_the_machine;
  uuid_v7_source of_the_counter_alone{manual_clock{start}, no_bits{}};
  const auto run = [](auto& source) {
    std::vector<std::vector<uuid>> drawn(4, std::vector<uuid>(50'000));
    std::latch together{4};
    std::vector<std::thread> threads;
    for (auto& mine : drawn) {
      threads.emplace_back([&] {
        together.arrive_and_wait();
        std::generate(mine.begin(), mine.end(), [&source] { return source.next(); });
      });
    }
    std::vector<uuid> all;
    for (std::size_t at = 0; at < threads.size(); ++at) {
      threads[at].join();
      CHECK(bool(std::adjacent_find(drawn[at].begin(), drawn[at].end(), std::greater_equal<>{}) == drawn[at].end()));
      all.insert(all.end(), drawn[at].begin(), drawn[at].end());
    }
    std::sort(all.begin(), all.end());
    CHECK(bool(std::adjacent_find(all.begin(), all.end()) == all.end()));
  };
  run(of_the_machine);
  run(of_the_counter_alone);
}

TEST_CASE("process_ids: all copies and threads, one increasing sequence of UUIDv7") {
  std::string last;
  unsigned wrong = 0;
  for (int round = 0; round < 1000; ++round) {
    std::string next;
    if (round % 100 == 0) {
      std::thread{[&next] { next = process_ids{}.next_id(); }}.join();
    } else {
      next = process_ids{}.next_id();
    }
    wrong += next > last && next.size() == 36 && next[14] == '7' ? 0 : 1;
    last = next;
  }
  CHECK(wrong == 0);
}
