// SPDX-License-Identifier: MIT
// W3C Trace Context, section 3.2: which texts are a traceparent, and what is kept of a later version's.
#include "event_relay/outbox/traceparent.hpp"

#include <cstddef>
#include <string>
#include <string_view>
#include <utility>

#include "support/catch.hpp"

namespace {

using event_relay::traceparent;

// The standard's own example.
const std::string sampled = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

bool is_kept(std::string_view text) {
  const auto parsed = traceparent::parse(text);
  return parsed && parsed->view() == text;
}

std::string with(std::size_t at, std::string_view characters) {
  std::string text = sampled;
  return text.replace(at, characters.size(), characters);
}

static_assert(traceparent::header == "traceparent");

}  // namespace

TEST_CASE("traceparent: the standard's examples, kept as they are") {
  CHECK(is_kept(sampled));
  CHECK(is_kept("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-00"));
  CHECK(is_kept("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-ff"));
}

TEST_CASE("traceparent: every place with every byte, kept only where it is a lower-case hexadecimal digit") {
  constexpr std::string_view digits = "0123456789abcdef";
  for (std::size_t at = 0; at < sampled.size(); ++at) {
    for (int byte = 0; byte < 256; ++byte) {
      const char character = static_cast<char>(byte);
      const bool is_good = sampled[at] == '-' ? character == '-' : digits.find(character) != std::string_view::npos;
      if (traceparent::parse(with(at, {&character, 1})).has_value() != is_good) {
        CAPTURE(at, byte, is_good);
        FAIL("kept, or refused, wrongly");
      }
    }
  }
}

TEST_CASE("traceparent: an id of zeros, none; one digit makes it one") {
  const std::string zeros(32, '0');
  CHECK_FALSE(traceparent::parse(with(3, zeros)));
  CHECK_FALSE(traceparent::parse(with(36, zeros.substr(0, 16))));
  for (std::size_t at = 0; at < 32; ++at) {
    std::string one_digit = zeros;
    one_digit[at] = '1';
    CHECK(is_kept(with(3, one_digit)));
    CHECK((at >= 16 || is_kept(with(36, one_digit.substr(0, 16)))));
  }
}

TEST_CASE("traceparent: every length but its own, none") {
  for (std::size_t length = 0; length < sampled.size(); ++length) {
    CHECK_FALSE(traceparent::parse(std::string_view{sampled}.substr(0, length)));
  }
  for (const std::string_view more : {"-", "-01", "0", " ", "\n"}) {
    CHECK_FALSE(traceparent::parse(sampled + std::string{more}));
  }
  CHECK_FALSE(traceparent::parse(sampled + '\0'));
  CHECK_FALSE(traceparent::parse(' ' + sampled));
}

TEST_CASE("traceparent: version ff, none; every other, known or to come") {
  CHECK_FALSE(traceparent::parse(with(0, "ff")));
  for (const std::string_view version : {"01", "0f", "f0", "cc", "ef", "fe"}) {
    CHECK(traceparent::parse(with(0, version)).value().view() == sampled);
  }
}

TEST_CASE("traceparent: a later version with more fields, kept with the four that are known") {
  const std::string later = with(0, "cc");
  for (const std::string_view more : {"-", "-what-the-future-will-be-like", "-\xff"}) {
    const auto parsed = traceparent::parse(later + std::string{more});
    REQUIRE(parsed);
    CHECK(parsed->view() == sampled);
  }
  CHECK_FALSE(traceparent::parse(later + ".what-the-future-will-not-be-like"));
  CHECK_FALSE(traceparent::parse(later + "0"));
  CHECK_FALSE(traceparent::parse(with(0, "ff") + "-more"));
  CHECK_FALSE(traceparent::parse("cc" + with(3, std::string(32, '0')).substr(2) + "-more"));
}

TEST_CASE("traceparent: two of one text, equal; moved from, empty") {
  traceparent one = traceparent::parse(sampled).value();
  const traceparent other = traceparent::parse(sampled).value();
  CHECK((one == other));
  CHECK_FALSE((one == traceparent::parse(with(53, "00")).value()));
  const traceparent taken = std::move(one);
  CHECK((taken == other));
  CHECK(one.view().empty());  // NOLINT(bugprone-use-after-move)
}
