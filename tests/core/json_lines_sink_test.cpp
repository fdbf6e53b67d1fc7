// SPDX-License-Identifier: MIT
#include "event_relay/core/json_lines_sink.hpp"

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstdio>
#include <memory>
#include <stdexcept>
#include <string>
#include <string_view>
#include <system_error>
#include <vector>

#include <nlohmann/json.hpp>

#include "event_relay/testing/manual_clock.hpp"
#include "support/catch.hpp"
#include "support/sample_events.hpp"

namespace {

using namespace event_relay;
using event_relay_test::sample_instant;

struct keeping_writer {
  std::vector<std::string>* lines;
  void operator()(std::string_view line) const { lines->emplace_back(line); }
};

struct refusing_writer {
  void operator()(std::string_view) const { throw std::runtime_error{"the disk is full"}; }
};

static_assert(line_writer<keeping_writer>);
static_assert(line_writer<stream_writer>);
static_assert(line_writer<void (*)(std::string_view)>);
static_assert(!line_writer<int>);
static_assert(!line_writer<void (*)(std::vector<char>)>);
static_assert(!line_writer<void (*)()>);

static_assert(breadcrumb_sink<json_lines_sink<>>);
static_assert(breadcrumb_sink<json_lines_sink<keeping_writer, no_timestamp>>);
static_assert(breadcrumb_sink<null_sink>);
static_assert(breadcrumb_sink<const null_sink>);
static_assert(!breadcrumb_sink<const json_lines_sink<>>);
static_assert(!breadcrumb_sink<int>);
static_assert(!breadcrumb_sink<keeping_writer>);

breadcrumb sample(std::string_view event_id = "evt-1") {
  breadcrumb logged;
  logged.source = "relay";
  logged.step = "booking.created.domain-event.relay";
  logged.correlation_id = "corr-1";
  logged.event_id = event_id;
  return logged;
}

const std::string sample_members =
    R"("source":"relay","event":"booking.created.domain-event.relay","correlationId":"corr-1","status":"started",)"
    R"("details":{"eventId":"evt-1"}})"
    "\n";

struct closing {
  void operator()(std::FILE* stream) const { std::fclose(stream); }
};
using file = std::unique_ptr<std::FILE, closing>;

}  // namespace

TEST_CASE("json_lines_sink: without a timestamp, one line with one line feed at its end") {
  std::vector<std::string> lines;
  json_lines_sink sink{keeping_writer{&lines}, no_timestamp{}};
  sink.record(sample());
  sink.record(sample());
  CHECK(lines == std::vector<std::string>{"{" + sample_members, "{" + sample_members});
}

TEST_CASE("json_lines_sink: with a clock, each line begins with the instant of its recording") {
  std::vector<std::string> lines;
  testing::manual_clock clock{sample_instant};
  json_lines_sink sink{keeping_writer{&lines}, clock};
  sink.record(sample());
  clock.advance(std::chrono::milliseconds{1'234});
  sink.record(sample());
  CHECK(lines == std::vector<std::string>{R"({"timestamp":"2026-03-20T10:00:00.000Z",)" + sample_members,
                                          R"({"timestamp":"2026-03-20T10:00:01.234Z",)" + sample_members});
}

TEST_CASE("json_lines_sink: by default, the machine's clock") {
  std::vector<std::string> lines;
  json_lines_sink sink{keeping_writer{&lines}};
  sink.record(sample());
  const std::string text = nlohmann::json::parse(lines.at(0))["timestamp"];
  CHECK(parse_iso8601(text).has_value());
}

TEST_CASE("json_lines_sink: text with line feeds, still handed over whole and on one line") {
  std::vector<std::string> lines;
  json_lines_sink sink{keeping_writer{&lines}, no_timestamp{}};
  const std::string several_lines(3'000, '\n');
  sink.record(sample(several_lines));
  REQUIRE(lines.size() == 1);
  CHECK(std::count(lines[0].begin(), lines[0].end(), '\n') == 1);
  CHECK(lines[0].back() == '\n');
  CHECK((nlohmann::json::parse(lines[0])["details"]["eventId"] == several_lines));
}

TEST_CASE("json_lines_sink: a writer that throws, not silenced") {
  json_lines_sink sink{refusing_writer{}, no_timestamp{}};
  CHECK_THROWS_WITH(sink.record(sample()), "the disk is full");
}

TEST_CASE("json_lines_sink: stream_writer, the lines in the stream and the stream still open") {
  const file stream{std::tmpfile()};
  REQUIRE(stream != nullptr);
  {
    json_lines_sink sink{stream_writer{stream.get()}, no_timestamp{}};
    sink.record(sample());
    sink.record(sample());
  }
  REQUIRE(std::fputs("after", stream.get()) >= 0);
  std::rewind(stream.get());
  std::string written(4'096, '\0');
  written.resize(std::fread(written.data(), 1, written.size(), stream.get()));
  CHECK(written == "{" + sample_members + "{" + sample_members + "after");
}

TEST_CASE("json_lines_sink: stream_writer on a stream that takes nothing, a system_error with its cause") {
  struct row {
    const char* path;
    const char* mode;
    int error;
  };
  const row rows[] = {{"/dev/full", "w", ENOSPC}, {"/dev/null", "r", EBADF}};
  for (const row& each : rows) {
    CAPTURE(each.path);
    const file stream{std::fopen(each.path, each.mode)};
    if (stream == nullptr) {
      WARN("this machine has no " << each.path);
      continue;
    }
    REQUIRE(std::setvbuf(stream.get(), nullptr, _IONBF, 0) == 0);
    json_lines_sink sink{stream_writer{stream.get()}, no_timestamp{}};
    try {
      sink.record(sample());
      FAIL_CHECK("it took the line");
    } catch (const std::system_error& error) {
      CHECK(error.code() == std::error_code(each.error, std::generic_category()));
      CHECK(std::string{error.what()}.find("stream_writer: cannot write a line") == 0);
    }
  }
}
