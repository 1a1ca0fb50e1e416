// CRC-32C: every implementation that this machine can run gives the published values, and they agree on everything
// else.
#include "native/core/crc32c.h"

#include <cstring>
#include <string>
#include <thread>

#include "test/native/harness.h"

namespace crabkv {
namespace {

// The definition, a bit at a time: what the implementations must agree with.
uint32_t ByBits(uint32_t crc, const char* data, size_t n) {
  crc = ~crc;
  for (size_t i = 0; i < n; i++) {
    crc ^= static_cast<uint8_t>(data[i]);
    for (int bit = 0; bit < 8; bit++) crc = (crc >> 1) ^ ((crc & 1) != 0 ? 0x82F63B78 : 0);
  }
  return ~crc;
}

}  // namespace

TEST(Crc32c_gives_the_published_vectors_in_every_implementation) {
  std::string ascending, descending;
  for (int i = 0; i < 32; i++) {
    ascending += static_cast<char>(i);
    descending += static_cast<char>(31 - i);
  }
  // RFC 3720, B.4: an iSCSI read command.
  const std::string scsi_read(
      "\x01\xc0\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x14\x00\x00\x00\x00\x00\x04\x00\x00\x00\x00\x14"
      "\x00\x00\x00\x18\x28\x00\x00\x00\x00\x00\x00\x00\x02\x00\x00\x00\x00\x00\x00\x00",
      48);
  for (const Crc32cVariant& variant : Crc32cVariants()) {
    const auto crc = [&variant](const std::string& text) { return variant.extend(0, text.data(), text.size()); };
    EXPECT_EQ(crc(std::string(32, '\0')), 0x8A9136AAu);
    EXPECT_EQ(crc(std::string(32, '\xff')), 0x62A8AB43u);
    EXPECT_EQ(crc(ascending), 0x46DD794Eu);
    EXPECT_EQ(crc(descending), 0x113FDB5Cu);
    EXPECT_EQ(crc(scsi_read), 0xD9963A56u);
    EXPECT_EQ(crc("123456789"), 0xE3069283u);
    EXPECT_EQ(crc(""), 0u);
  }
}

TEST(Crc32c_implementations_agree_at_every_length_and_alignment) {
  test::Random random;
  const std::string text = random.Bytes(1200);
  for (const Crc32cVariant& variant : Crc32cVariants()) {
    for (size_t length = 0; length <= 1100; length++) {
      const size_t at = length % 17;
      const uint32_t before = static_cast<uint32_t>(random.Next());
      if (!EXPECT_EQ(variant.extend(before, text.data() + at, length), ByBits(before, text.data() + at, length)))
        return;
    }
  }
}

TEST(Crc32c_of_parts_is_that_of_the_whole) {
  test::Random random;
  const std::string text = random.Bytes(100000);
  for (const Crc32cVariant& variant : Crc32cVariants()) {
    for (int round = 0; round < 300; round++) {
      const size_t length = random.Below(random.OneIn(4) ? text.size() : 5000);
      const char* data = text.data() + random.Below(text.size() - length);
      const size_t cut = random.Below(length + 1);
      const uint32_t whole = variant.extend(0, data, length);
      EXPECT_EQ(variant.extend(variant.extend(0, data, cut), data + cut, length - cut), whole);
      EXPECT_EQ(Crc32c(data, length), whole);
    }
  }
}

TEST(Crc32c_is_chosen_once_and_from_any_thread) {
  EXPECT_EQ(std::string(Crc32cImplementation()), std::string(Crc32cVariants().front().name));
  std::thread other([] { EXPECT_EQ(Crc32c("123456789", 9), 0xE3069283u); });
  EXPECT_EQ(Crc32c("123456789", 9), 0xE3069283u);
  other.join();
}

}  // namespace crabkv
