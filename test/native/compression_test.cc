// Snappy: what was compressed comes back, and no stored bytes, however wrong, write outside the buffer they were given
// or make anything be allocated.
#include "native/core/compression.h"

#include <cstring>
#include <string>
#include <vector>

#include "test/native/harness.h"

namespace crabkv {
namespace {

// Bytes that compress: runs, repeats of earlier text and noise.
std::string CompressibleText(test::Random* random, uint64_t length) {
  std::string text;
  while (text.size() < length) {
    switch (random->Below(3)) {
      case 0:
        text.append(1 + random->Below(50), static_cast<char>(random->Next()));
        break;
      case 1:
        if (!text.empty()) text += text.substr(random->Below(text.size()), 1 + random->Below(100));
        break;
      default:
        text += random->Bytes(1 + random->Below(10));
    }
  }
  text.resize(length);
  return text;
}

// A buffer of exactly the length, on the heap: a sanitizer sees a byte written beyond it.
bool Decompress(std::string_view stored, uint64_t raw_bytes, std::string* raw) {
  std::vector<char> out(raw_bytes);
  const bool good = DecompressSnappy(stored, raw_bytes, out.data());
  raw->assign(out.data(), out.size());
  return good;
}

std::string Varint(uint64_t value) {
  std::string bytes;
  for (; value >= 0x80; value >>= 7) bytes += static_cast<char>(value | 0x80);
  return bytes + static_cast<char>(value);
}

}  // namespace

TEST(Snappy_gives_back_what_was_compressed) {
  test::Random random;
  for (int round = 0; round < 400; round++) {
    const std::string raw = CompressibleText(&random, 1 + random.Below(round % 20 == 0 ? 300000 : 2000));
    ReadBuffer stored;
    if (!CompressSnappy(raw, &stored)) continue;
    EXPECT(stored.size() < raw.size());
    std::string back;
    REQUIRE(Decompress(stored.view(), raw.size(), &back));
    REQUIRE(back == raw);
  }
}

TEST(Snappy_appends_and_leaves_the_buffer_alone_when_it_does_not_pay) {
  test::Random random;
  ReadBuffer stored;
  std::memcpy(stored.Extend(6), "before", 6);
  EXPECT(!CompressSnappy(random.Bytes(1000), &stored));
  EXPECT(!CompressSnappy("", &stored));
  EXPECT(!CompressSnappy("a", &stored));
  EXPECT_EQ(stored.view(), "before");
  REQUIRE(CompressSnappy(std::string(1000, 'a'), &stored));
  EXPECT_EQ(stored.view().substr(0, 6), "before");
  std::string back;
  EXPECT(Decompress(stored.view().substr(6), 1000, &back));
  EXPECT_EQ(back, std::string(1000, 'a'));
}

TEST(Snappy_refuses_another_length_than_the_one_it_was_told) {
  ReadBuffer stored;
  REQUIRE(CompressSnappy(std::string(1000, 'a'), &stored));
  std::string back;
  for (const uint64_t wrong : {uint64_t{0}, uint64_t{1}, uint64_t{999}, uint64_t{1001}, uint64_t{100000}}) {
    EXPECT(!Decompress(stored.view(), wrong, &back));
  }
  // Declares 4 GiB - 1, and is told so by nobody: refused before any of it is written.
  char out[16] = {};
  EXPECT(!DecompressSnappy(Varint(0xffffffff) + "\x0c"
                                                "abcd",
                           16, out));
  EXPECT_EQ(std::string(out, 16), std::string(16, '\0'));
}

TEST(Snappy_refuses_hostile_texts_and_writes_nothing_outside) {
  std::string back;
  EXPECT(!Decompress("", 10, &back));
  EXPECT(!Decompress("\xff\xff\xff\xff\xff\xff\xff", 10, &back));           // no end of the length
  EXPECT(!Decompress(Varint(10), 10, &back));                               // nothing follows
  EXPECT(!Decompress(Varint(10) + "\x01\x01", 10, &back));                  // a copy from before the beginning
  EXPECT(!Decompress(Varint(10) + std::string("\x01\x00", 2), 10, &back));  // a copy from distance 0
  EXPECT(!Decompress(Varint(4) + "\xfc\xff\xff\xff\xff", 4, &back));        // a literal of 4 GiB
  EXPECT(!Decompress(Varint(4) + "\x24"
                                 "0123456789",
                     4, &back));  // a literal longer than declared
  EXPECT(!Decompress(Varint(4) + "\x04"
                                 "01",
                     4, &back));  // and one shorter
}

TEST(Snappy_survives_flipped_bits_cuts_and_noise) {
  test::Random random;
  std::string back;
  for (int round = 0; round < 3000; round++) {
    const std::string raw = CompressibleText(&random, 1 + random.Below(600));
    ReadBuffer compressed;
    if (!CompressSnappy(raw, &compressed)) continue;
    std::string stored(compressed.view());
    std::string cut = stored.substr(0, random.Below(stored.size()));
    EXPECT(!Decompress(cut, raw.size(), &back));
    for (uint64_t flips = 1 + random.Below(4); flips > 0; flips--) {
      stored[random.Below(stored.size())] ^= static_cast<char>(1 << random.Below(8));
    }
    // Whether it passes is the CRC's business; here it must only stay inside its buffer.
    (void)Decompress(stored, raw.size(), &back);
    (void)Decompress(Varint(raw.size()) + random.Bytes(random.Below(200)), raw.size(), &back);
  }
}

}  // namespace crabkv
