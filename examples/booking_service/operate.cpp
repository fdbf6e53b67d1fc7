// SPDX-License-Identifier: MIT
#include "operate.hpp"

#include <charconv>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <limits>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <fmt/format.h>
#include <CLI/CLI.hpp>
#include <event_relay/event_relay.hpp>
#include <event_relay/outbox/dead_letters.hpp>
#include <event_relay/outbox/queue_metrics.hpp>
#include <event_relay/sqlite/sqlite.hpp>
#include <nlohmann/json.hpp>

#include "stop_signals.hpp"

namespace bookings {

namespace {

using event_relay::dead_letter_cursor;
using event_relay::dead_letter_reason;
using event_relay::instant;
using event_relay::iso8601_text;
using event_relay::stored_event;
using letters = event_relay::dead_letters<event_relay::sqlite::store<>>;

/// What the command line may say, of any verb.
struct request {
  std::string database = "booking_service.sqlite";
  bool json = false;
  bool dry = false;
  bool all = false;
  bool watch = false;
  std::vector<std::string> ids;
  event_relay::dead_letter_filter filter;
  std::optional<std::string> since;
  std::optional<std::string> until;
  std::optional<std::string> reason;
  std::optional<std::string> after;
  std::size_t limit = letters::batch;
  event_relay::redrive_options redrive;

  event_relay::run_kind kind() const { return dry ? event_relay::run_kind::dry : event_relay::run_kind::real; }
  bool has_filter() const {
    return filter.name || filter.ordering_key || filter.correlation_id || reason || since || until;
  }
};

const std::map<std::string, dead_letter_reason, std::less<>> reasons = [] {
  std::map<std::string, dead_letter_reason, std::less<>> by_name;
  for (const auto each :
       {dead_letter_reason::max_attempts_exhausted, dead_letter_reason::rejected, dead_letter_reason::undecodable}) {
    by_name.emplace(wire_name(each), each);
  }
  return by_name;
}();

instant parse_time(const char* option, const std::string& text) {
  const auto parsed = event_relay::parse_iso8601(text);
  if (!parsed) {
    throw CLI::ValidationError(option, fmt::format("\"{}\" is no time like 2026-11-23T09:00:00.000Z", text));
  }
  return *parsed;
}

// A cursor's text is what `list` printed: milliseconds and row.
std::string text_of(const dead_letter_cursor& cursor) {
  return fmt::format("{}:{}", cursor.dead_since.time_since_epoch().count(), cursor.row);
}

dead_letter_cursor parse_cursor(const std::string& text) {
  std::int64_t milliseconds = 0;
  dead_letter_cursor cursor;
  const char* const end = text.data() + text.size();
  const auto first = std::from_chars(text.data(), end, milliseconds);
  if (first.ec == std::errc{} && first.ptr != end && *first.ptr == ':') {
    const auto second = std::from_chars(first.ptr + 1, end, cursor.row);
    if (second.ec == std::errc{} && second.ptr == end) {
      cursor.dead_since = instant{std::chrono::milliseconds{milliseconds}};
      return cursor;
    }
  }
  throw CLI::ValidationError("--after", fmt::format("\"{}\" is no place that list has named", text));
}

void print_line(const stored_event& event) {
  fmt::memory_buffer line;
  append_json(line, event);
  fmt::print("{}\n", std::string_view{line.data(), line.size()});
}

void print_row(const stored_event& event) {
  // Escaped, as a failure's text may hold anything.
  fmt::memory_buffer failure;
  event_relay::append_json_string(failure, event.failures.empty() ? "" : event.failures.back().text);
  fmt::print("{}  {:<18} {:<22} {:>3}  {}  {}\n", iso8601_text{*event.dead_since}.view(), event.record.name,
             wire_name(*event.reason), event.attempts, event.record.id,
             std::string_view{failure.data(), failure.size()});
}

int list(letters& dead, const request& asked) {
  const auto after = asked.after ? std::optional{parse_cursor(*asked.after)} : std::nullopt;
  const event_relay::dead_letter_page page = dead.list(asked.filter, after, asked.limit);
  for (const stored_event& each : page.events) {
    asked.json ? print_line(each) : print_row(each);
  }
  if (page.next) {
    fmt::print(stderr, "there may be more: --after {}\n", text_of(*page.next));
  }
  return 0;
}

int show(letters& dead, const request& asked) {
  const auto found = dead.show(asked.ids.front());
  if (!found) {
    fmt::print(stderr, "booking_service: there is no dead letter {}\n", asked.ids.front());
    return 1;
  }
  if (asked.json) {
    print_line(*found);
    return 0;
  }
  print_row(*found);
  fmt::print("occurred {}, correlation id {}, key {}\npayload  {}\n", iso8601_text{found->record.occurred_at}.view(),
             found->record.correlation_id, found->record.ordering_key, found->record.payload);
  for (const event_relay::failure_record& each : found->failures) {
    fmt::print("attempt {} at {}: {}\n", each.attempt, iso8601_text{each.at}.view(), each.text);
  }
  return 0;
}

// Does `by_id` with each id, or `by_filter` if there are none; says how many.
template <class ById, class ByFilter>
int change(const request& asked, std::string_view done, ById by_id, ByFilter by_filter) {
  std::size_t changed = 0;
  if (asked.ids.empty()) {
    changed = by_filter();
  }
  int status = 0;
  for (const std::string& id : asked.ids) {
    if (by_id(id)) {
      ++changed;
    } else {
      fmt::print(stderr, "booking_service: there is no dead letter {}\n", id);
      status = 1;
    }
  }
  if (asked.json) {
    fmt::print("{}\n", nlohmann::json{{done, changed}, {"dryRun", asked.dry}}.dump());
  } else {
    fmt::print("{}{} {}\n", asked.dry ? "would be: " : "", changed, done);
  }
  return status;
}

void print_json(const event_relay::queue_metrics& metrics, event_relay::readiness state) {
  nlohmann::ordered_json outcomes = nlohmann::ordered_json::object();
  for (const event_relay::outcome_counts& each : metrics.outcomes) {
    outcomes[each.name] = {{"attempts", each.attempts},
                           {"processed", each.processed},
                           {"retried", each.retried},
                           {"deadLettered", each.dead_lettered}};
  }
  const nlohmann::ordered_json all = {
      {"at", iso8601_text{metrics.at}.view()},
      {"readiness", wire_name(state)},
      {"ready", metrics.ready},
      {"scheduled", metrics.scheduled},
      {"leased", metrics.leased},
      {"suspects", metrics.suspects},
      {"blocked", metrics.blocked},
      {"deadLetters", metrics.dead_letters},
      {"heldKeys", metrics.held_keys},
      {"oldestLagMs", metrics.oldest_lag ? nlohmann::ordered_json(metrics.oldest_lag->count()) : nullptr},
      {"outcomes", outcomes}};
  fmt::print("{}\n", all.dump());
}

void print_table(const event_relay::queue_metrics& metrics, event_relay::readiness state) {
  fmt::print("{}  {}: {} ready, {} scheduled, {} leased, {} suspects, {} blocked, {} dead letters, {} held keys",
             iso8601_text{metrics.at}.view(), wire_name(state), metrics.ready, metrics.scheduled, metrics.leased,
             metrics.suspects, metrics.blocked, metrics.dead_letters, metrics.held_keys);
  fmt::print("{}\n", metrics.oldest_lag ? fmt::format(", oldest {} ms", metrics.oldest_lag->count()) : "");
  for (const event_relay::outcome_counts& each : metrics.outcomes) {
    fmt::print("  {:<20} {:>9} attempts {:>9} processed {:>9} retried {:>9} dead\n", each.name, each.attempts,
               each.processed, each.retried, each.dead_lettered);
  }
}

// Once, or every second until a stop is requested.
int show_metrics(event_relay::sqlite::store<>& store, const request& asked) {
  const stop_signals signals{std::nullopt};
  event_relay::wake_signal nobody_wakes;
  while (true) {
    const event_relay::queue_metrics metrics = store.metrics();
    const event_relay::readiness state = readiness_of(metrics);
    asked.json ? print_json(metrics, state) : print_table(metrics, state);
    std::fflush(stdout);
    if (!asked.watch || signals.token().stop_requested()) {
      return static_cast<int>(state);
    }
    nobody_wakes.wait(0, std::chrono::seconds{1}, signals.token());
  }
}

void add_filter(CLI::App& verb, request& asked) {
  verb.add_option("--name", asked.filter.name, "Of the event, such as booking.created")->type_name("NAME");
  verb.add_option("--key", asked.filter.ordering_key, "The ordering key: the booking's id")->type_name("KEY");
  verb.add_option("--correlation-id", asked.filter.correlation_id, "As in the breadcrumbs")->type_name("ID");
  verb.add_option("--reason", asked.reason, "Why it is a dead letter")
      ->check(CLI::IsMember([] {
        std::vector<std::string> names;
        for (const auto& [name, reason] : reasons) {
          names.push_back(name);
        }
        return names;
      }()))
      ->type_name("REASON");
  verb.add_option("--since", asked.since, "Dead at this time (ISO 8601, UTC) or later")->type_name("TIME");
  verb.add_option("--until", asked.until, "Dead before this time")->type_name("TIME");
}

}  // namespace

bool is_operation(std::string_view argument) { return argument == "dead-letters" || argument == "metrics"; }

int operate(int argc, char** argv) {
  request asked;
  CLI::App app{"Looks after the outbox of a booking service.", "booking_service"};
  app.require_subcommand(1);
  app.fallthrough();
  app.add_option("--db", asked.database, "The database of the service")->type_name("FILE")->capture_default_str();
  app.add_flag("--json", asked.json, "For programs: JSON, a line each");

  CLI::App& dead_letters = *app.add_subcommand("dead-letters", "Find dead letters, and deal with them");
  dead_letters.require_subcommand(1);
  dead_letters.fallthrough();
  CLI::App& lists = *dead_letters.add_subcommand("list", "Print a page of them, the oldest first");
  add_filter(lists, asked);
  lists.add_option("--limit", asked.limit, "At most so many")->check(CLI::Range(1, 10000))->capture_default_str();
  lists.add_option("--after", asked.after, "Where the page before ended")->type_name("PLACE");
  CLI::App& shows = *dead_letters.add_subcommand("show", "Print one with its payload and failures");
  shows.add_option("ID", asked.ids, "The event's id")->required()->expected(1);
  CLI::App& redrives = *dead_letters.add_subcommand("redrive", "Send them round again; the next run carries them out");
  redrives.add_option("--per-second", asked.redrive.per_second, "Let so many become ready a second")
      ->check(CLI::Range(1U, std::numeric_limits<std::uint32_t>::max()))
      ->type_name("N");
  redrives.add_option("--at-most", asked.redrive.at_most, "No more than the first so many")->type_name("N");
  CLI::App& purges = *dead_letters.add_subcommand("purge", "Delete them for good");
  for (CLI::App* const changes : {&redrives, &purges}) {
    changes->add_option("ID", asked.ids, "Events' ids; or a filter, or --all");
    changes->add_flag("--all", asked.all, "All of them");
    changes->add_flag("--dry-run", asked.dry, "Only say how many");
    add_filter(*changes, asked);
  }
  CLI::App& exports = *dead_letters.add_subcommand("export", "Print them as JSON lines");
  add_filter(exports, asked);
  CLI::App& metrics = *app.add_subcommand(
      "metrics", "Print the numbers of the queue; exits with 0, 1 or 2 for good, watch or critical");
  metrics.add_flag("--watch", asked.watch, "Every second, until Ctrl-C");

  try {
    app.parse(argc, argv);
    if (asked.since) {
      asked.filter.since = parse_time("--since", *asked.since);
    }
    if (asked.until) {
      asked.filter.until = parse_time("--until", *asked.until);
    }
    if (asked.reason) {
      asked.filter.reason = reasons.at(*asked.reason);
    }
    if ((redrives.parsed() || purges.parsed()) &&
        (asked.ids.empty() ? 0 : 1) + (asked.has_filter() ? 1 : 0) + (asked.all ? 1 : 0) != 1) {
      throw CLI::ValidationError("dead-letters", "say which: ids, or a filter, or --all");
    }
    if (!std::filesystem::exists(asked.database)) {
      throw CLI::ValidationError("--db", fmt::format("there is no database {}", asked.database));
    }
    asked.redrive.run = asked.kind();

    event_relay::sqlite::store store{asked.database};
    letters dead{store};
    if (lists.parsed()) {
      return list(dead, asked);
    }
    if (shows.parsed()) {
      return show(dead, asked);
    }
    if (redrives.parsed()) {
      return change(
          asked, "redriven",
          [&](const std::string& id) { return asked.dry ? dead.show(id).has_value() : dead.redrive(id); },
          [&] { return dead.redrive(asked.filter, asked.redrive); });
    }
    if (purges.parsed()) {
      return change(
          asked, "purged",
          [&](const std::string& id) {
            return asked.dry ? dead.show(id).has_value() : store.purge({&id, 1}) > 0;
          },
          [&] { return dead.purge(asked.filter, asked.kind()); });
    }
    if (exports.parsed()) {
      event_relay::stream_writer standard_output{stdout};
      dead.export_to(standard_output, asked.filter);
      return std::fflush(stdout) == 0 ? 0 : 1;
    }
    return show_metrics(store, asked);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? 0 : 2;
  }
}

}  // namespace bookings
