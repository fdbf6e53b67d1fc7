// SPDX-License-Identifier: MIT
#include "event_relay/core/relay.hpp"

#include <algorithm>
#include <chrono>
#include <functional>
#include <limits>
#include <map>
#include <mutex>
#include <set>
#include <sstream>
#include <stdexcept>
#include <stop_token>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include <nlohmann/json.hpp>

#include "event_relay/core/jitter.hpp"
#include "event_relay/core/json_lines_sink.hpp"
#include "event_relay/testing/testing.hpp"
#include "support/catch.hpp"
#include "support/sample_events.hpp"

namespace {

using namespace event_relay;
using namespace event_relay_test;
using namespace std::chrono_literals;
using event_relay::testing::collected_breadcrumb;

// The breadcrumbs of a booking.created in short: "emit, try 1, retrying 1: busy, relayed started 1, ..."
std::string story_of(const std::vector<collected_breadcrumb>& breadcrumbs) {
  const std::map<std::string, std::string> short_names{
      {"relay booking.created.domain-event.emit succeeded", "emit"},
      {"worker booking.created.worker-consume started", "try"},
      {"worker booking.created.worker-consume succeeded", "done"},
      {"worker booking.created.worker-consume retrying", "retrying"},
      {"worker booking.created.worker-consume failed", "failed"},
      {"worker notification.created.email.queued succeeded", "email"},
      {"worker notification.created.push.queued succeeded", "push"},
      {"relay booking.created.domain-event.relay.attempt started", "goes on"},
      {"relay booking.created.domain-event.relay.attempt succeeded", "relayed"},
      {"relay booking.created.domain-event.relay.attempt failed", "given up"},
      {"relay booking.created.domain-event.relay succeeded", "end"},
      {"relay booking.created.domain-event.relay retrying", "end unfinished"},
      {"relay booking.created.domain-event.relay failed", "end failed"}};
  std::string story;
  for (const collected_breadcrumb& each : breadcrumbs) {
    const std::string full = each.source + ' ' + each.step + ' ' + std::string{wire_name(each.status)};
    const auto found = short_names.find(full);
    story += story.empty() ? "" : ", ";
    story += found != short_names.end() ? found->second : full;
    story += each.retry ? fmt::format(" {}/{}", each.retry->attempt, each.retry->max_attempts) : "";
    story += each.dead_letter ? fmt::format(" {}", wire_name(each.dead_letter->reason)) : "";
    story += each.error.empty() ? "" : ": " + each.error;
  }
  return story;
}

// All that surrounds a relay in these tests; the handles stay here while the options move into the relay.
struct surroundings {
  testing::collecting_sink sink;
  testing::manual_clock clock{sample_instant};
  testing::recording_waiter waiter{clock};
  testing::scripted_handler handler;
  collecting_notifier notifier;

  auto options() { return relay_options().with_sink(sink).with_clock(clock).with_notifier(notifier); }
  auto waiting_options() { return options().with_pacing(wait_until_due{clock, waiter}); }
};

processed two_notifications() { return processed{email("ada", "Booked", "mail"), push("ada", "note")}; }

// Throws on its nth call; 0 on every call.
struct failing_sink {
  int nth;
  int* calls;
  void record(const breadcrumb&) {
    if (++*calls == nth || nth == 0) {
      throw std::runtime_error{"the disk is full"};
    }
  }
};

struct noting_sink {
  std::vector<std::string>* noted;
  void record(const breadcrumb& logged) { noted->push_back(std::string{logged.step}); }
};

// A notifier that keeps what it takes over and throws when its turn comes to.
template <class Thrown = std::runtime_error>
struct failing_notifier {
  std::vector<notification>* taken;
  int* calls;
  int nth;
  Thrown thrown;
  void notify(const notification& each) {
    if (++*calls == nth) {
      throw thrown;
    }
    taken->push_back(each);
  }
};

struct text_error : std::exception {
  explicit text_error(std::string said) : text{std::move(said)} {}
  const char* what() const noexcept override { return text.c_str(); }
  std::string text;
};

// An event with a name of its own, as a host derives it.
struct booking_cancelled : domain_event<"booking.cancelled", sample_booking> {};

struct infrastructure_error : std::runtime_error {
  using std::runtime_error::runtime_error;
};

static_assert(std::derived_from<relay_result, decision>);

}  // namespace

TEST_CASE("relay: from success to dead letter, all breadcrumbs in order") {
  struct row {
    std::vector<outcome> answers;
    attempt_status status;
    std::string story;
  };
  const row rows[] = {
      {{processed{}}, attempt_status::processed, "emit, try 1/3, done 1/3, relayed 1/3, end 1/3"},
      {{two_notifications()}, attempt_status::processed, "emit, try 1/3, done 1/3, email, push, relayed 1/3, end 1/3"},
      {{retry{"busy"}, processed{push("ada", "note")}},
       attempt_status::processed,
       "emit, try 1/3, retrying 1/3: busy, goes on 1/3, try 2/3, done 2/3, push, relayed 2/3, end 2/3"},
      {{retry{"busy"}, retry{}, retry{"still busy"}},
       attempt_status::dead_letter,
       "emit, try 1/3, retrying 1/3: busy, goes on 1/3, try 2/3, retrying 2/3, goes on 2/3, try 3/3, "
       "failed 3/3 max-attempts-exhausted: still busy, given up 3/3 max-attempts-exhausted, "
       "end failed 3/3 max-attempts-exhausted"},
      {{reject{"no such card"}},
       attempt_status::dead_letter,
       "emit, try 1/3, failed 1/3 rejected: no such card, given up 1/3 rejected, end failed 1/3 rejected"},
  };
  for (const row& each : rows) {
    surroundings around;
    for (const outcome& answer : each.answers) {
      around.handler.then(answer);
    }
    relay tested{sample_events{}, around.handler, around.options()};
    const relay_result result = tested.publish(sample_event());
    CHECK(story_of(around.sink.take()) == each.story);
    CHECK(result.status == each.status);
    CHECK(result.retry.attempt == each.answers.size());
    CHECK(result.lost_breadcrumbs == 0);
    CHECK(around.handler.attempts().size() == each.answers.size());
  }
}

TEST_CASE("relay: sources named by the host, in its breadcrumbs") {
  surroundings around;
  relay tested{sample_events{}, around.handler, around.options().with_sources({"api", "jobs"})};
  tested.publish(sample_event());
  std::string sources;
  for (const collected_breadcrumb& each : around.sink.take()) {
    sources += each.source + ' ';
  }
  CHECK(sources == "api jobs jobs api api ");
}

TEST_CASE("relay: an event derived from a domain_event, handled as any") {
  surroundings around;
  std::string handled;
  relay tested{event_catalog<booking_cancelled>{},
               [&handled](const worker_envelope<booking_cancelled>& envelope) { handled = envelope.event.payload.id; },
               around.options()};
  tested.publish(event_factory{}.make<booking_cancelled>({.id = "booking-7", .service = "cleaning"}));
  CHECK(handled == "booking-7");
  CHECK(around.sink.take().at(0).step == "booking.cancelled.domain-event.emit");
}

TEST_CASE("relay: a handler that throws whatever it likes, failed attempts with the text and no exception") {
  const std::string not_standard = "the handler threw something that is not a std::exception";
  const std::string huge(1'000'000, 'x');
  const auto row = [](auto thrown, const std::string& expected) {
    surroundings around;
    around.handler.then_throw(thrown).then_throw(thrown);
    relay tested{sample_events{}, around.handler, around.options().with_max_attempts(2)};
    const relay_result result = tested.publish(sample_event());
    CHECK(result.status == attempt_status::dead_letter);
    CHECK(result.retry.attempt == 2);
    CHECK((result.error == expected));
    for (const collected_breadcrumb& each : around.sink.take()) {
      CHECK(each.json.find('\n') == std::string::npos);
      CHECK(nlohmann::json::accept(each.json));
    }
  };
  row(std::runtime_error{"gateway timed out"}, "gateway timed out");
  row(text_error{"\n\"}\x01\xff\xc2"}, "\n\"}\x01\xff\xc2");
  row(text_error{huge}, huge);
  row(text_error{""}, "");
  row(42, not_standard);
  row("a literal", not_standard);
}

TEST_CASE("relay: handlers that return nothing or one alternative, by event") {
  surroundings around;
  relay tested{sample_events{},
               handlers{[](const worker_envelope<booking_created>&) {},
                        [](const worker_envelope<booking_accepted>&) { return processed{push("ada", "note")}; },
                        [](const worker_envelope<payment_captured>& envelope) {
                          return envelope.retry.attempt == 1 ? outcome{retry{"once"}} : outcome{reject{"never"}};
                        }},
               around.options()};
  CHECK(tested.publish(sample_event()).status == attempt_status::processed);
  CHECK(tested.publish(sample_event<booking_accepted>()).status == attempt_status::processed);
  CHECK(around.notifier.take().size() == 1);
  const relay_result captured = tested.publish(sample_event<payment_captured>());
  CHECK(captured.retry.attempt == 2);
  REQUIRE(captured.dead_letter.has_value());
  CHECK(captured.dead_letter->queue_name == "payment.captured.dlq");
  CHECK(captured.dead_letter->reason == dead_letter_reason::rejected);
}

// The only alternative that an outcome has beside its three: none, after an `emplace` that threw.
TEST_CASE("relay: a handler whose outcome holds nothing, a failed attempt and no exception") {
  surroundings around;
  const auto handler = [](const auto&) {
    outcome result;
    try {
      result.emplace<processed>(push("ada", "1"), push("ada", "2"));
    } catch (const std::invalid_argument&) {
    }
    return result;
  };
  relay tested{sample_events{}, handler, around.options().with_max_attempts(2)};
  relay_result result;
  CHECK_NOTHROW(result = tested.publish(sample_event()));
  CHECK(result.status == attempt_status::dead_letter);
}

TEST_CASE("relay: a plan with every attempt, and a handler's own delay instead of it") {
  surroundings around;
  around.handler.then(retry{"busy"}).then(retry{"come back", 90s}).then(retry{"at once", -5ms}).then(processed{});
  relay tested{sample_events{}, around.handler, around.waiting_options().with_max_attempts(4)};
  const relay_result result = tested.publish(sample_event());
  CHECK(result.status == attempt_status::processed);
  CHECK(around.waiter.waits() == std::vector<std::chrono::milliseconds>{1s, 90s, 0ms});

  const auto attempts = around.handler.attempts();
  REQUIRE(attempts.size() == 4);
  const auto at = [](std::chrono::milliseconds after) { return sample_instant + after; };
  const std::string_view planned = exponential_backoff::strategy_name.view();
  CHECK((attempts[0].retry == retry_metadata{planned, 1, 4, 1s, at(1s)}));
  CHECK((attempts[1].retry == retry_metadata{planned, 2, 4, 2s, at(1s + 2s)}));
  CHECK((attempts[2].retry == retry_metadata{planned, 3, 4, 4s, at(91s + 4s)}));
  CHECK((attempts[3].retry == retry_metadata{planned, 4, 4, 8s, at(91s + 8s)}));

  const auto breadcrumbs = around.sink.take();
  const auto asked =
      std::find_if(breadcrumbs.begin(), breadcrumbs.end(), [](const auto& each) { return each.error == "come back"; });
  REQUIRE(asked != breadcrumbs.end());
  CHECK((asked->retry == retry_metadata{"handler-delay", 2, 4, 90s, at(91s)}));
}

TEST_CASE("relay: a single attempt, without the relay's breadcrumbs and without another attempt") {
  surroundings around;
  around.handler.then(retry{"busy", 2s});
  relay tested{sample_events{}, around.handler, around.waiting_options()};
  const relay_result result = tested.attempt(sample_event(), 2);
  CHECK(result.status == attempt_status::retry_scheduled);
  CHECK((result.retry == retry_metadata{"handler-delay", 2, 3, 2s, sample_instant + 2s}));
  CHECK(result.error == "busy");
  CHECK(story_of(around.sink.take()) == "try 2/3, retrying 2/3: busy");
  CHECK(around.handler.attempts().size() == 1);
  CHECK(around.waiter.waits().empty());
}

TEST_CASE("relay: an attempt beyond the maximum, still run and final either way") {
  surroundings around;
  around.handler.then(two_notifications()).then(retry{"busy", 1h}).then(reject{"never"});
  relay tested{sample_events{}, around.handler, around.options()};
  const attempt_number last = std::numeric_limits<attempt_number>::max();
  CHECK(tested.attempt(sample_event(), 4).status == attempt_status::processed);
  CHECK(around.notifier.take().size() == 2);
  const relay_result failed = tested.attempt(sample_event(), 7);
  CHECK((failed.dead_letter ==
         dead_letter_marker{"booking.created.dlq", dead_letter_reason::max_attempts_exhausted, sample_instant}));
  CHECK(failed.retry.attempt == 7);
  CHECK(failed.retry.max_attempts == 3);
  CHECK(tested.attempt(sample_event(), last).status == attempt_status::dead_letter);
  CHECK(around.handler.attempts().size() == 3);
}

TEST_CASE("relay: attempt 0, refused before anything happens") {
  surroundings around;
  relay tested{sample_events{}, around.handler, around.options()};
  CHECK_THROWS_AS(tested.attempt(sample_event(), 0), std::invalid_argument);
  CHECK_THROWS_WITH(tested.attempt(sample_event(), 0), "relay: attempt is 0, must be 1 or more");
  CHECK(around.sink.take().empty());
  CHECK(around.handler.attempts().empty());
}

TEST_CASE("relay: the clock, read once an attempt and its reading used throughout") {
  struct counting_clock {
    int* reads;
    instant now() { return sample_instant + std::chrono::hours{(*reads)++}; }
  };
  int reads = 0;
  surroundings around;
  around.handler.then(retry{"busy"}).then(two_notifications());
  relay tested{sample_events{}, around.handler, around.options().with_clock(counting_clock{&reads})};
  tested.publish(sample_event());
  CHECK(reads == 2);
  const auto attempts = around.handler.attempts();
  CHECK((attempts.at(0).retry.next_attempt_at == sample_instant + 1s));
  CHECK((attempts.at(1).retry.next_attempt_at == sample_instant + 1h + 2s));
  for (const notification& each : around.notifier.take()) {
    CHECK((each.queued_at == sample_instant + 1h));
  }
  around.handler.then(reject{"never"});
  const relay_result rejected = tested.publish(sample_event());
  CHECK(reads == 3);
  CHECK((rejected.dead_letter->marked_at == sample_instant + 2h));
  tested.attempt(sample_event(), 1);
  CHECK(reads == 4);
}

TEST_CASE("relay: an injected fault, the handler not run and no text left") {
  surroundings around;
  struct asked {
    std::vector<attempt_info>* infos;
    bool operator()(const attempt_info& info) const {
      infos->push_back(info);
      return info.attempt <= 2;
    }
  };
  std::vector<attempt_info> infos;
  relay tested{sample_events{}, around.handler, around.options().with_faults(asked{&infos})};
  const booking_created event = sample_event();
  const relay_result result = tested.publish(event);
  CHECK(result.status == attempt_status::processed);
  CHECK(result.retry.attempt == 3);
  CHECK(around.handler.attempts().size() == 1);
  REQUIRE(infos.size() == 3);
  CHECK(infos[2].event_name == "booking.created");
  CHECK(infos[2].event_id == "evt-1");
  CHECK(infos[2].attempt == 3);
  for (const collected_breadcrumb& each : around.sink.take()) {
    CHECK_FALSE(nlohmann::json::parse(each.json)["details"].contains("error"));
  }

  relay hopeless{sample_events{}, around.handler, around.options().with_faults(fail_until{9})};
  const relay_result dead = hopeless.publish(event);
  CHECK(dead.status == attempt_status::dead_letter);
  CHECK(dead.dead_letter->reason == dead_letter_reason::max_attempts_exhausted);
  CHECK(dead.error.empty());
  CHECK(around.handler.attempts().size() == 1);
}

TEST_CASE("relay: a sink that throws on any of its calls, the event neither lost nor repeated") {
  // Ten breadcrumbs: emission, start, failure, relayed, start, success, two notifications, relayed, end.
  for (int nth = 0; nth <= 11; ++nth) {
    CAPTURE(nth);
    int calls = 0;
    surroundings around;
    around.handler.then(retry{"busy"}).then(two_notifications());
    relay tested{sample_events{}, around.handler, around.options().with_sink(failing_sink{nth, &calls})};
    const relay_result result = tested.publish(sample_event());
    CHECK(calls == 10);
    CHECK(result.lost_breadcrumbs == (nth == 0 ? 10 : nth <= 10 ? 1 : 0));
    CHECK(result.status == attempt_status::processed);
    CHECK(result.retry.attempt == 2);
    CHECK(around.handler.attempts().size() == 2);
    CHECK(around.notifier.take().size() == 2);
  }
  int calls = 0;
  surroundings around;
  relay tested{sample_events{}, around.handler, around.options().with_sink(failing_sink{0, &calls})};
  CHECK(tested.attempt(sample_event(), 1).lost_breadcrumbs == 2);
}

TEST_CASE("relay: a notifier that throws once, the attempt failed and all handed over again with the same ids") {
  const auto row = [](int nth, auto thrown, const std::string& error) {
    CAPTURE(nth);
    surroundings around;
    around.handler.then(two_notifications()).then(two_notifications());
    std::vector<notification> taken;
    int calls = 0;
    relay tested{sample_events{}, around.handler,
                 around.options().with_notifier(failing_notifier<decltype(thrown)>{&taken, &calls, nth, thrown})};
    const relay_result result = tested.publish(sample_event());
    CHECK(result.status == attempt_status::processed);
    CHECK(result.retry.attempt == 2);
    CHECK(story_of(around.sink.take()) == "emit, try 1/3, retrying 1/3: " + error +
                                              ", goes on 1/3, try 2/3, done 2/3, email, push, relayed 2/3, end 2/3");
    REQUIRE(taken.size() == static_cast<std::size_t>(nth) + 1);
    const notification& mail = taken[taken.size() - 2];
    CHECK(mail.content.channel == notification_channel::email);
    CHECK(taken.back().content.channel == notification_channel::push);
    CHECK((nth == 1 || taken.front().id() == mail.id()));
  };
  for (const int nth : {1, 2}) {
    row(nth, std::runtime_error{"mailbox full"}, "mailbox full");
    row(nth, 42, "the notifier threw something that is not a std::exception");
  }
}

TEST_CASE("relay: outcomes that cannot be carried out, a dead letter with the reason and nothing queued") {
  surroundings around;
  struct full_mailbox {
    void notify(const notification&) { throw std::runtime_error{"mailbox full"}; }
  };
  const auto two = [](const auto&) { return two_notifications(); };
  relay refused{sample_events{}, two, around.options().with_max_attempts(1).with_notifier(full_mailbox{})};
  CHECK(refused.publish(sample_event()).error == "mailbox full");

  const auto same_id_twice = [](const auto&) { return processed{push("ada", "1"), push("ada", "2")}; };
  relay mistaken{sample_events{}, same_id_twice, around.options().with_max_attempts(1)};
  CHECK(mistaken.publish(sample_event()).error ==
        R"(processed: two push notifications for "ada" with discriminator "")");
  CHECK(around.notifier.take().empty());
  CHECK(story_of(around.sink.take()).find("push,") == std::string::npos);
}

TEST_CASE("relay: notifications with a sink and without, the same ones") {
  surroundings around;
  around.handler.then(two_notifications()).then(two_notifications());
  relay with_sink{sample_events{}, around.handler, around.options()};
  relay without{sample_events{}, around.handler, around.options().with_sink(null_sink{})};
  with_sink.publish(sample_event());
  without.publish(sample_event());
  const auto taken = around.notifier.take();
  REQUIRE(taken.size() == 4);
  for (std::size_t at = 0; at < 4; ++at) {
    const notification& each = taken[at];
    CHECK(each.content.recipient == "ada");
    CHECK(each.content.body == (at % 2 == 0 ? "mail" : "note"));
    CHECK(each.content.subject.value_or("none") == (at % 2 == 0 ? "Booked" : "none"));
    CHECK(each.event_id == "evt-1");
    CHECK(each.correlation.view() == "corr-1");
    CHECK((each.queued_at == sample_instant));
    CHECK(each.id() == taken[(at + 2) % 4].id());
  }
}

TEST_CASE("relay: a stop requested before or between attempts, the event unfinished and said so") {
  const auto row = [](attempt_number stop_in, auto with_pacing) {
    CAPTURE(stop_in);
    surroundings around;
    std::stop_source stop;
    if (stop_in == 0) {
      stop.request_stop();
    }
    attempt_number runs = 0;
    const auto handler = [&](const auto&) {
      if (++runs == stop_in) {
        stop.request_stop();
      }
      return retry{"busy"};
    };
    relay tested{sample_events{}, handler, with_pacing(around)};
    const relay_result result = tested.publish(sample_event(), stop.get_token());
    const attempt_number expected = std::max<attempt_number>(stop_in, 1);
    CHECK(runs == expected);
    CHECK(result.status == attempt_status::retry_scheduled);
    CHECK(result.retry.attempt == expected);
    CHECK_FALSE(result.dead_letter.has_value());
    const std::string story = story_of(around.sink.take());
    CHECK(story.find(fmt::format("goes on {0}/3, end unfinished {0}/3", expected)) != std::string::npos);
    CHECK(around.waiter.waits().size() <= expected - 1);
  };
  for (const attempt_number stop_in : {0U, 1U, 2U}) {
    row(stop_in, [](surroundings& around) { return around.options(); });
    row(stop_in, [](surroundings& around) { return around.waiting_options(); });
  }
  std::stop_source stop;
  stop.request_stop();
  surroundings around;
  around.handler.then(processed{}).then(reject{"never"});
  relay finishes{sample_events{}, around.handler, around.options()};
  CHECK(finishes.publish(sample_event(), stop.get_token()).status == attempt_status::processed);
  CHECK(finishes.publish(sample_event(), stop.get_token()).status == attempt_status::dead_letter);
}

TEST_CASE("relay: waits between attempts, the backoff less what the attempt took") {
  surroundings around;
  const auto handler = [&around](const auto&) -> outcome {
    around.clock.advance(300ms);
    return retry{"busy"};
  };
  relay tested{sample_events{}, handler, around.waiting_options().with_max_attempts(4)};
  tested.publish(sample_event());
  CHECK(around.waiter.waits() == std::vector<std::chrono::milliseconds>{700ms, 1'700ms, 3'700ms});
}

TEST_CASE("relay: the receiver of dead letters, told once, after the last breadcrumb, of mark and text") {
  surroundings around;
  std::vector<std::string> noted;
  const auto receive = [&noted](const auto& envelope, std::string_view error) {
    noted.push_back(fmt::format("{} {} {} {}/{} {}", envelope.event.id, envelope.dead_letter.value().queue_name,
                                wire_name(envelope.dead_letter->reason), envelope.retry.attempt,
                                envelope.retry.max_attempts, error));
  };
  around.handler.then(processed{}).then(retry{"busy"}).then(retry{"still busy"}).then(reject{"never"}).then(retry{"x"});
  relay tested{sample_events{}, around.handler,
               around.options().with_max_attempts(2).with_sink(noting_sink{&noted}).with_dead_letters(receive)};
  const auto told = [&noted] {
    return std::count_if(noted.begin(), noted.end(), [](const auto& line) { return line.find("dlq") != line.npos; });
  };
  tested.publish(sample_event("evt-1"));
  CHECK(told() == 0);
  tested.publish(sample_event("evt-2"));
  CHECK(told() == 1);
  CHECK(noted.back() == "evt-2 booking.created.dlq max-attempts-exhausted 2/2 still busy");
  tested.attempt(sample_event<payment_captured>("evt-3"), 1);
  CHECK(told() == 2);
  CHECK(noted.back() == "evt-3 payment.captured.dlq rejected 1/2 never");
  tested.attempt(sample_event("evt-4"), 1);
  CHECK(told() == 2);
}

TEST_CASE("relay: what an injected part throws, and no handler, notifier or sink, thrown on to the caller") {
  const auto row = [](const char* part, auto change) {
    INFO(part);
    surroundings around;
    around.handler.then(retry{"busy"}).then(reject{"never"});
    auto options = change(around.options());
    relay tested{sample_events{}, around.handler, std::move(options)};
    CHECK_THROWS_AS(tested.publish(sample_event()), infrastructure_error);
  };
  row("dead letters", [](auto options) {
    return std::move(options).with_dead_letters([](const auto&, std::string_view) { throw infrastructure_error{"x"}; });
  });
  row("faults", [](auto options) {
    return std::move(options).with_faults([](const attempt_info&) -> bool { throw infrastructure_error{"x"}; });
  });
  struct no_clock {
    instant now() { throw infrastructure_error{"x"}; }
  };
  row("clock", [](auto options) { return std::move(options).with_clock(no_clock{}); });
  struct no_pacing {
    bool wait(const retry_metadata&, const std::stop_token&) { throw infrastructure_error{"x"}; }
  };
  row("pacing", [](auto options) { return std::move(options).with_pacing(no_pacing{}); });

  surroundings around;
  around.handler.then(reject{"never"});
  const auto refuse = [](const auto&, std::string_view) { throw infrastructure_error{"x"}; };
  relay tested{sample_events{}, around.handler, around.options().with_dead_letters(refuse)};
  CHECK_THROWS_AS(tested.attempt(sample_event(), 1), infrastructure_error);
  CHECK(around.sink.take().size() == 2);
}

TEST_CASE("relay: a handler that publishes another event through the same relay, both carried to their ends") {
  surroundings around;
  std::function<void()> publish_payment;
  relay tested{sample_events{},
               handlers{[&](const worker_envelope<booking_created>&) { publish_payment(); },
                        [&](const worker_envelope<payment_captured>& envelope) { return around.handler(envelope); },
                        [](const worker_envelope<booking_accepted>&) {}},
               around.options()};
  publish_payment = [&tested] { tested.publish(sample_event<payment_captured>("evt-2", {}, "corr-2")); };
  around.handler.then(retry{"busy"});
  CHECK(tested.publish(sample_event()).status == attempt_status::processed);

  std::string story;
  for (const collected_breadcrumb& each : around.sink.take()) {
    story += each.correlation_id == "corr-1" ? '1' : '2';
  }
  CHECK(story == "1122222222111");
  CHECK(around.handler.attempts().size() == 2);
}

TEST_CASE("relay: four threads through one relay and one log, every line whole and every event at its end") {
  constexpr int events_each = 100;
  std::string written;
  std::mutex mutex;
  const auto writer = [&](std::string_view line) {
    const std::lock_guard lock{mutex};
    written += line;
  };
  // Even events fail once, and every event is notified of.
  const auto handler = [](const auto& envelope) -> outcome {
    if (envelope.event.id.back() % 2 == 0 && envelope.retry.attempt == 1) {
      throw std::runtime_error{"first\nattempt"};
    }
    return processed{push("ada", envelope.event.id)};
  };
  collecting_notifier notifier;
  relay tested{sample_events{}, handler,
               relay_options()
                   .with_notifier(notifier)
                   .with_backoff(full_jitter{exponential_backoff{1s}})
                   .with_sink(json_lines_sink{writer, no_timestamp{}})};
  {
    std::vector<std::jthread> threads;
    for (int thread = 0; thread < 4; ++thread) {
      threads.emplace_back([&tested, thread] {
        for (int number = 0; number < events_each; ++number) {
          tested.publish(sample_event(fmt::format("evt-{}-{}", thread, number)));
        }
      });
    }
  }
  std::istringstream lines{written};
  std::size_t count = 0;
  std::set<std::string> finished;
  for (std::string line; std::getline(lines, line); ++count) {
    const nlohmann::json logged = nlohmann::json::parse(line, nullptr, false);
    REQUIRE(logged.is_object());
    if (logged["event"] == "booking.created.domain-event.relay" && logged["status"] == "succeeded") {
      finished.insert(logged["details"]["eventId"]);
    }
  }
  CHECK(count == 4 * (events_each * 6 + events_each / 2 * 3));
  CHECK(finished.size() == 4 * events_each);
  std::set<std::string> notified;
  for (const notification& each : notifier.take()) {
    notified.insert(each.content.body);
  }
  CHECK(notified == finished);
}
