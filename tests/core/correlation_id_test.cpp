// SPDX-License-Identifier: MIT
#include "event_relay/core/correlation_id.hpp"

#include <cstddef>
#include <stdexcept>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>

#include "event_relay/testing/sequential_ids.hpp"
#include "support/catch.hpp"

namespace {

using namespace event_relay;
using testing::sequential_ids;

static_assert(!std::is_default_constructible_v<correlation_id>);
static_assert(!std::is_constructible_v<correlation_id, std::string>);
static_assert(!std::is_constructible_v<correlation_id, const char*>);
static_assert(correlation_id::header == "x-correlation-id" && correlation_id::max_size == 128);

constexpr std::string_view allowed = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._:-";
constexpr std::string_view white_space = " \t\r\n\v\f";

// The text of what `text` becomes, "(none)" for nothing; no correlation id has such a text.
std::string parsed(std::string_view text) {
  const auto id = correlation_id::parse(text);
  return id ? std::string{id->view()} : "(none)";
}

struct fixed_ids {
  std::string id;
  std::string next_id() { return id; }
};

}  // namespace

TEST_CASE("correlation_id: each of the 256 bytes at each position, only the listed characters qualify") {
  for (std::size_t position = 0; position < 3; ++position) {
    for (int byte = 0; byte < 256; ++byte) {
      std::string text = "abc";
      text[position] = static_cast<char>(byte);
      const bool trimmed = position != 1 && white_space.find(text[position]) != std::string_view::npos;
      const bool qualifies = allowed.find(text[position]) != std::string_view::npos;
      CHECK(parsed(text) == (trimmed ? std::string_view{"abc"}.substr(position == 0 ? 1 : 0, 2)
                                     : std::string_view{qualifies ? text : "(none)"}));
    }
  }
}

TEST_CASE("correlation_id: sizes around the limits, 1 to 128 qualify") {
  for (const auto& [size, qualifies] :
       {std::pair{0U, false}, {1U, true}, {2U, true}, {127U, true}, {128U, true}, {129U, false}, {1'000'000U, false}}) {
    const std::string text(size, 'x');
    CHECK(parsed(text) == (qualifies ? text : "(none)"));
    CHECK(parsed("\t " + text + "\r\n") == (qualifies ? text : "(none)"));
  }
}

TEST_CASE("correlation_id: white space, is trimmed around the text and refused within") {
  const std::pair<std::string_view, std::string_view> cases[] = {
      {" a", "a"},
      {"a ", "a"},
      {white_space, "(none)"},
      {"", "(none)"},
      {" \t\r\n\v\fa-1\f\v\n\r\t ", "a-1"},
      {"a b", "(none)"},
      {" a\nb ", "(none)"},
      {"a\r\nx-forged: 1", "(none)"},
      {"\xc2\xa0"
       "a",
       "(none)"},
      {"018f6b2e-7c1d-7a4b-9e0f-1234567890ab", "018f6b2e-7c1d-7a4b-9e0f-1234567890ab"}};
  for (const auto& [text, expected] : cases) {
    CHECK(parsed(text) == expected);
  }
  CHECK(parsed(std::string(500, ' ') + std::string(128, 'x') + std::string(500, ' ')) == std::string(128, 'x'));
}

TEST_CASE("correlation_id: a text that qualifies, is accepted and no id drawn") {
  sequential_ids ids{"new"};
  CHECK(correlation_id::accept_or_generate(" request-7 ", ids).view() == "request-7");
  CHECK(ids.next_id() == "new-1");
}

TEST_CASE("correlation_id: a text that does not qualify, is replaced and nothing of it kept") {
  sequential_ids ids{"new"};
  unsigned count = 0;
  for (const std::string& received : {std::string{}, std::string{" "}, std::string{"secret secret"},
                                      std::string{"secret\nlevel=error"}, std::string(129, 's')}) {
    CHECK(correlation_id::accept_or_generate(received, ids).view() == "new-" + std::to_string(++count));
  }
  const auto by_default = correlation_id::accept_or_generate("secret secret");
  CHECK(by_default.view().size() == 36);
  CHECK(by_default.view().find("secret") == std::string_view::npos);
  CHECK_FALSE(by_default == correlation_id::accept_or_generate("secret secret"));
}

TEST_CASE("correlation_id: a new one, is the source's next and by default a UUIDv7") {
  CHECK(correlation_id::generate(sequential_ids{"new"}).view() == "new-1");
  CHECK(correlation_id::generate().view().size() == 36);
  CHECK(correlation_id::generate().view()[14] == '7');
  CHECK_FALSE(correlation_id::generate() == correlation_id::generate());
}

TEST_CASE("correlation_id: a source of ids that do not qualify, refused without repeating them") {
  const std::string said = "correlation_id: the id source gave a text that is not 1 to 128 of [A-Za-z0-9._:-]";
  for (const std::string& bad : {std::string{}, std::string{"secret secret"}, std::string(129, 's')}) {
    CHECK_THROWS_AS(correlation_id::generate(fixed_ids{bad}), std::invalid_argument);
    CHECK_THROWS_WITH(correlation_id::generate(fixed_ids{bad}), said);
    CHECK_THROWS_WITH(correlation_id::accept_or_generate("", fixed_ids{bad}), said);
  }
}

TEST_CASE("correlation_id: two of them, are equal when their texts are") {
  CHECK(*correlation_id::parse("a.b") == *correlation_id::parse(" a.b "));
  CHECK_FALSE(*correlation_id::parse("a.b") == *correlation_id::parse("A.b"));
}
