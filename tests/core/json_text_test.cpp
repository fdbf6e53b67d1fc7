// SPDX-License-Identifier: MIT
#include "event_relay/core/json_text.hpp"

#include <cstddef>
#include <cstdint>
#include <random>
#include <string>
#include <string_view>
#include <vector>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "support/catch.hpp"

namespace {

using event_relay::append_json_string;
using namespace std::string_view_literals;

const std::string replacement = "\xef\xbf\xbd";

// The text lies in memory of just its size, so that a sanitizer sees a read beyond its end.
std::string as_json(std::string_view text) {
  const std::vector<char> exact(text.begin(), text.end());
  fmt::memory_buffer out;
  append_json_string(out, {exact.data(), exact.size()});
  return fmt::to_string(out);
}

std::string in_quotes(std::string_view inside) { return '"' + std::string{inside} + '"'; }

std::string utf8(std::uint32_t codepoint) {
  const auto byte = [](std::uint32_t value) { return static_cast<char>(value); };
  const auto tail = [&](unsigned shift) { return byte(0x80U | ((codepoint >> shift) & 0x3fU)); };
  if (codepoint < 0x80) {
    return {byte(codepoint)};
  }
  if (codepoint < 0x800) {
    return {byte(0xc0U | (codepoint >> 6U)), tail(0)};
  }
  if (codepoint < 0x10000) {
    return {byte(0xe0U | (codepoint >> 12U)), tail(6), tail(0)};
  }
  return {byte(0xf0U | (codepoint >> 18U)), tail(12), tail(6), tail(0)};
}

// What a code point must become, said once more and in another way than the header does.
std::string expected_of(std::uint32_t codepoint) {
  switch (codepoint) {
    case '"': return R"(\")";
    case '\\': return R"(\\)";
    case '\n': return R"(\n)";
    case '\r': return R"(\r)";
    case '\t': return R"(\t)";
    default: break;
  }
  const bool control = codepoint <= 0x1f || (0x7f <= codepoint && codepoint <= 0x9f);
  return control || codepoint == 0x2028 || codepoint == 0x2029 ? fmt::format("\\u{:04x}", codepoint) : utf8(codepoint);
}

std::string expected_of_byte(unsigned byte) { return byte < 0x80 ? expected_of(byte) : replacement; }

// nlohmann_json replaces each maximal subpart of an ill-formed sequence, too: an independent opinion.
nlohmann::json repaired(const std::string& text) {
  using handling = nlohmann::json::error_handler_t;
  return nlohmann::json::parse(nlohmann::json(text).dump(-1, ' ', false, handling::replace));
}

}  // namespace

TEST_CASE("json_text: each of the 256 bytes alone, kept, escaped or replaced") {
  for (unsigned byte = 0; byte < 256; ++byte) {
    CAPTURE(byte);
    CHECK(as_json(std::string(1, static_cast<char>(byte))) == in_quotes(expected_of_byte(byte)));
  }
}

TEST_CASE("json_text: every code point, kept as it is unless it ends a line or commands a terminal") {
  std::vector<std::uint32_t> wrong;
  for (std::uint32_t codepoint = 0; codepoint <= 0x10ffff; ++codepoint) {
    const bool surrogate = 0xd800 <= codepoint && codepoint <= 0xdfff;
    if (!surrogate && as_json(utf8(codepoint)) != in_quotes(expected_of(codepoint))) {
      wrong.push_back(codepoint);
    }
  }
  CHECK(wrong.empty());
  CHECK(as_json("\u0085") == R"("\u0085")");
  CHECK(as_json("\u2028\u2029") == R"("\u2028\u2029")");
  CHECK(as_json("\u00a0\u2027\u202a\U0001f600") == in_quotes("\u00a0\u2027\u202a\U0001f600"));
}

TEST_CASE("json_text: ill-formed UTF-8, one U+FFFD for each maximal subpart") {
  struct row {
    std::string_view bytes;
    std::string_view shape;  // '?' stands for U+FFFD
  };
  const row rows[] = {
      // The Unicode Standard 15, section 3.9: tables 3-8 to 3-11 and the example before them.
      {"\xc0\xaf\xe0\x80\xbf\xf0\x81\x82\x41"sv, "????????A"},
      {"\xed\xa0\x80\xed\xbf\xbf\xed\xaf\x41"sv, "????????A"},
      {"\xf4\x91\x92\x93\xff\x41\x80\xbf\x42"sv, "?????A??B"},
      {"\xe1\x80\xe2\xf0\x91\x92\xf1\xbf\x41"sv, "????A"},
      {"\x61\xf1\x80\x80\xe1\x80\xc2\x62\x80\x63\x80\xbf\x64"sv, "a???b?c??d"},
      // Cut off at the end of the text.
      {"\xc2"sv, "?"},
      {"a\xe2\x82"sv, "a?"},
      {"\xf0\x9f\x98"sv, "?"},
      {"\xf0\x9f"sv, "?"},
      // The first byte that does not belong to the sequence is not swallowed.
      {"\xc2\"\xe2\x82\\\xf0\x9f\x98\n"sv, R"(?\"?\\?\n)"},
      {"\xe0\xa0\x7f\xc2\x41"sv, R"(?\u007f?A)"},
      // Leads that no sequence begins with, and a lone low and high surrogate.
      {"\xc1\x81"sv, "??"},
      {"\xf5\x80\x80\x80"sv, "????"},
      {"\xfe\xff"sv, "??"},
      {"\xf8\x88\x80\x80\x80"sv, "?????"},
      {"\xed\xb0\x80"sv, "???"},
      {"\xed\x9f\xbf\xed\xa0"sv, "\ud7ff??"},
      {"\xf4\x8f\xbf\xbf\xf4\x90"sv, "\U0010ffff??"},
  };
  for (const row& each : rows) {
    std::string expected;
    for (const char character : each.shape) {
      expected += character == '?' ? replacement : std::string(1, character);
    }
    CHECK(as_json(each.bytes) == in_quotes(expected));
  }
}

TEST_CASE("json_text: any byte at any position around eight, treated as it is alone") {
  std::vector<std::string> wrong;
  for (std::size_t size = 1; size <= 21; ++size) {
    for (std::size_t position = 0; position < size; ++position) {
      for (unsigned byte = 0; byte < 256; ++byte) {
        std::string text(size, 'a');
        text[position] = static_cast<char>(byte);
        const std::string expected =
            std::string(position, 'a') + expected_of_byte(byte) + std::string(size - position - 1, 'a');
        if (as_json(text) != in_quotes(expected)) {
          wrong.push_back(fmt::format("byte {} at {} of {}", byte, position, size));
        }
      }
    }
  }
  CHECK(wrong == std::vector<std::string>{});
}

TEST_CASE("json_text: two special characters beside plain ones of every kind, both treated") {
  // Neighbours that borrow or carry into the next byte of a word, were it looked at eight bytes at a time.
  const std::vector<std::string> kinds = {
      "\"", "\\",     "\n",    std::string(1, '\0'), "\x01", "\x1f", "\x7f", "\x80", "\xff", " ", "!", "#", "[", "]",
      "~",  "\u00e9", "\u2028"};
  std::vector<std::string> wrong;
  for (const std::string& first : kinds) {
    for (const std::string& second : kinds) {
      for (std::size_t at = 0; at <= 16; ++at) {
        const std::string text = std::string(at, 'a') + first + second + std::string(17 - at, '~');
        if (nlohmann::json::parse(as_json(text), nullptr, false) != repaired(text)) {
          wrong.push_back(text);
        }
      }
    }
  }
  CHECK(wrong == std::vector<std::string>{});
}

TEST_CASE("json_text: random texts, always a JSON string on one line, and the same text where it was valid") {
  std::mt19937_64 random{20'260'320};
  const auto below = [&random](std::uint64_t end) { return random() % end; };
  const std::string_view nasty = "\"\\\n\r\t\x7f\x1b[a \x80\xbf\xc0\xc2\xe0\xe2\xed\xef\xf0\xf4\xff"sv;
  const std::uint32_t starts[] = {0x20, 0x70, 0x90, 0x7f0, 0x2020, 0xd7f0, 0xe000, 0xfff0, 0x10fff0};
  for (int run = 0; run < 20'000; ++run) {
    std::string text;
    const std::uint64_t kind = below(3);
    for (std::uint64_t left = below(40); left > 0; --left) {
      if (kind == 0) {
        text += static_cast<char>(below(256));
      } else if (kind == 1) {
        text += nasty[below(nasty.size())];
      } else {
        text += utf8(starts[below(std::size(starts))] + static_cast<std::uint32_t>(below(16)));
      }
    }
    const std::string json = as_json(text);
    const nlohmann::json parsed = nlohmann::json::parse(json, nullptr, false);
    bool has_control = false;
    for (const char character : json) {
      has_control = has_control || static_cast<unsigned char>(character) < 0x20 || character == '\x7f';
    }
    const bool same = kind == 2 ? parsed == nlohmann::json(text) : parsed == repaired(text);
    if (has_control || !parsed.is_string() || !same) {
      FAIL_CHECK("run " << run << ": " << json);
    }
  }
}

TEST_CASE("json_text: what the buffer holds already, kept; a text longer than the buffer, whole") {
  fmt::basic_memory_buffer<char, 8> out;
  append_json_string(out, "");
  out.push_back(',');
  const std::string text(5'000, 'x');
  append_json_string(out, text + "\"" + text);
  CHECK(fmt::to_string(out) == "\"\"," + in_quotes(text + R"(\")" + text));
}
