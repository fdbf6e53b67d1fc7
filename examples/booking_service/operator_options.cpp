// SPDX-License-Identifier: MIT
#include "operator_options.hpp"

#include <charconv>
#include <cstdint>
#include <limits>
#include <map>
#include <string_view>
#include <system_error>

#include <fmt/format.h>
#include <CLI/CLI.hpp>
#include <event_relay/core/envelope.hpp>
#include <event_relay/core/instant.hpp>

#include "postgres_conninfo.hpp"

namespace bookings {

namespace {

using event_relay::dead_letter_cursor;
using event_relay::dead_letter_reason;
using event_relay::instant;

/// What the command line says beside the request itself, as texts.
struct raw_texts {
  std::optional<std::string> reason;
  std::optional<std::string> since;
  std::optional<std::string> until;
  std::optional<std::string> older_than;
  std::optional<std::string> after;
  bool all = false;
  bool dry = false;
  double stop_after_seconds = 0.0;
};

std::map<std::string, dead_letter_reason> reasons_by_name() {
  std::map<std::string, dead_letter_reason> by_name;
  for (const auto each :
       {dead_letter_reason::max_attempts_exhausted, dead_letter_reason::rejected, dead_letter_reason::undecodable}) {
    by_name.emplace(wire_name(each), each);
  }
  return by_name;
}

// A time, or the beginning of one: a date stands for its midnight.
instant parse_time(const char* option, const std::string& text) {
  constexpr std::string_view midnight = "1970-01-01T00:00:00.000Z";
  std::string whole = text.substr(0, text.ends_with('Z') ? text.size() - 1 : text.size());
  for (const std::size_t known : {midnight.find('T'), midnight.rfind(':'), midnight.find('.'), midnight.find('Z')}) {
    if (whole.size() == known) {
      whole += midnight.substr(known);
      break;
    }
  }
  const auto parsed = event_relay::parse_iso8601(whole);
  if (!parsed) {
    throw CLI::ValidationError(
        option, fmt::format("\"{}\" is no time in UTC like 2026-11-23 or 2026-11-23T09:00:00.000Z", text));
  }
  return *parsed;
}

std::chrono::seconds parse_age(const std::string& text) {
  constexpr std::string_view units = "smhd";
  constexpr std::chrono::seconds lengths[] = {std::chrono::seconds{1}, std::chrono::minutes{1}, std::chrono::hours{1},
                                              std::chrono::hours{24}};
  std::uint32_t number = 0;
  const char* const end = text.data() + text.size();
  const auto [stopped, error] = std::from_chars(text.data(), end, number);
  const std::size_t unit = error == std::errc{} && end - stopped == 1 ? units.find(*stopped) : std::string_view::npos;
  if (unit == std::string_view::npos) {
    throw CLI::ValidationError("--older-than", fmt::format("\"{}\" is no age like 90s, 15m, 12h or 30d", text));
  }
  return number * lengths[unit];
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

// A variable of a script that is empty must not choose other dead letters than were meant.
const CLI::Validator not_empty{[](const std::string& text) { return text.empty() ? "must not be empty" : ""; }, ""};

void add_common(CLI::App& verb, operator_request& asked) {
  auto* const file = verb.add_option("--db", asked.database, "The database of the service, in an SQLite file")
                         ->type_name("FILE")
                         ->capture_default_str();
  verb.add_option("--postgres", asked.postgres, "The database of the service, on a PostgreSQL server")
      ->type_name("CONNINFO")
      ->check(CLI::Validator{fault_of_conninfo, ""})
      ->excludes(file);
  verb.add_flag("--json", asked.json, "For programs: JSON, a line each");
}

void add_filter(CLI::App& verb, operator_request& asked, raw_texts& raw) {
  verb.add_option("--name", asked.filter.name, "Of the event, such as booking.created")
      ->type_name("NAME")
      ->check(not_empty);
  verb.add_option("--key", asked.filter.ordering_key, "The ordering key: the booking's id")
      ->type_name("KEY")
      ->check(not_empty);
  verb.add_option("--correlation-id", asked.filter.correlation_id, "As in the breadcrumbs")
      ->type_name("ID")
      ->check(not_empty);
  verb.add_option("--reason", raw.reason, "Why it is a dead letter")
      ->check(CLI::IsMember(reasons_by_name()))
      ->type_name("REASON");
  verb.add_option("--since", raw.since, "Dead at this time (ISO 8601, UTC) or later")->type_name("TIME");
  auto* const until = verb.add_option("--until", raw.until, "Dead before this time")->type_name("TIME");
  verb.add_option("--older-than", raw.older_than, "Dead for longer: 90s, 15m, 12h, 30d")
      ->type_name("AGE")
      ->excludes(until);
}

void add_dead_letters(CLI::App& dead_letters, operator_request& asked, raw_texts& raw) {
  const auto add = [&](operator_verb which, const char* name, const char* what) -> CLI::App& {
    CLI::App& verb = *dead_letters.add_subcommand(name, what);
    verb.parse_complete_callback([&asked, which] { asked.verb = which; });
    add_common(verb, asked);
    return verb;
  };
  CLI::App& lists = add(operator_verb::list, "list", "Print a page of them, the oldest first");
  add_filter(lists, asked, raw);
  lists.add_option("--limit", asked.limit, "At most so many")
      ->check(CLI::Range(1, 10000))
      ->type_name("N")
      ->capture_default_str();
  lists.add_option("--after", raw.after, "Where the page before ended")->type_name("PLACE");

  CLI::App& shows = add(operator_verb::show, "show", "Print one with its payload and failures");
  shows.add_option("ID", asked.ids, "The event's id")->required()->expected(1)->check(not_empty);

  CLI::App& redrives =
      add(operator_verb::redrive, "redrive", "Send them round again; a run of the service carries them out");
  CLI::App& purges = add(operator_verb::purge, "purge", "Delete them for good");
  for (CLI::App* const changes : {&redrives, &purges}) {
    changes->add_option("ID", asked.ids, "Events' ids; or a filter, or --all")->check(not_empty);
    changes->add_flag("--all", raw.all, "All of them");
    changes->add_flag("--dry-run", raw.dry, "Only say how many");
    add_filter(*changes, asked, raw);
  }
  redrives.add_option("--per-second", asked.redrive.per_second, "Let so many become ready a second")
      ->check(CLI::Range(1U, std::numeric_limits<std::uint32_t>::max()))
      ->type_name("N")
      ->excludes("ID");
  redrives.add_option("--at-most", asked.redrive.at_most, "No more than the oldest so many")
      ->check(CLI::Range(std::int64_t{1}, std::numeric_limits<std::int64_t>::max()))
      ->type_name("N")
      ->excludes("ID");

  add_filter(add(operator_verb::export_all, "export", "Print them all as JSON lines"), asked, raw);
}

bool has_filter(const operator_request& asked, const raw_texts& raw) {
  return asked.filter.name || asked.filter.ordering_key || asked.filter.correlation_id || raw.reason || raw.since ||
         raw.until || raw.older_than;
}

// What no single option can check. Throws CLI::ParseError.
void complete(operator_request& asked, const raw_texts& raw) {
  if (raw.since) {
    asked.filter.since = parse_time("--since", *raw.since);
  }
  if (raw.until) {
    asked.filter.until = parse_time("--until", *raw.until);
  }
  if (raw.since && raw.until && *asked.filter.since >= *asked.filter.until) {
    throw CLI::ValidationError("--since", fmt::format("{} is not before --until {}", *raw.since, *raw.until));
  }
  if (raw.older_than) {
    asked.older_than = parse_age(*raw.older_than);
  }
  if (raw.reason) {
    asked.filter.reason = reasons_by_name().at(*raw.reason);
  }
  if (raw.after) {
    asked.after = parse_cursor(*raw.after);
  }
  const bool is_change = asked.verb == operator_verb::redrive || asked.verb == operator_verb::purge;
  if (is_change && (asked.ids.empty() ? 0 : 1) + (has_filter(asked, raw) ? 1 : 0) + (raw.all ? 1 : 0) != 1) {
    throw CLI::ValidationError(asked.verb == operator_verb::redrive ? "redrive" : "purge",
                               "say which, by one of: ids, a filter, --all");
  }
  asked.redrive.run = raw.dry ? event_relay::run_kind::dry : event_relay::run_kind::real;
}

}  // namespace

std::variant<operator_request, int> parse_operator_options(int argc, char** argv) {
  operator_request asked;
  raw_texts raw;
  CLI::App app{"Looks after the outbox of a booking service.", "booking_service"};
  app.require_subcommand(1);
  CLI::App& dead_letters = *app.add_subcommand("dead-letters", "Find dead letters, and deal with them");
  dead_letters.require_subcommand(0, 1);  // none is said below, in better words
  add_dead_letters(dead_letters, asked, raw);
  CLI::App& metrics = *app.add_subcommand(
      "metrics",
      "Print the numbers of the queue; exits with 0, 1, 2 for good, watch, critical, or with 3 for an error");
  add_common(metrics, asked);
  auto* const watch = metrics.add_flag("--watch", asked.watch, "Every second, until Ctrl-C");
  auto* const stop_after = metrics.add_option("--stop-after", raw.stop_after_seconds, "Watch no longer than this")
                               ->type_name("SECONDS")
                               ->check(CLI::Range(0.0, 86400.0))
                               ->needs(watch);
  try {
    app.parse(argc, argv);
    if (metrics.parsed()) {
      asked.verb = operator_verb::metrics;
    } else if (dead_letters.get_subcommands().empty()) {
      throw CLI::ValidationError("dead-letters", "say what to do: list, show, redrive, purge or export");
    }
    complete(asked, raw);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? 0 : 2;
  }
  if (*stop_after) {
    asked.stop_after = std::chrono::milliseconds{static_cast<std::int64_t>(raw.stop_after_seconds * 1000)};
  }
  return asked;
}

std::string text_of(const dead_letter_cursor& cursor) {
  return fmt::format("{}:{}", cursor.dead_since.time_since_epoch().count(), cursor.row);
}

}  // namespace bookings
