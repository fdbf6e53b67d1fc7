// SPDX-License-Identifier: MIT
// The contract of every event_store (outbox/store.hpp), a test case for each of its sentences, and random
// histories beside a model in plain C++. A store under test brings a `store_fixture` and registers the suite.
#pragma once

#include <stdlib.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <latch>
#include <limits>
#include <mutex>
#include <optional>
#include <random>
#include <set>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>
#include <system_error>
#include <thread>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "event_relay/core/decision.hpp"
#include "event_relay/core/envelope.hpp"
#include "event_relay/core/instant.hpp"
#include "event_relay/outbox/dead_letter_store.hpp"
#include "event_relay/outbox/event_record.hpp"
#include "event_relay/outbox/settlement.hpp"
#include "event_relay/outbox/store.hpp"
#include "event_relay/outbox/store_error.hpp"
#include "event_relay/testing/manual_clock.hpp"
#include "support/catch.hpp"
#include "support/sample_events.hpp"

namespace event_relay_test {

/// A folder of its own, gone at the end.
class temporary_folder {
 public:
  temporary_folder() {
    std::string name = std::filesystem::temp_directory_path() / "event_relay_XXXXXX";
    if (mkdtemp(name.data()) == nullptr) {
      throw std::system_error{errno, std::generic_category(), name};
    }
    path_ = name;
  }
  ~temporary_folder() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  temporary_folder(const temporary_folder&) = delete;
  temporary_folder& operator=(const temporary_folder&) = delete;

  const std::filesystem::path& path() const { return path_; }
  std::string operator/(std::string_view file) const { return path_ / file; }

 private:
  std::filesystem::path path_;
};

inline bool contains(std::string_view text, std::string_view part) { return text.find(part) != std::string_view::npos; }

/// What a store says when it refuses; no cause if it does not.
struct store_refusal {
  std::error_code cause;
  std::string text;
};

template <class Call>
store_refusal store_refusal_of(Call call) {
  try {
    call();
  } catch (const event_relay::store_error& error) {
    return {error.code(), error.what()};
  }
  return {{}, "not refused"};
}

template <class Call>
std::error_code refusal_cause(Call call) {
  return store_refusal_of(call).cause;
}

inline event_relay::event_record record_of(std::string id) {
  return {.id = std::move(id),
          .name = "booking.created",
          .payload = "{}",
          .occurred_at = sample_instant,
          .correlation_id = "corr-1"};
}
inline event_relay::event_record record_of(event_relay::event_record record) { return record; }

inline event_relay::event_record due_at(std::string id, event_relay::instant at) {
  event_relay::event_record record = record_of(std::move(id));
  record.available_at = at;
  return record;
}

/// An event of the ordering key `key`.
inline event_relay::event_record keyed(std::string id, std::string key = "k") {
  event_relay::event_record record = record_of(std::move(id));
  record.ordering_key = std::move(key);
  return record;
}

/// An event of the name `name`.
inline event_relay::event_record named(std::string id, std::string name) {
  event_relay::event_record record = record_of(std::move(id));
  record.name = std::move(name);
  return record;
}

/// Milliseconds since the fixtures' start.
inline std::int64_t since_start(event_relay::instant at) { return (at - sample_instant).count(); }

/// An event in a store in short: "gone", "ready 0", "leased 1 until 30000", "ready 2 due 5000, 1@0 busy, 2@0 busy",
/// "dead-letter 1 rejected at 0", the same "holding".
inline std::string text_of(const std::optional<event_relay::stored_event>& seen) {
  if (!seen) {
    return "gone";
  }
  std::string text = fmt::format("{} {}", wire_name(seen->state), seen->attempts);
  text += seen->available_at == sample_instant ? "" : fmt::format(" due {}", since_start(seen->available_at));
  text += seen->leased_until ? fmt::format(" until {}", since_start(*seen->leased_until)) : "";
  text += seen->reason ? fmt::format(" {}", wire_name(*seen->reason)) : "";
  text += seen->dead_since ? fmt::format(" at {}", since_start(*seen->dead_since)) : "";
  text += seen->holds_key ? " holding" : "";
  text += seen->kept_until ? fmt::format(" kept until {}", since_start(*seen->kept_until)) : "";
  for (const event_relay::failure_record& each : seen->failures) {
    text += fmt::format(", {}@{} {}", each.attempt, since_start(each.at), each.text);
  }
  return text;
}

/// A claim in short: "evt-1 #2", "evt-1 #2 isolated crashed".
inline std::string text_of(const event_relay::claimed_event& claim) {
  return fmt::format("{} #{}{}{}", claim.record.id, claim.attempt, claim.isolated ? " isolated" : "",
                     claim.crashed ? " crashed" : "");
}

inline std::vector<std::string> texts_of(const std::vector<event_relay::claimed_event>& claims) {
  std::vector<std::string> texts;
  for (const event_relay::claimed_event& each : claims) {
    texts.push_back(text_of(each));
  }
  return texts;
}

inline std::vector<event_relay::lease> leases_of(const std::vector<event_relay::claimed_event>& claims) {
  std::vector<event_relay::lease> leases;
  for (const event_relay::claimed_event& each : claims) {
    leases.push_back(each.held);
  }
  return leases;
}

/// What the suite needs of a store under test and of the host beside it. Made with how many failures are kept,
/// 10 by default; then it is fresh and empty, and its time is `clock()`, which stands at `sample_instant`.
/// - `begin()`, `commit()`, `rollback()`: the host's transaction, on the connection `host()`.
/// - `leave(transaction, text)`: a handler's write; `written()`: the texts that committed writes have left,
///   oldest first.
template <class Fixture>
concept store_fixture = event_relay::event_store<typename Fixture::store_type> && std::default_initializable<Fixture> &&
    std::constructible_from<Fixture, std::uint32_t> &&
    requires(Fixture& fixture, typename Fixture::store_type::transaction& transaction, const std::string& text) {
  { fixture.store() } -> std::same_as<typename Fixture::store_type&>;
  { fixture.clock() } -> std::same_as<event_relay::testing::manual_clock&>;
  { fixture.host() } -> std::same_as<typename Fixture::store_type::host_connection>;
  fixture.begin();
  fixture.commit();
  fixture.rollback();
  Fixture::leave(transaction, text);
  { fixture.written() } -> std::same_as<std::vector<std::string>>;
};

/// A fixture, and the short forms in which the tests are written. Leases are of 30 s.
template <class Fixture>
class store_bench : public Fixture {
 public:
  using Fixture::Fixture;
  using transaction = typename Fixture::store_type::transaction;
  using settlement = event_relay::settlement<transaction>;
  using claims = std::vector<event_relay::claimed_event>;
  using milliseconds = std::chrono::milliseconds;

  static constexpr milliseconds lease_length = std::chrono::seconds{30};
  static constexpr std::string_view write_error = "the write failed";

  // ---- The host ----

  /// Ids or records, in the transaction that is open.
  template <class... Each>
  std::vector<event_relay::append_status> append(const Each&... each) {
    return append_all({record_of(each)...});
  }
  std::vector<event_relay::append_status> append_all(const std::vector<event_relay::event_record>& records) {
    return this->store().append(this->host(), records);
  }
  /// The same, in a transaction of its own.
  template <class... Each>
  std::vector<event_relay::append_status> add(const Each&... each) {
    this->begin();
    auto answers = append(each...);
    this->commit();
    return answers;
  }

  // ---- The worker ----

  event_relay::exchange_result look(std::size_t limit = 100) {
    return this->store().exchange({}, {limit, lease_length});
  }
  claims claim(std::size_t limit = 100) { return look(limit).claimed; }
  event_relay::claimed_event claim_one() { return only(claim()); }
  claims claim_orphans(std::size_t limit = 100) {
    return this->store().exchange({}, {limit, lease_length, event_relay::claim_kind::orphan}).claimed;
  }
  event_relay::claimed_event claim_orphan() { return only(claim_orphans()); }

  static settlement end(const event_relay::claimed_event& claimed) {
    return {.held = claimed.held,
            .name = claimed.record.name,
            .ordering_key = claimed.record.ordering_key,
            .attempt = claimed.attempt,
            .has_history = claimed.failures > 0};
  }
  static settlement end_with(const event_relay::claimed_event& claimed,
                             std::vector<event_relay::event_record> follow_ups) {
    settlement made = end(claimed);
    made.follow_ups = std::move(follow_ups);
    return made;
  }
  static settlement end_writing(const event_relay::claimed_event& claimed, const std::string& text) {
    settlement made = end(claimed);
    made.write = [text](transaction& writes) { Fixture::leave(writes, text); };
    return made;
  }
  template <class Thrown = std::runtime_error>
  static settlement end_failing(const event_relay::claimed_event& claimed,
                                Thrown thrown = Thrown{std::string{write_error}}) {
    settlement made = end(claimed);
    made.write = [thrown](transaction& writes) {
      Fixture::leave(writes, "of a write that failed");
      throw thrown;
    };
    return made;
  }
  static settlement retry(const event_relay::claimed_event& claimed, milliseconds delay = {},
                          std::optional<std::string> failure = std::nullopt) {
    settlement made = end(claimed);
    made.status = event_relay::attempt_status::retry_scheduled;
    made.delay = delay;
    made.failure = std::move(failure);
    return made;
  }
  static settlement bury(
      const event_relay::claimed_event& claimed,
      event_relay::dead_letter_reason reason = event_relay::dead_letter_reason::max_attempts_exhausted,
      std::optional<std::string> failure = std::nullopt) {
    settlement made = end(claimed);
    made.status = event_relay::attempt_status::dead_letter;
    made.reason = reason;
    made.failure = std::move(failure);
    return made;
  }
  static settlement bury_holding(
      const event_relay::claimed_event& claimed,
      event_relay::dead_letter_reason reason = event_relay::dead_letter_reason::max_attempts_exhausted) {
    settlement made = bury(claimed, reason);
    made.key = event_relay::key_after_dead_letter::held;
    return made;
  }

  template <class... Each>
  std::vector<event_relay::settle_result> settle_all(const Each&... each) {
    const std::vector<settlement> all{each...};
    return event_relay::settle(this->store(), std::span<const settlement>{all});
  }
  event_relay::settle_status settle(const settlement& one) { return settle_all(one).at(0).status; }

  bool renew(const event_relay::lease& held, milliseconds length = lease_length) {
    return this->store().renew({&held, 1}, length).at(0);
  }
  std::size_t release(const event_relay::lease& held) { return this->store().release({&held, 1}); }

  // ---- The operator, where the store is a `dead_letter_store` ----

  /// Attempted again, at once; one answer for each id.
  template <class... Ids>
  std::vector<bool> redrive(const Ids&... ids) {
    const std::vector<event_relay::redrive_request> all{{ids, this->clock().now()}...};
    return this->store().redrive(all);
  }
  template <class... Ids>
  std::size_t purge(const Ids&... ids) {
    const std::vector<std::string> all{ids...};
    return this->store().purge(all);
  }

  // ---- What can be seen ----

  std::string seen(std::string_view id) { return text_of(this->store().find(id)); }
  std::uint64_t hints() { return this->store().signal().count(); }

  /// The event `id`, whose first worker has vanished: an orphan, claimed alone.
  event_relay::claimed_event orphan(const std::string& id) {
    add(id);
    claim_one();
    this->clock().advance(lease_length);
    return claim_orphan();
  }

 private:
  static event_relay::claimed_event only(claims claimed) {
    REQUIRE(claimed.size() == 1);
    return std::move(claimed.front());
  }
};

// ---- The contract in plain C++ ----

/// What a store should hold and answer. It is told of everything that the store is asked, and of its tokens.
template <class Bench>
class store_model {
  using settlement = typename Bench::settlement;

  struct entry {
    event_relay::stored_event stored;
    bool is_isolated = false;
    bool has_crashed = false;
  };

 public:
  /// What the write of a settlement does, which cannot be seen in it.
  enum class write { none, leaves_text, fails };

  explicit store_model(std::size_t failures_kept) : failures_kept_{failures_kept} {}

  void insert(const event_relay::event_record& record, event_relay::instant now) {
    if (find(record.id) == nullptr) {
      entries_.push_back({.stored = {.record = record, .available_at = record.available_at.value_or(now)}});
    }
  }

  event_relay::settle_status settle(const settlement& each, const std::string& id, write writes,
                                    const std::string& text, event_relay::instant now) {
    entry* const held = held_by(id, each.held);
    if (held == nullptr) {
      return event_relay::settle_status::stale;
    }
    if (writes == write::fails) {
      return event_relay::settle_status::write_failed;
    }
    if (writes == write::leaves_text) {
      written_.push_back(text);
    }
    event_relay::stored_event& stored = held->stored;
    stored.attempts = each.attempt;
    held->has_crashed = false;
    if (each.failure) {
      keep_failure(stored, *each.failure, now);
    }
    if (each.status == event_relay::attempt_status::retry_scheduled) {
      release(*held, event_relay::event_state::ready);
      stored.available_at = now + each.delay;
    } else if (each.status == event_relay::attempt_status::dead_letter) {
      release(*held, event_relay::event_state::dead_letter);
      stored.reason = each.reason;
      stored.dead_since = now;
    } else {
      std::erase_if(entries_, [&](const entry& other) { return &other == held; });
    }
    for (const event_relay::event_record& follow_up : each.follow_ups) {
      insert(follow_up, now);
    }
    return event_relay::settle_status::applied;
  }

  void expire(event_relay::instant now) {
    for (entry& each : entries_) {
      if (each.stored.state == event_relay::event_state::leased && *each.stored.leased_until <= now) {
        release(each, event_relay::event_state::orphan);
        each.has_crashed = each.is_isolated;
        if (each.is_isolated) {
          keep_failure(each.stored, "lease expired", now);
        } else {
          --each.stored.attempts;
        }
      }
    }
  }

  /// What an ordinary claim should give, in order.
  std::vector<std::string> claimable(std::size_t limit, event_relay::instant now) {
    std::vector<entry*> found;
    for (entry& each : entries_) {
      if (each.stored.state == event_relay::event_state::ready && each.stored.available_at <= now) {
        found.push_back(&each);
      }
    }
    std::stable_sort(found.begin(), found.end(),
                     [](auto* one, auto* other) { return one->stored.available_at < other->stored.available_at; });
    found.resize(std::min(found.size(), limit));
    std::vector<std::string> texts;
    for (const entry* const each : found) {
      texts.push_back(fmt::format("{} #{}{}", each->stored.record.id, each->stored.attempts + 1,
                                  each->has_crashed ? " crashed" : ""));
    }
    return texts;
  }

  /// What an orphan's claim may give: one of these.
  std::vector<std::string> orphans() const {
    std::vector<std::string> texts;
    for (const entry& each : entries_) {
      if (each.stored.state == event_relay::event_state::orphan) {
        texts.push_back(fmt::format("{} #{} isolated{}", each.stored.record.id, each.stored.attempts + 1,
                                    each.has_crashed ? " crashed" : ""));
      }
    }
    return texts;
  }

  void claimed(const event_relay::claimed_event& claim, event_relay::instant until) {
    entry& each = *find(claim.record.id);
    each.stored.state = event_relay::event_state::leased;
    each.stored.leased_until = until;
    each.stored.token = claim.held.token;
    each.is_isolated = claim.isolated;
    ++each.stored.attempts;
  }

  bool renew(const event_relay::claimed_event& claim, event_relay::instant until) {
    entry* const held = held_by(claim.record.id, claim.held);
    if (held != nullptr) {
      held->stored.leased_until = until;
    }
    return held != nullptr;
  }

  bool release(const event_relay::claimed_event& claim) {
    entry* const held = held_by(claim.record.id, claim.held);
    if (held != nullptr) {
      release(*held, held->is_isolated ? event_relay::event_state::orphan : event_relay::event_state::ready);
      --held->stored.attempts;
    }
    return held != nullptr;
  }

  bool has(const std::string& id) { return find(id) != nullptr; }
  std::string seen(const std::string& id) {
    const entry* const found = find(id);
    return found == nullptr ? text_of(std::nullopt) : text_of(found->stored);
  }
  bool has_unfinished() const {
    return std::any_of(entries_.begin(), entries_.end(),
                       [](const entry& each) { return each.stored.state != event_relay::event_state::dead_letter; });
  }
  std::optional<event_relay::instant> next_due() const {
    std::optional<event_relay::instant> earliest;
    for (const entry& each : entries_) {
      if (each.stored.state == event_relay::event_state::ready ||
          each.stored.state == event_relay::event_state::leased) {
        const event_relay::instant due = each.stored.leased_until.value_or(each.stored.available_at);
        earliest = std::min(earliest.value_or(due), due);
      }
    }
    return earliest;
  }
  const std::vector<std::string>& written() const { return written_; }

 private:
  entry* find(const std::string& id) {
    const auto found =
        std::find_if(entries_.begin(), entries_.end(), [&](const entry& each) { return each.stored.record.id == id; });
    return found == entries_.end() ? nullptr : &*found;
  }
  entry* held_by(const std::string& id, const event_relay::lease& held) {
    entry* const found = find(id);
    const bool is_held = found != nullptr && found->stored.state == event_relay::event_state::leased &&
                         found->stored.token == held.token;
    return is_held ? found : nullptr;
  }
  static void release(entry& each, event_relay::event_state state) {
    each.stored.state = state;
    each.stored.leased_until.reset();
  }
  void keep_failure(event_relay::stored_event& stored, const std::string& text, event_relay::instant now) const {
    stored.failures.push_back({stored.attempts, now, text});
    if (stored.failures.size() > failures_kept_) {
      stored.failures.erase(stored.failures.begin());
    }
  }

  std::size_t failures_kept_;
  std::vector<entry> entries_;  // in the order of their insertion
  std::vector<std::string> written_;
};

/// One random history, the same for the same seed, on a fresh store and a model beside it.
template <store_fixture Fixture>
class random_history {
  using bench = store_bench<Fixture>;
  using model_type = store_model<bench>;
  using write = typename model_type::write;
  using settlement = typename bench::settlement;
  using milliseconds = std::chrono::milliseconds;

  static constexpr std::uint32_t failures_kept = 3;

 public:
  explicit random_history(std::uint32_t seed) : draw_{seed} {}

  void run(int steps) {
    for (int step = 0; step < steps; ++step) {
      const std::size_t kind = below(10);
      INFO("step " << step << ", kind " << kind);
      if (kind < 3) {
        append_some();
      } else if (kind < 7) {
        exchange();
      } else if (kind == 7) {
        renew_some();
      } else if (kind == 8) {
        release_some();
      } else {
        move_clock();
      }
      compare();
    }
  }

 private:
  // Not uniform to the last bit, but the same with every standard library.
  std::size_t below(std::size_t bound) { return draw_() % bound; }
  bool one_in(std::size_t count) { return below(count) == 0; }
  event_relay::instant now() { return on_.clock().now(); }

  event_relay::event_record some_record() {
    event_relay::event_record record = record_of(ids_[below(ids_.size())]);
    if (one_in(3)) {
      record.available_at = now() + milliseconds{below(20'000)};
    }
    return record;
  }

  void append_some() {
    std::vector<event_relay::event_record> records(below(4));
    std::vector<event_relay::append_status> expected;
    std::set<std::string> fresh;
    for (event_relay::event_record& each : records) {
      each = some_record();
      expected.push_back(!model_.has(each.id) && fresh.insert(each.id).second ? event_relay::append_status::appended
                                                                              : event_relay::append_status::duplicate);
    }
    on_.begin();
    CHECK(on_.append_all(records) == expected);
    if (one_in(4)) {
      on_.rollback();
      return;
    }
    on_.commit();
    for (const event_relay::event_record& each : records) {
      model_.insert(each, now());
    }
  }

  void exchange() {
    std::vector<settlement> settlements;
    std::vector<event_relay::settle_status> expected;
    for (std::size_t count = held_.empty() ? 0 : below(4); count > 0; --count) {
      settle_some(settlements, expected);
    }
    const event_relay::claim_request request{
        below(4), milliseconds{1 + below(20'000)},
        one_in(3) ? event_relay::claim_kind::orphan : event_relay::claim_kind::ordinary};
    const event_relay::exchange_result result = on_.store().exchange(settlements, request);
    REQUIRE(result.settled.size() == expected.size());
    for (std::size_t at = 0; at < expected.size(); ++at) {
      CHECK(result.settled[at].status == expected[at]);
    }
    if (request.limit == 0) {
      CHECK(result.claimed.empty());
      return;
    }
    model_.expire(now());
    check_claims(result.claimed, request);
    CHECK(result.orphans_waiting == !model_.orphans().empty());
    if (result.claimed.size() < request.limit) {
      CHECK((result.next_due == model_.next_due()));
    }
  }

  void settle_some(std::vector<settlement>& settlements, std::vector<event_relay::settle_status>& expected) {
    const event_relay::claimed_event claim = held_[below(held_.size())];
    const std::size_t kind = below(6);
    const auto failure = one_in(4) ? std::nullopt : std::optional{fmt::format("failure {}", ++texts_)};
    const std::string text = fmt::format("text {}", ++texts_);
    settlement made = bench::end(claim);
    made.has_history = true;
    write writes = write::none;
    if (kind == 0) {
      const event_relay::dead_letter_reason reasons[] = {event_relay::dead_letter_reason::max_attempts_exhausted,
                                                         event_relay::dead_letter_reason::rejected,
                                                         event_relay::dead_letter_reason::undecodable};
      made = bench::bury(claim, reasons[below(3)], failure);
    } else if (kind < 3) {
      made = bench::retry(claim, milliseconds{below(20'000)}, failure);
    } else if (kind == 3) {
      writes = write::leaves_text;
      made = bench::end_writing(claim, text);
    } else if (kind == 4) {
      writes = write::fails;
      made = bench::end_failing(claim);
    }
    if (made.status == event_relay::attempt_status::processed && one_in(2)) {
      made.follow_ups = {some_record(), some_record()};
    }
    expected.push_back(model_.settle(made, claim.record.id, writes, text, now()));
    settlements.push_back(std::move(made));
  }

  void check_claims(const std::vector<event_relay::claimed_event>& claims, const event_relay::claim_request& request) {
    if (request.kind == event_relay::claim_kind::ordinary) {
      CHECK(texts_of(claims) == model_.claimable(request.limit, now()));
    } else {
      const std::vector<std::string> orphans = model_.orphans();
      REQUIRE(claims.size() == std::min<std::size_t>(orphans.size(), 1));
      if (!claims.empty()) {
        CHECK(std::count(orphans.begin(), orphans.end(), text_of(claims.front())) == 1);
      }
    }
    std::uint64_t highest = highest_token_;
    for (const event_relay::claimed_event& each : claims) {
      CHECK(each.held.token > highest_token_);
      highest = std::max(highest, each.held.token);
      REQUIRE(model_.has(each.record.id));
      model_.claimed(each, now() + request.length);
      held_.push_back(each);
    }
    highest_token_ = highest;
  }

  std::vector<event_relay::claimed_event> some_held() {
    std::vector<event_relay::claimed_event> some;
    for (std::size_t count = held_.empty() ? 0 : below(4); count > 0; --count) {
      some.push_back(held_[below(held_.size())]);
    }
    return some;
  }

  void renew_some() {
    const auto claims = some_held();
    const milliseconds length{1 + below(20'000)};
    std::vector<bool> expected;
    for (const event_relay::claimed_event& each : claims) {
      expected.push_back(model_.renew(each, now() + length));
    }
    CHECK(on_.store().renew(leases_of(claims), length) == expected);
  }

  void release_some() {
    const auto claims = some_held();
    std::size_t expected = 0;
    for (const event_relay::claimed_event& each : claims) {
      expected += model_.release(each) ? 1 : 0;
    }
    CHECK(on_.store().release(leases_of(claims)) == expected);
  }

  void move_clock() {
    const milliseconds by{below(20'000)};
    on_.clock().advance(one_in(4) ? -by : by);
  }

  void compare() {
    for (const std::string& id : ids_) {
      INFO(id);
      CHECK(on_.seen(id) == model_.seen(id));
    }
    CHECK(on_.store().has_unfinished() == model_.has_unfinished());
    CHECK(on_.written() == model_.written());
  }

  std::mt19937 draw_;
  bench on_{failures_kept};
  model_type model_{failures_kept};
  std::vector<std::string> ids_{"a", "b", "c", "d", "e", "f", "g", "h"};
  std::vector<event_relay::claimed_event> held_;  // all claims there ever were
  std::uint64_t highest_token_ = 0;
  int texts_ = 0;
};

// ---- The suite ----

/// Makes test cases "<unit>: ..." of the suite's functions.
struct contract_registrar {
  std::string unit;
  void operator()(const char* situation_and_result, void (*test)()) const {
    REGISTER_TEST_CASE(test, fmt::format("{}: {}", unit, situation_and_result));
  }
};

template <store_fixture Fixture>
void register_append_contract(const contract_registrar& test) {
  using namespace event_relay;
  using namespace std::chrono_literals;
  using bench = store_bench<Fixture>;
  using answers = std::vector<append_status>;
  using claimed_ids = std::vector<std::string>;
  static constexpr auto appended = append_status::appended;
  static constexpr auto duplicate = append_status::duplicate;

  test("append, nothing to see before the host's commit", [] {
    bench on;
    on.begin();
    CHECK(on.append("a", "b") == answers{appended, appended});
    CHECK(on.seen("a") == "gone");
    CHECK_FALSE(on.store().has_unfinished());
    CHECK(on.claim().empty());
    on.commit();
    CHECK(on.seen("a") == "ready 0");
    CHECK(on.seen("b") == "ready 0");
    CHECK(on.claim().size() == 2);
  });

  test("append, every field kept and given to the worker", [] {
    bench on;
    event_record full = record_of("a");
    full.occurred_at = sample_instant - 25h;
    full.payload = R"({"text":"\"';--","more":"Grüße \u0000 ☃"})" + std::string(100'000, 'x');
    full.replayed = true;
    full.caused_by = "evt-0";
    full.trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    full.source = "booking-api";
    full.ordering_key = "Grüße '%\\ ☃";
    on.add(full, "b");
    for (const event_record& expected : {full, record_of("b")}) {
      const auto found = on.store().find(expected.id);
      REQUIRE(found.has_value());
      CHECK((found->record == expected));
      CHECK(found->token == 0);
      CHECK((found->available_at == sample_instant));
    }
    const auto claims = on.claim();
    REQUIRE(claims.size() == 2);
    CHECK((claims[0].record == full));
    CHECK((claims[1].record == record_of("b")));
  });

  test("append, rolled back with the host's transaction and as if it had never been", [] {
    bench on;
    on.begin();
    CHECK(on.append("a", "b") == answers{appended, appended});
    on.rollback();
    CHECK(on.seen("a") == "gone");
    CHECK(on.claim().empty());
    CHECK_FALSE(on.store().has_unfinished());
    CHECK(on.add("a") == answers{appended});
    CHECK(texts_of(on.claim()) == claimed_ids{"a #1"});
  });

  test("append, the same id again in a batch, in a transaction and later, a duplicate that changes nothing", [] {
    bench on;
    event_record other = record_of("a");
    other.payload = "another";
    on.begin();
    CHECK(on.append("a", "b", other) == answers{appended, appended, duplicate});
    CHECK(on.append(other, "c") == answers{duplicate, appended});
    on.commit();
    CHECK(on.add(other) == answers{duplicate});
    CHECK((on.store().find("a")->record == record_of("a")));
    CHECK(on.claim().size() == 3);
  });

  test("append, a duplicate as long as the event is kept, whatever its state", [] {
    bench on;
    on.add("a", "b");
    const auto claims = on.claim();
    const auto again = [&] { return on.add("a") == answers{duplicate}; };
    CHECK(again());
    CHECK(on.seen("a") == "leased 1 until 30000");
    on.settle(bench::retry(claims[0], 1h));
    CHECK(again());
    CHECK(on.seen("a") == "ready 1 due 3600000");
    on.clock().advance(1h);
    CHECK(on.claim().size() == 1);
    on.clock().advance(30s);
    const auto orphan = on.claim_orphan();
    CHECK(on.add("a", "b") == answers{duplicate, duplicate});
    on.settle(bench::bury(orphan));
    CHECK(again());
    CHECK(on.store().find(orphan.record.id)->state == event_state::dead_letter);
  });

  test("append, an id whose event is processed, a new event", [] {
    bench on;
    on.add("a");
    on.settle(bench::retry(on.claim_one(), 0ms, "busy"));
    on.settle(bench::end(on.claim_one()));
    CHECK(on.add("a") == answers{appended});
    CHECK(on.seen("a") == "ready 0");
  });

  test("append, nothing at all, no answers", [] {
    bench on;
    on.begin();
    CHECK(on.append_all({}).empty());
    on.commit();
    CHECK_FALSE(on.store().has_unfinished());
  });

  test("append, due later: claimed at its instant and not before", [] {
    bench on;
    on.add(due_at("a", sample_instant + 10s), due_at("b", sample_instant - 1h), due_at("c", max_instant));
    CHECK(on.seen("a") == "ready 0 due 10000");
    CHECK(texts_of(on.claim()) == claimed_ids{"b #1"});
    on.clock().advance(9'999ms);
    CHECK(on.claim().empty());
    on.clock().advance(1ms);
    CHECK(texts_of(on.claim()) == claimed_ids{"a #1"});
    CHECK(on.store().has_unfinished());
  });

  test("append, ready from the append on, not from the event's occurrence or the commit", [] {
    bench on;
    event_record old = record_of("a");
    old.occurred_at = sample_instant - 24h;
    on.clock().advance(5s);
    on.begin();
    on.append(old);
    on.clock().advance(2s);
    on.commit();
    CHECK(on.seen("a") == "ready 0 due 5000");
  });

  test("signal, woken by the host's commit, and neither before it nor by a rollback", [] {
    bench on;
    for (int round = 0; round < 2; ++round) {
      const std::uint64_t before = on.hints();
      on.begin();
      on.append(fmt::format("rolled back {}", round));
      on.rollback();
      CHECK(on.hints() == before);
      on.begin();
      on.append(fmt::format("a{}", round));
      on.append(fmt::format("b{}", round));
      CHECK(on.hints() == before);
      on.commit();
      CHECK(on.hints() > before);
    }
  });
}

template <store_fixture Fixture>
void register_claim_contract(const contract_registrar& test) {
  using namespace event_relay;
  using namespace std::chrono_literals;
  using bench = store_bench<Fixture>;
  using claimed_ids = std::vector<std::string>;

  test("claim, an empty outbox, nothing and nothing to wait for", [] {
    bench on;
    for (const claim_kind kind : {claim_kind::ordinary, claim_kind::orphan}) {
      const exchange_result result = on.store().exchange({}, {100, 30s, kind});
      CHECK(result.claimed.empty());
      CHECK(result.settled.empty());
      CHECK_FALSE(result.next_due.has_value());
      CHECK_FALSE(result.orphans_waiting);
    }
  });

  test("claim, as many as asked for, and those that were ready first", [] {
    bench on;
    on.clock().advance(1min);
    const auto ready_at = [](const char* id, std::chrono::seconds after) { return due_at(id, sample_instant + after); };
    on.add(ready_at("c", 30s), ready_at("e", 50s), ready_at("a", 10s));
    on.add(ready_at("d", 40s), ready_at("b", 20s));
    CHECK(on.claim(0).empty());
    CHECK(texts_of(on.claim(1)) == claimed_ids{"a #1"});
    CHECK(texts_of(on.claim(1)) == claimed_ids{"b #1"});
    CHECK(texts_of(on.claim(1)) == claimed_ids{"c #1"});
    CHECK(on.claim(5).size() == 2);
    CHECK(on.claim(5).empty());
  });

  test("claim, a batch in the order in which its events became ready", [] {
    bench on;
    on.clock().advance(1min);
    on.add(due_at("c", sample_instant + 3s), due_at("a", sample_instant + 1s), due_at("b", sample_instant + 2s));
    CHECK(texts_of(on.claim()) == claimed_ids{"a #1", "b #1", "c #1"});
  });

  test("claim, events that were ready at the same instant, in the order of their append", [] {
    bench on;
    on.add("c", "a");
    on.add("b");
    CHECK(texts_of(on.claim(2)) == claimed_ids{"c #1", "a #1"});
    CHECK(texts_of(on.claim(2)) == claimed_ids{"b #1"});
  });

  test("claim, a limit beyond all counting, everything", [] {
    bench on;
    on.add("a", "b");
    CHECK(on.claim(std::numeric_limits<std::size_t>::max()).size() == 2);
  });

  test("claim, the attempt's number, the token and the lease stored when it returns", [] {
    bench on;
    on.add("a", "b");
    on.clock().advance(5s);
    const auto claims = on.store().exchange({}, {1, 45s}).claimed;
    REQUIRE(claims.size() == 1);
    CHECK(text_of(claims[0]) == "a #1");
    CHECK(claims[0].failures == 0);
    CHECK(on.seen("a") == "leased 1 until 50000");
    CHECK(on.store().find("a")->token == claims[0].held.token);
    CHECK(on.seen("b") == "ready 0");
    CHECK(on.store().find("b")->token == 0);
  });

  test("claim, each event once", [] {
    bench on;
    on.add("a", "b");
    CHECK(on.claim().size() == 2);
    CHECK(on.claim().empty());
    CHECK(on.claim_orphans().empty());
  });

  test("claim, a token above all earlier ones, whatever became of those", [] {
    bench on;
    on.add("a", "b", "c");
    std::uint64_t highest = 0;
    std::vector<lease> leases;
    const auto check = [&](const std::vector<claimed_event>& claims) {
      REQUIRE_FALSE(claims.empty());
      const std::uint64_t before = highest;
      for (const claimed_event& each : claims) {
        CHECK(each.held.token > before);
        highest = std::max(highest, each.held.token);
        CHECK(std::count(leases.begin(), leases.end(), each.held) == 0);
        leases.push_back(each.held);
      }
      return claims.front();
    };
    on.settle(bench::end(check(on.claim(1))));
    on.settle(bench::retry(check(on.claim(1))));
    on.release(check(on.claim(1)).held);
    check(on.claim(2));
    on.clock().advance(30s);
    check(on.claim_orphans());
    on.clock().advance(30s);
    check(on.claim_orphans());
  });

  test("claim, nothing to claim: when the next event is due or the next lease ends", [] {
    bench on;
    const auto next_due = [&] { return since_start(on.look().next_due.value_or(min_instant)); };
    on.add(due_at("a", sample_instant + 40s));
    CHECK(next_due() == 40'000);
    on.add("b");
    CHECK(next_due() == 30'000);
    on.clock().advance(30s);
    CHECK(next_due() == 40'000);  // an orphan waits for nothing
    const auto orphan = on.claim_orphan();
    on.clock().advance(-30s);
    CHECK(next_due() == 40'000);
    on.settle(bench::bury(orphan));
    CHECK(next_due() == 40'000);
    on.add(due_at("c", sample_instant + 7s));
    CHECK(next_due() == 7'000);
  });

  test("claim, fewer events than asked for: the next due after these", [] {
    bench on;
    on.add("a", due_at("b", sample_instant + 10s));
    CHECK((on.look(2).next_due == sample_instant + 10s));
  });

  test("claim, as many events as asked for: when the next is due is not known", [] {
    bench on;
    on.add("a", due_at("b", sample_instant + 10s));
    CHECK_FALSE(on.look(1).next_due.has_value());
  });

  test("claim, a lease beyond the end of time, held until then", [] {
    bench on;
    on.add("a");
    const auto claims = on.store().exchange({}, {1, std::chrono::milliseconds::max()}).claimed;
    CHECK((on.store().find("a")->leased_until == max_instant));
    on.clock().advance(24h * 365);
    CHECK(on.claim_orphans().empty());
    CHECK(on.settle(bench::end(claims.at(0))) == settle_status::applied);
  });
}

template <store_fixture Fixture>
void register_settle_contract(const contract_registrar& test) {
  using namespace event_relay;
  using namespace std::chrono_literals;
  using bench = store_bench<Fixture>;
  using claimed_ids = std::vector<std::string>;
  using texts = std::vector<std::string>;
  using settlement_type = typename bench::settlement;

  test("settle, processed: gone", [] {
    bench on;
    on.add("a", "b");
    const auto claims = on.claim();
    CHECK(on.settle(bench::end(claims[0])) == settle_status::applied);
    CHECK(on.seen("a") == "gone");
    CHECK(on.seen("b") == "leased 1 until 30000");
    CHECK(on.settle(bench::end(claims[1])) == settle_status::applied);
    CHECK_FALSE(on.store().has_unfinished());
  });

  test("settle, retry: due the delay after the settle, and claimed for the next attempt", [] {
    bench on;
    on.add("a");
    const auto first = on.claim_one();
    on.clock().advance(7s);
    CHECK(on.settle(bench::retry(first, 3s, "busy")) == settle_status::applied);
    CHECK(on.seen("a") == "ready 1 due 10000, 1@7000 busy");
    CHECK((on.look().next_due == sample_instant + 10s));
    on.clock().advance(3s);
    const auto second = on.claim_one();
    CHECK(text_of(second) == "a #2");
    CHECK(second.failures == 1);
    CHECK(on.seen("a") == "leased 2 due 10000 until 40000, 1@7000 busy");
  });

  test("settle, retry without a delay or with one beyond the end of time", [] {
    bench on;
    on.add("a");
    on.settle(bench::retry(on.claim_one()));
    on.settle(bench::retry(on.claim_one(), std::chrono::milliseconds::max()));
    CHECK((on.store().find("a")->available_at == max_instant));
    CHECK((on.look().next_due == max_instant));
  });

  test("settle, retried events behind those that were ready before them", [] {
    bench on;
    on.add("a", "b");
    const auto claimed = on.claim(1);
    on.clock().advance(1s);
    on.settle(bench::retry(claimed.at(0)));
    CHECK(texts_of(on.claim(1)) == claimed_ids{"b #1"});
    CHECK(texts_of(on.claim(1)) == claimed_ids{"a #2"});
  });

  test("settle, dead letter: kept with its reason and instant, and never claimed", [] {
    for (const auto reason :
         {dead_letter_reason::max_attempts_exhausted, dead_letter_reason::rejected, dead_letter_reason::undecodable}) {
      bench on;
      on.add("a");
      const auto claimed = on.claim_one();
      on.clock().advance(4s);
      CHECK(on.settle(bench::bury(claimed, reason, "never")) == settle_status::applied);
      CHECK(on.seen("a") == fmt::format("dead-letter 1 {} at 4000, 1@4000 never", wire_name(reason)));
      CHECK_FALSE(on.store().has_unfinished());
      on.clock().advance(24h);
      const exchange_result later = on.look();
      CHECK(later.claimed.empty());
      CHECK_FALSE(later.next_due.has_value());
      CHECK_FALSE(later.orphans_waiting);
      CHECK(on.claim_orphans().empty());
    }
  });

  test("settle, the attempts that count are those that the settlement says", [] {
    bench on;
    on.add("a", "b");
    const auto claims = on.claim();
    settlement_type retried = bench::retry(claims[0], 0ms, "five");
    retried.attempt = 5;
    settlement_type buried = bench::bury(claims[1]);
    buried.attempt = 0;
    on.settle_all(retried, buried);
    CHECK(on.seen("a") == "ready 5, 5@0 five");
    CHECK(on.seen("b") == "dead-letter 0 max-attempts-exhausted at 0");
    CHECK(text_of(on.claim_one()) == "a #6");
  });

  test("settle, a failure's text kept even if it is empty, and none where there is none", [] {
    bench on;
    on.add("a");
    on.settle(bench::retry(on.claim_one()));
    CHECK(on.seen("a") == "ready 1");
    CHECK(on.claim(1).at(0).failures == 0);
    on.clock().advance(30s);
    on.settle(bench::retry(on.claim_orphan(), 0ms, ""));
    CHECK(on.seen("a") == "ready 2 due 30000, 2@30000 ");
  });

  test("settle, the last failures kept, with attempt and instant, and other events' as they were", [] {
    bench on{3U};
    on.add("a", "b", "c");
    const auto others = on.claim();
    on.settle_all(bench::retry(others[0], 1h, "a's own"), bench::retry(others[1]),
                  bench::retry(others[2], 1h, "c's own"));
    for (int attempt = 2; attempt <= 6; ++attempt) {
      const auto claimed = on.claim_one();
      on.clock().advance(1s);
      const auto text = fmt::format("failure {}", attempt);
      on.settle(attempt < 6 ? bench::retry(claimed, 0ms, text)
                            : bench::bury(claimed, dead_letter_reason::rejected, text));
    }
    CHECK(on.seen("b") ==
          "dead-letter 6 due 4000 rejected at 5000, 4@3000 failure 4, 5@4000 failure 5, 6@5000 failure 6");
    CHECK(on.seen("a") == "ready 1 due 3600000, 1@0 a's own");
    CHECK(on.seen("c") == "ready 1 due 3600000, 1@0 c's own");
  });

  test("settle, a store that keeps no failures", [] {
    bench on{0U};
    on.add("a");
    on.settle(bench::retry(on.claim_one(), 0ms, "busy"));
    CHECK(on.seen("a") == "ready 1");
    on.settle(bench::end(on.claim_one()));
    CHECK(on.seen("a") == "gone");
  });

  test("claim, says how many failures are kept", [] {
    bench on{2U};
    on.add("a");
    for (int attempt = 1; attempt <= 4; ++attempt) {
      const auto claimed = on.claim_one();
      CHECK(claimed.failures == on.store().find("a")->failures.size());
      on.settle(bench::retry(claimed, 0ms, "busy"));
    }
  });

  test("settle, follow-ups appended with it, as events of their own", [] {
    bench on;
    on.add("a");
    event_record follow_up = record_of("a-mail");
    follow_up.name = "notification.email";
    follow_up.caused_by = "a";
    follow_up.trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    follow_up.source = "booking-api";
    follow_up.replayed = true;
    const auto claimed = on.claim_one();
    on.clock().advance(2s);
    const std::uint64_t before = on.hints();
    CHECK(on.settle(bench::end_with(claimed, {follow_up, due_at("later", sample_instant + 10s)})) ==
          settle_status::applied);
    CHECK(on.hints() > before);
    CHECK(on.seen("a") == "gone");
    CHECK(on.seen("a-mail") == "ready 0 due 2000");
    CHECK(on.seen("later") == "ready 0 due 10000");
    CHECK((on.claim_one().record == follow_up));
  });

  test("settle, a follow-up that is there already stays as it is, dead letters too", [] {
    bench on;
    on.add("a", "dead");
    on.settle(bench::bury(on.claim(2).at(1)));
    on.clock().advance(30s);
    event_record other = record_of("dead");
    other.payload = "another";
    event_record twice = record_of("b");
    twice.payload = "another";
    CHECK(on.settle(bench::end_with(on.claim_orphan(), {other, record_of("b"), twice})) == settle_status::applied);
    CHECK(on.seen("a") == "gone");
    CHECK(on.seen("dead") == "dead-letter 1 max-attempts-exhausted at 0");
    CHECK((on.store().find("dead")->record == record_of("dead")));
    CHECK((on.store().find("b")->record == record_of("b")));
    CHECK(on.claim().size() == 1);
  });

  test("settle, a follow-up with the id of its own event, which is processed: a new event", [] {
    bench on;
    on.add("a");
    on.settle(bench::end_with(on.claim_one(), {record_of("a")}));
    CHECK(on.seen("a") == "ready 0");
  });

  test("settle, a handler's writes committed with it, called once and in order", [] {
    bench on;
    on.add("a", "b", "c");
    const auto claims = on.claim();
    int calls = 0;
    settlement_type counted = bench::end(claims[1]);
    counted.write = [&](auto& writes) {
      ++calls;
      Fixture::leave(writes, "counted 1");
      Fixture::leave(writes, "counted 2");
    };
    on.settle_all(bench::end_writing(claims[0], "first"), counted, bench::end_writing(claims[2], "last"));
    CHECK(calls == 1);
    CHECK(on.written() == texts{"first", "counted 1", "counted 2", "last"});
    CHECK_FALSE(on.store().has_unfinished());
  });

  test("settle, a write that throws: its settlement undone, the others of the batch stored", [] {
    bench on;
    on.add("a", "b", "c", "d");
    const auto claims = on.claim();
    settlement_type failing = bench::end_failing(claims[1]);
    failing.follow_ups = {record_of("never")};
    const auto results = on.settle_all(bench::end_writing(claims[0], "kept"), failing,
                                       bench::retry(claims[2], 5s, "busy"), bench::end_failing(claims[3], 42));
    REQUIRE(results.size() == 4);
    CHECK(results[0].status == settle_status::applied);
    CHECK(results[0].error.empty());
    CHECK(results[1].status == settle_status::write_failed);
    CHECK(results[1].error == bench::write_error);
    CHECK(results[2].status == settle_status::applied);
    CHECK(results[3].status == settle_status::write_failed);
    CHECK(results[3].error == "the write threw something that is not a std::exception");
    CHECK(on.written() == texts{"kept"});
    CHECK(on.seen("a") == "gone");
    CHECK(on.seen("b") == "leased 1 until 30000");
    CHECK(on.seen("c") == "ready 1 due 5000, 1@0 busy");
    CHECK(on.seen("d") == "leased 1 until 30000");
    CHECK(on.seen("never") == "gone");
    CHECK(on.settle(bench::retry(claims[1], 0ms, results[1].error)) == settle_status::applied);
    CHECK(on.seen("b") == "ready 1, 1@0 the write failed");
  });

  test("settle, a write that throws leaves the history and the crash as they were", [] {
    bench on;
    on.orphan("a");
    on.clock().advance(30s);
    const auto crashed = on.claim_orphan();
    CHECK(text_of(crashed) == "a #2 isolated crashed");
    CHECK(on.settle(bench::end_failing(crashed)) == settle_status::write_failed);
    CHECK(on.seen("a") == "leased 2 until 90000, 1@60000 lease expired");
    on.release(crashed.held);
    CHECK(text_of(on.claim_orphan()) == "a #2 isolated crashed");
  });

  test("settle, first, then expiry, then the claim, all in one exchange", [] {
    bench on;
    on.add("a", "b", "c");
    const auto claims = on.claim(2);
    on.clock().advance(30s);
    const std::vector<settlement_type> settlements{bench::end_with(claims[0], {record_of("d")})};
    const exchange_result result = on.store().exchange(settlements, {10, 30s});
    CHECK(result.settled.at(0).status == settle_status::applied);
    CHECK(texts_of(result.claimed) == claimed_ids{"c #1", "d #1"});
    CHECK(result.orphans_waiting);
    CHECK(on.seen("a") == "gone");
    CHECK(on.seen("b") == "orphan 0");
    const std::vector<settlement_type> retried{bench::retry(result.claimed.at(0))};
    CHECK(texts_of(on.store().exchange(retried, {10, 30s}).claimed) == claimed_ids{"c #2"});
  });

  test("settle, under no lease that is the event's current one: stale, and nothing changed", [] {
    using setting = std::function<void(bench&, const claimed_event&)>;
    const std::vector<std::pair<std::string, setting>> settings{
        {"settled as processed", [](bench& on, const claimed_event& old) { on.settle(bench::end(old)); }},
        {"settled for a retry", [](bench& on, const claimed_event& old) { on.settle(bench::retry(old)); }},
        {"claimed again after a retry",
         [](bench& on, const claimed_event& old) {
           on.settle(bench::retry(old));
           on.claim_one();
         }},
        {"a dead letter", [](bench& on, const claimed_event& old) { on.settle(bench::bury(old)); }},
        {"expired",
         [](bench& on, const claimed_event&) {
           on.clock().advance(30s);
           on.look();
         }},
        {"expired and claimed again",
         [](bench& on, const claimed_event&) {
           on.clock().advance(30s);
           on.claim_orphan();
         }},
        {"expired twice",
         [](bench& on, const claimed_event&) {
           on.clock().advance(30s);
           on.claim_orphan();
           on.clock().advance(30s);
           on.look();
         }},
        {"released", [](bench& on, const claimed_event& old) { on.release(old.held); }},
        {"released and claimed again",
         [](bench& on, const claimed_event& old) {
           on.release(old.held);
           on.claim_one();
         }},
        {"gone, and another event in its place",
         [](bench& on, const claimed_event& old) {
           on.settle(bench::end(old));
           on.add("b");
           on.claim_one();
         }},
        {"gone, and appended anew",
         [](bench& on, const claimed_event& old) {
           on.settle(bench::end(old));
           on.add("a");
           on.claim_one();
         }},
    };
    for (const auto& [name, happens] : settings) {
      INFO(name);
      bench on;
      on.add("a");
      const auto old = on.claim_one();
      happens(on, old);
      const std::string seen_before = on.seen("a") + on.seen("b");
      int calls = 0;
      settlement_type processed = bench::end_with(old, {record_of("never")});
      processed.write = [&calls](auto&) { ++calls; };
      for (const settlement_type& each :
           {processed, bench::retry(old, 1s, "late"), bench::bury(old, dead_letter_reason::rejected, "late")}) {
        CHECK(on.settle(each) == settle_status::stale);
      }
      CHECK_FALSE(on.renew(old.held));
      CHECK(on.release(old.held) == 0);
      CHECK(calls == 0);
      CHECK(on.seen("never") == "gone");
      CHECK(on.seen("a") + on.seen("b") == seen_before);
    }
  });

  test("settle, leases of tokens and rows that never were: stale", [] {
    bench on;
    on.add("a");
    const auto claimed = on.claim_one();
    for (const lease wrong : {lease{claimed.held.row, claimed.held.token + 1}, lease{claimed.held.row, 0},
                              lease{claimed.held.row + 1, claimed.held.token}, lease{}}) {
      settlement_type each = bench::end(claimed);
      each.held = wrong;
      CHECK(on.settle(each) == settle_status::stale);
      CHECK_FALSE(on.renew(wrong));
      CHECK(on.release(wrong) == 0);
    }
    CHECK(on.seen("a") == "leased 1 until 30000");
  });

  test("settle, one event twice in a batch: the first counts", [] {
    bench on;
    on.add("a");
    const auto claimed = on.claim_one();
    const auto results = on.settle_all(bench::retry(claimed, 1s, "busy"), bench::end_writing(claimed, "late"));
    CHECK(results.at(0).status == settle_status::applied);
    CHECK(results.at(1).status == settle_status::stale);
    CHECK(on.seen("a") == "ready 1 due 1000, 1@0 busy");
    CHECK(on.written().empty());
  });

  test("settle, late but before anybody has noticed: applied", [] {
    bench on;
    on.add("a", "b", "c");
    const auto claims = on.claim();
    on.clock().advance(24h);
    const auto results = on.settle_all(bench::end_writing(claims[0], "late"), bench::retry(claims[1], 1s, "late"),
                                       bench::bury(claims[2]));
    for (const settle_result& each : results) {
      CHECK(each.status == settle_status::applied);
    }
    CHECK(on.written() == texts{"late"});
    CHECK(on.seen("b") == "ready 1 due 86401000, 1@86400000 late");
    CHECK_FALSE(on.look().orphans_waiting);
  });
}

template <store_fixture Fixture>
void register_lease_contract(const contract_registrar& test) {
  using namespace event_relay;
  using namespace std::chrono_literals;
  using bench = store_bench<Fixture>;
  using claimed_ids = std::vector<std::string>;

  test("expiry, at the lease's end and not before", [] {
    bench on;
    on.add("a");
    on.claim_one();
    on.clock().advance(29'999ms);
    CHECK_FALSE(on.look().orphans_waiting);
    CHECK(on.seen("a") == "leased 1 until 30000");
    on.clock().advance(1ms);
    CHECK(on.look().orphans_waiting);
    CHECK(on.seen("a") == "orphan 0");
  });

  test("expiry, an ordinary attempt: its number released, and an orphan for isolated claims alone", [] {
    bench on;
    on.add("a");
    on.settle(bench::retry(on.claim_one(), 0ms, "busy"));
    CHECK(text_of(on.claim_one()) == "a #2");
    on.clock().advance(30s);
    CHECK(on.claim().empty());
    CHECK(on.seen("a") == "orphan 1, 1@0 busy");
    CHECK(on.store().has_unfinished());
    CHECK(text_of(on.claim_orphan()) == "a #2 isolated");
    CHECK(on.seen("a") == "leased 2 until 60000, 1@0 busy");
  });

  test("expiry, of a whole batch: one orphan at a time, beside the ordinary events", [] {
    bench on;
    on.add("a", "b", "c", "d");
    const auto survivor = on.claim(3).at(1);
    on.clock().advance(29s);
    CHECK(on.renew(survivor.held));
    on.clock().advance(1s);
    const exchange_result ordinary = on.look();
    CHECK(texts_of(ordinary.claimed) == claimed_ids{"d #1"});
    CHECK(ordinary.orphans_waiting);
    CHECK(on.seen("b") == "leased 1 until 59000");
    CHECK(text_of(on.claim_orphans(10).at(0)) == "a #1 isolated");
    CHECK(on.look().orphans_waiting);
    CHECK(text_of(on.claim_orphans(10).at(0)) == "c #1 isolated");
    CHECK_FALSE(on.look().orphans_waiting);
    CHECK(on.claim_orphans().empty());
  });

  test("expiry, an orphan's claim recovers leases and leaves ordinary events alone", [] {
    bench on;
    on.add("a");
    on.claim_one();
    on.clock().advance(30s);
    on.add("b");
    const exchange_result result = on.store().exchange({}, {10, 30s, claim_kind::orphan});
    CHECK(texts_of(result.claimed) == claimed_ids{"a #1 isolated"});
    CHECK_FALSE(result.orphans_waiting);
    CHECK(on.seen("b") == "ready 0 due 30000");
    CHECK(on.store().exchange({}, {0, 30s, claim_kind::orphan}).claimed.empty());
  });

  test("expiry, an isolated attempt: it keeps its number, is noted as a failure and has crashed", [] {
    bench on;
    const auto isolated = on.orphan("a");
    CHECK(isolated.isolated);
    CHECK_FALSE(isolated.crashed);
    on.clock().advance(30s);
    CHECK(on.claim().empty());
    CHECK(on.seen("a") == "orphan 1, 1@60000 lease expired");
    const auto second = on.claim_orphan();
    CHECK(text_of(second) == "a #2 isolated crashed");
    CHECK(second.failures == 1);
    on.clock().advance(30s);
    CHECK(text_of(on.claim_orphan()) == "a #3 isolated crashed");
    CHECK(on.seen("a") == "leased 3 until 120000, 1@60000 lease expired, 2@90000 lease expired");
  });

  test("expiry, isolated attempts again and again: the last failures kept", [] {
    bench on{2U};
    on.orphan("a");
    for (int crash = 1; crash <= 3; ++crash) {
      on.clock().advance(30s);
      on.claim_orphan();
    }
    CHECK(on.seen("a") == "leased 4 until 150000, 2@90000 lease expired, 3@120000 lease expired");
  });

  test("expiry, an orphan that is settled has not crashed any more and is an ordinary event", [] {
    bench on;
    on.orphan("a");
    on.clock().advance(30s);
    on.settle(bench::retry(on.claim_orphan(), 0ms, "busy"));
    CHECK(on.seen("a") == "ready 2 due 60000, 1@60000 lease expired, 2@60000 busy");
    const auto next = on.claim_one();
    CHECK(text_of(next) == "a #3");
    CHECK(next.failures == 2);
    on.clock().advance(30s);
    CHECK(text_of(on.claim_orphan()) == "a #3 isolated");
  });

  test("expiry, a crashed orphan as a dead letter with the attempts and the history that it had", [] {
    bench on;
    on.orphan("a");
    on.clock().advance(30s);
    const auto crashed = on.claim_orphan();
    auto buried = bench::bury(crashed);
    buried.attempt = crashed.attempt - 1;
    CHECK(on.settle(buried) == settle_status::applied);
    CHECK(on.seen("a") == "dead-letter 1 max-attempts-exhausted at 60000, 1@60000 lease expired");
  });

  test("expiry, an isolated attempt that is settled late, before anybody has noticed: applied", [] {
    bench on;
    const auto isolated = on.orphan("a");
    on.clock().advance(1h);
    CHECK(on.settle(bench::end(isolated)) == settle_status::applied);
    CHECK(on.seen("a") == "gone");
  });

  test("renew, the lease holds for so long from now, also a shorter time", [] {
    bench on;
    on.add("a");
    const auto claimed = on.claim_one();
    on.clock().advance(20s);
    CHECK(on.renew(claimed.held));
    CHECK(on.seen("a") == "leased 1 until 50000");
    CHECK((on.look().next_due == sample_instant + 50s));
    CHECK(on.renew(claimed.held, 5s));
    CHECK(on.seen("a") == "leased 1 until 25000");
    on.clock().advance(4'999ms);
    CHECK_FALSE(on.look().orphans_waiting);
    on.clock().advance(1ms);
    CHECK(on.look().orphans_waiting);
  });

  test("renew, one answer for each lease, in their order", [] {
    bench on;
    on.add("a", "b", "c");
    const auto claims = on.claim();
    on.settle(bench::end(claims[1]));
    CHECK(on.store().renew(leases_of(claims), 30s) == std::vector<bool>{true, false, true});
    CHECK(on.store().renew({}, 30s).empty());
  });

  test("renew, a lease that is over but that nobody has taken, held again", [] {
    bench on;
    on.add("a");
    const auto claimed = on.claim_one();
    on.clock().advance(1h);
    CHECK(on.renew(claimed.held));
    CHECK_FALSE(on.look().orphans_waiting);
    CHECK(on.settle(bench::end(claimed)) == settle_status::applied);
  });

  test("release, an ordinary attempt: ready where it was, without a trace of the attempt", [] {
    bench on;
    on.add("a", "b");
    on.settle(bench::retry(on.claim(1).at(0), 0ms, "busy"));
    on.clock().advance(1s);
    const auto claims = on.claim();
    CHECK(texts_of(claims) == claimed_ids{"a #2", "b #1"});
    const std::uint64_t before = on.hints();
    CHECK(on.store().release(leases_of(claims)) == 2);
    CHECK(on.hints() > before);
    CHECK(on.seen("a") == "ready 1, 1@0 busy");
    CHECK(on.seen("b") == "ready 0");
    CHECK(texts_of(on.claim()) == claimed_ids{"a #2", "b #1"});
  });

  test("release, an isolated attempt: an orphan as before", [] {
    bench on;
    const auto isolated = on.orphan("a");
    CHECK(on.release(isolated.held) == 1);
    CHECK(on.seen("a") == "orphan 0");
    CHECK(on.claim().empty());
    CHECK(text_of(on.claim_orphan()) == "a #1 isolated");
    on.clock().advance(30s);
    const auto crashed = on.claim_orphan();
    CHECK(on.release(crashed.held) == 1);
    CHECK(on.seen("a") == "orphan 1, 1@60000 lease expired");
    CHECK(text_of(on.claim_orphan()) == "a #2 isolated crashed");
  });

  test("release, says how many it gave back", [] {
    bench on;
    on.add("a", "b", "c");
    auto leases = leases_of(on.claim());
    CHECK(on.store().release({}) == 0);
    CHECK(on.release(leases[1]) == 1);
    leases.push_back(leases[0]);
    CHECK(on.store().release(leases) == 2);
    CHECK(on.store().release(leases) == 0);
  });

  test("release, a lease that is over but that nobody has taken, released all the same", [] {
    bench on;
    on.add("a");
    const auto claimed = on.claim_one();
    on.clock().advance(1h);
    CHECK(on.release(claimed.held) == 1);
    CHECK(on.seen("a") == "ready 0");
  });
}

template <store_fixture Fixture>
void register_other_contract(const contract_registrar& test) {
  using namespace event_relay;
  using namespace std::chrono_literals;
  using bench = store_bench<Fixture>;

  test("find, nothing under an id that is not there", [] {
    bench on;
    on.add("a");
    CHECK_FALSE(on.store().find("b").has_value());
    CHECK_FALSE(on.store().find("").has_value());
    CHECK_FALSE(on.store().find("A").has_value());
  });

  test("has_unfinished, ready, scheduled, leased and orphan; not dead letters", [] {
    bench on;
    CHECK_FALSE(on.store().has_unfinished());
    on.add(due_at("a", sample_instant + 1h));
    CHECK(on.store().has_unfinished());
    on.clock().advance(1h);
    CHECK(on.store().has_unfinished());
    on.claim_one();
    CHECK(on.store().has_unfinished());
    on.clock().advance(1h);
    on.look();
    CHECK(on.seen("a") == "orphan 0 due 3600000");
    CHECK(on.store().has_unfinished());
    on.settle(bench::bury(on.claim_orphan()));
    CHECK_FALSE(on.store().has_unfinished());
  });

  test("now, the one time of the store", [] {
    bench on;
    CHECK((on.store().now() == sample_instant));
    on.clock().advance(1'234ms);
    CHECK((on.store().now() == sample_instant + 1'234ms));
  });

  test("clock, set back: leases hold until it has caught up, and nothing is claimed twice or lost", [] {
    bench on;
    on.add("a", "b", "c");
    const auto claims = on.claim(2);
    on.clock().advance(-1h);
    const exchange_result result = on.look();
    CHECK(result.claimed.empty());
    CHECK((result.next_due == sample_instant));
    CHECK(on.settle(bench::retry(claims[0], 5s, "busy")) == settle_status::applied);
    CHECK(on.seen("a") == "ready 1 due -3595000, 1@-3600000 busy");
    CHECK(on.renew(claims[1].held));
    CHECK(on.seen("b") == "leased 1 until -3570000");
    on.clock().advance(30s);
    CHECK(text_of(on.claim_orphan()) == "b #1 isolated");
    CHECK(text_of(on.claim_one()) == "a #2");
    on.clock().advance(1h - 30s);
    CHECK(text_of(on.claim_one()) == "c #1");
  });

  test("clock, leaps ahead: leases are over and scheduled events due, and the old workers' ends stale", [] {
    bench on;
    on.add("a", due_at("b", sample_instant + 24h));
    const auto old = on.claim_one();
    on.clock().advance(24h * 365);
    CHECK(text_of(on.claim_one()) == "b #1");
    CHECK(text_of(on.claim_orphan()) == "a #1 isolated");
    on.clock().set(sample_instant);
    CHECK(on.settle(bench::end(old)) == settle_status::stale);
    CHECK_FALSE(on.renew(old.held));
  });

  test("threads, every claim held by one at a time and every event ended once", [] {
    constexpr std::size_t events = 40;
    constexpr int threads = 4;
    bench on;
    for (std::size_t each = 0; each < events; ++each) {
      on.add(fmt::format("evt-{}", each));
    }
    std::mutex mutex;
    std::set<std::string> held;
    std::set<std::string> ended;
    std::set<std::string> faults;
    const auto expect = [&](bool is_so, const char* otherwise) {
      if (!is_so) {
        faults.insert(otherwise);
      }
    };
    std::latch start{threads};
    // The next claims of a thread; what it held before is settled and free for the others from then on.
    const auto turn = [&](std::vector<claimed_event>& mine) {
      std::vector<typename bench::settlement> settlements;
      {
        const std::lock_guard lock{mutex};
        for (const claimed_event& each : mine) {
          held.erase(each.record.id);
          settlements.push_back(each.attempt == 1 ? bench::retry(each, 0ms, "first")
                                                  : bench::end_writing(each, each.record.id));
        }
      }
      exchange_result result = on.store().exchange(settlements, {3, 30s});
      const std::lock_guard lock{mutex};
      for (const settle_result& each : result.settled) {
        expect(each.status == settle_status::applied, "not applied");
      }
      for (const claimed_event& each : mine) {
        expect(each.attempt == 1 || ended.insert(each.record.id).second, "ended twice");
      }
      mine = std::move(result.claimed);
      for (const claimed_event& each : mine) {
        expect(held.insert(each.record.id).second, "held twice");
        expect(each.attempt == 1 || each.attempt == 2, "attempted too often or too seldom");
      }
      expect(!result.orphans_waiting, "expired");
      return !faults.empty() || (mine.empty() && ended.size() == events);
    };
    const auto work = [&] {
      start.arrive_and_wait();
      try {
        std::vector<claimed_event> mine;
        while (!turn(mine)) {
        }
      } catch (const std::exception& error) {
        const std::lock_guard lock{mutex};
        faults.insert(error.what());
      }
    };
    {
      std::vector<std::jthread> all;
      for (int each = 0; each < threads; ++each) {
        all.emplace_back(work);
      }
    }
    CHECK(faults == std::set<std::string>{});
    CHECK(on.written().size() == events);
    CHECK_FALSE(on.store().has_unfinished());
  });

  test("histories, twenty of them by chance, as the model says", [] {
    for (std::uint32_t seed = 1; seed <= 20; ++seed) {
      INFO("seed " << seed);
      random_history<Fixture>{seed}.run(100);
    }
  });
}

/// Registers the whole suite; returns true, for a static's sake.
template <store_fixture Fixture>
bool register_store_contract(std::string unit) {
  const contract_registrar test{std::move(unit)};
  register_append_contract<Fixture>(test);
  register_claim_contract<Fixture>(test);
  register_settle_contract<Fixture>(test);
  register_lease_contract<Fixture>(test);
  register_other_contract<Fixture>(test);
  return true;
}

}  // namespace event_relay_test
