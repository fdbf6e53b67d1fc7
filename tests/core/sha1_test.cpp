// SPDX-License-Identifier: MIT
#include "event_relay/core/sha1.hpp"

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>

#include "support/catch.hpp"

namespace {

using namespace event_relay;

constexpr sha1::digest hash_of(std::string_view text) {
  sha1 hash;
  hash.update(text.data(), text.size());
  return hash.finish();
}

std::string hex(const sha1::digest& digest) {
  std::string text;
  for (const std::uint8_t byte : digest) {
    text += "0123456789abcdef"[byte >> 4U];
    text += "0123456789abcdef"[byte & 0xfU];
  }
  return text;
}

// `size` bytes of all values, other ones for each size.
std::string bytes(std::size_t size) {
  std::string text(size, '\0');
  for (std::size_t at = 0; at < size; ++at) {
    text[at] = static_cast<char>((at * 7 + size) % 256);
  }
  return text;
}

static_assert(hash_of("abc")[0] == 0xa9 && hash_of("abc")[19] == 0x9d);

}  // namespace

TEST_CASE("sha1: the examples of FIPS 180, their digests") {
  const std::pair<std::string, std::string_view> cases[] = {
      {"abc", "a9993e364706816aba3e25717850c26c9cd0d89d"},
      {"", "da39a3ee5e6b4b0d3255bfef95601890afd80709"},
      {"abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq", "84983e441c3bd26ebaae4aa1f95129e5e54670f1"},
      {"abcdefghbcdefghicdefghijdefghijkefghijklfghijklmghijklmnhijklmnoijklmnopjklmnopqklmnopqrlmnopqrsmnopqrstnopqrst"
       "u",
       "a49b2446a02c645bf419f995b67091253a04a259"},
      {std::string(1'000'000, 'a'), "34aa973cd4c4daa4f61eeb2bdbad27316534016f"}};
  for (const auto& [text, expected] : cases) {
    CHECK(hex(hash_of(text)) == expected);
  }
}

TEST_CASE("sha1: every length from 0 to 199, the digests of another implementation") {
  // Python: h = sha1(); for n in range(200): h.update(sha1(bytes((i * 7 + n) % 256 for i in range(n))).digest())
  sha1 all;
  for (std::size_t size = 0; size < 200; ++size) {
    const sha1::digest digest = hash_of(bytes(size));
    all.update(digest.data(), digest.size());
  }
  CHECK(hex(all.finish()) == "c2add6cb3908952ddaf192d7f14c30588649e3b5");
}

TEST_CASE("sha1: every length around a block split in two updates, the digest of one update") {
  for (std::size_t size = 50; size <= 130; ++size) {
    const std::string text = bytes(size);
    const sha1::digest expected = hash_of(text);
    std::size_t differing = 0;
    for (std::size_t first = 0; first <= size; ++first) {
      sha1 split;
      split.update(text.data(), first);
      split.update(text.data() + first, size - first);
      differing += split.finish() == expected ? 0 : 1;
    }
    CAPTURE(size);
    CHECK(differing == 0);
  }
}

TEST_CASE("sha1: one byte an update, the digest of one update") {
  const std::string text = bytes(1000);
  sha1 hash;
  for (const char& byte : text) {
    hash.update(&byte, 1);
    hash.update(&byte, 0);
  }
  CHECK(hash.finish() == hash_of(text));
}

TEST_CASE("sha1: all 256 bytes as any type of one byte, the same digest") {
  std::array<unsigned char, 256> as_unsigned{};
  std::array<signed char, 256> as_signed{};
  std::array<std::byte, 256> as_byte{};
  for (std::size_t at = 0; at < 256; ++at) {
    as_unsigned[at] = static_cast<unsigned char>(at);
    as_signed[at] = static_cast<signed char>(at);
    as_byte[at] = static_cast<std::byte>(at);
  }
  const auto digest = [](const auto& array) {
    sha1 hash;
    hash.update(array.data(), array.size());
    return hex(hash.finish());
  };
  for (const std::string& each : {digest(as_unsigned), digest(as_signed), digest(as_byte)}) {
    CHECK(each == "4916d6bdb7f78e6803698cab32d1586ea457dfc8");
  }
}
